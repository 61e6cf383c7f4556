//! An array that grows by segments, and never moves.
//!
//! See `slab.rs` for why, and for when a segment may be freed.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::alloc::{self, Zeroed};
use super::pages;
use crate::util::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// Slots come in blocks of at most so many: a block has a bit for each of its slots in a word.
const MOST: u32 = 64;

/// Bytes of slots in a block, unless a single slot has more: a page of memory. A shard with one
/// entry has a block, so this is what a cache may waste for each shard. Slots of up to 64 bytes,
/// which is a string and a vector, come in blocks of 64.
const BLOCK_BYTES: usize = 4096;

/// Places for the segments of an array, whatever its blocks: one for each bit of a position. (Those
/// of the lowest bits are never used. To go by the bit itself saves a subtraction and a comparison
/// at each access.)
const PLACES: usize = 32;

/// How slots, and the columns beside them, are cut into blocks and segments: given by the type of
/// the slot, so that it is a constant where an index is turned into an address.
///
/// Segment 0 is as long as a block, each further one may be twice as long as the one before. An
/// index plus [`BLOCK`](Self::BLOCK), its *position*, has its highest bit where its segment begins.
pub(super) trait Blocks {
    /// Slots in a block: a power of two, at most [`MOST`].
    const BLOCK: u32;

    /// The bits of all slots of a block.
    const FULL: u64 = u64::MAX >> (MOST - Self::BLOCK);

    const FIRST_BITS: u32 = Self::BLOCK.ilog2();

    /// Position of an index, and its highest bit.
    #[inline]
    fn place(index: u32) -> (usize, usize) {
        // No overflow: the last index given out is below 2^31.
        let position = index.wrapping_add(Self::BLOCK);
        // With the lowest bit set, which changes no logarithm here, it is plainly not zero.
        (position as usize, (position | 1).ilog2() as usize)
    }

    /// The number of the segment of an index.
    fn segment(index: u32) -> usize {
        Self::place(index).1 - Self::FIRST_BITS as usize
    }

    /// The highest bit of the positions in a segment.
    fn bit(segment: usize) -> usize {
        segment + Self::FIRST_BITS as usize
    }
}

/// The slots in a block, for slots of so many bytes.
pub(super) const fn block_for(slot: usize) -> u32 {
    if cfg!(loom) {
        return 4;
    }
    let mut block = MOST;
    while block > 1 && block as usize * slot > BLOCK_BYTES {
        block /= 2;
    }
    block
}

/// The index of a segment's first element, in blocks of so many.
pub(super) fn first_of(segment: usize, block: u32) -> u32 {
    (block << segment) - block
}

/// Segments that there may be, of blocks of so many: with all of them, indices go up to 2^31.
pub(super) fn most_segments(block: u32) -> usize {
    (31 - block.ilog2()) as usize
}

/// Segments begin with a cache line, or as their elements ask.
const fn align<T>() -> usize {
    if align_of::<T>() > 64 { align_of::<T>() } else { 64 }
}

/// An array that grows by segments and never moves, of as many elements as there are slots in the
/// blocks of `B`.
///
/// A segment's array is kept as if it began at position 0, and is indexed by the position itself.
/// That saves a shift and a subtraction at each access: with the arrays' true starts instead, a hit
/// in a cache of 5,000 entries took 8.8 ns in place of 7.8, an update 7 % and an evicting insert 4
/// % more instructions.
#[derive(Default)]
pub(super) struct Segments<T, B> {
    /// Where each segment's array would begin, by the highest bit of its positions. Only to be
    /// offset by positions of indices below `ends`.
    origins: [AtomicPtr<T>; PLACES],
    /// The index after each segment's last; 0 while the segment does not exist.
    ends: [AtomicU32; PLACES],
    blocks: PhantomData<fn() -> B>,
}

impl<T: Zeroed, B: Blocks> Segments<T, B> {
    /// # Safety
    /// The index lies in a segment that was added, and was read with an ordering that makes the
    /// segment's origin visible.
    #[inline]
    pub(super) unsafe fn get_unchecked(&self, index: u32) -> &T {
        let (position, bit) = B::place(index);
        // Relaxed: the index came through an Acquire load, which its publisher's Release pairs
        // with, so no earlier array of this segment is seen; nor a later one or none, because the
        // segment is freed only after the slot, and so after this reader was unpinned.
        let element = self.origins[bit].load(Relaxed).wrapping_add(position);
        // SAFETY: the index's segment was added, and the position lies in its array. (The compiler
        // does not know that of a computed address; told, a hit takes 2 instructions fewer.)
        unsafe {
            std::hint::assert_unchecked(!element.is_null());
            &*element
        }
    }

    /// For an index that is in use: a pinned thread has learnt of it since it was pinned, or it
    /// lies in a block of the shard whose writer the caller has. (Code outside of the table passes
    /// down the numbers of live entries, with their shard's writer: the policy's, and those of an
    /// `EntryRef`.) For another one the check below is no promise: its segment may be freed after
    /// it.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline]
    pub(super) fn get(&self, index: u32) -> &T {
        let (position, bit) = B::place(index);
        // Compared by the index, not by the position: that of `NIL` is in range where a block is
        // one slot.
        if index >= self.ends[bit].load(Acquire) {
            no_such_slot(index);
        }
        // SAFETY: the segment was added and ends after the position. As the index is in use, its
        // block was zeroed, and a shard has it: the segment is not freed before that block is
        // returned.
        unsafe { &*self.origins[bit].load(Relaxed).wrapping_add(position) }
    }

    /// Where an element of a segment that exists stands.
    fn address(&self, index: u32) -> *mut T {
        let (position, bit) = B::place(index);
        self.origins[bit].load(Relaxed).wrapping_add(position)
    }

    pub(super) fn len(&self, segment: usize) -> usize {
        match self.ends[B::bit(segment)].load(Relaxed) {
            0 => 0,
            end => (end - first_of(segment, B::BLOCK)) as usize,
        }
    }
}

/// Segments, whatever they are of.
pub(super) trait Growing {
    /// Adds a segment: of zeroed elements, or else of elements that are valid only when they have
    /// been [zeroed](Self::zero_block). The array that is returned is the memory of it, for the
    /// caller to keep and to free.
    fn add_segment(&self, segment: usize, len: u32, zeroed: bool) -> Array;

    /// Zeroes the elements of a block.
    ///
    /// # Safety
    /// The block lies in a segment that was added, and no thread has an index of it.
    unsafe fn zero_block(&self, first: u32);

    /// Takes out a segment that no thread has an index of any more. Its array may then be freed.
    fn remove_segment(&self, segment: usize);

    /// Gives the pages that lie wholly within so many elements back to the system. Returns `false`
    /// if it refuses.
    ///
    /// # Safety
    /// The elements lie in blocks of one segment that no thread has an index of, and are zeroed by
    /// blocks before any has one again.
    unsafe fn give_back_pages(&self, first: u32, len: u32) -> bool;

    /// The bytes of those pages.
    fn bytes_of_pages(&self, first: u32, len: u32) -> usize;

    fn bytes(&self) -> usize;
}

impl<T: Zeroed, B: Blocks> Growing for Segments<T, B> {
    fn add_segment(&self, segment: usize, len: u32, zeroed: bool) -> Array {
        let start = alloc::allocate::<T>(len as usize, align::<T>(), zeroed);
        let position = B::BLOCK << segment;
        let origin = start.as_ptr().wrapping_sub(position as usize);
        self.origins[B::bit(segment)].store(origin, Relaxed);
        // Release: pairs with the Acquire in `get`; a thread that sees the end sees the origin.
        self.ends[B::bit(segment)].store(first_of(segment, B::BLOCK) + len, Release);
        // SAFETY: it came from `allocate` with this length and alignment; the caller of
        // `Array::free` promises the rest.
        let free =
            |start: NonNull<()>, len| unsafe { alloc::free::<T>(start.cast(), len, align::<T>()) };
        Array { start: start.cast(), len: len as usize, free }
    }

    unsafe fn zero_block(&self, first: u32) {
        let first = self.address(first);
        // SAFETY: the caller's promise: the block lies in the segment's array, and no thread has an
        // index of it.
        unsafe { alloc::zero(NonNull::new_unchecked(first), B::BLOCK as usize) };
    }

    fn remove_segment(&self, segment: usize) {
        // Release: pairs with the Acquire in `get`, for a checker's sake; no thread has an index to
        // get.
        self.ends[B::bit(segment)].store(0, Release);
        self.origins[B::bit(segment)].store(std::ptr::null_mut(), Relaxed);
    }

    unsafe fn give_back_pages(&self, first: u32, len: u32) -> bool {
        // SAFETY: the caller's promise: the elements are in one array, and nobody uses them.
        unsafe { pages::give_back(self.address(first).cast(), len as usize * size_of::<T>()) }
    }

    fn bytes_of_pages(&self, first: u32, len: u32) -> usize {
        pages::within(self.address(first).addr(), len as usize * size_of::<T>()).len()
    }

    fn bytes(&self) -> usize {
        (0..most_segments(B::BLOCK)).map(|segment| self.len(segment) * size_of::<T>()).sum()
    }
}

#[cold]
#[inline(never)]
fn no_such_slot(index: u32) -> ! {
    panic!("there is no slot {index}")
}

/// The memory of a segment, by its true start. (An origin lies outside of its array, so a leak
/// checker would not take it for a pointer to it.)
pub(super) struct Array {
    start: NonNull<()>,
    len: usize,
    free: unsafe fn(NonNull<()>, usize),
}

impl Array {
    /// Frees it, without dropping its elements. (Free slots hold nothing that would have to be.)
    ///
    /// # Safety
    /// No thread uses it any more: its segment was removed, or the `Segments` are being dropped.
    pub(super) unsafe fn free(self) {
        // SAFETY: `add_segment` made the function for the type of the elements; the caller promises
        // the rest.
        unsafe { (self.free)(self.start, self.len) };
    }
}
