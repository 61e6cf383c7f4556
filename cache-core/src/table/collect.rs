//! Collection: dropping garbage and giving its memory back, by calls that hold no lock.

use super::guard::Guard;
use super::header::State;
use super::ids::SlotId;
use super::open_batch::Due;
use super::reclaim::epoch::Collecting;
use super::reclaim::limbo::{BATCH, Garbage, Live};
use super::reserved::EmptySlots;
use super::slab::Slab;
use super::table::Table;
use crate::util::panics::DeferredPanic;

impl<K, V> Guard<'_, K, V> {
    /// Drops what the call retired, if no thread can be reading it: no other thread has ever used
    /// the table, and this thread holds no other pin of it, and is not dropping garbage of it.
    /// Takes the guard, because nothing that was found by it can be used any more. Runs the user's
    /// `Drop`, so the caller holds no lock.
    #[inline]
    pub(crate) fn drop_retired(self, due: &Due, panics: &mut DeferredPanic) {
        if std::mem::needs_drop::<(K, V)>() && !due.retired.as_slice().is_empty() {
            self.drop_at_once(due.retired.as_slice(), panics);
        }
    }

    #[inline(never)]
    fn drop_at_once(&self, ids: &[SlotId], panics: &mut DeferredPanic) {
        // The thread stays pinned: another thread that uses the table only now may seal these
        // slots, but none frees them before this call has dropped what they hold.
        let Some(_dropping) = self.pin.begin_dropping(&self.table.epoch) else { return };
        // SAFETY: this thread retired the slots, was pinned then and still is, and they were handed
        // to this call alone. No other thread can reach them (`begin_dropping`), and no reference
        // of this thread is left: it holds no other pin, and the caller has given up this guard. No
        // other thread drops their contents: that takes an epoch which this pin holds back.
        unsafe { self.table.slab.drop_contents(ids, panics) };
    }
}

/// One call drops no more slots when it has dropped so many: bounded, and faster than one call adds
/// to the queue.
const ENOUGH: usize = 2 * BATCH;

/// A step of collection by the calling thread, which holds no lock: it runs the user's `Drop`.
pub(crate) struct Collector<'t, K, V> {
    table: &'t Table<K, V>,
    _collecting: Collecting<'t>,
}

impl<K, V> Table<K, V> {
    /// Begins to collect. Returns nothing if the calling thread is collecting already, which means
    /// that a `Drop` calls this.
    pub(crate) fn begin_collecting(&self) -> Option<Collector<'_, K, V>> {
        Some(Collector { table: self, _collecting: self.epoch.begin_collecting()? })
    }
}

impl<K, V> Collector<'_, K, V> {
    /// Checks the next shards, and calls `seal` for some whose batches have been open for long.
    pub(crate) fn sweep(&self, seal: impl FnMut(usize)) {
        self.table.sweeper.sweep(seal);
        self.table.limbo.note_sweep();
    }

    /// Finds out what is free, if garbage waits; given how much is live, only if enough has been
    /// sealed since the last time, or something has been waiting for long. Drops what is free, and
    /// gives its memory back: all of it, or given how much is live, until that was [`ENOUGH`] slots
    /// (where a piece of another kind counts as one). `free` must give the slots to their shard's
    /// writer.
    pub(crate) fn collect(
        &self,
        live: Option<Live>,
        panics: &mut DeferredPanic,
        mut free: impl FnMut(EmptySlots),
    ) {
        let Table { slab, limbo, epoch, .. } = self.table;
        if limbo.is_empty() {
            return;
        }
        let enough = if live.is_some() { ENOUGH } else { usize::MAX };
        match live {
            Some(live) => limbo.advance_if_due(epoch, live),
            None => limbo.advance(epoch),
        }
        let mut slots = 0;
        while slots < enough {
            let before = slots;
            // They are free, and were taken out of the queue by this call alone.
            for garbage in limbo.take_free(epoch).into_iter().flatten() {
                slots += garbage.slots().max(1);
                match garbage {
                    // SAFETY: free: no reader can reach the region.
                    Garbage::Region(region) => unsafe { region.free() },
                    Garbage::Slots { shard, ids } => {
                        // SAFETY: free, and this call has them alone.
                        unsafe { slab.drop_contents(&ids, panics) };
                        free(EmptySlots { shard, home: self.table.home(shard), ids });
                    }
                    // SAFETY: free; the shard sealed them when it gave them up, being free.
                    Garbage::Blocks(firsts) => unsafe { slab.return_blocks(&firsts) },
                }
            }
            if slots == before {
                return;
            }
        }
    }

    /// Frees the memory of a queue that has become shorter, and of blocks that no shard has.
    pub(crate) fn shrink(&self) {
        self.table.slab.give_back_pages();
        let mut queue = self.table.limbo.queue.lock();
        if queue.capacity() / 4 > queue.len() {
            queue.shrink_to_fit();
        }
    }
}

impl<K, V> Slab<K, V> {
    /// Drops what slots hold, each once.
    ///
    /// # Safety
    /// The slots are garbage that no thread can reach, and the caller has them alone.
    #[inline]
    unsafe fn drop_contents(&self, ids: &[SlotId], panics: &mut DeferredPanic) {
        let to_drop = if std::mem::needs_drop::<(K, V)>() { ids } else { &[] };
        for slot in to_drop.iter().map(|&id| self.slot(id)) {
            if slot.header.state() != State::Emptied {
                // SAFETY: the caller's promise; the slot's state says what it holds.
                panics.catch(|| unsafe { slot.drop_contents() });
            }
        }
    }
}
