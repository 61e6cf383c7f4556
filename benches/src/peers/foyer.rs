//! foyer's cache in memory, with its defaults (LRU, eight shards).

use crate::peer::Peer;
use ahash::RandomState;
use foyer_memory::{Cache, CacheBuilder};
use std::{borrow::Borrow, hash::Hash};

/// foyer's cache in memory.
pub struct Foyer<K = u64, V = u64>(Cache<K, V, RandomState>)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static;

impl<K, V> Clone for Foyer<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn clone(&self) -> Self {
        Foyer(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for Foyer<K, V>
{
    const NAME: &'static str = "foyer";
    const LACKS: &'static str = "no TTL; its loading call is async";

    fn sized(capacity: u64) -> Self {
        let builder = CacheBuilder::new(capacity as usize);
        Foyer(builder.with_hash_builder(RandomState::new()).build())
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).map(|entry| entry.value().clone())
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.remove(key);
    }
    fn count(&self) -> u64 {
        self.0.entries() as u64
    }
    fn empty(&mut self) {
        self.0.clear();
    }
}
