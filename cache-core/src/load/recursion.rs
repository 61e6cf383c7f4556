//! Loads of one key inside each other: a recursion without end is found before the stack is.

use crate::flight::wait_graph;
use crate::store::store::Store;
use crate::util::hash::KeyHash;

/// How often a load may run inside itself. With a stack of 2 MiB, what Rust gives its threads, that
/// leaves each level 64 KiB: enough for values of half a kilobyte without optimisation, whose
/// levels took 19 to 42 KiB.
const MOST_LEVELS: usize = 32;

impl<K: Eq, V> Store<K, V> {
    /// Checks that a load of this key may run inside the present ones. O(1) below 32 levels.
    ///
    /// # Panics
    /// If it runs inside itself 32 levels deep.
    #[inline]
    pub(super) fn check_levels(&self, hash: KeyHash, key: &K) {
        if wait_graph::depth() >= MOST_LEVELS {
            self.count_levels(hash, key);
        }
    }

    #[cold]
    fn count_levels(&self, hash: KeyHash, key: &K) {
        let cache = self.address();
        let loads = wait_graph::loads_of(cache, hash, MOST_LEVELS);
        if loads.is_empty() {
            return;
        }
        // So many loads of one hash: nearly always they are of one key.
        let (guard, mut levels) = (self.table.pin(), Vec::new());
        for load in &loads {
            load.for_each_key(&mut |at| {
                // A load that has ended is none that this one would run inside of.
                let other = (at.cache == cache && at.hash == hash).then(|| guard.key_of(&at.slot));
                if other.flatten().is_some_and(|other| other == key) {
                    levels.push(std::ptr::from_ref(at));
                }
            });
        }
        // One load may be there twice: by itself, and in a batch.
        levels.sort_unstable();
        levels.dedup();
        let levels = levels.len();
        assert!(
            levels < MOST_LEVELS,
            "{}: a load of a key runs inside itself, {levels} levels deep: its loader asks the \
             cache, perhaps through other functions, for the key that it is loading",
            self.title()
        );
    }
}
