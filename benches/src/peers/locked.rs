//! Caches behind plain locks: cached's sharded store, and the crate lru within one mutex.

use crate::{
    peer::Peer,
    subject::{Loads, TTL},
};
use ahash::RandomState;
use cached::ShardedLruTtlCache;
use lru::LruCache;
use parking_lot::Mutex;
use std::{borrow::Borrow, hash::Hash, num::NonZeroUsize, sync::Arc};

/// cached's sharded LRU with a time to live.
pub struct Cached<K = u64, V = u64>(ShardedLruTtlCache<K, V>);

impl<K, V> Clone for Cached<K, V> {
    fn clone(&self) -> Self {
        Cached(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for Cached<K, V>
{
    const NAME: &'static str = "cached";
    const LACKS: &'static str = "one load for many callers; has TTL";

    fn sized(capacity: u64) -> Self {
        let builder = ShardedLruTtlCache::builder().max_size(capacity as usize).ttl(TTL);
        Cached(builder.build().expect("a bound and a time to live are valid"))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        drop(self.0.set(key, value));
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.delete(key);
    }
    fn count(&self) -> u64 {
        self.0.len() as u64
    }
    fn empty(&mut self) {
        self.0.clear();
    }
}

impl Loads for Cached {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.0.get_or_set_with(key, load)
    }
}

/// The crate lru within a mutex: exact LRU.
pub struct LruMutex<K = u64, V = u64>(Arc<Mutex<LruCache<K, V, RandomState>>>);

impl<K, V> Clone for LruMutex<K, V> {
    fn clone(&self) -> Self {
        LruMutex(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for LruMutex<K, V>
{
    const NAME: &'static str = "lru+mutex";
    const LACKS: &'static str = "no TTL, no loading call; one lock for all";

    fn sized(capacity: u64) -> Self {
        let capacity = NonZeroUsize::new(capacity as usize).unwrap_or(NonZeroUsize::MIN);
        LruMutex(Arc::new(Mutex::new(LruCache::with_hasher(capacity, RandomState::new()))))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.lock().get(key).cloned()
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        let replaced = self.0.lock().push(key, value);
        drop(replaced);
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        drop(self.0.lock().pop(key));
    }
    fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
    fn empty(&mut self) {
        self.0.lock().clear();
    }
}
