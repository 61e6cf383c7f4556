//! The system's allocator with two counters: bytes alive, and the most that were alive at once.
//!
//! It counts what the program asked for, not what the allocator took from the system: rounding and
//! fragmentation belong to the allocator, and differ from one to the next.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Counts and passes on. Relaxed is enough: the counters order nothing, and they are read while no
/// thread allocates.
pub(crate) struct Counting;

fn grew(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

fn shrank(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call goes to `System` with the caller's own arguments and its result comes back
// unchanged, so the contract is kept if `System` keeps it. The counters neither allocate nor
// panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of non-zero size.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            grew(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of non-zero size.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            grew(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that the block came from this allocator, hence from
        // `System`, with this layout.
        unsafe { System.dealloc(block, layout) };
        shrank(layout.size());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`; the caller also promises a valid, non-zero new size.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            // Both may be alive while the contents are copied; the peak leaves that out, since
            // the system often grows a block in place.
            shrank(layout.size());
            grew(size);
        }
        moved
    }
}

/// Returns the bytes alive now.
pub(crate) fn live() -> usize {
    LIVE.load(Relaxed)
}

/// Returns the most bytes alive at once since the last [`forget_peak`].
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Starts a new peak from what is alive now.
pub(crate) fn forget_peak() {
    PEAK.store(live(), Relaxed);
}
