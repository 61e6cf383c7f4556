//! What a thread notes in its line for calls of its own: that it is in the middle of something, and
//! how much it has written.
//!
//! One thread alone reads and writes the notes of a line, the one whose line it is; when the line
//! becomes another thread's, a lock comes between. So they are the standard library's atomics in
//! models, too: there is nothing to be tried out.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// See the module's head.
#[derive(Default)]
pub(super) struct Notes {
    reserved: AtomicU32,
}

impl Notes {
    /// How many slots the thread has reserved, modulo 2^32: whatever it writes begins with that.
    pub(super) fn reserved(&self) -> u32 {
        self.reserved.load(Relaxed)
    }

    #[inline]
    pub(super) fn count_reserved(&self) {
        self.reserved.store(self.reserved().wrapping_add(1), Relaxed);
    }
}
