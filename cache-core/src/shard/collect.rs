//! Garbage collection, by calls that hold no lock.
//!
//! The table decides what is free; slots then go back to the shard that they belong to, under its
//! lock.

use super::shards::Shards;
use crate::table::{Due, EmptySlots, Live, Table};
use crate::util::panics::DeferredPanic;

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
        collector.collect(Some(live), panics, |slots| self.free(table, slots));
    }

    /// Collects all garbage that no reader can reach. As `collect_due`.
    pub(crate) fn collect_all<K>(&self, table: &Table<K, V>, panics: &mut DeferredPanic) {
        (0..self.count()).for_each(|shard| self.with_writer(shard, |writer| writer.seal(table)));
        let Some(collector) = table.begin_collecting() else { return };
        collector.collect(None, panics, |slots| self.free(table, slots));
        collector.shrink();
    }

    fn free<K>(&self, table: &Table<K, V>, slots: EmptySlots) {
        self.with_writer(slots.shard, |writer| writer.free_slots(table, slots));
    }
}
