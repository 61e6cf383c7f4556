//! Small random numbers. Each worker has its own generator, so a seed gives each the same choices
//! again; the interleaving of the threads is not repeated.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns `true` once in so many calls, on average.
    pub(crate) fn one_in(&mut self, calls: u64) -> bool {
        self.below(calls) == 0
    }

    /// Returns another generator, seeded from this one.
    pub(crate) fn fork(&mut self) -> Random {
        Random::seeded(self.next())
    }
}
