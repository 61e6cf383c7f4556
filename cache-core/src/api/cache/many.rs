//! Several keys at once.

use std::future::Future;
use std::hash::{BuildHasher, Hash};

use super::Cache;
use crate::flight::share_error::NeverFails;
use crate::load::answers::answers;
use crate::load::batch::Batch;
use equivalent::Equivalent;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// As [`get`](Self::get) for each of the keys, in their order. While it runs, memory of entries
    /// removed meanwhile is not reused.
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
        let mut values = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            values.push(self.lookup_pinned(&guard, key, self.hash(key), V::clone));
        }
        values
    }

    /// The values of the keys, in their order. Those that are missing are loaded together: `init` is
    /// given the missing keys, each once, and answers with pairs of keys and values, in any order.
    /// They are stored. A key that it does not answer is missing, which is no error.
    ///
    /// Each missing key has a load of its own, as in [`get_with`](Self::get_with): keys that somebody
    /// else is loading are waited for and not given to `init`; who asks for one of these keys
    /// meanwhile waits for this call. What is loaded here is stored before anything is waited for, so
    /// batches with the same keys do not wait for each other in a ring. A write to one of the keys
    /// supersedes the load of that key alone.
    ///
    /// `init` runs once, or not at all if no key is missing; a further time for keys whose load by
    /// another caller came to nothing. If it panics, the panic goes to the caller, and nothing is
    /// stored.
    ///
    /// Pairs with keys that it was not asked for are stored, too (a query may give a whole page
    /// where one row was wanted), unless the key has a live value, or may have been written,
    /// invalidated or flushed since `init` was called: no load stood for it, so it cannot be told
    /// exactly, and where there is doubt the pair is dropped. Which keys were written is noted
    /// while batches run, by a part of their hashes; a write to another key of the same part is
    /// such a doubt.
    ///
    /// In a cache that refreshes or serves stale values, keys whose refresh this call has claimed are among
    /// those given to `init`. One that it does not answer is taken to be gone, and removed.
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
            // Now: a panic of it would leak what is returned.
            drop(missing);
            Ok(answers(&asked, pairs, |key| self.hash(key)))
        };
        let Ok(values) = self.batch(keys).load(loader, &NeverFails);
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
            async move { Ok(answers(&asked, loading.await, |key| self.hash(key))) }
        };
        let Ok(values) = self.batch(keys).load_async(loader, &NeverFails).await;
        values
    }

    fn batch(&self, keys: &[K]) -> Batch<'_, K, V>
    where
        K: Clone,
    {
        let hasher = self.hasher().clone();
        let looked_up = keys.iter().map(|key| self.lookup_to_load(key, self.hash(key)));
        Batch::new(self.store(), keys, looked_up, hasher, |key| self.hash(key))
    }
}
