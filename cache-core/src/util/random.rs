//! Cheap non-cryptographic random numbers, for jitter and early refresh.

use std::cell::Cell;
use std::process;

use crate::util::fork;
use crate::util::sync::thread_local;

/// The most that [`exponential`] returns: the smallest number it takes the logarithm of is 2^-53.
pub(crate) const MOST_EXPONENTIAL: f64 = 36.75;

thread_local! {
    /// The state of the thread's generator, and the generation of the process that it was seeded
    /// in.
    static STATE: Cell<(u64, u32)> = Cell::new(seeded());
}

/// Returns a state for a thread of this process. In a forked child the seeds of `ahash` are those
/// of the parent, and several children must not all draw the same numbers: they would refresh the
/// same entries at the same moment.
fn seeded() -> (u64, u32) {
    // Not every platform has such a number.
    let process = if cfg!(unix) { process::id() } else { 0 };
    (ahash::RandomState::new().hash_one(process), fork::generation())
}

/// Returns a number each of whose bits depends on all bits of `n`: the finisher of SplitMix64
/// (G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Returns a number from 0 to below 1, made of the upper 53 bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns a random number from 0 to below 1.
pub(crate) fn uniform() -> f64 {
    // The next state of the generator whose output function is `mix`. A thread that is ending has
    // no state any more, and gets the same number each time.
    let bits = STATE.try_with(|state| {
        let (mut seed, generation) = state.get();
        if generation != fork::generation() {
            seed = mix(seed) ^ seeded().0;
        }
        state.set((seed.wrapping_add(0x9e37_79b9_7f4a_7c15), fork::generation()));
        mix(state.get().0)
    });
    unit(bits.unwrap_or(1 << 63))
}

/// Returns a random number of the exponential distribution with mean 1.
pub(crate) fn exponential() -> f64 {
    // The argument of the logarithm is from above 0 to 1.
    -(1.0 - uniform()).ln()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_bounds() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
        let draws: Vec<f64> = (0..100_000).map(|_| exponential()).collect();
        assert!(draws.iter().all(|draw| (0.0..=MOST_EXPONENTIAL).contains(draw)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!(-(1.0 - unit(u64::MAX)).ln() < MOST_EXPONENTIAL);
    }
}
