//! quick_cache's synchronous cache with its defaults; and with a date beside each value.

use crate::{
    peer::Peer,
    subject::{Loads, TTL},
};
use std::{borrow::Borrow, convert::Infallible, hash::Hash, sync::Arc, time::Instant};

/// quick_cache's synchronous cache with its defaults.
pub struct QuickCache<K = u64, V = u64>(Arc<quick_cache::sync::Cache<K, V>>);

impl<K, V> Clone for QuickCache<K, V> {
    fn clone(&self) -> Self {
        QuickCache(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for QuickCache<K, V>
{
    const NAME: &'static str = "quick_cache";
    const LACKS: &'static str = "no TTL (never reads a clock)";

    fn sized(capacity: u64) -> Self {
        QuickCache(Arc::new(quick_cache::sync::Cache::new(capacity as usize)))
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
        self.0.len() as u64
    }
    fn empty(&mut self) {
        self.0.clear();
    }
}

impl Loads for QuickCache {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        let Ok(value) = self.0.get_or_insert_with(&key, || Ok::<u64, Infallible>(load()));
        value
    }
}

/// quick_cache as one gives it a time to live by hand: with the date of each value beside it.
pub struct Dated<K = u64, V = u64>(Arc<quick_cache::sync::Cache<K, (Instant, V)>>);

impl<K, V> Clone for Dated<K, V> {
    fn clone(&self) -> Self {
        Dated(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for Dated<K, V>
{
    const NAME: &'static str = "quick_cache-dated";
    const LACKS: &'static str =
        "a date beside each value, compared by hand: a TTL that frees nothing";

    fn sized(capacity: u64) -> Self {
        Dated(Arc::new(quick_cache::sync::Cache::new(capacity as usize)))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (stored, value) = self.0.get(key)?;
        (stored.elapsed() < TTL).then_some(value)
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        self.0.insert(key, (Instant::now(), value));
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.remove(key);
    }
    fn count(&self) -> u64 {
        self.0.len() as u64
    }
    fn empty(&mut self) {
        self.0.clear();
    }
}
