//! The configuration of a store, and how it is laid out.
//!
//! # How many shards
//! Shards exist for writers only, and each is a lock, a queue of garbage, a policy and a wheel.
//! There are four for each core, so that writers seldom meet; and more if that is needed for each
//! to fit a region of 4096 groups, so that the growth of a region, which happens under the shard's
//! lock, is a pause of about half a millisecond, and so that large caches fill their regions to
//! three quarters, as intended; but at least 64 entries each, because a policy cannot learn much
//! from fewer. If entries have weights, their number is what `initial_capacity` says, or unknown.
//!
//! # The most entries
//! Slots are numbered in 32 bits, and some are retired or hold the keys of loads: [`MOST_ENTRIES`]
//! is the most entries at once, whatever the capacity. If each entry counts as one, the bound is no
//! larger, and that is enough. If entries have weights, many of which may be small, each shard
//! evicts one for each new entry beyond its part of that number (`Shard::store`).
//!
//! A bound of 0 is a cache that is off: each value is heavier than that, so none is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::shard::lifetimes::Lifetimes;
use crate::table::entries_for_groups;
use crate::types::executor::Spawn;
use crate::types::expiry::Expiry;
use crate::types::removal::RemovalCause;

/// The most entries that a shard is laid out for: four standard deviations fewer than fit, because
/// chance may give it that many more.
const SHARD_MOST: u64 = {
    let most = entries_for_groups(4096) as u64;
    most - 4 * most.isqrt()
};
/// The least entries for which a shard is large enough for its policy.
const SHARD_LEAST: u64 = 64;

/// The most entries that a cache has at once: 73 million fewer than there are slots, which are left
/// for retired and reserved ones.
pub(crate) const MOST_ENTRIES: u64 = 1_000_000_000;

/// Enough for 100 million entries; more would make an empty cache large.
const MOST_SHARDS: u64 = 4096;

/// The number of entries that a cache without a bound is laid out for.
const UNBOUNDED: u64 = 1 << 20;

pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u32 + Send + Sync>;
pub(crate) type Listener<K, V> = Arc<dyn Fn(&K, &V, RemovalCause) + Send + Sync>;
pub(crate) type KeepIf<K, V> = Arc<dyn Fn(&K, &V) -> bool + Send + Sync>;
pub(crate) type BoxedExpiry<K, V> = Arc<dyn Expiry<K, V> + Send + Sync>;
/// A time to live that follows from the value.
pub(crate) type OwnTtl<V> = Arc<dyn Fn(&V) -> Option<Duration> + Send + Sync>;

/// What the builder was given.
pub(crate) struct Config<K, V> {
    pub(crate) name: Option<String>,
    /// As it was given, for [`Policy`](crate::types::report::Policy).
    pub(crate) max_capacity: Option<u64>,
    /// The bound on the sum of the weights. Without a weigher at most `most_entries`.
    pub(crate) bound: u64,
    /// [`MOST_ENTRIES`], or less in a test.
    pub(crate) most_entries: u64,
    /// Writes may go the short way where nothing is against it. Not so in some tests.
    pub(crate) short_writes: bool,
    pub(crate) initial_capacity: usize,
    pub(crate) weigher: Option<Weigher<K, V>>,
    /// As it was given; so is the next.
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) expiry: Option<BoxedExpiry<K, V>>,
    pub(crate) own_ttl: Option<OwnTtl<V>>,
    pub(crate) executor: Arc<dyn Spawn>,
    pub(crate) listener: Option<Listener<K, V>>,
    pub(crate) keep_if: Option<KeepIf<K, V>>,
    pub(crate) record_stats: bool,
    pub(crate) coalesce_timeout: Duration,
}

/// Returns the number of shards. `entries` is the most that there will be, if that is known; if
/// not, `bound` is one of weight, or beyond the most entries.
pub(super) fn shards_for(
    entries: Option<u64>,
    bound: u64,
    weighted: bool,
    initial: usize,
) -> usize {
    let at_least = 4 * expected_threads() as u64;
    let initial = initial as u64;
    let entries = match (entries, weighted, initial) {
        (Some(entries), ..) => entries,
        (None, false, _) => initial.max(UNBOUNDED),
        // The number of entries is unknown. Many light ones are best in many shards; of a few heavy
        // ones in as many, each would be the only one of its shard.
        (None, true, 0) => (bound / 64).min(at_least * SHARD_LEAST),
        (None, true, _) => initial.min(bound),
    };
    let for_pauses = entries.div_ceil(SHARD_MOST);
    let most = (entries / SHARD_LEAST).max(1);
    at_least.max(for_pauses).min(most).min(MOST_SHARDS) as usize
}

/// Returns the number of threads that are expected to use the cache: that of the cores.
pub(super) fn expected_threads() -> usize {
    // Kept, because the standard library reads files of the system for it. Relaxed: nothing is
    // published with the number. (A `OnceLock` could be left half set in the child of a fork.)
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    match THREADS.load(Relaxed) {
        0 => {
            let threads = std::thread::available_parallelism().map_or(8, usize::from);
            THREADS.store(threads, Relaxed);
            threads
        }
        threads => threads,
    }
}
