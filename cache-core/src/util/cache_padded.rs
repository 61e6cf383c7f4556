//! Padding against false sharing.

use std::ops::{Deref, DerefMut};

/// Keeps values that different cores write on different cache lines. 128 and not 64 bytes: the
/// prefetchers of current x86 cores fetch lines in pairs, and some ARM cores have lines of 128.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
