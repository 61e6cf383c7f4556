//! Removals that could not be made remotely, and are made later.
//!
//! A key that is here is not read from the tier: what is there is known to be out of date. The
//! queue holds each key once and is bounded; if it overflows, a flush takes the place of all.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::lock::ForkMutex;

/// The most keys that are remembered.
const MOST: usize = 10_000;

/// The keys, as [`RemoteKey`](super::RemoteKey) writes them: without the generation, which may
/// change before they are removed.
pub(super) struct PendingRemovals {
    keys: ForkMutex<HashSet<Vec<u8>>>,
    /// How many there are, so that a load need not acquire the lock. Written under the lock.
    /// Relaxed: a load that must know of a removal began after it, in the order of its caller.
    len: AtomicUsize,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It is remembered.
    Kept,
    /// There is no room: all is forgotten, and has to be flushed instead.
    Overflow,
}

impl PendingRemovals {
    pub(super) fn new() -> Self {
        PendingRemovals { keys: ForkMutex::new(HashSet::new()), len: AtomicUsize::new(0) }
    }

    /// Remembers a key.
    #[must_use]
    pub(super) fn add(&self, key: &[u8]) -> Queued {
        let mut keys = self.keys.lock();
        if keys.len() >= MOST && !keys.contains(key) {
            keys.clear();
            self.len.store(0, Relaxed);
            return Queued::Overflow;
        }
        keys.insert(key.to_vec());
        self.len.store(keys.len(), Relaxed);
        Queued::Kept
    }

    /// Forgets a key: it has been removed.
    pub(super) fn remove(&self, key: &[u8]) {
        if self.len() > 0 {
            let mut keys = self.keys.lock();
            keys.remove(key);
            self.len.store(keys.len(), Relaxed);
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.len() > 0 && self.keys.lock().contains(key)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Returns the keys at present.
    pub(super) fn snapshot(&self) -> Vec<Vec<u8>> {
        if self.len() == 0 { Vec::new() } else { self.keys.lock().iter().cloned().collect() }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_remembered_once_and_too_many_are_a_flush() {
        let pending = PendingRemovals::new();
        for number in 0..MOST {
            assert_eq!(pending.add(&number.to_le_bytes()), Queued::Kept);
            assert_eq!(pending.add(&number.to_le_bytes()), Queued::Kept);
        }
        assert_eq!((pending.len(), pending.snapshot().len()), (MOST, MOST));
        assert!(pending.contains(&7_usize.to_le_bytes()));
        pending.remove(&7_usize.to_le_bytes());
        assert!(!pending.contains(&7_usize.to_le_bytes()));
        assert_eq!(pending.add(b"another"), Queued::Kept);
        assert_eq!(pending.add(b"one too many"), Queued::Overflow);
        assert_eq!(pending.len(), 0);
        assert!(!pending.contains(b"another") && pending.snapshot().is_empty());
    }
}
