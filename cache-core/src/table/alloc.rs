//! Zeroed arrays: aligned, big, lazily touched.
//!
//! The table's arrays are taken zeroed from the allocator, which for large ones passes on untouched
//! pages of the operating system: an array costs memory only where it is used, and taking it
//! is no pause. The standard library does so for ordinary alignments only (for larger ones it
//! writes the zeros itself), so alignment is made here, with the start of the allocation noted in
//! the word before the array.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::util::sync::atomic::{AtomicU32, AtomicU64};

/// Types whose default may be had by writing zeros. (loom's atomics are not plain memory; under
/// loom arrays are filled with defaults, one by one.)
///
/// # Safety
/// A value whose first [`ZEROED`](Self::ZEROED) bytes are zero must be valid, whatever the others
/// are, and equal to the default.
pub(super) unsafe trait Zeroed: Default {
    /// How many of its bytes must be zero.
    const ZEROED: usize = size_of::<Self>();
}

// SAFETY: zero is a valid number, and the default.
unsafe impl Zeroed for AtomicU64 {}
// SAFETY: as above.
unsafe impl Zeroed for AtomicU32 {}

/// The alignment that allocators give in any case.
const ORDINARY: usize = align_of::<usize>();

fn layout<T>(len: usize, align: usize) -> Layout {
    let bytes = len.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(align));
    bytes
        .and_then(|bytes| Layout::from_size_align(bytes + ORDINARY, ORDINARY).ok())
        .unwrap_or_else(|| panic!("an array of {len} entries is larger than the address space"))
}

/// Allocates `len` values, aligned to `align`, a power of two of at least the alignment of `T` and
/// of a word. Zeroed, or else uninitialised: for arrays that are [zeroed](zero) by parts, as they
/// are put to use. An allocator that reuses memory of that size would have to zero all of it first:
/// 10 ms for 32 MiB, within a single call.
pub(super) fn allocate<T: Zeroed>(len: usize, align: usize, zeroed: bool) -> NonNull<T> {
    assert!(align.is_power_of_two() && align >= align_of::<T>().max(ORDINARY));
    let layout = layout::<T>(len, align);
    let allocate = if zeroed { std::alloc::alloc_zeroed } else { std::alloc::alloc };
    // SAFETY: the layout's size is not 0.
    let start = unsafe { allocate(layout) };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    let room_for_note = start.wrapping_add(ORDINARY);
    let array = room_for_note.map_addr(|address| address.next_multiple_of(align));
    // SAFETY: there is at least a word between `start` and `array`, at most `align + ORDINARY`
    // bytes; the rest of the allocation is the array's. All three are aligned to a word.
    let array = unsafe {
        array.cast::<*mut u8>().sub(1).write(start);
        NonNull::new_unchecked(array).cast::<T>()
    };
    #[cfg(loom)]
    if zeroed {
        // SAFETY: the array is that long, and no other thread knows it yet.
        unsafe { zero(array, len) };
    }
    array
}

/// Zeroes the bytes of `len` values that must be zero: of large slots a few bytes each.
///
/// # Safety
/// There is memory for them, and the caller has the only access to it.
pub(super) unsafe fn zero<T: Zeroed>(first: NonNull<T>, len: usize) {
    #[cfg(not(loom))]
    if T::ZEROED == size_of::<T>() {
        // SAFETY: the caller's promise.
        unsafe { first.write_bytes(0, len) };
    } else {
        for i in 0..len {
            // SAFETY: as above; the bytes lie in the value.
            unsafe { first.add(i).cast::<u8>().write_bytes(0, T::ZEROED) };
        }
    }
    #[cfg(loom)]
    for i in 0..len {
        // SAFETY: as above.
        unsafe { first.add(i).write(T::default()) };
    }
}

/// Frees what [`allocate`] gave, without dropping the values.
///
/// # Safety
/// `array` came from `allocate` with the same `len` and `align`, and no thread uses it any more.
pub(super) unsafe fn free<T>(array: NonNull<T>, len: usize, align: usize) {
    // SAFETY: `allocate` noted the start in the word before the array, and the caller promises
    // that the layout is the same.
    unsafe {
        let start = array.as_ptr().cast::<*mut u8>().sub(1).read();
        std::alloc::dealloc(start, layout::<T>(len, align));
    }
}

/// Half a cache line, in words.
#[derive(Default)]
#[repr(C, align(32))]
pub(crate) struct HalfLine(pub(crate) [u64; 4]);

// SAFETY: zero is a valid number, and the default.
unsafe impl Zeroed for HalfLine {}

/// An array of half cache lines, zero at first, none of which lies in two lines.
pub(crate) struct HalfLines {
    /// Dangling if there are none.
    start: NonNull<HalfLine>,
    len: usize,
}

// SAFETY: it alone has its memory, which holds numbers.
unsafe impl Send for HalfLines {}

impl HalfLines {
    /// So many.
    pub(crate) fn new(len: usize) -> Self {
        let start = match len {
            0 => NonNull::dangling(),
            len => allocate(len, align_of::<HalfLine>(), true),
        };
        HalfLines { start, len }
    }
}

impl Default for HalfLines {
    fn default() -> Self {
        HalfLines::new(0)
    }
}

impl Deref for HalfLines {
    type Target = [HalfLine];

    #[inline]
    fn deref(&self) -> &[HalfLine] {
        // SAFETY: there are so many, and they are this array's.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for HalfLines {
    #[inline]
    fn deref_mut(&mut self) -> &mut [HalfLine] {
        // SAFETY: as above, and `self` is the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for HalfLines {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: they were allocated with this length and alignment, and no thread has them.
            unsafe { free(self.start, self.len, align_of::<HalfLine>()) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Line(#[expect(dead_code, reason = "only its size matters")] [u8; 24]);
    // SAFETY: zero bytes are bytes, and the default.
    unsafe impl Zeroed for Line {}

    struct Headed(#[expect(dead_code, reason = "only its size matters")] [u8; 5000]);
    impl Default for Headed {
        fn default() -> Self {
            Headed([0; 5000])
        }
    }
    // SAFETY: bytes are bytes, and zero the default.
    unsafe impl Zeroed for Headed {
        const ZEROED: usize = 16;
    }

    #[test]
    fn only_what_must_be_zero_is_written() {
        let array = allocate::<Headed>(3, 64, false);
        // SAFETY: the array is ours and that long.
        unsafe {
            array.cast::<u8>().write_bytes(0xff, 3 * size_of::<Headed>());
            zero(array.add(1), 2);
            let bytes = std::slice::from_raw_parts(array.as_ptr().cast::<u8>(), 3 * 5000);
            for (place, byte) in bytes.iter().enumerate() {
                let is_head = place >= 5000 && place % 5000 < 16;
                assert_eq!(*byte, if is_head { 0 } else { 0xff }, "byte {place}");
            }
            free(array, 3, 64);
        }
    }

    #[test]
    fn arrays_are_aligned_zeroed_and_freed() {
        for (len, align) in [(1, 8), (3, 64), (1000, 128), (300_000, 64)] {
            let array = allocate::<Line>(len, align, true);
            assert_eq!(array.as_ptr().addr() % align, 0);
            // SAFETY: the array is ours and that long.
            unsafe {
                let bytes = std::slice::from_raw_parts(array.as_ptr().cast::<u8>(), len * 24);
                assert!(bytes.iter().all(|byte| *byte == 0));
                array.as_ptr().cast::<u8>().write_bytes(0xff, len * 24);
                free(array, len, align);
            }
        }
    }

    #[test]
    fn half_lines_are_zero_and_lie_in_one_line_each() {
        for len in [0, 1, 7, 100_000] {
            let mut lines = HalfLines::new(len);
            assert_eq!(lines.len(), len);
            assert!(lines.iter().all(|line| line.0 == [0; 4]));
            assert!(len == 0 || lines.as_ptr().addr().is_multiple_of(32));
            lines.iter_mut().for_each(|line| line.0 = [u64::MAX; 4]);
        }
    }
}
