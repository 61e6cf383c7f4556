//! Statistics.
//!
//! Each thread counts in its own line (the line of its epoch announcement, which a hit touches
//! anyway), so that an increment is a plain load and store: no locked instruction, no shared line.
//! Reading the statistics sums the lines.

use std::time::Duration;

use crate::types::removal::RemovalCause;
use crate::util::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One thread's counters. Only the thread that owns the line adds to it.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) loads: Counter,
    pub(crate) load_failures: Counter,
    pub(crate) load_nanos: Counter,
    pub(crate) coalesced: Counter,
    pub(crate) stale: Counter,
    pub(crate) refreshes: Counter,
    pub(crate) expired: Counter,
    pub(crate) explicit: Counter,
    pub(crate) replaced: Counter,
    pub(crate) size: Counter,
    pub(crate) listener_panics: Counter,
}

impl Counters {
    pub(crate) fn removed(&self, cause: RemovalCause) -> &Counter {
        match cause {
            RemovalCause::Expired => &self.expired,
            RemovalCause::Explicit => &self.explicit,
            RemovalCause::Replaced => &self.replaced,
            RemovalCause::Size => &self.size,
        }
    }
}

/// A number that one thread writes.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // No read-modify-write: no other thread writes. A line changes its owner under a lock.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a cache built with [`record_stats`](crate::CacheBuilder::record_stats) has counted since it
/// was built.
///
/// All zero without that option. Not an atomic snapshot: a call that runs meanwhile may be counted
/// in one figure and not yet in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Look-ups that found a live value.
    pub hits: u64,
    /// Look-ups that found no live value.
    pub misses: u64,
    /// Loads that returned a value; a batch of keys counts as one load.
    pub loads: u64,
    /// Loads that returned an error or no value, or panicked.
    pub load_failures: u64,
    /// Calls that waited for another call's load and received its value.
    pub coalesced: u64,
    /// Calls that were served an expired value ([`Status::Stale`] and [`Status::Fallback`]). They
    /// count as misses, too.
    ///
    /// [`Status::Stale`]: crate::Status::Stale
    /// [`Status::Fallback`]: crate::Status::Fallback
    pub stale: u64,
    /// Loads that were started by a call that could be served an old value, expired or not. They
    /// count as loads or load failures, too.
    pub refreshes: u64,
    /// Time spent in loads, failed ones included, summed over threads.
    pub load_time: Duration,
    /// Entries freed because they had expired.
    pub removed_expired: u64,
    /// Entries removed by the user: `remove`, `invalidate`, `invalidate_all` and similar calls.
    pub removed_explicit: u64,
    /// Values replaced by newer ones.
    pub removed_replaced: u64,
    /// Entries evicted, or not stored, for lack of room.
    pub removed_size: u64,
    /// Panics of the eviction listener that were caught.
    pub listener_panics: u64,
}

impl Stats {
    /// Returns `hits + misses`.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits + self.misses
    }

    /// Returns the hits per look-up, from 0 to 1; 0 before the first look-up.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        if self.requests() == 0 { 0.0 } else { self.hits as f64 / self.requests() as f64 }
    }

    /// Returns the mean time of a load, failed ones included; zero before the first.
    #[must_use]
    pub fn average_load_time(&self) -> Duration {
        let loads = self.loads + self.load_failures;
        if loads == 0 { Duration::ZERO } else { self.load_time.div_f64(loads as f64) }
    }

    pub(crate) fn sum<'c>(lines: impl Iterator<Item = &'c Counters>) -> Stats {
        let mut sum = Stats::default();
        let mut nanos: u64 = 0;
        for line in lines {
            sum.hits += line.hits.get();
            sum.misses += line.misses.get();
            sum.loads += line.loads.get();
            sum.load_failures += line.load_failures.get();
            sum.coalesced += line.coalesced.get();
            sum.stale += line.stale.get();
            sum.refreshes += line.refreshes.get();
            nanos = nanos.saturating_add(line.load_nanos.get());
            sum.removed_expired += line.expired.get();
            sum.removed_explicit += line.explicit.get();
            sum.removed_replaced += line.replaced.get();
            sum.removed_size += line.size.get();
            sum.listener_panics += line.listener_panics.get();
        }
        sum.load_time = Duration::from_nanos(nanos);
        sum
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sum_adds_the_lines_of_all_threads() {
        let lines = [Counters::default(), Counters::default()];
        lines[0].hits.add(3);
        lines[1].hits.add(4);
        lines[1].misses.add(1);
        lines[0].loads.add(1);
        lines[0].load_failures.add(1);
        lines[0].load_nanos.add(3_000);
        lines[1].removed(RemovalCause::Size).add(5);
        let stats = Stats::sum(lines.iter());
        assert_eq!((stats.hits, stats.misses, stats.requests()), (7, 1, 8));
        assert_eq!(stats.hit_ratio(), 0.875);
        assert_eq!(stats.average_load_time(), Duration::from_nanos(1_500));
        assert_eq!(stats.removed_size, 5);
        assert_eq!(Stats::default().hit_ratio(), 0.0);
    }
}
