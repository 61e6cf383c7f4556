//! Which keys are asked for, and how often.

use crate::random::Dice;

/// Keys of which each is asked for in inverse proportion to a power of its rank (Zipf): a few are
/// asked for all the time, and most hardly ever.
pub(crate) struct Zipf {
    /// The sum of the shares up to each key.
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(keys: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let share = |rank: usize| (rank as f64).powf(-exponent);
        let add = |rank| {
            sum += share(rank);
            sum
        };
        let sums: Vec<f64> = (1..=keys).map(add).collect();
        Zipf { sums: sums.iter().map(|sum_so_far| sum_so_far / sum).collect() }
    }

    pub(crate) fn draw(&self, dice: &mut Dice) -> u32 {
        let part = dice.part();
        self.sums.partition_point(|sum| *sum <= part).min(self.sums.len() - 1) as u32
    }
}
