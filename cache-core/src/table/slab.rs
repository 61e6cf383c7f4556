//! Slots: where keys and values live, at an address that never changes.
//!
//! The table holds 32-bit indices, the slab the slots they name. An entry is written into a free
//! slot before its index is published and stays there until no reader can reach it: it is never
//! copied, so a value with interior mutability exists once, whatever the table around it does.
//!
//! Shards take slots in blocks and keep them: giving out and taking back a slot is the shard's own
//! affair. A block is a page of slots: 64 of up to 64 bytes, of larger ones fewer, and a single one
//! where a slot is larger than half a page. So the memory of a few entries is theirs, not that of
//! 64.
//!
//! Blocks come in segments of one block, two, four, ...: the position of an index's highest bit
//! names its segment, and the pointers to all segments fit into a small fixed array, so that
//! finding a slot needs no directory that could grow. What is allocated is thus at most twice what
//! is needed, and in a cache with a known capacity hardly more than that demands: its last segments
//! are no longer than the plan; an index range left out this way is simply never given out. A
//! segment is memory as it comes; its blocks are put in order one by one, as they are given out:
//! zeroed as far as they must be, which is the [`Meta`] of a slot, but not key and value.
//!
//! There are 2^31 less one block of indices, and 2^30 slots can be had of them however often a plan
//! was too small ([`Growth::step`]). Of large slots memory ends before: one that is a block by
//! itself has more than 2 KiB, and 2^30 of those are 2 TiB.
//!
//! # Giving memory back
//! A cache that has become idle returns blocks whose slots are all free ([`Slab::return_blocks`]; when, its
//! owner decides). They are given out again first, those of small segments before those of large ones, so
//! that large segments empty; and when the last block of a segment has come back, the segment's arrays are
//! freed. Its index range may be given memory again later.
//!
//! That is as sound as writing another entry into a free slot is, and for the same reason: a slot is made
//! free only when a grace period has passed since its index left the table, so no reader has that index. The
//! block itself is garbage as well when its shard gives it up, and returned after a grace period of its own:
//! a writer may have learnt of a slot under the lock, and look at it for as long as it is pinned. An index of
//! the range that is seen later was given out after the new array had been published.

mod growth;

use std::sync::OnceLock;

use self::growth::Growth;
use super::alloc::Zeroed;
use super::ids::{BlockNo, SlotId};
use super::meta::{Links, Meta, NEVER, Nodes, State};
use super::segments::{Array, Blocks, Segments, first_of};
use super::slot::Slot;
use super::times::{RefreshState, Times};
use crate::util::panics::DeferredPanic;
use crate::util::sync::InnerMutex as Mutex;
use crate::util::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

// SAFETY: its fields are numbers, for which zero is valid.
unsafe impl Zeroed for Links {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Links::new()
    }
}

// SAFETY: its fields are numbers, for which zero is valid.
unsafe impl Zeroed for RefreshState {
    #[cfg(loom)]
    fn zeroed() -> Self {
        RefreshState::new()
    }
}

/// What is kept of each entry beyond what all caches keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColumnSet {
    pub(crate) weights: bool,
    /// When it was written; from the start, see [`Slab::record_write_times`].
    pub(crate) write_times: bool,
    /// See [`RefreshState`].
    pub(crate) refresh_states: bool,
    /// It expires when nobody reads it. Needs `refresh_states`.
    pub(crate) idles: bool,
}

/// The arrays that a segment is made of.
struct SegmentArrays<K, V> {
    slots: Array<Slot<K, V>>,
    links: Array<Links>,
    weights: Option<Array<AtomicU32>>,
    write_times: Option<Array<AtomicU64>>,
    refresh_states: Option<Array<RefreshState>>,
}

impl<K, V> SegmentArrays<K, V> {
    /// Frees them. Free slots hold nothing that would have to be dropped.
    ///
    /// # Safety
    /// Nobody uses them any more: their segment was removed, or the slab is at its end.
    unsafe fn free(self) {
        // SAFETY: the caller's promise, of each.
        unsafe {
            self.slots.free();
            self.links.free();
            self.weights.into_iter().for_each(|weights| weights.free());
            self.write_times.into_iter().for_each(|write_times| write_times.free());
            self.refresh_states.into_iter().for_each(|refresh_states| refresh_states.free());
        }
    }
}

/// What the slab's lock guards.
pub(super) struct Stock<K, V> {
    growth: Growth<SegmentArrays<K, V>>,
    /// Those of `block_numbers`, which are freed with the slab.
    block_numbers: Vec<Array<AtomicU32>>,
}

impl<K, V> Stock<K, V> {
    fn bytes(&self) -> usize {
        self.growth.bytes() + self.block_numbers.capacity() * size_of::<Array<AtomicU32>>()
    }
}

/// An array with an element for each slot, or for each block.
type Column<T, K, V> = Segments<T, Slot<K, V>>;

/// All slots of a cache.
pub(crate) struct Slab<K, V> {
    slots: Column<Slot<K, V>, K, V>,
    links: Column<Links, K, V>,
    /// The weight of each slot's entry; there only in a cache with a weigher.
    weights: Option<Box<Column<AtomicU32, K, V>>>,
    /// When each slot's entry was written, plus 1; 0 if that was before dates were kept. There only in a
    /// cache that keeps dates, be it from some time on.
    write_times: OnceLock<Box<Column<AtomicU64, K, V>>>,
    /// There only in a cache whose entries may be read longer, or loaded again.
    refresh_states: Option<Box<Column<RefreshState, K, V>>>,
    /// Entries expire when nobody reads them.
    idles: bool,
    /// For each block, its number within the shard that has it.
    block_numbers: Column<AtomicU32, K, V>,
    pub(super) stock: Mutex<Stock<K, V>>,
}

// SAFETY: keys and values are handed out by shared reference and dropped on any thread, hence Send
// and Sync of both; the rest is atomics. That no slot is written while it is read is the table's
// protocol (see `table/mod.rs`).
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Slab<K, V> {}
// SAFETY: as above.
unsafe impl<K: Send, V: Send> Send for Slab<K, V> {}

impl<K, V> Slab<K, V> {
    /// Slots in a block, at most 64; and the bits of all of them.
    pub(crate) const BLOCK: u32 = Slot::<K, V>::BLOCK;
    pub(super) const FULL: u64 = Slot::<K, V>::FULL;

    pub(super) fn new(planned: Option<u64>, columns: ColumnSet) -> Self {
        let slab = Slab {
            slots: Segments::new(),
            links: Segments::new(),
            weights: columns.weights.then(|| Box::new(Segments::new())),
            write_times: OnceLock::new(),
            refresh_states: columns.refresh_states.then(|| Box::new(Segments::new())),
            idles: columns.idles,
            block_numbers: Segments::new(),
            stock: Mutex::new(Stock {
                growth: Growth::new(planned.unwrap_or(u64::MAX), Self::BLOCK),
                block_numbers: Vec::new(),
            }),
        };
        if columns.write_times {
            slab.record_write_times();
        }
        slab
    }

    /// Keeps dates from now on. Takes the slab's own lock the first time.
    #[inline]
    pub(crate) fn record_write_times(&self) {
        if self.write_times.get().is_none() {
            self.begin_dates();
        }
    }

    #[cold]
    fn begin_dates(&self) {
        // Under the lock: a segment is either added to the array here, or by who adds it to all arrays.
        let mut stock = self.stock.lock();
        self.write_times.get_or_init(|| {
            let write_times = Box::new(Segments::new());
            for (number, segment) in stock.growth.segments.iter_mut().enumerate() {
                if let Some(segment) = segment {
                    let added = write_times.add_segment(number, self.slots.len(number) as u32);
                    segment.arrays.write_times = Some(added);
                }
            }
            write_times
        });
    }

    /// Gives out a block of slots that nobody has: the index of its first. Takes the slab's own
    /// lock, under which no user code runs.
    pub(super) fn take_block(&self, number: BlockNo) -> SlotId {
        let mut stock = self.stock.lock();
        let taken = loop {
            match stock.growth.take() {
                Some(taken) => break taken,
                None => self.add_segment(&mut stock.growth),
            }
        };
        if taken.is_new {
            // SAFETY: the block lies in a segment that was added, and is given out for the first
            // time.
            unsafe { self.begin_block(taken.first) };
        }
        let block = taken.first.get() / Self::BLOCK;
        let segment = stock.block_numbers.len();
        if segment == 0 || block >= first_of(segment, Self::BLOCK) {
            stock
                .block_numbers
                .push(self.block_numbers.add_segment(segment, Self::BLOCK << segment));
        }
        self.block_numbers.get(block).store(number.get(), Relaxed);
        taken.first
    }

    /// Makes a block's slots, and all that is kept of them, zero.
    ///
    /// # Safety
    /// The block lies in a segment that was added, and was never given out.
    unsafe fn begin_block(&self, first: SlotId) {
        // SAFETY: the caller's promise, of each array.
        unsafe {
            self.slots.begin(first.get());
            self.links.begin(first.get());
            self.weights.iter().for_each(|weights| weights.begin(first.get()));
            self.write_times
                .get()
                .into_iter()
                .for_each(|write_times| write_times.begin(first.get()));
            self.refresh_states.iter().for_each(|refresh_states| refresh_states.begin(first.get()));
        }
    }

    /// Takes blocks back, by their first slots; frees the segments that no shard has a block of any
    /// more. Takes the slab's own lock.
    ///
    /// # Safety
    /// The blocks were given out and have been given up by their shard, all of their slots are free,
    /// and each thread that is pinned has been since then only: so nobody has an index of theirs.
    pub(super) unsafe fn return_blocks(&self, blocks: &[SlotId]) {
        let mut empty = Vec::new();
        let mut stock = self.stock.lock();
        for &first in blocks {
            #[cfg(loom)]
            (0..Self::BLOCK)
                .for_each(|i| self.slots.get(first.plus(i).get()).life.with_mut(|_| ()));
            let (_, number) = Slot::<K, V>::place(first.get());
            if let Some(arrays) = stock.growth.put_back(number, first) {
                self.remove_segment(number);
                empty.push(arrays);
            }
        }
        drop(stock);
        // Without the lock: it takes the system a while to take back many pages.
        for arrays in empty {
            // SAFETY: the segment was removed just now, and nobody has an index of it: all of its
            // slots are free, and no shard has a block of it.
            unsafe { arrays.free() };
        }
    }

    /// Takes a segment, whose slots are all free, out of the slab.
    fn remove_segment(&self, segment: usize) {
        self.slots.remove_segment(segment);
        self.links.remove_segment(segment);
        self.weights.iter().for_each(|weights| weights.remove_segment(segment));
        self.write_times
            .get()
            .into_iter()
            .for_each(|write_times| write_times.remove_segment(segment));
        self.refresh_states
            .iter()
            .for_each(|refresh_states| refresh_states.remove_segment(segment));
    }

    /// Adds a segment.
    fn add_segment(&self, growth: &mut Growth<SegmentArrays<K, V>>) {
        let (number, len) = growth.next();
        let arrays = SegmentArrays {
            slots: self.slots.add_raw_segment(number, len),
            links: self.links.add_raw_segment(number, len),
            weights: self.weights.as_ref().map(|weights| weights.add_raw_segment(number, len)),
            write_times: self
                .write_times
                .get()
                .map(|write_times| write_times.add_raw_segment(number, len)),
            refresh_states: self
                .refresh_states
                .as_ref()
                .map(|refresh_states| refresh_states.add_raw_segment(number, len)),
        };
        growth.add(number, len, arrays);
    }

    /// # Safety
    /// The index came from the table, read by a pinned thread or under the lock.
    #[inline]
    pub(super) unsafe fn slot_unchecked(&self, id: SlotId) -> &Slot<K, V> {
        // SAFETY: the table holds indices of slots that exist.
        let slot = unsafe { self.slots.get_unchecked(id.get()) };
        #[cfg(loom)]
        slot.life.with(|_| ());
        slot
    }

    #[inline]
    pub(super) fn slot(&self, id: SlotId) -> &Slot<K, V> {
        self.slots.get(id.get())
    }

    #[inline]
    pub(super) fn set_weight(&self, id: SlotId, weight: u32) {
        match &self.weights {
            Some(weights) => weights.get(id.get()).store(weight, Relaxed),
            None => debug_assert_eq!(weight, 1),
        }
    }

    /// Writes down what is known of time when an entry begins its life in a slot.
    #[inline]
    pub(super) fn set_times(&self, id: SlotId, times: &Times) {
        self.meta(id).set_deadline(times.deadline);
        self.set_written(id, times.written);
        if let Some(refresh_states) = &self.refresh_states {
            refresh_states.get(id.get()).begin(times);
        }
    }

    #[inline]
    pub(super) fn set_written(&self, id: SlotId, tick: u64) {
        if let Some(write_times) = self.write_times.get() {
            // Relaxed: published with the slot's index, or with the deadline that is changed after it.
            write_times.get(id.get()).store(tick.saturating_add(1), Relaxed);
        }
    }

    /// When the slot's entry was written, if dates were kept then.
    #[inline]
    pub(crate) fn written(&self, id: SlotId) -> Option<u64> {
        self.write_times.get()?.get(id.get()).load(Relaxed).checked_sub(1)
    }

    /// See [`RefreshState`].
    #[inline]
    pub(crate) fn refresh_state(&self, id: SlotId) -> Option<&RefreshState> {
        Some(self.refresh_states.as_ref()?.get(id.get()))
    }

    /// The tick at which the slot's entry expires: the earliest of its deadlines, or [`NEVER`].
    #[inline]
    pub(crate) fn deadline(&self, id: SlotId) -> u64 {
        self.meta(id).deadline().min(self.idle_deadline(id))
    }

    /// When the slot's entry expires if nobody reads it, or [`NEVER`].
    #[inline]
    pub(super) fn idle_deadline(&self, id: SlotId) -> u64 {
        if !self.idles {
            return NEVER;
        }
        self.refresh_state(id).map_or(NEVER, RefreshState::idle_deadline)
    }

    /// The number of the block this slot belongs to, within its shard.
    #[inline]
    pub(super) fn block_of(&self, id: SlotId) -> BlockNo {
        BlockNo::new(self.block_numbers.get(id.get() / Self::BLOCK).load(Relaxed))
    }

    /// Drops what all slots hold: the end of a table that nobody uses any more.
    pub(super) fn drop_all_contents(&mut self, panics: &mut DeferredPanic) {
        if !std::mem::needs_drop::<(K, V)>() {
            return;
        }
        for id in self.stock.get_mut().growth.given_out() {
            let slot = self.slots.get(id.get());
            if !matches!(slot.meta.state(), State::Free | State::Emptied) {
                // SAFETY: its block was given out once, so the slot exists and its state says what
                // it holds; nobody else uses it.
                panics.catch(|| unsafe { slot.drop_contents() });
            }
        }
    }

    /// Memory for slots, and for what stands beside them.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let weights = self.weights.as_ref().map_or(0, |weights| weights.bytes());
        let write_times = self.write_times.get().map_or(0, |write_times| write_times.bytes());
        let refresh_states =
            self.refresh_states.as_ref().map_or(0, |refresh_states| refresh_states.bytes());
        let slots = self.slots.bytes() + self.links.bytes();
        (
            slots,
            weights
                + write_times
                + refresh_states
                + self.block_numbers.bytes()
                + self.stock.lock().bytes(),
        )
    }
}

impl<K, V> Drop for Slab<K, V> {
    fn drop(&mut self) {
        let stock = self.stock.get_mut();
        let segments = std::mem::take(&mut stock.growth.segments);
        for segment in segments.into_iter().flatten() {
            // SAFETY: nobody uses the slab any more.
            unsafe { segment.arrays.free() };
        }
        for array in std::mem::take(&mut stock.block_numbers) {
            // SAFETY: as above.
            unsafe { array.free() };
        }
    }
}

impl<K, V> Nodes for Slab<K, V> {
    #[inline]
    fn meta(&self, id: SlotId) -> &Meta {
        &self.slots.get(id.get()).meta
    }

    #[inline]
    fn links(&self, id: SlotId) -> &Links {
        self.links.get(id.get())
    }

    #[inline]
    fn weight(&self, id: SlotId) -> u32 {
        self.weights.as_ref().map_or(1, |weights| weights.get(id.get()).load(Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
