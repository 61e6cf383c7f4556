//! Pages: parts of an array that are not in use, given back to the system while the array stays.
//!
//! The array is the global allocator's, and stays allocated: to the allocator nothing happens, and
//! what it counts is what was asked of it. Only the memory behind some of its pages goes, by
//! `madvise(2)` with `MADV_DONTNEED`, until they are written again.
//!
//! # Why this is sound for any allocator
//! The pages lie wholly in a block of memory that the cache has allocated and not freed, so their
//! contents are the cache's own, and it treats them as undefined afterwards: it zeroes what must be
//! zero before it uses a slot there again. So it does not matter whether they read as zeros then
//! (private memory, which is what allocators hand out), or as what a file holds (a shared mapping,
//! whose pages stay in the system's cache). Nothing is unmapped and no right is changed. Where the
//! pages cannot go (they are locked, or larger than the system's), the call fails, and nothing has
//! happened. An allocator that keeps notes beside its blocks, as sanitizers do, is not concerned.
//!
//! `MADV_FREE` would be cheaper by the page faults of those that are used again soon, but it frees
//! nothing before the system runs short: what a process is seen to hold would not become less.

use std::ops::Range;

/// Whether the system may take pages back.
pub(super) const MAY_GO: bool = cfg!(all(target_os = "linux", not(loom), not(miri)));

#[cfg(all(target_os = "linux", not(loom), not(miri)))]
mod system {
    use rustix::mm::{Advice, madvise};

    pub(super) fn page_size() -> usize {
        // SAFETY: it only reads. (Every Linux knows it, so it is not -1.)
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
    }

    /// # Safety
    /// No other thread uses the pages, whose contents are undefined afterwards.
    pub(super) unsafe fn discard(start: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { madvise(start.cast(), len, Advice::LinuxDontNeed) }.is_ok()
    }
}

/// Elsewhere they stay.
#[cfg(not(all(target_os = "linux", not(loom), not(miri))))]
mod system {
    pub(super) fn page_size() -> usize {
        1
    }

    /// # Safety
    /// None is needed: nothing happens.
    pub(super) unsafe fn discard(_: *mut u8, _: usize) -> bool {
        false
    }
}

/// The addresses of the pages that lie wholly within some memory.
pub(super) fn within(address: usize, len: usize) -> Range<usize> {
    let page = system::page_size();
    let (start, end) = (address.next_multiple_of(page), (address + len) / page * page);
    start..end.max(start)
}

/// Gives back the pages that lie wholly within some memory. Returns `false` if the system refuses.
///
/// # Safety
/// The memory is allocated, the caller has the only access to it, and its contents are undefined
/// afterwards.
pub(super) unsafe fn give_back(start: *mut u8, len: usize) -> bool {
    let pages = within(start.addr(), len);
    // SAFETY: the pages lie in the memory, of which the caller makes the promise.
    pages.is_empty() || unsafe { system::discard(start.with_addr(pages.start), pages.len()) }
}

#[cfg(all(test, target_os = "linux", not(loom), not(miri)))]
mod tests {
    use super::*;
    use crate::table::alloc::{allocate, free};
    use crate::util::sync::atomic::AtomicU64;

    #[test]
    fn pages_wholly_within_some_memory_go_and_may_be_written_again() {
        let page = system::page_size();
        let words = 9 * page / 8 + 13;
        let len = 8 * words;
        let array = allocate::<AtomicU64>(words, 64, false);
        let start = array.as_ptr().cast::<u8>();
        // SAFETY: the array is ours, and that long; here and below.
        let bytes = || unsafe { std::slice::from_raw_parts(start, len) };
        for round in 1..3 {
            // SAFETY: as above.
            unsafe { start.write_bytes(round, len) };
            let gone = within(start.addr() + 24, len - 40);
            assert!(gone.len() >= 8 * page && gone.start >= start.addr() + 24);
            assert!(gone.end <= start.addr() + len - 16);
            // SAFETY: as above.
            assert!(unsafe { give_back(start.wrapping_add(24), len - 40) });
            for (at, byte) in bytes().iter().enumerate() {
                let is_gone = gone.contains(&(start.addr() + at));
                assert_eq!(*byte, if is_gone { 0 } else { round }, "byte {at}");
            }
        }
        // Less than a page: nothing goes.
        // SAFETY: as above.
        unsafe {
            start.write_bytes(7, len);
            assert!(give_back(start, page - 1));
        }
        assert!(bytes().iter().all(|byte| *byte == 7));
        // SAFETY: it came from `allocate`, and is not used any more.
        unsafe { free(array, words, 64) };
    }
}
