//! Collection: dropping garbage and giving its memory back, by calls that hold no lock.

use super::Table;
use super::meta::State;
use super::reclaim::due::Due;
use super::reclaim::limbo::{BATCH, Garbage, Live};
use super::{Guard, slab::Slab};
use crate::util::panics::DeferredPanic;

/// Slots that are enough for one call to drop.
const ENOUGH: usize = 2 * BATCH;

impl<K, V, X> Guard<'_, K, V, X> {
    /// Drops what the calling call retired, if nobody can be looking at it: no other thread has ever
    /// used the table, and this thread holds no other pin of it, and is not dropping garbage of it.
    /// Ends the pin, for nothing that was found under it can be used any more. Runs the user's `Drop`,
    /// so the caller holds no lock.
    #[inline]
    pub(crate) fn drop_retired(self, due: &Due, panics: &mut DeferredPanic) {
        if !due.retired.as_slice().is_empty() {
            self.drop_at_once(due.retired.as_slice(), panics);
        }
    }

    #[inline(never)]
    fn drop_at_once(&self, ids: &[u32], panics: &mut DeferredPanic) {
        // The pin stays: so another thread that comes to the table only now may seal these slots,
        // but nobody makes them free before this call has dropped what they hold.
        let Some(_dropping) = self.pin.begin_dropping(&self.table.epoch) else { return };
        for &id in ids {
            let slot = self.table.slab.slot(id);
            // SAFETY: the slot was retired under the lock by this thread, which was pinned then and
            // still is, and has been handed to this call alone. No other thread can reach it
            // (`begin_dropping`), and no reference of this thread's is left, for it holds no other pin and
            // the caller has ended what it did under this one. Nobody else drops its contents: that
            // takes an epoch which this pin holds back.
            panics.catch(|| unsafe { slot.drop_contents() });
        }
    }
}

impl<K, V, X> Table<K, V, X> {
    /// A step of garbage collection, at the end of a call that is told so by its duties. Runs the
    /// user's `Drop`, so the caller holds no lock; takes the lock of one shard at a time. Does nothing
    /// if called from such a `Drop`.
    #[cold]
    pub(crate) fn collect_due(&self, due: &Due, live: Live, panics: &mut DeferredPanic) {
        let Some(_collecting) = self.epoch.begin_collecting() else { return };
        if due.sweep {
            self.sweeper.sweep(|shard| self.shards[shard].lock().writer.seal(self));
            self.limbo.note_sweep();
        }
        if self.limbo.is_empty() {
            return;
        }
        self.limbo.advance_if_due(&self.epoch, live);
        // Bounded, and faster than one call adds to the queue.
        let mut slots = 0;
        while slots < ENOUGH {
            match self.recycle_free(panics) {
                0 => return,
                more => slots += more,
            }
        }
    }

    /// Collects all garbage that no reader can reach. As `collect_due`.
    pub(crate) fn collect_all(&self, panics: &mut DeferredPanic) {
        for shard in &self.shards {
            shard.lock().writer.seal(self);
        }
        let Some(_collecting) = self.epoch.begin_collecting() else { return };
        if !self.limbo.is_empty() {
            self.limbo.advance(&self.epoch);
            while self.recycle_free(panics) > 0 {}
        }
        self.limbo.shrink();
    }

    /// Drops a few pieces of garbage that are free. Returns how many slots that were, where a piece
    /// of another kind counts as one; 0 if there was none.
    fn recycle_free(&self, panics: &mut DeferredPanic) -> usize {
        let mut slots = 0;
        for garbage in self.limbo.take_free(&self.epoch).into_iter().flatten() {
            slots += garbage.slots().max(1);
            // SAFETY: the garbage is free, and was taken out of the queue by this call alone.
            unsafe { self.recycle(garbage, panics) };
        }
        slots
    }

    /// Drops garbage and gives its slots back to their shard, or its memory to the allocator.
    ///
    /// # Safety
    /// The garbage is free and the caller's alone.
    unsafe fn recycle(&self, garbage: Garbage, panics: &mut DeferredPanic) {
        match garbage {
            // SAFETY: the caller's promise: no reader can reach the region.
            Garbage::Region(region) => unsafe { region.free() },
            Garbage::Slots { shard, ids } => {
                // SAFETY: the caller's promise.
                unsafe { self.slab.drop_contents(ids.iter().copied(), panics) };
                self.shards[shard].lock().writer.give_back(&self.slab, ids);
            }
            // SAFETY: the caller's promise; the shard sealed them when it gave them up, being free.
            Garbage::Blocks(firsts) => unsafe { self.slab.return_blocks(&firsts) },
        }
    }
}

impl<K, V, X> Drop for Table<K, V, X> {
    fn drop(&mut self) {
        // Nobody uses the table any more: all its slots are ours.
        for garbage in self.limbo.take_all() {
            if let Garbage::Region(region) = garbage {
                // SAFETY: as above.
                unsafe { region.free() };
            }
        }
        for word in &self.regions {
            // SAFETY: as above; a region is published in one word or queued, never both.
            unsafe { word.load().free() };
        }
        let mut panics = DeferredPanic::default();
        for shard in 0..self.shards.len() {
            let taken: Vec<u32> = self.shards[shard].get_mut().writer.taken(&self.slab).collect();
            // SAFETY: as above; each slot belongs to one shard.
            unsafe { self.slab.drop_contents(taken.into_iter(), &mut panics) };
        }
        panics.resume();
    }
}

impl<K, V> Slab<K, V> {
    /// Drops what slots hold, each once.
    ///
    /// # Safety
    /// The slots are the caller's alone: free garbage, or those of a table that nobody uses any more.
    unsafe fn drop_contents(&self, ids: impl Iterator<Item = u32>, panics: &mut DeferredPanic) {
        if std::mem::needs_drop::<(K, V)>() {
            for id in ids {
                let slot = self.slot(id);
                if slot.meta.state() != State::Emptied {
                    // SAFETY: the caller's promise; the slot's state says what it holds.
                    panics.catch(|| unsafe { slot.drop_contents() });
                }
            }
        }
    }
}
