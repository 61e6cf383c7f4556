//! An array that grows by segments, and never moves.
//!
//! See `slab.rs` for why, and for when a segment may be freed.

use std::ptr::NonNull;

use super::alloc::{self, Zeroed};
use crate::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// Slots in a block, and in the first segment.
pub(super) const BLOCK: u32 = if cfg!(loom) { 4 } else { 64 };

const FIRST_BITS: u32 = BLOCK.ilog2();
pub(super) const SEGMENTS: usize = (32 - FIRST_BITS) as usize;

/// Segments begin with a cache line, or as their elements ask.
const fn align<T>() -> usize {
    if align_of::<T>() > 64 { align_of::<T>() } else { 64 }
}

/// An array that grows by segments and never moves.
///
/// An index plus [`BLOCK`], its *position*, has its highest bit where its segment begins. So the
/// segment's array is kept as if it began at position 0, and is indexed by the position itself.
pub(super) struct Segments<T> {
    /// Where each segment's array would begin. Only to be offset by positions below `ends`.
    origins: [AtomicPtr<T>; SEGMENTS],
    /// The position after each segment's last; 0 while the segment does not exist.
    ends: [AtomicU32; SEGMENTS],
    /// Where the arrays do begin. (An origin lies outside of its array, so that a leak checker would
    /// not know it for a pointer to it.)
    starts: [AtomicPtr<T>; SEGMENTS],
}

impl<T: Zeroed> Segments<T> {
    pub(super) fn new() -> Self {
        Segments {
            origins: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            ends: std::array::from_fn(|_| AtomicU32::new(0)),
            starts: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    /// Position and segment of an index.
    #[inline]
    pub(super) fn place(index: u32) -> (usize, usize) {
        // No overflow: the last index given out is below 2^32 - BLOCK.
        let position = index.wrapping_add(BLOCK);
        // With the lowest bit set, which changes no logarithm here, it is plainly not zero.
        let bits = (position | 1).ilog2();
        (position as usize, (bits - FIRST_BITS) as usize)
    }

    /// The index of a segment's first element.
    pub(super) fn first_of(segment: usize) -> u32 {
        (BLOCK << segment) - BLOCK
    }

    pub(super) fn add_segment(&self, segment: usize, len: u32) {
        self.publish(segment, len, alloc::allocate::<T>(len as usize, align::<T>()));
    }

    /// As `add_segment`. Its elements are valid only when they have been [begun](Self::begin).
    pub(super) fn add_raw_segment(&self, segment: usize, len: u32) {
        self.publish(segment, len, alloc::allocate_raw::<T>(len as usize, align::<T>()));
    }

    fn publish(&self, segment: usize, len: u32, start: NonNull<T>) {
        let first = BLOCK << segment;
        self.starts[segment].store(start.as_ptr(), Relaxed);
        let origin = start.as_ptr().wrapping_sub(first as usize);
        self.origins[segment].store(origin, Relaxed);
        // Release: pairs with the Acquire in `get`; who sees the end sees the origin.
        self.ends[segment].store(first.wrapping_add(len), Release);
    }

    /// Makes the elements of a block zero, of which nobody has had an index.
    ///
    /// # Safety
    /// The block lies in a raw segment that was added, and has not been begun.
    pub(super) unsafe fn begin(&self, first: u32) {
        let (position, segment) = Self::place(first);
        let first = self.origins[segment].load(Relaxed).wrapping_add(position);
        // SAFETY: the caller's promise: the block lies in the segment's array, and nobody has an index of it.
        unsafe { alloc::zero(NonNull::new_unchecked(first), BLOCK as usize) };
    }

    /// # Safety
    /// The index lies in a segment that was added, and the caller learnt it from someone who knew
    /// that (so that the segment's origin is visible to him).
    #[inline]
    pub(super) unsafe fn get_unchecked(&self, index: u32) -> &T {
        let (position, segment) = Self::place(index);
        // SAFETY: the index's segment was added, so it is below SEGMENTS, and the position lies in
        // its array.
        unsafe {
            // Relaxed: the index came through an Acquire load, which its publisher's Release pairs
            // with, so no earlier array of this segment is seen; nor a later one or none, because the
            // segment is freed only after the slot was, and so after this reader has left.
            let origin = self.origins.get_unchecked(segment).load(Relaxed);
            &*origin.wrapping_add(position)
        }
    }

    /// For an index that is in use: a pinned thread has found it since it was pinned, or it lies in a block
    /// of the shard whose lock is held. For another one the check below is no promise: its segment may be
    /// freed after it.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline]
    pub(super) fn get(&self, index: u32) -> &T {
        let (position, segment) = Self::place(index);
        if position >= self.ends[segment].load(Acquire) as usize {
            no_such_slot(index);
        }
        // SAFETY: the segment was added and ends after the position. As the index is in use, its block was
        // begun, and somebody has it: the segment is not freed before that block has been returned.
        unsafe { &*self.origins.get_unchecked(segment).load(Relaxed).wrapping_add(position) }
    }

    pub(super) fn bytes(&self) -> usize {
        (0..SEGMENTS).map(|segment| self.len(segment) * size_of::<T>()).sum()
    }
}

impl<T> Segments<T> {
    /// Takes a segment out, which nobody has an index of any more.
    pub(super) fn take_segment(&self, segment: usize) -> Array<T> {
        let len = self.len(segment);
        // Release: pairs with the Acquire in `get`, for a checker's sake; nobody has an index to get.
        self.ends[segment].store(0, Release);
        let start = self.starts[segment].swap(std::ptr::null_mut(), Relaxed);
        self.origins[segment].store(std::ptr::null_mut(), Relaxed);
        Array { start: NonNull::new(start).expect("the segment exists"), len }
    }

    pub(super) fn len(&self, segment: usize) -> usize {
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

/// An array that was a segment.
pub(super) struct Array<T> {
    start: NonNull<T>,
    len: usize,
}

impl<T> Array<T> {
    pub(super) fn free(self) {
        // SAFETY: `add_segment` allocated it so, and `take_segment`, which made `self`, took it out of the
        // only place that knew it; nobody has an index of it, so nobody holds a reference into it.
        unsafe { alloc::free(self.start, self.len, align::<T>()) };
    }
}
