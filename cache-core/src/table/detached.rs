//! The entries of a shard that was emptied at once.

use super::guard::{EntryRef, Guard};
use super::header::{Slots, State};
use super::ids::SlotId;
use super::reclaim::limbo::{BATCH, Garbage};
use super::region::Region;

/// The entries that a shard had when it was emptied. Dropping it retires them.
pub(crate) struct Detached<'p, K, V> {
    guard: &'p Guard<'p, K, V>,
    shard: usize,
    region: Option<Region>,
}

impl<'p, K, V> Detached<'p, K, V> {
    /// For a region that the shard's writer has taken out of its word while the thread was pinned.
    pub(super) fn new(guard: &'p Guard<'p, K, V>, shard: usize, region: Region) -> Self {
        Detached { guard, shard, region: Some(region) }
    }

    /// Shows each entry to `visit`, and retires them in batches.
    pub(crate) fn finish(mut self, mut visit: impl FnMut(EntryRef<'_, K, V>)) {
        let region = self.region.expect("finished once");
        let slab = &self.guard.table.slab;
        // SAFETY: the region was taken out of its word by this thread, which is pinned and has not
        // sealed it yet: no other thread frees or changes it.
        unsafe {
            region.for_each(|id| visit(EntryRef { id, slot: slab.slot_unchecked(id), slab }))
        };
        self.retire();
    }

    fn retire(&mut self) {
        let Some(region) = self.region.take() else { return };
        let table = self.guard.table;
        let mut batch = Vec::new();
        let seal = |ids: Vec<SlotId>| {
            let weight = ids.iter().map(|&id| u64::from(table.slab.weight(id))).sum();
            table.limbo.seal(&table.epoch, Garbage::Slots { shard: self.shard, ids }, weight);
        };
        // SAFETY: as in `finish`.
        unsafe {
            region.for_each(|id| {
                // No other thread changes it: the slot's live bit is not set any more.
                table.slab.header(id).set_state(State::Removed);
                batch.push(id);
                if batch.len() == BATCH {
                    seal(std::mem::take(&mut batch));
                }
            });
        }
        if !batch.is_empty() {
            seal(batch);
        }
        if !region.is_none() {
            table.limbo.seal(&table.epoch, Garbage::Region(region), 0);
        }
    }
}

impl<K, V> Drop for Detached<'_, K, V> {
    fn drop(&mut self) {
        self.retire();
    }
}
