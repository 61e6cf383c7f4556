//! What a store reports of itself: statistics, sizes, memory, and whether its invariants hold.

use crate::shard::shard::ShardBytes;
use crate::store::store::Store;
use crate::types::stats::Stats;

impl<K, V> Store<K, V> {
    /// Returns the statistics; all zero if none are recorded.
    pub(crate) fn stats(&self) -> Stats {
        if self.config.record_stats { Stats::sum(self.table.counters()) } else { Stats::default() }
    }

    /// Returns the number of entries. With weights, acquires the locks of all shards, one at a
    /// time.
    pub(crate) fn entry_count(&self) -> u64 {
        if self.config.weigher.is_none() {
            return self.budget.used();
        }
        let guard = self.table.pin();
        let entries = |index| self.shards.lock(&guard, index).entries() as u64;
        (0..self.shards.count()).map(entries).sum()
    }

    /// Returns the bytes held, by part.
    pub(crate) fn memory(&self) -> Vec<(&'static str, usize)> {
        let table = self.table.bytes();
        let guard = self.table.pin();
        let mut shards = ShardBytes::default();
        (0..self.shards.count())
            .for_each(|index| self.shards.lock(&guard, index).add_bytes(&mut shards));
        vec![
            ("slots", table.slots),
            ("table", table.regions),
            ("ghosts", shards.ghosts),
            ("timers", shards.timers),
            ("blocks and garbage queues", table.bookkeeping + shards.writer),
            ("shards", self.shards.bytes()),
            ("lines of threads", table.threads),
            ("lists of flights", shards.flights),
            ("writes during batches", shards.writes),
            ("the cache itself", size_of::<Self>()),
        ]
    }

    /// Checks every invariant, while no other thread writes.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) fn validate(&self) {
        let mut weight = 0;
        for index in 0..self.shards.count() {
            let guard = self.table.pin();
            let shard = self.shards.lock(&guard, index);
            shard.validate_shard();
            weight += shard.weight();
        }
        assert_eq!(weight, self.budget.used(), "the budget is what the entries weigh");
        assert!(weight <= self.budget.max);
    }
}
