//! Look-ups and loads of several keys at once.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};

use super::Cache;
use crate::flight::share_error::KeepError;
use crate::load::batch::{Answers, Batch, answers, numbers};
use equivalent::Equivalent;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
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
        let (keys, guard) = (keys.into_iter(), self.store().table.pin());
        keys.map(|key| self.lookup_pinned(&guard, key, self.hash(key), V::clone)).collect()
    }

    /// Returns the values of the keys, in their order; loads those that are missing together.
    ///
    /// `init` receives the missing keys, each once, and returns pairs of keys and values, in any
    /// order, which are stored. A key for which it returns no pair has no value, which is no error.
    ///
    /// Each missing key has a load of its own, as in [`get_with`](Self::get_with). A key that
    /// another caller is loading is not given to `init`: this call waits for that load. A caller
    /// that misses one of this call's keys meanwhile waits for this call. All values from `init`
    /// are stored before the call waits for any other load, so batches with the same keys do not
    /// wait for each other in a cycle. A write to one of the keys supersedes the load of that key
    /// alone.
    ///
    /// `init` runs once; not at all if no key is missing; and again for keys whose load by another
    /// caller has brought no value. If it panics, the panic goes to the caller, and nothing of that
    /// run is stored.
    ///
    /// A pair with a key that was not asked for (a query may return a whole page where one row was
    /// wanted) is stored too, unless the key has a live value, or may have been written,
    /// invalidated or flushed since `init` was called. Such a key has no load that a write could
    /// supersede. Instead, writes are noted while batches run, by a part of their keys' hashes; a
    /// write to another key of the same part may cause the pair to be dropped without need.
    ///
    /// In a cache that refreshes or serves stale values, the keys whose refresh this call has
    /// claimed are among those given to `init`. A key of these without a pair is taken to be gone,
    /// and its entry is removed.
    ///
    /// A hit acquires no lock; a missing key costs what a single load does. `init` runs without any
    /// lock held.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// cache.insert(1, 10);
    /// let squares = cache.get_many_with(&[1, 2, 3], |missing| {
    ///     assert_eq!(missing, [2, 3]);
    ///     vec![(2, 20)]
    /// });
    /// assert_eq!(squares, [Some(10), Some(20), None]);
    /// ```
    pub fn get_many_with(
        &self,
        keys: &[K],
        mut init: impl FnMut(&[K]) -> Vec<(K, V)>,
    ) -> Vec<Option<V>>
    where
        K: Clone,
    {
        let loader = |places: Vec<usize>| {
            let asked: Vec<&K> = places.into_iter().map(|place| &keys[place]).collect();
            let missing: Vec<K> = asked.iter().copied().cloned().collect();
            let pairs = init(&missing);
            // Dropped here: a panic of the drop would leak answers that are made already.
            drop(missing);
            Ok::<_, Infallible>(self.answers(&asked, pairs))
        };
        let Ok(values) = self.batch(keys).load(loader, &KeepError);
        values
    }

    /// As [`get_many_with`](Self::get_many_with), with a future to load the missing keys. See
    /// [`get_with_async`](Self::get_with_async).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// let load = |missing: Vec<u32>| async { missing.into_iter().map(|n| (n, n * n)).collect() };
    /// assert_eq!(cache.get_many_with_async(&[3, 4], load).await, [Some(9), Some(16)]);
    /// # });
    /// ```
    pub async fn get_many_with_async<F>(
        &self,
        keys: &[K],
        mut init: impl FnMut(Vec<K>) -> F,
    ) -> Vec<Option<V>>
    where
        K: Clone,
        F: Future<Output = Vec<(K, V)>>,
    {
        let loader = |places: Vec<usize>| {
            let asked: Vec<&K> = places.into_iter().map(|place| &keys[place]).collect();
            let loading = init(asked.iter().copied().cloned().collect());
            async move { Ok::<_, Infallible>(self.answers(&asked, loading.await)) }
        };
        let Ok(values) = self.batch(keys).load_async(loader, &KeepError).await;
        values
    }

    fn answers(&self, asked: &[&K], pairs: Vec<(K, V)>) -> Answers<K, V> {
        let numbers = numbers(asked, pairs.iter().map(|(key, _)| key));
        answers(asked.len(), numbers, pairs, |key| Some(self.hashed(key)))
    }

    /// Looks all keys up, for a load of those that are missing.
    fn batch(&self, keys: &[K]) -> Batch<'_, K, V>
    where
        K: Clone,
    {
        let hasher = self.inner.hasher.clone();
        let looked_up = keys.iter().map(|key| self.lookup_to_load(key, self.hash(key)));
        Batch::new(self.store(), keys, looked_up, hasher, |key| self.hash(key))
    }
}
