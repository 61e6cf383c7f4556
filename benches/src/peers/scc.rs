//! scc's HashCache.

use crate::{peer::Peer, subject::Loads};
use ahash::RandomState;
use scc::{HashCache, hash_cache::Entry};
use std::{borrow::Borrow, hash::Hash, sync::Arc};

/// scc's HashCache: a hash table whose buckets are small LRU lists.
pub struct Scc<K = u64, V = u64>(Arc<HashCache<K, V, RandomState>>)
where
    K: Hash + Eq;

impl<K: Hash + Eq, V> Clone for Scc<K, V> {
    fn clone(&self) -> Self {
        Scc(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for Scc<K, V>
{
    const NAME: &'static str = "scc";
    const LACKS: &'static str =
        "no TTL; its bound is the next power of two, its LRU that of a bucket of 32";

    fn sized(capacity: u64) -> Self {
        // In full from the start: while it grows, it evicts from buckets that are still too small.
        let all = capacity as usize;
        Scc(Arc::new(HashCache::with_capacity_and_hasher(all, all, RandomState::new())))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.get_sync(key).map(|entry| entry.get().clone())
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        match self.0.entry_sync(key) {
            Entry::Occupied(mut entry) => drop(entry.put(value)),
            Entry::Vacant(entry) => drop(entry.put_entry(value)),
        }
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.remove_sync(key);
    }
    fn count(&self) -> u64 {
        self.0.len() as u64
    }
    fn empty(&mut self) {
        self.0.clear_sync();
    }
}

impl Loads for Scc {
    /// The loader runs under the lock of a bucket.
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        *self.0.entry_sync(key).or_put_with(load).1.get()
    }
}
