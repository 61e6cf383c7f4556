//! Several tiers as one.
//!
//! # The idea
//! While a cluster is replaced by a new one, the new one is empty: each miss in it is served by the
//! old one, until that can be switched off. pymemcache's `FallbackClient` does so, and writes to
//! the first tier only; so a key that was deleted comes back from the old cluster. Here every write
//! goes to every tier, and what is found in a lower tier is copied up, under a lease.
//!
//! # Why no old value is copied up
//! Writes go to the *lowest tier first*. A copy takes a lease of the upper tier, then reads the
//! lower one, then fills. Compare the moments when a removal reaches the upper tier and when the
//! copy gets its lease there:
//!
//! * The removal is later: it ends the lease, and the fill is refused (or what it has stored is
//!   removed).
//! * The removal is earlier: it has reached the lower tier before that, and the copy, which reads
//!   the lower tier only now, finds nothing.
//!
//! So a value that was read before the lease was there is read a second time: three exchanges for
//! each copy, once for each key and life. With the removal in the other order (or with a copy of
//! the first reading) there would be a time at which an old value could get back.
//!
//! That holds if the removal reaches every tier. Where it does not, its caller has an error and
//! tries again; meanwhile, for two seconds after each delete, this process takes nothing of the key
//! from below the first tier that works (the time that Nishtala and others, "Scaling Memcache at
//! Facebook", NSDI 2013, section 4.3, give a cold cluster). And an item of a server that was out of
//! reach ([`distrusted_before`](super::TierItem::distrusted_before)) is not copied: the copy would
//! look as if the upper tier vouched for it.
//!
//! # Leases
//! A chain's lease is that of the first tier that works, with the tier's place in its number; what
//! is filled goes to that tier alone. So while the first tier is out of reach, the second gives
//! leases. That is sound, because a lease guards the item of its own tier and every write ends it
//! there; and it keeps one caller loading instead of all. Two processes of which only one reaches
//! the first tier may both load.
//!
//! # What it is bad at
//! Two processes that put one key at the same time may leave different values in different tiers;
//! the first tier's counts until it goes. Each tier that is out of reach takes its own time limit
//! from each call, so a tier should have a breaker. A call of a batch copies key by key.

mod generations;
mod reads;
mod tiers;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::tiers::ChainStats;
use self::tiers::Tiers;
use crate::tier::error::TierError;
use crate::tier::invalidations::{EventSink, Invalidations, Subscription};
use crate::tier::link::{Filled, Lease, LeaseTerms, Leased, Tier, TierHealth, TierItem};
use crate::time::clock::{Clock, MonotonicClock};

/// Several tiers as one, newest first: for moving to another cluster without a cold start.
///
/// | operation | what it does |
/// |---|---|
/// | `get`, `get_many` | asks tier after tier, and copies up what a lower one has |
/// | `lease` | that of the first tier that works, if no tier below has the key |
/// | `fill` | goes to the tier that gave the lease |
/// | `put`, `remove` | go to every tier, also if one fails, whose error is then returned |
/// | `mark_stale` | marks the item in the first tier, and removes it from the others |
/// | `generation`, `bump` | the highest of all tiers, to which the others are raised |
/// | | a tier without a counter takes that of the tiers below, so that a new one is no flush |
///
/// A tier that fails is a miss and is counted; a read fails if all tiers do. What is copied up
/// keeps its remaining life. A put that is [too large](TierError::TooLarge) for a tier removes the
/// key there, so that the tier does not keep an older value.
///
/// ```
/// use std::sync::Arc;
/// use cache_core::FakeClock;
/// use cache_core::tier::{Chain, FakeTier, Tier, TierError};
///
/// let clock = FakeClock::new();
/// let (new, old) = (FakeTier::new(&clock), FakeTier::new(&clock));
/// Tier::put(&old, b"key", b"value", None)?;
///
/// let chain = Arc::new(Chain::new(new.clone()).then(old.clone()));
/// assert_eq!(chain.get(b"key")?.unwrap().value, b"value");
/// assert_eq!(new.keys(), [b"key"]);
/// assert_eq!(chain.stats()[0].copies, 1);
///
/// chain.remove(b"key")?;
/// assert!(new.keys().is_empty() && old.keys().is_empty());
/// # Ok::<(), TierError>(())
/// ```
pub struct Chain {
    tiers: Tiers,
}

impl Chain {
    /// Makes a chain whose first tier is this one.
    ///
    /// # Panics
    /// On `wasm32-unknown-unknown`, which has no clock: use [`with_clock`](Self::with_clock).
    #[must_use]
    pub fn new(newest: impl Tier) -> Self {
        Self::with_clock(newest, MonotonicClock::new())
    }

    /// As [`new`](Self::new), with another clock for the two seconds after a delete.
    #[must_use]
    pub fn with_clock(newest: impl Tier, clock: impl Clock) -> Self {
        Chain { tiers: Tiers::new(Arc::new(newest), clock) }
    }

    /// Adds a tier behind those that are there.
    #[must_use]
    pub fn then(mut self, older: impl Tier) -> Self {
        self.tiers.push(Arc::new(older));
        self
    }

    /// Returns what each tier has counted, in their order.
    #[must_use]
    pub fn stats(&self) -> Vec<ChainStats> {
        self.tiers.stats()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("tiers", &self.stats()).finish()
    }
}

impl Tier for Chain {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        self.tiers.get(key)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Vec<Result<Option<TierItem>, TierError>> {
        self.tiers.get_many(keys)
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        self.tiers.lease(key, terms)
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        self.tiers.fill(key, lease, value, life)
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        self.tiers.put(key, value, life)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.tiers.remove(key)
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        self.tiers.mark_stale(key, life)
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        self.tiers.generation(name, if_absent)
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        self.tiers.bump(name, at_least)
    }

    fn max_key_len(&self) -> usize {
        self.tiers.all().map(Tier::max_key_len).min().unwrap_or(0)
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        let is_heard = self.tiers.all().any(|tier| tier.invalidations().is_some());
        is_heard.then_some(self)
    }

    fn health(&self) -> TierHealth {
        self.tiers.all().map(Tier::health).fold(TierHealth::default(), |sum, health| TierHealth {
            breaker_openings: sum.breaker_openings + health.breaker_openings,
            servers_out: sum.servers_out + health.servers_out,
            hearing_losses: sum.hearing_losses + health.hearing_losses,
        })
    }

    fn check(&self) -> Result<(), String> {
        for (place, tier) in self.tiers.all().enumerate() {
            tier.check().map_err(|why| format!("tier {} of a chain: {why}", place + 1))?;
        }
        Ok(())
    }
}

/// Every tier is written, so that each of them tells the same; some may tell nothing.
impl Invalidations for Chain {
    fn subscribe(&self, sink: EventSink) -> Subscription {
        let sources = self.tiers.all().filter_map(Tier::invalidations);
        let all: Vec<_> = sources.map(|source| source.subscribe(Arc::clone(&sink))).collect();
        Subscription::new(move || drop(all))
    }
}
