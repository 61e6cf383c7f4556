//! Storing and removing.

use std::hash::{BuildHasher, Hash};

use super::Cache;
use crate::types::removal::RemovalCause;
use equivalent::Equivalent;

/// Writing: what is stored and removed supersedes the loads that began before.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Stores a value, in place of the key's present one. The entry's time to live begins anew.
    ///
    /// The write supersedes a running load of the key: callers that wait for that load receive its
    /// value, which is not stored. A value heavier than the whole cache is not stored: the present
    /// value is removed all the same, and the listener is notified of both.
    ///
    /// Acquires the lock of the key's shard, and of others, one at a time, if they have to give up
    /// room. O(1) amortised; evicts as many entries as the new one needs room for. Runs the
    /// weigher, and the listener for what was removed.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, &str> = cache_core::Cache::new(10);
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// assert_eq!(cache.get(&1), Some("uno"));
    /// ```
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        let hash = self.hash(&key);
        self.store().insert(hash, key, value, None);
    }

    /// As [`remove`](Self::remove), without cloning the value.
    pub fn invalidate<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.invalidate_live(key);
    }

    /// Removes all entries. Supersedes all running loads: no load that began before is stored
    /// after.
    ///
    /// Acquires each shard's lock, one at a time and for a moment only. Notifying the listener and
    /// dropping the values, O(n), is done by this call without a lock.
    #[doc(alias = "clear")]
    #[doc(alias = "cache_clear")]
    pub fn invalidate_all(&self) {
        self.store().remove_all();
    }

    /// Removes every entry for which `predicate` returns `true`, and returns how many these were.
    /// Supersedes all running loads: no load that began before is stored after.
    ///
    /// Entries stored during the call may or may not be shown to `predicate`. One that is replaced
    /// before it can be removed is shown again, a few hundred times at most.
    ///
    /// O(n). `predicate` runs without a lock, on every entry that could still be served. The call
    /// acquires each shard's lock, one at a time, and runs the listener.
    ///
    /// # Panics
    /// With a panic of `predicate`; what was removed before stays removed.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// for n in 0..6 {
    ///     cache.insert(n, n * n);
    /// }
    /// assert_eq!(cache.invalidate_entries_if(|key, _| key % 2 == 0), 3);
    /// ```
    #[doc(alias = "retain")]
    pub fn invalidate_entries_if(&self, predicate: impl FnMut(&K, &V) -> bool) -> u64 {
        self.store().remove_if(predicate)
    }

    /// Evicts entries of a total weight of at least `n`, without a weigher `n` entries, and returns
    /// the weight of those that went; less than `n` if there were no more. For a program that is
    /// short of memory, or about to store much.
    ///
    /// They are those that the eviction policy would evict next, from all parts of the cache alike,
    /// and that [`keep_if`](crate::CacheBuilder::keep_if) does not keep. The listener is notified
    /// with the cause [`Size`](RemovalCause::Size). Loads that run are not affected.
    ///
    /// O(n) and O(shards). Acquires each shard's lock, one at a time, once for each entry. Runs
    /// the listener and `keep_if`.
    ///
    /// # Panics
    /// With the first panic of a drop, when all the work is done.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(100);
    /// (0..100).for_each(|n| cache.insert(n, n));
    /// assert_eq!((cache.evict(30), cache.entry_count()), (30, 70));
    /// ```
    pub fn evict(&self, n: u64) -> u64 {
        self.store().evict(n)
    }

    /// As [`invalidate`](Self::invalidate). Returns `true` if there was a live value.
    pub(crate) fn invalidate_live<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        let eq = move |other: &K| key.equivalent(other);
        self.store().remove_as(self.hash(key), RemovalCause::Explicit, eq, |_| ()).is_some()
    }
}

/// Writing, and returning a clone of what was removed.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Removes the key's entry, and returns a clone of its value if it had not expired (others may
    /// be reading the original). Supersedes a running load of the key, as [`insert`](Self::insert)
    /// does.
    ///
    /// Acquires the lock of the key's shard. O(1). Runs the listener.
    #[doc(alias = "pop")]
    pub fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let eq = move |other: &K| key.equivalent(other);
        self.store().remove_as(self.hash(key), RemovalCause::Explicit, eq, V::clone)
    }

    /// Removes the key's entry if `predicate` returns `true` for its value, and returns a clone of
    /// that value; `None` if there is no entry, or it stays. Supersedes a running load of the key,
    /// if it removes.
    ///
    /// `predicate` is asked without a lock, and what is removed is what it was shown: if the value
    /// was replaced meanwhile, it is asked again, about the new one. (A predicate that replaces the
    /// value itself each time it is asked is asked sixteen times, and nothing is removed.) As
    /// [`invalidate_entries_if`](Self::invalidate_entries_if), it is also asked about a value that
    /// has expired and may still be served stale; if that is removed, `None` is returned.
    ///
    /// Acquires the lock of the key's shard, if `predicate` returns `true`. O(1). Runs the
    /// listener.
    ///
    /// # Panics
    /// With a panic of `predicate`; nothing is removed.
    ///
    /// ```
    /// # let cache: cache_core::Cache<&str, u32> = cache_core::Cache::new(10);
    /// cache.insert("version", 3);
    /// assert_eq!(cache.remove_if("version", |version| *version < 3), None);
    /// assert_eq!(cache.remove_if("version", |version| *version < 4), Some(3));
    /// assert_eq!(cache.get("version"), None);
    /// ```
    pub fn remove_if<Q>(&self, key: &Q, predicate: impl FnMut(&V) -> bool) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let eq = move |other: &K| key.equivalent(other);
        self.store().remove_key_if(self.hash(key), eq, predicate, V::clone)
    }
}
