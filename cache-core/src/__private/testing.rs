//! Hooks for the tests and the benchmarks of the cache itself.

use std::hash::Hash;

use super::bounds::Key;
use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;

/// Checks every invariant of the cache. Takes its locks, one shard at a time; no other thread may
/// write meanwhile.
///
/// # Panics
/// If an invariant is broken.
pub fn validate<K, V, S>(cache: &Cache<K, V, S>) {
    cache.store().validate();
}

/// Returns the bytes that the cache holds, by part. Takes its locks, one shard at a time.
pub fn memory<K, V, S>(cache: &Cache<K, V, S>) -> Vec<(&'static str, usize)> {
    cache.store().memory()
}

/// Sets the most entries that the cache may have, in place of a thousand million.
pub fn most_entries<K: Key + Send + Sync, V: Send + Sync + 'static>(
    builder: CacheBuilder<K, V>,
    most: u64,
) -> CacheBuilder<K, V> {
    builder.most_entries(most)
}

/// Has every write to the cache go the general way, also where there is a shorter one.
pub fn general_writes<K, V>(builder: CacheBuilder<K, V>) -> CacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    builder.general_writes()
}
