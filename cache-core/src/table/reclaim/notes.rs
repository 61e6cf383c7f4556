//! What a thread notes in its line for calls of its own: that it is in the middle of something, and
//! how much it has written.
//!
//! One thread alone reads and writes the notes of a line, the one whose line it is; when the line
//! becomes another thread's, a lock comes between. So they are the standard library's atomics in
//! models, too: there is nothing to be tried out.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

/// See the module's head.
#[derive(Default)]
pub(crate) struct Notes {
    reserved: AtomicU16,
    /// See `notices.rs`.
    has_notices: AtomicBool,
    has_deferred: AtomicBool,
}

impl Notes {
    /// How many slots the thread has reserved, modulo 2^16: whatever it writes begins with that.
    /// (The line is full.)
    pub(crate) fn reserved(&self) -> u16 {
        self.reserved.load(Relaxed)
    }

    #[inline]
    pub(crate) fn count_reserved(&self) {
        self.reserved.store(self.reserved().wrapping_add(1), Relaxed);
    }

    /// Is the thread showing entries that it has removed?
    pub(crate) fn has_notices(&self) -> bool {
        self.has_notices.load(Relaxed)
    }

    /// False if the thread is showing entries already.
    pub(crate) fn begin_notices(&self) -> bool {
        let begins = !self.has_notices();
        self.has_notices.store(true, Relaxed);
        begins
    }

    pub(crate) fn end_notices(&self) {
        self.has_notices.store(false, Relaxed);
    }

    /// In a forked child, where the line's thread is not there.
    #[cfg(unix)]
    pub(crate) fn forget(&self) {
        // Nothing is written where nothing changes: the memory goes on being the parent's, too.
        if self.has_notices() {
            self.has_notices.store(false, Relaxed);
            self.has_deferred.store(false, Relaxed);
        }
    }

    /// Notes whether there are entries in the thread's queue. Returns whether there were any.
    pub(crate) fn set_deferred(&self, has_deferred: bool) -> bool {
        let before = self.has_deferred.load(Relaxed);
        self.has_deferred.store(has_deferred, Relaxed);
        before
    }
}
