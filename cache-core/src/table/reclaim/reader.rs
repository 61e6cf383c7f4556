//! The lines of threads in one cache: what a thread announces there, see `epoch.rs`; and what it
//! notes there for its later calls.

use crate::types::stats::Counters;
use crate::util::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::util::thread_slot;

/// What a thread notes for its later calls: how much it has written, and whether it is notifying
/// the listener (see `notices.rs`).
///
/// Only the thread whose line it is reads and writes the notes; when the line becomes another
/// thread's, a lock comes between. So they are the standard library's atomics in models, too: there
/// is no interleaving to explore.
#[derive(Default)]
pub(crate) struct Notes {
    /// How many slots the thread has reserved, modulo 2^16: each write begins with that. (16 bits,
    /// because the line is full.)
    pub(crate) reserved: std::sync::atomic::AtomicU16,
    /// The thread is showing entries that it has removed.
    pub(crate) has_notices: std::sync::atomic::AtomicBool,
    /// There are entries in the thread's queue.
    pub(crate) has_deferred: std::sync::atomic::AtomicBool,
}

/// No announcement: the thread is not looking at the table. No epoch has this number.
pub(super) const IDLE: u64 = 0;
/// No thread has used this line yet. The first pin ends this state for ever.
pub(super) const UNUSED: u64 = u64::MAX;
/// In [`Reader::extra`]: the thread holds its number for these pins alone.
pub(super) const LEASED: u32 = 1 << 31;

/// One thread's line in one cache. Written by that thread alone.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Reader {
    /// The epoch in which the thread was pinned, or [`IDLE`], or [`UNUSED`].
    pub(super) announced: AtomicU64,
    /// Pins that the thread holds beyond the first, and [`LEASED`].
    pub(super) extra: AtomicU32,
    /// The thread has made a pin with the fence, so all its later pins have it: the line *has
    /// switched*.
    pub(super) fenced: AtomicBool,
    /// The thread is dropping garbage of this cache.
    pub(super) collecting: AtomicBool,
    pub(crate) notes: Notes,
    pub(crate) counters: Counters,
    /// The line's number. (32 bits, because the line is full.)
    number: u32,
}

impl Reader {
    pub(super) fn lines(first: usize, count: usize) -> Box<[Reader]> {
        let line = |number: usize| Reader {
            announced: AtomicU64::new(UNUSED),
            number: number as u32,
            ..Reader::default()
        };
        (first..first + count).map(line).collect()
    }

    /// The number of the thread whose line it is.
    pub(crate) fn number(&self) -> usize {
        self.number as usize
    }

    /// Returns `true` if the line announces nothing.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.announced.load(Relaxed), IDLE | UNUSED)
    }

    /// Clears the line in a forked child, which does not have its thread. Nothing is written where
    /// nothing changes: the memory stays shared with the parent.
    #[cfg(unix)]
    pub(super) fn forget(&self) {
        if !self.is_idle() {
            self.announced.store(IDLE, Relaxed);
            self.extra.store(0, Relaxed);
        }
        if self.collecting.load(Relaxed) {
            self.collecting.store(false, Relaxed);
        }
        if self.notes.has_notices.load(Relaxed) {
            self.notes.has_notices.store(false, Relaxed);
            self.notes.has_deferred.store(false, Relaxed);
        }
    }

    /// The last stamp up to `safe` that this line does not hold back.
    pub(super) fn hold_back(&self, safe: u64) -> u64 {
        // Acquire: pairs with the Release in the drop of `EpochGuard`.
        let announced = self.announced.load(Acquire);
        if matches!(announced, IDLE | UNUSED) { safe } else { safe.min(announced) }
    }

    /// Returns `true` if the line's announcements can be relied on after a fence of the caller: the
    /// line *has switched*. Acquires the lock of all threads' numbers.
    pub(super) fn has_switched(&self) -> bool {
        // A first pin has another fence, see `pin_slowly`.
        self.announced.load(Relaxed) == UNUSED
            // Acquire: pairs with the Release in `announce`.
            || self.fenced.load(Acquire)
            || !thread_slot::is_taken(self.number())
    }

    /// Ends one of several pins, or a pin with a leased number.
    #[cold]
    #[inline(never)]
    pub(super) fn unpin_slowly(&self) {
        let extra = self.extra.load(Relaxed);
        if extra & !LEASED > 0 {
            self.extra.store(extra - 1, Relaxed);
        } else {
            self.extra.store(0, Relaxed);
            // Release: as in `drop`. Before the number may become another thread's.
            self.announced.store(IDLE, Release);
        }
        if extra & LEASED != 0 {
            thread_slot::end_lease(self.number());
        }
    }
}
