//! Emptying a shard at once.

use super::guard::{EntryRef, Guard};
use super::header::State;
use super::reclaim::limbo::{BATCH, Garbage};
use super::region::Region;
use super::writer::Writer;

impl Writer {
    /// Empties the shard at once, by publishing an empty region. The caller shows the entries that
    /// were in it by [`Detached::finish`]. Cost: a bit per slot.
    pub(crate) fn detach<'p, K, V>(&mut self, guard: &'p Guard<'p, K, V>) -> Detached<'p, K, V> {
        let table = self.table(guard);
        let region = self.set_region(table, Region::none());
        self.blocks.clear_live();
        Detached { guard, shard: self.shard(table), region }
    }
}

/// The entries that a shard had when it was emptied. Dropping it retires them.
pub(crate) struct Detached<'p, K, V> {
    guard: &'p Guard<'p, K, V>,
    shard: usize,
    region: Region,
}

impl<'p, K, V> Detached<'p, K, V> {
    /// Shows each entry to `visit`, and retires them.
    pub(crate) fn finish(self, mut visit: impl FnMut(EntryRef<'_, K, V>)) {
        let slab = &self.guard.table.slab;
        // SAFETY: the region was taken out of its word by this thread, which is pinned and has not
        // sealed it yet: no other thread frees or changes it.
        unsafe { self.region.for_each(|id| visit(EntryRef { at: slab.at_unchecked(id) })) };
    }
}

impl<K, V> Drop for Detached<'_, K, V> {
    /// Retires the entries in batches, and the region.
    fn drop(&mut self) {
        let table = self.guard.table;
        let mut ids = Vec::new();
        // SAFETY: as in `finish`.
        unsafe {
            self.region.for_each(|id| {
                // No other thread changes it: the slot's live bit is not set any more.
                table.slab.header(id).set_state(State::Removed);
                ids.push(id);
            });
        }
        for batch in ids.chunks(BATCH) {
            let weight = batch.iter().map(|&id| u64::from(table.slab.weight(id))).sum();
            let garbage = Garbage::Slots { shard: self.shard, ids: batch.to_vec() };
            table.limbo.seal(&table.epoch, garbage, weight);
        }
        if !self.region.is_none() {
            table.limbo.seal(&table.epoch, Garbage::Region(self.region), 0);
        }
    }
}
