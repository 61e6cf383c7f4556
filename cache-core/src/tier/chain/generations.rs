//! The counters of a chain.
//!
//! The counter of a chain is the highest of its tiers' counters. It has to be the same for every
//! process, also for one that does not reach all tiers; so the tiers should agree.
//!
//! * The tiers are asked from the lowest up, and a counter that is not there begins at what those
//!   below have: a new tier above an old one takes the old one's counter. Began it at the time, as
//!   that of a lowest tier does, it would be higher, and the first use of the new tier would be a
//!   flush of both.
//! * A flush raises every tier above the highest of all, and is an error if one could not be
//!   raised. So any tier that a process reaches knows of each flush that has succeeded.
//! * A counter that is lower all the same is raised when it is read: the tier was out of reach when
//!   another began, two flushes met, or processes that know only that other tier have flushed it.
//!
//! # Raising without a race
//! The one operation that raises a counter adds one to it if it is high enough already. Two
//! processes that both raise a tier to 51 leave 51 and 52 there; then the other tiers are lower,
//! and are raised in turn, each time with a flush. So a counter is raised under a lease for a key
//! that names the goal, and read again under it: one process raises it, and the others, which find
//! the lease taken, leave it at that.

use std::time::Duration;

use crate::tier::chain::tiers::{ChainedTier, Tiers};
use crate::tier::error::TierError;
use crate::tier::link::{LeaseTerms, Leased};

/// How long raising a counter may take.
const RAISE_LEASE: Duration = Duration::from_secs(2);

/// What the tiers have answered, from the first to the lowest.
type Readings = Vec<Result<u64, TierError>>;

impl Tiers {
    /// A tier that fails is left out, and one that cannot be raised now is raised at a later call.
    pub(super) fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        let counters = self.counters(name, if_absent);
        let highest = highest(&counters)?;
        let _ = self.raise(name, &counters, highest);
        Ok(highest)
    }

    pub(super) fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        let before = highest(&self.counters(name, at_least))?;
        let target = at_least.max(before.saturating_add(1));
        let bump = |chained: &ChainedTier| chained.checked(chained.tier.bump(name, target));
        let counters: Readings = self.chained().iter().map(bump).collect();
        let highest = highest(&counters)?;
        let raised = self.raise(name, &counters, highest);
        counters.into_iter().collect::<Result<Vec<u64>, TierError>>()?;
        raised.map(|()| highest)
    }

    fn counters(&self, name: &[u8], if_absent: u64) -> Readings {
        let mut below = None;
        let read = |chained: &ChainedTier| {
            let counter = chained.tier.generation(name, below.unwrap_or(if_absent));
            below = below.max(counter.as_ref().ok().copied());
            chained.checked(counter)
        };
        let mut counters: Readings = self.chained().iter().rev().map(read).collect();
        counters.reverse();
        counters
    }

    /// Raises the counters that are lower. Tries every tier, and returns the first error.
    fn raise(
        &self,
        name: &[u8],
        counters: &[Result<u64, TierError>],
        goal: u64,
    ) -> Result<(), TierError> {
        let mut raised = Ok(());
        for (chained, counter) in self.chained().iter().zip(counters) {
            if counter.as_ref().is_ok_and(|counter| *counter < goal) {
                raised = raised.and(chained.checked(raise_one(chained, name, goal)));
            }
        }
        raised
    }
}

fn highest(counters: &[Result<u64, TierError>]) -> Result<u64, TierError> {
    match counters.iter().flatten().max() {
        Some(highest) => Ok(*highest),
        None => Err(counters[0].clone().expect_err("there is a tier, and it has failed")),
    }
}

fn raise_one(
    ChainedTier { tier, .. }: &ChainedTier,
    name: &[u8],
    goal: u64,
) -> Result<(), TierError> {
    let key = [name, format!(":raise:{goal}").as_bytes()].concat();
    let Leased::Won(_) = tier.lease(&key, LeaseTerms::new(RAISE_LEASE))? else { return Ok(()) };
    if tier.generation(name, goal)? < goal {
        tier.bump(name, goal)?;
    }
    Ok(())
}
