//! Hooks for the tests and the benchmarks of the cache itself.

use super::bounds::{HashBuilder, Key};
use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::flight::share_error::ErrorSharing;

/// Checks every invariant of the cache. Takes its locks, one shard at a time; no other thread may
/// write meanwhile.
///
/// # Panics
/// If an invariant is broken.
pub fn validate<K, V, S>(cache: &Cache<K, V, S>) {
    cache.store().validate();
}

/// Returns the bytes that the cache holds, by part. Takes its locks, one shard at a time.
#[must_use]
pub fn memory<K, V, S>(cache: &Cache<K, V, S>) -> Vec<(&'static str, usize)> {
    cache.store().memory()
}

/// Loads a key that is missing, and says itself how an error is shared, as functions under
/// `#[cached]` do.
///
/// # Errors
/// What `init` returned, its own or that of the call it waited for.
pub fn load_result<K, V, E, S>(
    cache: &Cache<K, V, S>,
    key: K,
    init: impl FnOnce() -> Result<V, E>,
    share: impl ErrorSharing<E>,
) -> Result<V, E>
where
    K: Key,
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
{
    cache.fetch(key, std::convert::identity, init, share).map(|(value, _)| value)
}

/// Loads a key whatever is cached, as `f::refresh(..)` does.
pub fn refresh<K, V, S>(cache: &Cache<K, V, S>, key: K, init: impl FnOnce() -> V) -> V
where
    K: Key,
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
{
    cache.reload(key, init, |value| Some(value))
}

/// Sets the most entries that the cache may have, in place of a thousand million.
pub fn most_entries<K, V>(builder: CacheBuilder<K, V>, most: u64) -> CacheBuilder<K, V>
where
    K: Key,
    V: Clone + Send + Sync + 'static,
{
    builder.most_entries(most)
}
