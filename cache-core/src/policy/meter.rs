//! Time, as the policy counts it: by weights that come and go.

/// A sum of weights in ticks, a fixed part of the capacity each, modulo 2^32. The rest is carried,
/// so that the ticks are right on average for a capacity of 1 as for one of 2^40.
// Packed: three of them in 36 bytes. What a shard's lock guards fills its cache lines, and 8 bytes
// more are another 128 for each shard.
#[derive(Default)]
#[repr(Rust, packed(4))]
pub(super) struct Meter {
    pub(super) ticks: u32,
    pub(super) rest: u64,
}

impl Meter {
    #[inline]
    pub(super) fn add(&mut self, weight: u32, ticks_per_capacity: u64, capacity: u64) {
        self.rest += u64::from(weight) * ticks_per_capacity;
        if self.rest >= capacity {
            self.ticks = self.ticks.wrapping_add((self.rest / capacity) as u32);
            self.rest %= capacity;
        }
    }
}
