//! Iterating over a cache.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::vec;

use crate::api::cache::{Cache, Inner};
use crate::util::fork::ForkAware;
use ahash::RandomState;

/// Looking inside: all entries, as copies.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns an iterator over copies of the live entries. Weakly consistent: an entry that stays
    /// throughout is returned once; one that is stored or removed meanwhile may be returned or not.
    /// Not a use, nor a hit or miss. No lock; see [`Iter`] for memory.
    pub fn iter(&self) -> Iter<K, V, S>
    where
        K: Clone,
    {
        Iter { inner: Arc::clone(&self.inner), next_shard: 0, copied: Vec::new().into_iter() }
    }
}

/// An iterator over copies of a cache's entries: [`Cache::iter`](crate::Cache::iter).
///
/// Entries are copied one shard at a time, when the iterator comes to it: the copies of a shard (at
/// most some 36,000 entries, in caches bounded by count) are held until they are returned. If a
/// clone panics, no copy of its shard has been returned, and the next call starts with that shard
/// again.
pub struct Iter<K, V, S = RandomState> {
    inner: Arc<ForkAware<Inner<K, V, S>>>,
    next_shard: usize,
    copied: vec::IntoIter<(K, V)>,
}

impl<K, V, S> std::fmt::Debug for Iter<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S> Iterator for Iter<K, V, S> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        loop {
            if let Some(entry) = self.copied.next() {
                return Some(entry);
            }
            let store = &self.inner.store;
            if self.next_shard == store.table.shards() {
                return None;
            }
            let mut copies = Vec::new();
            let guard = store.pin();
            guard.for_each(self.next_shard, |entry| {
                if store.is_fresh(entry) {
                    copies.push((entry.key().clone(), entry.value().clone()));
                }
            });
            self.next_shard += 1;
            self.copied = copies.into_iter();
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S> std::iter::FusedIterator for Iter<K, V, S> {}

impl<K, V, S> IntoIterator for &Cache<K, V, S>
where
    K: Hash + Eq + Clone + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    type Item = (K, V);
    type IntoIter = Iter<K, V, S>;

    /// As [`Cache::iter`].
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// cache.insert(1, 10);
    /// for (key, value) in &cache {
    ///     assert_eq!((key, value), (1, 10));
    /// }
    /// ```
    fn into_iter(self) -> Iter<K, V, S> {
        self.iter()
    }
}
