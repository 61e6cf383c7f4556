//! Slots: where keys and values live, at an address that never changes.
//!
//! The table holds 32-bit indices, the slab the slots they name. An entry is written into a free
//! slot before its index is published and stays there until no reader can reach it: it is never
//! copied, so a value with interior mutability exists once, whatever the table around it does.
//!
//! Slots come in segments of 64, 128, 256, ...: the position of an index's highest bit names
//! its segment, and the pointers to all segments fit into a small fixed array, so that finding a
//! slot needs no directory that could grow. Segments are never freed before the cache is. The last
//! segments of a cache with a known capacity are allocated no longer than the plan demands; an
//! index range left out this way is simply never given out.
//!
//! Shards take slots in blocks of 64 and keep them: giving out and taking back a slot is the
//! shard's own affair.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Keeps;
use super::alloc::{self, Zeroed};
use super::meta::{Links, Meta, NEVER, Nodes, State};
use super::times::{Pace, Times};
use crate::sync::Mutex;
use crate::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Slots in a block, and in the first segment.
pub(super) const BLOCK: u32 = if cfg!(loom) { 4 } else { 64 };
const FIRST_BITS: u32 = BLOCK.ilog2();
const SEGMENTS: usize = (32 - FIRST_BITS) as usize;

/// One entry's memory. Its state says which of key and value are there.
#[repr(C)]
pub(super) struct Slot<K, V> {
    pub(super) meta: Meta,
    key: UnsafeCell<MaybeUninit<K>>,
    value: UnsafeCell<MaybeUninit<V>>,
}

// SAFETY: zero is a valid Meta (its fields are numbers), and MaybeUninit needs nothing.
unsafe impl<K, V> Zeroed for Slot<K, V> {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Slot {
            meta: Meta::new(),
            key: UnsafeCell::new(MaybeUninit::uninit()),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

// SAFETY: its fields are numbers, for which zero is valid.
unsafe impl Zeroed for Links {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Links::new()
    }
}

// SAFETY: its fields are numbers, for which zero is valid.
unsafe impl Zeroed for Pace {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Pace::new()
    }
}

// SAFETY: zero is a valid number.
unsafe impl Zeroed for AtomicU64 {
    #[cfg(loom)]
    fn zeroed() -> Self {
        AtomicU64::new(0)
    }
}

// SAFETY: zero is a valid number.
unsafe impl Zeroed for AtomicU32 {
    #[cfg(loom)]
    fn zeroed() -> Self {
        AtomicU32::new(0)
    }
}

impl<K, V> Slot<K, V> {
    /// # Safety
    /// The slot holds a key, and goes on holding it for `'s`.
    #[inline]
    pub(super) unsafe fn key(&self) -> &K {
        // SAFETY: the caller's promise; a key is not written while the slot is published.
        unsafe { (*self.key.get()).assume_init_ref() }
    }

    /// # Safety
    /// The slot holds a value, and goes on holding it for `'s`.
    #[inline]
    pub(super) unsafe fn value(&self) -> &V {
        // SAFETY: the caller's promise; a value is not written while the slot is published.
        unsafe { (*self.value.get()).assume_init_ref() }
    }

    /// # Safety
    /// The slot is the caller's alone and holds no key.
    pub(super) unsafe fn write_key(&self, key: K) {
        // SAFETY: the caller's promise.
        unsafe { (*self.key.get()).write(key) };
    }

    /// # Safety
    /// No reader reads the slot's value yet, the caller is the only writer, and it holds no value.
    pub(super) unsafe fn write_value(&self, value: V) {
        // SAFETY: the caller's promise.
        unsafe { (*self.value.get()).write(value) };
    }

    /// Drops what the slot holds. Runs the user's `Drop`, which may panic: then the other of the
    /// two is dropped all the same.
    ///
    /// # Safety
    /// The slot is the caller's alone, and he will not read its key or value any more.
    pub(super) unsafe fn drop_contents(&self) {
        struct DropKey<'s, K, V>(&'s Slot<K, V>);
        impl<K, V> Drop for DropKey<'_, K, V> {
            fn drop(&mut self) {
                // SAFETY: as promised by the caller of `drop_contents`; the slot holds a key.
                unsafe { (*self.0.key.get()).assume_init_drop() };
            }
        }
        let state = self.meta.state();
        // First, so that nothing that goes wrong below makes anybody drop it again.
        self.meta.set_state(State::Free);
        let _drop_key = (state != State::Free).then_some(DropKey(self));
        if matches!(state, State::Live | State::Removed | State::Replaced) {
            // SAFETY: as promised by the caller; these states hold a value.
            unsafe { (*self.value.get()).assume_init_drop() };
        }
    }
}

/// Segments begin with a cache line, or as their elements ask.
const fn align<T>() -> usize {
    if align_of::<T>() > 64 { align_of::<T>() } else { 64 }
}

/// An array that grows by segments and never moves.
///
/// An index plus [`BLOCK`], its *position*, has its highest bit where its segment begins. So the
/// segment's array is kept as if it began at position 0, and is indexed by the position itself.
struct Segments<T> {
    /// Where each segment's array would begin. Only to be offset by positions below `ends`.
    origins: [AtomicPtr<T>; SEGMENTS],
    /// The position after each segment's last; 0 while the segment does not exist.
    ends: [AtomicU32; SEGMENTS],
    /// Where the arrays do begin. (An origin lies outside of its array, so that a leak checker would
    /// not know it for a pointer to it.)
    starts: [AtomicPtr<T>; SEGMENTS],
}

impl<T: Zeroed> Segments<T> {
    fn new() -> Self {
        Segments {
            origins: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            ends: std::array::from_fn(|_| AtomicU32::new(0)),
            starts: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    /// Position and segment of an index.
    #[inline]
    fn place(index: u32) -> (usize, usize) {
        // No overflow: the last index given out is below 2^32 - BLOCK.
        let position = index.wrapping_add(BLOCK);
        // With the lowest bit set, which changes no logarithm here, it is plainly not zero.
        let bits = (position | 1).ilog2();
        (position as usize, (bits - FIRST_BITS) as usize)
    }

    /// The index of a segment's first element.
    fn first_of(segment: usize) -> u32 {
        (BLOCK << segment) - BLOCK
    }

    fn add_segment(&self, segment: usize, len: u32) {
        let first = BLOCK << segment;
        let start = alloc::allocate::<T>(len as usize, align::<T>());
        self.starts[segment].store(start.as_ptr(), Relaxed);
        let origin = start.as_ptr().wrapping_sub(first as usize);
        self.origins[segment].store(origin, Relaxed);
        // Release: pairs with the Acquire in `get`; who sees the end sees the origin.
        self.ends[segment].store(first.wrapping_add(len), Release);
    }

    /// # Safety
    /// The index lies in a segment that was added, and the caller learnt it from someone who knew
    /// that (so that the segment's origin is visible to him).
    #[inline]
    unsafe fn get_unchecked(&self, index: u32) -> &T {
        let (position, segment) = Self::place(index);
        // SAFETY: the index's segment was added, so it is below SEGMENTS, and the position lies in
        // its array.
        unsafe {
            // Relaxed: the index came through an Acquire load, which its publisher's Release pairs
            // with.
            let origin = self.origins.get_unchecked(segment).load(Relaxed);
            &*origin.wrapping_add(position)
        }
    }

    /// # Panics
    /// If there is no such element.
    #[inline]
    fn get(&self, index: u32) -> &T {
        let (position, segment) = Self::place(index);
        if position >= self.ends[segment].load(Acquire) as usize {
            no_such_slot(index);
        }
        // SAFETY: the segment was added and ends after the position; elements are valid when zero,
        // and shared from the start.
        unsafe { &*self.origins.get_unchecked(segment).load(Relaxed).wrapping_add(position) }
    }

    fn bytes(&self) -> usize {
        (0..SEGMENTS).map(|segment| self.len(segment) * size_of::<T>()).sum()
    }
}

impl<T> Segments<T> {
    fn len(&self, segment: usize) -> usize {
        (self.ends[segment].load(Relaxed) as usize).saturating_sub((BLOCK as usize) << segment)
    }
}

impl<T> Drop for Segments<T> {
    fn drop(&mut self) {
        for segment in 0..SEGMENTS {
            if let Some(start) = NonNull::new(self.starts[segment].load(Relaxed)) {
                // SAFETY: `add_segment` allocated it so; `&mut self`: nobody uses it any more.
                unsafe { alloc::free(start, self.len(segment), align::<T>()) };
            }
        }
    }
}

#[cold]
#[inline(never)]
fn no_such_slot(index: u32) -> ! {
    panic!("there is no slot {index}")
}

/// All slots of a cache.
pub(crate) struct Slab<K, V> {
    slots: Segments<Slot<K, V>>,
    links: Segments<Links>,
    /// The weight of each slot's entry; there only in a cache with a weigher.
    weights: Option<Box<Segments<AtomicU32>>>,
    /// When each slot's entry was written; there only in a cache that keeps dates.
    dates: Option<Box<Segments<AtomicU64>>>,
    /// There only in a cache whose entries may be read longer, or loaded again.
    paces: Option<Box<Segments<Pace>>>,
    /// Entries expire when nobody reads them.
    idles: bool,
    /// For each block, its number within the shard that has it.
    owners: Segments<AtomicU32>,
    growth: Mutex<Growth>,
}

struct Growth {
    /// Segments that exist.
    segments: usize,
    /// What is left of the last one.
    next: u32,
    end: u32,
    /// Slots in all segments.
    total: u64,
    /// How many slots the cache is expected to need at most.
    planned: u64,
    /// Segments added beyond that.
    past_plan: u32,
    owner_segments: usize,
}

// SAFETY: keys and values are handed out by shared reference and dropped on any thread, hence Send
// and Sync of both; the rest is atomics. That no slot is written while it is read is the table's
// protocol (see `table/mod.rs`).
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Slab<K, V> {}
// SAFETY: as above.
unsafe impl<K: Send, V: Send> Send for Slab<K, V> {}

impl<K, V> Slab<K, V> {
    pub(super) fn new(planned: Option<u64>, keeps: Keeps) -> Self {
        Slab {
            slots: Segments::new(),
            links: Segments::new(),
            weights: keeps.weights.then(|| Box::new(Segments::new())),
            dates: keeps.dates.then(|| Box::new(Segments::new())),
            paces: keeps.paces.then(|| Box::new(Segments::new())),
            idles: keeps.idles,
            owners: Segments::new(),
            growth: Mutex::new(Growth {
                segments: 0,
                next: 0,
                end: 0,
                total: 0,
                planned: planned.unwrap_or(u64::MAX),
                past_plan: 0,
                owner_segments: 0,
            }),
        }
    }

    /// Gives out a block of slots that nobody has: the index of its first. Takes the slab's own
    /// lock, under which no user code runs.
    pub(super) fn take_block(&self, owner: u32) -> u32 {
        let mut growth = self.growth.lock();
        if growth.next == growth.end {
            self.add_segment(&mut growth);
        }
        let first = growth.next;
        growth.next += BLOCK;
        let block = first / BLOCK;
        if growth.owner_segments == 0
            || block >= Segments::<AtomicU32>::first_of(growth.owner_segments)
        {
            let segment = growth.owner_segments;
            self.owners.add_segment(segment, BLOCK << segment);
            growth.owner_segments += 1;
        }
        self.owners.get(block).store(owner, Relaxed);
        first
    }

    fn add_segment(&self, growth: &mut Growth) {
        let segment = growth.segments;
        // The end of the last segment would be no 32-bit position.
        assert!(segment < SEGMENTS - 1, "a cache holds at most 2^31 - 64 entries");
        let nominal = BLOCK << segment;
        let missing = growth.planned.saturating_sub(growth.total);
        let wanted = if missing > 0 {
            missing
        } else {
            // Past the plan: readers keep garbage pinned, or shards are unevenly filled. By a
            // small step at first. Each step uses up a segment number, so they must grow: a reader
            // that is pinned for ever may cost memory, never progress.
            growth.past_plan += 1;
            (growth.total << growth.past_plan.min(20) >> 7).max(1)
        };
        // The nominal length is a multiple of the block's.
        let len = (wanted.min(u64::from(nominal)) as u32).next_multiple_of(BLOCK);
        if let Some(weights) = &self.weights {
            weights.add_segment(segment, len);
        }
        if let Some(dates) = &self.dates {
            dates.add_segment(segment, len);
        }
        if let Some(paces) = &self.paces {
            paces.add_segment(segment, len);
        }
        self.links.add_segment(segment, len);
        self.slots.add_segment(segment, len);
        growth.segments += 1;
        growth.total += u64::from(len);
        growth.next = Segments::<Slot<K, V>>::first_of(segment);
        growth.end = growth.next + len;
    }

    /// # Safety
    /// The index came from the table, read by a pinned thread or under the lock.
    #[inline]
    pub(super) unsafe fn slot_unchecked(&self, id: u32) -> &Slot<K, V> {
        // SAFETY: the table holds indices of slots that exist.
        unsafe { self.slots.get_unchecked(id) }
    }

    #[inline]
    pub(super) fn slot(&self, id: u32) -> &Slot<K, V> {
        self.slots.get(id)
    }

    #[inline]
    pub(super) fn set_weight(&self, id: u32, weight: u32) {
        match &self.weights {
            Some(weights) => weights.get(id).store(weight, Relaxed),
            None => debug_assert_eq!(weight, 1),
        }
    }

    /// Writes down what is known of time when an entry begins its life in a slot.
    #[inline]
    pub(super) fn set_times(&self, id: u32, times: &Times) {
        self.meta(id).set_deadline(times.deadline);
        if let Some(dates) = &self.dates {
            dates.get(id).store(times.written, Relaxed);
        }
        if let Some(paces) = &self.paces {
            paces.get(id).begin(times);
        }
    }

    /// When the slot's entry was written, where dates are kept.
    #[inline]
    pub(crate) fn written(&self, id: u32) -> Option<u64> {
        Some(self.dates.as_ref()?.get(id).load(Relaxed))
    }

    /// See [`Pace`].
    #[inline]
    pub(crate) fn pace(&self, id: u32) -> Option<&Pace> {
        Some(self.paces.as_ref()?.get(id))
    }

    /// The tick at which the slot's entry expires: the earliest of its deadlines, or [`NEVER`].
    #[inline]
    pub(crate) fn deadline(&self, id: u32) -> u64 {
        self.meta(id).deadline().min(self.idle_until(id))
    }

    /// When the slot's entry expires if nobody reads it, or [`NEVER`].
    #[inline]
    pub(super) fn idle_until(&self, id: u32) -> u64 {
        if !self.idles {
            return NEVER;
        }
        self.pace(id).map_or(NEVER, Pace::idle_until)
    }

    /// The number of the block this slot belongs to, within its shard.
    #[inline]
    pub(super) fn owner(&self, id: u32) -> u32 {
        self.owners.get(id / BLOCK).load(Relaxed)
    }

    /// Memory for slots, and for what stands beside them.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let weights = self.weights.as_ref().map_or(0, |weights| weights.bytes());
        let dates = self.dates.as_ref().map_or(0, |dates| dates.bytes());
        let paces = self.paces.as_ref().map_or(0, |paces| paces.bytes());
        let slots = self.slots.bytes() + self.links.bytes();
        (slots, weights + dates + paces + self.owners.bytes())
    }
}

impl<K, V> Nodes for Slab<K, V> {
    #[inline]
    fn meta(&self, id: u32) -> &Meta {
        &self.slots.get(id).meta
    }

    #[inline]
    fn links(&self, id: u32) -> &Links {
        self.links.get(id)
    }

    #[inline]
    fn weight(&self, id: u32) -> u32 {
        self.weights.as_ref().map_or(1, |weights| weights.get(id).load(Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_costs_24_bytes_beside_key_and_value() {
        assert_eq!(size_of::<Slot<u64, u64>>(), 16 + 16);
        assert_eq!(size_of::<Slot<String, [u8; 3]>>(), 24 + 8 + 16);
        assert_eq!(size_of::<Links>(), 8);
    }

    #[test]
    fn blocks_do_not_overlap_and_all_their_slots_exist() {
        let slab = Slab::<u64, u64>::new(Some(1000), Keeps { weights: true, ..Keeps::default() });
        let mut firsts: Vec<u32> = (0..100).map(|owner| slab.take_block(owner)).collect();
        for (owner, &first) in firsts.iter().enumerate() {
            for id in first..first + BLOCK {
                assert_eq!(slab.owner(id), owner as u32);
                slab.set_weight(id, id);
                slab.meta(id).set_hash(id);
            }
        }
        for &first in &firsts {
            for id in first..first + BLOCK {
                assert_eq!((slab.weight(id), slab.meta(id).hash()), (id, id));
            }
        }
        firsts.sort_unstable();
        assert!(firsts.windows(2).all(|pair| pair[0] + BLOCK <= pair[1]));
    }

    #[test]
    fn a_planned_slab_is_allocated_to_plan_and_grows_past_it_by_small_steps() {
        let slab = Slab::<u64, u64>::new(Some(10_000), Keeps::default());
        for owner in 0..10_000u32.div_ceil(BLOCK) {
            slab.take_block(owner);
        }
        assert_eq!(slab.growth.lock().total, 10_048);
        slab.take_block(0);
        assert!(slab.growth.lock().total <= 10_048 + 10_048 / 64 + 64);
    }

    #[test]
    fn a_slab_goes_on_growing_however_far_past_its_plan() {
        let slab = Slab::<(), ()>::new(Some(64), Keeps::default());
        for owner in 0..(1 << 20) / BLOCK {
            slab.take_block(owner);
        }
        let growth = slab.growth.lock();
        assert!(growth.segments < SEGMENTS - 6, "{} segments", growth.segments);
        assert!(growth.total < 3 << 20);
    }
}
