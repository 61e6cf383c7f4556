//! Looking keys up.

use std::hash::{BuildHasher, Hash};

use super::Cache;
use crate::load::attempt::Lookup;
use crate::store::store::StoreGuard;
use crate::types::status::Status;
use crate::util::fork;
use crate::util::hash::KeyHash;
use equivalent::Equivalent;

/// Reading: a key is looked up, and nothing is loaded.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Calls `f` with the key's value, without cloning it, and returns what `f` returns; `None` if
    /// there is no live value. Counts as [`get`](Self::get) does.
    ///
    /// O(1), without a lock and without an allocation. `f` may be slow and may call the cache,
    /// whatever other threads do to the entry. The memory of entries removed meanwhile is not
    /// reused before `f` returns.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, Vec<u8>> = cache_core::Cache::new(10);
    /// cache.insert(1, vec![1, 2, 3]);
    /// assert_eq!(cache.view(&1, |bytes| bytes.len()), Some(3));
    /// ```
    #[inline]
    pub fn view<Q, R>(&self, key: &Q, f: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.lookup(&self.store().pin(), key, hash, f)
    }

    /// Returns `true` if the key is present and not expired. Not a use, nor a hit or miss. O(1),
    /// without a lock.
    #[inline]
    #[must_use = "asking changes nothing"]
    pub fn contains_key<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        let guard = self.store().pin();
        self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other)).is_some()
    }

    /// Looks a key up and returns what `f` makes of its value. Counts a use, and a hit or a miss.
    // Always inlined: as a function of its own, it is a fifth of a hit's instructions that only
    // save and restore registers.
    #[inline(always)]
    fn lookup<Q: Hash + Equivalent<K> + ?Sized, R>(
        &self,
        guard: &StoreGuard<'_, K, V>,
        key: &Q,
        hash: KeyHash,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let store = self.store();
        let found = store.find_live(guard, hash, move |other| key.equivalent(other));
        if let Some(entry) = found {
            store.count(guard, |counters| &counters.hits);
            Some(f(entry.value()))
        } else {
            fork::catch_up();
            store.count(guard, |counters| &counters.misses);
            None
        }
    }
}

/// Reading clones of values.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns a clone of the key's value, if the key is present and not expired. Counts a use for
    /// the eviction policy, and a hit or a miss.
    ///
    /// O(1), without a lock and without an allocation (except what `V::clone` does): [A hit, step
    /// by step](crate::guide::hit). Runs `Hash` and `Eq` of the key and `V::clone`.
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, u32> = cache_core::Cache::new(10);
    /// cache.insert("a".to_owned(), 1);
    /// assert_eq!(cache.get("a"), Some(1));
    /// assert_eq!(cache.get("b"), None);
    /// ```
    #[inline]
    #[must_use = "to test for a key without counting a use, there is `contains_key`"]
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.view(key, V::clone)
    }

    /// As [`get`](Self::get), but neither a use for the eviction policy nor a hit or miss for the
    /// statistics.
    ///
    /// ```
    /// # use cache_core::Cache;
    /// let cache: Cache<u32, u32> = Cache::builder().record_stats().build();
    /// cache.insert(1, 10);
    /// assert_eq!(cache.peek(&1), Some(10));
    /// assert_eq!(cache.stats().hits, 0);
    /// ```
    #[inline]
    #[must_use = "a peek changes nothing"]
    pub fn peek<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let guard = self.store().pin();
        let found =
            self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other));
        found.map(|entry| entry.value().clone())
    }

    /// Returns what [`get`](Self::get) would for each of the keys, in their order.
    ///
    /// O(1) for each key, without a lock. The memory of entries removed during the call is not
    /// reused before it ends.
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, u32> = cache_core::Cache::new(10);
    /// cache.insert("a".to_owned(), 1);
    /// assert_eq!(cache.get_many(["a", "b"]), [Some(1), None]);
    /// ```
    #[must_use = "to test for keys without counting a use, there is `contains_key`"]
    pub fn get_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'q,
    {
        let (keys, guard) = (keys.into_iter(), self.store().pin());
        keys.map(|key| self.lookup(&guard, key, self.hash(key), V::clone)).collect()
    }

    /// As [`lookup`](Self::lookup), for a call that may load.
    #[inline]
    pub(crate) fn lookup_to_load<Q>(&self, key: &Q, hash: KeyHash) -> Lookup<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (store, guard) = (self.store(), self.store().pin());
        if store.serves_old_values {
            return store.find_or_claim(
                &guard,
                hash,
                move |other| key.equivalent(other),
                |_| false,
            );
        }
        match self.lookup(&guard, key, hash, V::clone) {
            Some(value) => Lookup::Hit(value, Status::Hit),
            None => Lookup::Miss,
        }
    }
}
