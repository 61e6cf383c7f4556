//! Garbage collection, by calls that hold no lock.
//!
//! The table decides what is free; slots then go back to the shard that they belong to, under its
//! lock.

use super::shards::Shards;
use crate::table::{BATCH, Collector, Due, Live, Table};
use crate::util::panics::DeferredPanic;

/// One call drops no more slots when it has dropped so many.
const ENOUGH: usize = 2 * BATCH;

impl<V> Shards<V> {
    /// A step of garbage collection, at the end of a call whose [`Due`] asks for it. Runs the
    /// user's `Drop`, so the caller holds no lock; acquires the lock of one shard at a time. Does
    /// nothing if called from such a `Drop`.
    #[cold]
    pub(crate) fn collect_due<K>(
        &self,
        table: &Table<K, V>,
        due: &Due,
        live: Live,
        panics: &mut DeferredPanic,
    ) {
        let Some(collector) = table.begin_collecting() else { return };
        if due.sweep {
            collector.sweep(|shard| self.with_writer(shard, |writer| writer.seal(table)));
        }
        if collector.advance(Some(live)) {
            // Bounded, and faster than one call adds to the queue.
            self.recycle_free(&collector, ENOUGH, panics);
        }
    }

    /// Collects all garbage that no reader can reach. As `collect_due`.
    pub(crate) fn collect_all<K>(&self, table: &Table<K, V>, panics: &mut DeferredPanic) {
        (0..self.count()).for_each(|shard| self.with_writer(shard, |writer| writer.seal(table)));
        let Some(collector) = table.begin_collecting() else { return };
        if collector.advance(None) {
            self.recycle_free(&collector, usize::MAX, panics);
        }
        collector.shrink();
    }

    /// Drops what is free, until that was `enough` slots.
    fn recycle_free<K>(
        &self,
        collector: &Collector<'_, K, V>,
        enough: usize,
        panics: &mut DeferredPanic,
    ) {
        collector.recycle_free(enough, panics, |slots| {
            self.with_writer(slots.shard(), |writer| writer.free_slots(collector.table, slots));
        });
    }
}
