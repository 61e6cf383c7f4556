//! The threads that use the cache of a function: all, or one.
//!
//! A cache that one thread uses may hold what cannot leave it. That is a matter of how the cache is
//! built, and listed for [`macro_caches`](super::macro_caches): whatever a function does with it is
//! the same code ([`CacheValue`](super::CacheValue)).

use super::bounds::Key;
use super::macro_caches;
use super::view::Part;
use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::types::error::BuildError;
use crate::util::tuples::for_each_tuple;
use std::hash::Hash;

/// The place of a cache that all threads use.
pub enum AllThreads {}

/// The place of a cache that one thread uses: what it holds may be neither `Send` nor `Sync`.
pub enum OneThread {}

/// A key that fits the place of its cache.
pub trait PlacedKey<Place>: Key {
    /// Builds a cache in this place, of values that fit any, and lists it.
    ///
    /// # Errors
    ///
    /// If the options contradict each other.
    fn cache_of<V>(builder: CacheBuilder<Self, V>) -> Result<Cache<Self, V>, BuildError>
    where
        V: Clone + Send + Sync + 'static;
}

impl<K: Key + Send + Sync> PlacedKey<AllThreads> for K {
    fn cache_of<V>(builder: CacheBuilder<K, V>) -> Result<Cache<K, V>, BuildError>
    where
        V: Clone + Send + Sync + 'static,
    {
        builder.try_build().inspect(macro_caches::list)
    }
}

impl<K: Key> PlacedKey<OneThread> for K {
    fn cache_of<V>(builder: CacheBuilder<K, V>) -> Result<Cache<K, V>, BuildError>
    where
        V: Clone + Send + Sync + 'static,
    {
        on_this_thread(builder)
    }
}

/// Builds a cache for the calling thread alone, and lists it.
pub(super) fn on_this_thread<K: Key, V: Clone + 'static>(
    builder: CacheBuilder<K, V>,
) -> Result<Cache<K, V>, BuildError> {
    builder.try_build_on_this_thread().inspect(macro_caches::list_here)
}

/// As [`Part`], of a key that fits the place of its cache.
pub trait PlacedPart<Place>: Part<Key: PlacedKey<Place>> {}

impl<P: SharedPart> PlacedPart<AllThreads> for P {}
impl<P: Part> PlacedPart<OneThread> for P {}

/// As [`Part`], of a key that any thread may have. Said part by part, and not by one implementation
/// for all such keys: where a part is wrong rustc must not find out that the whole key is, too
/// (`diagnostics.rs`).
pub trait SharedPart: Part<Key: Send + Sync> {}

impl<T> SharedPart for &T where T: ToOwned<Owned: Key + Send + Sync> + Hash + Eq + ?Sized {}
impl<P: SharedPart> SharedPart for Option<P> {}

macro_rules! tuple {
    ($($part:ident)*) => {
        impl<$($part: SharedPart),*> SharedPart for ($($part,)*) {}
    };
}

for_each_tuple!(tuple);
