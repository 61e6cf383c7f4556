//! Slots: where keys and values live, at an address that never changes.
//!
//! The table holds 32-bit numbers ([`SlotId`]), the slab the slots they name. An entry is written
//! into a free slot before its number is published and stays there until no reader can reach it: it
//! is never copied, so a value with interior mutability exists once, whatever the table around it
//! does.
//!
//! Shards take slots in blocks and keep them: a shard gives out and takes back its slots by itself.
//! A block is a page of slots: 64 of up to 64 bytes, of larger ones fewer, and a single one where a
//! slot is larger than half a page. So a few large entries do not cost the memory of 64.
//!
//! Blocks come in segments of one block, two, four, ...: the position of an index's highest bit
//! names its segment, and the pointers to all segments fit into a small fixed array, so that
//! finding a slot needs no directory that could grow. At most twice the memory needed is allocated,
//! and in a cache with a known capacity hardly more than that demands: its last segments are no
//! longer than the plan; an index range left out this way is simply never given out. A segment's
//! memory is not initialised; its blocks are zeroed one by one, as they are given out, and of a
//! slot only the [`SlotHeader`], not key and value.
//!
//! There are 2^31 less one block of indices, and 2^30 slots can be had of them however often a plan
//! was too small ([`Growth::step`]). Of large slots memory ends before: one that is a block by
//! itself has more than 2 KiB, and 2^30 of those are 2 TiB.
//!
//! # Giving memory back
//! Shards return blocks whose slots are all free ([`Slab::return_blocks`]; the owner of the cache
//! decides when). They are given out again first, those of small segments before those of large
//! ones, so that large segments empty; and when the last block of a segment has come back, the
//! segment's arrays are freed. Its index range may be given memory again later. Of segments in
//! which a few blocks are still in use, the pages of the others are given back
//! ([`Slab::give_back_pages`], `pages.rs`): such a block is given out as one that never was. Blocks
//! of one shard stand together (`slab/growth.rs`), so that whole pages become free.
//!
//! That is as sound as writing another entry into a free slot, and for the same reason: a slot is
//! made free only when a grace period has passed since its index left the table, so no reader has
//! that index. A block that its shard gives up is garbage too, and returned after another grace
//! period: a pinned writer may have learnt of a slot under the lock and look at it after releasing
//! it. The shard's lock orders the readers' last accesses before the return of the block. An index
//! of this range seen later was handed out after the new array was published, or after the block
//! was zeroed again, under the slab's lock, under which its pages had gone.

mod growth;

pub(super) use self::growth::GROUP;

use std::sync::OnceLock;

use self::growth::{Growth, Run};
use super::alloc::Zeroed;
use super::header::{Links, NEVER, SlotHeader};
use super::ids::{BlockNo, SlotId};
use super::segments::{Array, Blocks, Growing, Segments, first_of};
use super::slot::Slot;
use super::times::{RefreshState, Times};
use crate::util::panics::DeferredPanic;
use crate::util::sync::InnerMutex as Mutex;
use crate::util::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

// SAFETY: its fields are numbers, for which zero is valid, and the default.
unsafe impl Zeroed for Links {}
// SAFETY: as above.
unsafe impl Zeroed for RefreshState {}

/// What is kept of each entry beyond what all caches keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColumnSet {
    pub(crate) weights: bool,
    /// When it was written, from the start; see [`Slab::record_write_times`].
    pub(crate) write_times: bool,
    /// See [`RefreshState`].
    pub(crate) refresh_states: bool,
    /// It expires unless it is read. Needs `refresh_states`.
    pub(crate) idles: bool,
}

/// An array with an element for each slot.
type Column<T, K, V> = Segments<T, Slot<K, V>>;

/// How many columns there may be.
const COLUMNS: usize = 5;
/// The place of the write times among them.
const WRITE_TIMES: usize = 2;
/// Those that every cache has.
const ALWAYS: [usize; 2] = [0, COLUMNS - 1];

/// Bytes of slots that are given back under one lock, unless a single block has more: a writer that
/// needs a block waits for that long. And at most so many blocks.
const STEP_BYTES: usize = 256 << 10;
const STEP_BLOCKS: usize = 128;

/// The memory of a segment, by column.
type SegmentArrays = [Option<Array>; COLUMNS];

/// What the slab's lock guards.
pub(super) struct Stock {
    growth: Growth<SegmentArrays>,
    /// The arrays of `block_numbers`, which are freed with the slab.
    block_numbers: Vec<Array>,
}

/// All slots of a cache, and what is kept of each: one array for each kind of thing, grown
/// together.
///
/// A column is found by name where its elements are read, and in [`Slab::columns`] where segments
/// come and go. So something new that is to be kept of each slot is a field and a line there.
pub(crate) struct Slab<K, V> {
    slots: Column<Slot<K, V>, K, V>,
    links: Column<Links, K, V>,
    /// The weight of each slot's entry; there only in a cache with a weigher.
    weights: Option<Box<Column<AtomicU32, K, V>>>,
    /// When each slot's entry was written, plus 1; 0 if that was before write times were recorded.
    /// There only in a cache that records them, be it from some time on.
    write_times: OnceLock<Box<Column<AtomicU64, K, V>>>,
    /// There only in a cache whose entries may be read longer, or loaded again.
    refresh_states: Option<Box<Column<RefreshState, K, V>>>,
    /// Entries expire when they are not read.
    idles: bool,
    /// For each block, its number within the shard that has it.
    block_numbers: Segments<AtomicU32, Slot<K, V>>,
    pub(super) stock: Mutex<Stock>,
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

    /// Blocks whose pages are given back under one lock, at most.
    const STEP: u32 = {
        let blocks = STEP_BYTES / (Self::BLOCK as usize * size_of::<Slot<K, V>>());
        if blocks == 0 {
            1
        } else if blocks > STEP_BLOCKS {
            STEP_BLOCKS as u32
        } else {
            blocks as u32
        }
    };

    pub(super) fn new(planned: Option<u64>, set: ColumnSet) -> Self {
        let slab = Slab {
            slots: Segments::default(),
            links: Segments::default(),
            weights: set.weights.then(Box::default),
            write_times: OnceLock::new(),
            refresh_states: set.refresh_states.then(Box::default),
            idles: set.idles,
            block_numbers: Segments::default(),
            stock: Mutex::new(Stock {
                growth: Growth::new(planned.unwrap_or(u64::MAX), Self::BLOCK),
                block_numbers: Vec::new(),
            }),
        };
        if set.write_times {
            slab.record_write_times();
        }
        slab
    }

    /// Records write times from now on. Acquires the slab's lock the first time.
    #[inline]
    pub(crate) fn record_write_times(&self) {
        if self.write_times.get().is_none() {
            self.begin_write_times();
        }
    }

    #[cold]
    fn begin_write_times(&self) {
        // Under the lock, so each existing segment is added to the new column exactly once.
        let mut stock = self.stock.lock();
        self.write_times.get_or_init(|| {
            let write_times = Box::<Column<AtomicU64, K, V>>::default();
            for (number, segment) in stock.growth.segments.iter_mut().enumerate() {
                if let Some(segment) = segment {
                    let len = self.slots.len(number) as u32;
                    let array = write_times.add_segment(number, len, true);
                    segment.arrays[WRITE_TIMES] = Some(array);
                }
            }
            write_times
        });
    }

    /// All columns that there are, in the order in which they grow: that of the slots comes last,
    /// so that a slot that can be looked up has its place in each.
    fn columns(&self) -> [Option<&dyn Growing>; COLUMNS] {
        [
            Some(&self.links),
            self.weights.as_ref().map(|column| &**column as &dyn Growing),
            self.write_times.get().map(|column| &**column as &dyn Growing),
            self.refresh_states.as_ref().map(|column| &**column as &dyn Growing),
            Some(&self.slots),
        ]
    }

    /// Gives out a block of slots that no shard has, to be the shard's block of this number; if
    /// `near` is given, one beside that block of the shard, or else one where others of the shard
    /// may follow, if there is any. Returns its first slot. Acquires the slab's lock, under which
    /// no user code runs.
    pub(super) fn take_block(&self, number: BlockNo, near: Option<SlotId>) -> SlotId {
        let mut stock = self.stock.lock();
        let (first, is_raw) = loop {
            if let Some(taken) = stock.growth.take(near) {
                break taken;
            }
            let (number, len) = stock.growth.next_segment();
            let add = |column: Option<&dyn Growing>| Some(column?.add_segment(number, len, false));
            stock.growth.add(number, len, self.columns().map(add));
        };
        if is_raw {
            for column in self.columns().into_iter().flatten() {
                // SAFETY: the block lies in a segment that was added, and no shard has it.
                unsafe { column.zero_block(first.0) };
            }
        }
        let block = first.0 / Self::BLOCK;
        let mut segment = stock.block_numbers.len();
        while segment == 0 || block >= first_of(segment, Self::BLOCK) {
            let len = Self::BLOCK << segment;
            stock.block_numbers.push(self.block_numbers.add_segment(segment, len, true));
            segment += 1;
        }
        drop(stock);
        self.set_number(first, number);
        first
    }

    /// Notes the number that a block has within its shard.
    pub(super) fn set_number(&self, first: SlotId, number: BlockNo) {
        // Relaxed: only the shard's writer goes by the number, under the shard's lock.
        self.block_numbers.get(first.0 / Self::BLOCK).store(number.0, Relaxed);
    }

    /// Takes blocks back, by their first slots; frees the segments that no shard has a block of any
    /// more. Acquires the slab's lock.
    ///
    /// # Safety
    /// The blocks were given out and have been given up by their shard, all of their slots are
    /// free, and every thread that is pinned was pinned after that: so no thread has an index of
    /// theirs.
    pub(super) unsafe fn return_blocks(&self, blocks: &[SlotId]) {
        let mut empty = Vec::new();
        let mut stock = self.stock.lock();
        for &first in blocks {
            #[cfg(loom)]
            (0..Self::BLOCK).for_each(|i| self.slots.get(first.plus(i).0).life.with_mut(|_| ()));
            let number = Slot::<K, V>::segment(first.0);
            if let Some(arrays) = stock.growth.put_back(number, first) {
                self.columns().into_iter().flatten().rev().for_each(|it| it.remove_segment(number));
                empty.extend(arrays.into_iter().flatten());
            }
        }
        drop(stock);
        // Without the lock: it takes the system a while to take back many pages.
        for array in empty {
            // SAFETY: the segment was removed just now, and no thread has an index of it: all of
            // its slots are free, and no shard has a block of it.
            unsafe { array.free() };
        }
    }

    /// Gives the pages of idle blocks back to the system, where it takes them. Acquires the slab's
    /// lock, again and again for a moment.
    pub(super) fn give_back_pages(&self) {
        while self.give_back_some_pages() {}
    }

    /// Gives back the pages of a few blocks. Returns `false` if there are no more.
    fn give_back_some_pages(&self) -> bool {
        // Under the lock, so that none of the blocks is given out meanwhile.
        let mut stock = self.stock.lock();
        let Some(Run { first, len }) = stock.growth.take_pages(Self::STEP) else { return false };
        let mut columns = self.columns().into_iter().flatten();
        // SAFETY: they were returned, or never given out, so no thread has an index of them; they
        // are noted as raw, so each is zeroed before it is given out.
        let gone = columns.all(|it| unsafe { it.give_back_pages(first.0, len) });
        stock.growth.keeps_pages = !gone;
        gone
    }

    /// # Safety
    /// The index came from the table, read by a pinned thread or under the lock.
    #[inline]
    pub(super) unsafe fn slot_unchecked(&self, id: SlotId) -> &Slot<K, V> {
        // SAFETY: the table holds indices of slots that exist.
        let slot = unsafe { self.slots.get_unchecked(id.0) };
        #[cfg(loom)]
        slot.life.with(|_| ());
        slot
    }

    #[inline]
    pub(super) fn slot(&self, id: SlotId) -> &Slot<K, V> {
        self.slots.get(id.0)
    }

    /// A slot's place in its queue.
    ///
    /// # Panics
    /// If there is no such slot.
    #[inline]
    pub(super) fn links(&self, id: SlotId) -> &Links {
        self.links.get(id.0)
    }

    /// As `links`, without a check.
    ///
    /// # Safety
    /// The slot is in use, and was looked up in this slab.
    #[inline]
    pub(super) unsafe fn links_unchecked(&self, id: SlotId) -> &Links {
        // SAFETY: the slot's segment exists, and each column grows before that of the slots does:
        // what makes the one visible makes the others.
        unsafe { self.links.get_unchecked(id.0) }
    }

    /// What stands in a slot beside key and value.
    ///
    /// # Panics
    /// If there is no such slot.
    #[inline]
    pub(super) fn header(&self, id: SlotId) -> &SlotHeader {
        &self.slot(id).header
    }

    /// The weight of a slot's entry; 1 where no weigher is set.
    #[inline(always)]
    pub(crate) fn weight(&self, id: SlotId) -> u32 {
        self.own_weight(id).unwrap_or(1)
    }

    /// That weight, where a weigher is set.
    #[inline(always)]
    pub(super) fn own_weight(&self, id: SlotId) -> Option<u32> {
        self.weights.as_ref().map(|weights| weights.get(id.0).load(Relaxed))
    }

    #[inline(always)]
    pub(super) fn set_weight(&self, id: SlotId, weight: u32) {
        match &self.weights {
            Some(weights) => weights.get(id.0).store(weight, Relaxed),
            None => debug_assert_eq!(weight, 1),
        }
    }

    /// Writes the times of an entry that is about to be published in a slot.
    #[inline(always)]
    pub(super) fn set_times(&self, header: &SlotHeader, id: SlotId, times: &Times) {
        header.set_deadline(times.deadline);
        self.set_written(id, times.written);
        if let Some(refresh_states) = &self.refresh_states {
            refresh_states.get(id.0).init(times);
        }
    }

    #[inline(always)]
    pub(super) fn set_written(&self, id: SlotId, tick: u64) {
        if let Some(write_times) = self.write_times.get() {
            // Relaxed: published with the slot's index, or with the deadline that is changed after
            // it.
            write_times.get(id.0).store(tick.saturating_add(1), Relaxed);
        }
    }

    /// When the slot's entry was written, if write times were recorded then.
    #[inline]
    pub(crate) fn written(&self, id: SlotId) -> Option<u64> {
        self.write_times.get()?.get(id.0).load(Relaxed).checked_sub(1)
    }

    /// The slot's [`RefreshState`], in a cache that has them.
    #[inline]
    pub(crate) fn refresh_state(&self, id: SlotId) -> Option<&RefreshState> {
        Some(self.refresh_states.as_ref()?.get(id.0))
    }

    /// The tick at which the slot's entry expires: the earliest of its deadlines, or [`NEVER`].
    #[inline]
    pub(crate) fn deadline(&self, id: SlotId) -> u64 {
        self.header(id).deadline().min(self.idle_deadline(id))
    }

    /// When the slot's entry expires unless it is read, or [`NEVER`].
    #[inline]
    pub(super) fn idle_deadline(&self, id: SlotId) -> u64 {
        if !self.idles {
            return NEVER;
        }
        self.refresh_state(id).map_or(NEVER, RefreshState::idle_deadline)
    }

    /// The number of the block this slot belongs to, within its shard.
    #[inline(always)]
    pub(crate) fn block_of(&self, id: SlotId) -> BlockNo {
        BlockNo(self.block_numbers.get(id.0 / Self::BLOCK).load(Relaxed))
    }

    /// Memory for slots, and for what stands beside them.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let stock = self.stock.lock();
        let gone = stock.growth.without_pages();
        let bytes = self.columns().map(|column| {
            let Some(column) = column else { return 0 };
            let of_run = |run: &Run| column.bytes_of_pages(run.first.0, run.len);
            column.bytes() - gone.iter().map(of_run).sum::<usize>()
        });
        // What every cache keeps of a slot, and what else this one does.
        let always = ALWAYS.map(|column| bytes[column]).iter().sum();
        let optional = bytes.iter().sum::<usize>() - always;
        let lists = stock.growth.bytes() + stock.block_numbers.capacity() * size_of::<Array>();
        (always, optional + self.block_numbers.bytes() + lists)
    }
}

impl<K, V> Drop for Slab<K, V> {
    /// Drops what all slots hold, and frees their memory.
    fn drop(&mut self) {
        let mut panics = DeferredPanic::default();
        let stock = self.stock.get_mut();
        if std::mem::needs_drop::<(K, V)>() {
            for id in stock.growth.given_out() {
                // SAFETY: its block was given out once, so the slot exists and its state says what
                // it holds; no other thread uses it.
                panics.catch(|| unsafe { self.slots.get(id.0).drop_contents() });
            }
        }
        let segments = std::mem::take(&mut stock.growth.segments).into_iter().flatten();
        let columns = segments.flat_map(|segment| segment.arrays).flatten();
        for array in columns.chain(std::mem::take(&mut stock.block_numbers)) {
            // SAFETY: the slab is being dropped.
            unsafe { array.free() };
        }
        panics.resume();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
