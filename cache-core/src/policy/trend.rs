//! How fast the window moves.

/// The trend when all evidence points one way.
const FULL: i32 = 1 << 12;
/// The number of pieces of evidence that the trend is an average of.
const LENGTH: i32 = 16;
/// A step of the window is longer by up to this many weights where the trend points its way.
pub(super) const LONGER_STEPS: i32 = 4;

/// Where the window has been moving: up, or down if negative; at most [`FULL`].
#[derive(Default)]
pub(super) struct Trend(i32);

impl Trend {
    /// Adds a piece of evidence, of an entry of this weight. Returns by how much the window moves.
    pub(super) fn step(&mut self, up: bool, weight: u32) -> u64 {
        let direction = if up { 1 } else { -1 };
        self.0 += (direction * FULL - self.0) / LENGTH;
        let longer = (LONGER_STEPS * direction * self.0 / FULL).max(0);
        u64::from(weight) * (1 + u64::from(longer.unsigned_abs()))
    }
}
