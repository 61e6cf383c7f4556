//! What a tiered cache counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::envelope::Rejected;
use super::error::TierError;
use super::link::TierHealth;
use crate::types::stats::Stats;

/// What a [`TieredCache`](super::TieredCache) has counted since it was built.
///
/// Not an atomic snapshot: a call that runs meanwhile may be counted in one figure and not yet in
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// The memory tier's; all zero unless its builder was told to
    /// [`record_stats`](crate::CacheBuilder::record_stats).
    pub memory: Stats,
    /// The remote tier's. Always counted: next to an exchange with a server it costs nothing.
    pub remote: RemoteStats,
}

/// What a [`TieredCache`](super::TieredCache) has counted of its remote tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteStats {
    /// Look-ups that found a value, fresh or stale, or that there is none.
    pub hits: u64,
    /// Look-ups that found nothing that can be used. Not those that failed.
    pub misses: u64,
    /// Values served after their life, while or because no newer one was to be had.
    pub stale: u64,
    /// Operations that failed, those that timed out included.
    pub errors: u64,
    /// Operations that got no answer in time.
    pub timeouts: u64,
    /// Calls that did without the tier, because it did not say whether it was flushed, or because a
    /// removal of the key is pending.
    pub bypasses: u64,
    /// Leases that were won: loads that this process made for all.
    pub leases_won: u64,
    /// Leases that another caller had.
    pub leases_lost: u64,
    /// Loads made without a lease: the holder of the lease had not stored a value in time, or the
    /// tier had failed.
    pub unleased_loads: u64,
    /// Loaded values that were stored.
    pub fills: u64,
    /// Loaded values that were not stored, because their key was written or removed since.
    pub fills_refused: u64,
    /// Values that are larger than the tier takes, or that the codec could not write.
    pub not_storable: u64,
    /// Items without our mark: not written by this library, or by another version of it.
    pub rejected_foreign: u64,
    /// Items with a wrong checksum, or whose value the codec could not read.
    pub rejected_corrupt: u64,
    /// Items of another schema.
    pub rejected_schema: u64,
    /// Items of another key, by a collision of hashes or by a mistake on the way.
    pub rejected_key: u64,
    /// Items from before the end of an outage of their server.
    pub rejected_distrusted: u64,
    /// Flushes that were heard of, this process's own not counted.
    pub flushes_heard: u64,
    /// Events that the tier has told of others' writes, also of keys that are not in memory.
    pub events_heard: u64,
    /// Invalidations that are still to be made remotely, at present.
    pub pending_removals: u64,
    /// What the tier says of itself.
    pub health: TierHealth,
}

/// The counters behind [`RemoteStats`]. Relaxed throughout: nothing follows from one of them.
#[derive(Default)]
pub(super) struct RemoteCounters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) stale: AtomicU64,
    errors: AtomicU64,
    timeouts: AtomicU64,
    pub(super) bypasses: AtomicU64,
    pub(super) leases_won: AtomicU64,
    pub(super) leases_lost: AtomicU64,
    pub(super) unleased_loads: AtomicU64,
    pub(super) fills: AtomicU64,
    pub(super) fills_refused: AtomicU64,
    pub(super) not_storable: AtomicU64,
    rejected_foreign: AtomicU64,
    rejected_corrupt: AtomicU64,
    rejected_schema: AtomicU64,
    rejected_key: AtomicU64,
    rejected_distrusted: AtomicU64,
    pub(super) flushes_heard: AtomicU64,
    pub(super) events_heard: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl RemoteCounters {
    /// Counts an error, and returns it.
    pub(super) fn error(&self, error: TierError) -> TierError {
        count(&self.errors);
        if error == TierError::TimedOut {
            count(&self.timeouts);
        }
        error
    }

    pub(super) fn rejected(&self, why: Rejected) {
        count(match why {
            Rejected::Foreign | Rejected::OtherFormat => &self.rejected_foreign,
            Rejected::Corrupt => &self.rejected_corrupt,
            Rejected::OtherSchema => &self.rejected_schema,
            Rejected::OtherKey => &self.rejected_key,
            Rejected::Distrusted => &self.rejected_distrusted,
        });
    }

    /// Returns all but what others know: `pending_removals` and `health`.
    pub(super) fn read(&self) -> RemoteStats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        RemoteStats {
            hits: get(&self.hits),
            misses: get(&self.misses),
            stale: get(&self.stale),
            errors: get(&self.errors),
            timeouts: get(&self.timeouts),
            bypasses: get(&self.bypasses),
            leases_won: get(&self.leases_won),
            leases_lost: get(&self.leases_lost),
            unleased_loads: get(&self.unleased_loads),
            fills: get(&self.fills),
            fills_refused: get(&self.fills_refused),
            not_storable: get(&self.not_storable),
            rejected_foreign: get(&self.rejected_foreign),
            rejected_corrupt: get(&self.rejected_corrupt),
            rejected_schema: get(&self.rejected_schema),
            rejected_key: get(&self.rejected_key),
            rejected_distrusted: get(&self.rejected_distrusted),
            flushes_heard: get(&self.flushes_heard),
            events_heard: get(&self.events_heard),
            pending_removals: 0,
            health: TierHealth::default(),
        }
    }
}
