//! What a thread notes in its line for its later calls: what it is doing, and how much it has
//! written.
//!
//! Only the thread whose line it is reads and writes the notes; when the line becomes another
//! thread's, a lock comes between. So they are the standard library's atomics in models, too: there
//! is no interleaving to explore.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

/// The notes of one thread.
#[derive(Default)]
pub(crate) struct Notes {
    reserved: AtomicU16,
    /// See `notices.rs`.
    has_notices: AtomicBool,
    has_deferred: AtomicBool,
}

impl Notes {
    /// How many slots the thread has reserved, modulo 2^16: each write begins with that. (16 bits,
    /// because the line is full.)
    pub(crate) fn reserved(&self) -> u16 {
        self.reserved.load(Relaxed)
    }

    #[inline]
    pub(crate) fn count_reserved(&self) {
        self.reserved.store(self.reserved().wrapping_add(1), Relaxed);
    }

    /// Returns `true` if the thread is showing entries that it has removed.
    pub(crate) fn has_notices(&self) -> bool {
        self.has_notices.load(Relaxed)
    }

    /// Returns `false` if the thread is showing entries already.
    pub(crate) fn begin_notices(&self) -> bool {
        let begins = !self.has_notices();
        self.has_notices.store(true, Relaxed);
        begins
    }

    pub(crate) fn end_notices(&self) {
        self.has_notices.store(false, Relaxed);
    }

    /// Clears the notes in a forked child, which does not have the line's thread.
    #[cfg(unix)]
    pub(crate) fn forget(&self) {
        // Nothing is written where nothing changes: the memory stays shared with the parent.
        if self.has_notices() {
            self.has_notices.store(false, Relaxed);
            self.has_deferred.store(false, Relaxed);
        }
    }

    /// Notes whether there are entries in the thread's queue. Returns `true` if there were any.
    pub(crate) fn set_deferred(&self, has_deferred: bool) -> bool {
        let before = self.has_deferred.load(Relaxed);
        self.has_deferred.store(has_deferred, Relaxed);
        before
    }
}
