//! Removals that could not be made remotely, and are made later.
//!
//! A key that is here is not read from the tier: what is there is known to be out of date. The
//! queue holds each key once and is bounded; if it overflows, a flush takes the place of all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::lock::ForkMutex;

/// The most keys that are remembered.
const MOST: usize = 10_000;

/// The keys, as [`RemoteKey`](super::RemoteKey) writes them: without the generation, which may
/// change before they are removed.
pub(super) struct PendingRemovals {
    /// With the number of the addition.
    keys: ForkMutex<HashMap<Vec<u8>, u64>>,
    /// How many there are, so that a load need not acquire the lock. Written under the lock.
    /// Relaxed: a load that must know of a removal began after it, in the order of its caller.
    len: AtomicUsize,
    /// How many additions there were. Written under the lock. Relaxed: one that is not seen yet is
    /// taken for a later one, and its removal is made once more.
    additions: AtomicU64,
}

/// The additions up to a moment. A removal that began then has made these, and no later ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddedBefore(u64);

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It is remembered.
    Kept,
    /// There is no room: all is to be flushed, and then [forgotten](PendingRemovals::forget).
    Overflow,
}

impl PendingRemovals {
    pub(super) fn new() -> Self {
        PendingRemovals {
            keys: ForkMutex::new(HashMap::new()),
            len: AtomicUsize::new(0),
            additions: AtomicU64::new(0),
        }
    }

    /// Remembers a key.
    #[must_use]
    pub(super) fn add(&self, key: &[u8]) -> Queued {
        let mut keys = self.keys.lock();
        if keys.len() >= MOST && !keys.contains_key(key) {
            return Queued::Overflow;
        }
        let number = self.additions.fetch_add(1, Relaxed) + 1;
        keys.insert(key.to_vec(), number);
        self.len.store(keys.len(), Relaxed);
        Queued::Kept
    }

    /// Returns what [`settle`](Self::settle) is to be told of a write that begins.
    pub(super) fn begin(&self) -> AddedBefore {
        AddedBefore(self.additions.load(Relaxed))
    }

    /// Forgets a key: a write to it that began then was made. Not if the key was added since: by a
    /// later write, which was not made.
    pub(super) fn settle(&self, key: &[u8], before: AddedBefore) {
        if self.len() > 0 {
            let mut keys = self.keys.lock();
            if keys.get(key).is_some_and(|number| *number <= before.0) {
                keys.remove(key);
                self.len.store(keys.len(), Relaxed);
            }
        }
    }

    /// Forgets the keys that were added before: a flush will be made.
    pub(super) fn forget(&self, before: AddedBefore) {
        let mut keys = self.keys.lock();
        keys.retain(|_, number| *number > before.0);
        self.len.store(keys.len(), Relaxed);
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.len() > 0 && self.keys.lock().contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Returns the keys at present, those that were added first at the beginning.
    pub(super) fn snapshot(&self) -> Vec<Vec<u8>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut keys: Vec<_> =
            self.keys.lock().iter().map(|(key, number)| (*number, key.clone())).collect();
        keys.sort_unstable_by_key(|(number, _)| *number);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Has a key that could not be removed wait behind the others.
    pub(super) fn put_back(&self, key: &[u8]) {
        let mut keys = self.keys.lock();
        if let Some(number) = keys.get_mut(key) {
            *number = self.additions.fetch_add(1, Relaxed) + 1;
        }
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
        pending.settle(&7_usize.to_le_bytes(), pending.begin());
        assert!(!pending.contains(&7_usize.to_le_bytes()));
        assert_eq!(pending.add(b"another"), Queued::Kept);
        assert_eq!(pending.add(b"one too many"), Queued::Overflow);
        pending.forget(pending.begin());
        assert_eq!(pending.len(), 0);
        assert!(!pending.contains(b"another") && pending.snapshot().is_empty());
    }

    #[test]
    fn what_was_added_after_a_write_began_is_not_settled_by_it() {
        let pending = PendingRemovals::new();
        assert_eq!(pending.add(b"key"), Queued::Kept);
        let before = pending.begin();
        assert_eq!(pending.add(b"key"), Queued::Kept);
        pending.settle(b"key", before);
        pending.forget(before);
        assert!(pending.contains(b"key"));
        pending.settle(b"key", pending.begin());
        assert!(!pending.contains(b"key"));
    }
}
