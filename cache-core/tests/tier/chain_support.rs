//! Chains of two fake tiers.

use std::time::Duration;

use cache_core::FakeClock;
use cache_core::tier::{
    Chain, FakeTier, Filled, Lease, LeaseTerms, Leased, Tier, TierError, TierItem,
};

/// A process: a chain, and its views of the tiers.
pub(crate) struct Process {
    pub(crate) chain: Chain,
    pub(crate) new: FakeTier,
    pub(crate) old: FakeTier,
}

impl Process {
    pub(crate) fn first() -> (FakeClock, Process) {
        let clock = FakeClock::new();
        let process = Process::over(&clock, FakeTier::new(&clock), FakeTier::new(&clock));
        (clock, process)
    }

    /// Another process with the same tiers.
    pub(crate) fn peer(&self, clock: &FakeClock) -> Process {
        Process::over(clock, self.new.peer(), self.old.peer())
    }

    fn over(clock: &FakeClock, new: FakeTier, old: FakeTier) -> Process {
        let chain = Chain::with_clock(new.clone(), clock.clone()).then(old.clone());
        Process { chain, new, old }
    }
}

/// A tier whose removals are ordered apart from the rest.
pub(crate) struct Split {
    pub(crate) tier: FakeTier,
    pub(crate) removals: FakeTier,
}

impl Tier for Split {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        Tier::get(&self.tier, key)
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        Tier::lease(&self.tier, key, terms)
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        Tier::fill(&self.tier, key, lease, value, life)
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        Tier::put(&self.tier, key, value, life)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        Tier::remove(&self.removals, key)
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        Tier::mark_stale(&self.tier, key, life)
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        Tier::generation(&self.tier, name, if_absent)
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        Tier::bump(&self.tier, name, at_least)
    }
}
