//! Collection: dropping garbage and giving its memory back, by calls that hold no lock.

use super::Table;
use super::due::Due;
use super::limbo::{BATCH, Garbage, Live};
use super::meta::State;
use super::{Guard, slab::Slab};
use crate::util::panics::DeferredPanic;
use crate::util::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// Shards that one sweep looks at, and open batches that it seals, at most.
const LOOKS: usize = 64;
const SEALS: usize = 4;

/// Which shards have an open batch of garbage, for calls that look after other shards.
///
/// All its numbers are hints, read and written `Relaxed`: a batch is sealed under its shard's lock.
pub(super) struct Sweeper {
    open: Box<[AtomicU8]>,
    /// Where the next sweep begins.
    next: AtomicUsize,
}

/// Slots that are enough for one call to drop.
const ENOUGH: usize = 2 * BATCH;

/// No open batch, or an empty one.
const NOTHING: u8 = 0;
/// An open batch that no sweep has seen.
const NEW: u8 = 1;
/// One that a sweep has seen: the next one seals it.
const SEEN: u8 = 2;

impl Sweeper {
    pub(super) fn new(shards: usize) -> Self {
        let open = (0..shards).map(|_| AtomicU8::new(NOTHING)).collect();
        Sweeper { open, next: AtomicUsize::new(0) }
    }

    #[inline]
    pub(super) fn note_open(&self, shard: usize) {
        self.open[shard].store(NEW, Relaxed);
    }

    #[inline]
    pub(super) fn note_sealed(&self, shard: usize) {
        // A batch that is sealed as soon as it is begun was never noted.
        if self.open[shard].load(Relaxed) != NOTHING {
            self.open[shard].store(NOTHING, Relaxed);
        }
    }

    /// Looks at the next shards, and calls `seal` for some whose batches have been open for long.
    fn sweep(&self, mut seal: impl FnMut(usize)) {
        let (first, mut seals) = (self.next.load(Relaxed), 0);
        let looks = LOOKS.min(self.open.len());
        let mut place = first;
        for _ in 0..looks {
            let shard = place % self.open.len();
            place = shard + 1;
            match self.open[shard].load(Relaxed) {
                NOTHING => {}
                NEW => self.open[shard].store(SEEN, Relaxed),
                _ => {
                    seal(shard);
                    seals += 1;
                    if seals == SEALS {
                        break;
                    }
                }
            }
        }
        self.next.store(place, Relaxed);
    }
}

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
