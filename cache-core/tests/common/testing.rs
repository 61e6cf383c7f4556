//! The hidden hooks of the cache for tests, each called in one place.

use std::hash::{BuildHasher, Hash};

use cache_core::Cache;

/// Fails if an invariant of the cache is broken. Call it while no other thread writes.
pub(crate) fn validate<K, V, S>(cache: &Cache<K, V, S>)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    cache.__validate();
}

/// Returns the bytes that the cache holds, by part.
pub(crate) fn memory<K, V, S>(cache: &Cache<K, V, S>) -> Vec<(&'static str, usize)>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    cache.__memory()
}
