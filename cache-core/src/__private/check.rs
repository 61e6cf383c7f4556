//! What keys and values must be, so that a miss of it is told in one sentence.
//!
//! With one implementation for all types, the compiler would follow it and complain of `Clone` or
//! `Hash` alone, once for each function that asks for it. Hence `Way`, which means nothing: a
//! second implementation that never applies makes the compiler stop at the trait itself and print
//! the text that stands here. And all that an expansion does goes through the one trait
//! [`CacheValue`], in the same words from everywhere, which the compiler then says only once.

use super::view::{Part, View};
use crate::{Cache, ShareError, Stats};
use std::hash::Hash;
use std::time::Duration;

/// The way that applies.
#[derive(Debug)]
pub enum Fits {}

/// The way that never does.
#[derive(Debug)]
pub enum Never {}

/// Implemented by nothing.
pub trait Impossible {}

/// What one part of a key must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "must be `Hash + Eq + Clone + Send + Sync + 'static`",
    note = "leave the argument out with `#[cached(skip(argument))]`, or say what stands for it \
            with `#[cached(key(name: Type = expression))]`"
)]
pub trait CacheKey<Way> {}

impl<T: Hash + Eq + Clone + Send + Sync + 'static> CacheKey<Fits> for T {}
impl<T: Impossible> CacheKey<Never> for T {}

/// Makes the compiler check one part of a key.
pub const fn check_key<K: CacheKey<Way>, Way>() {}

/// What a whole key is, once its parts are.
pub trait Key: Hash + Eq + Send + Sync + 'static {}

impl<K: Hash + Eq + Send + Sync + 'static> Key for K {}

/// What a cached value must be, and all that an expansion does with a cache of such values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "must be `Clone + Send + Sync + 'static`",
    note = "every hit hands out a clone: where the type is not `Clone`, or costly to clone, \
            wrap it in `Arc`"
)]
pub trait CacheValue<Way>: Clone + Send + Sync + 'static {
    /// Builds the cache of one function.
    ///
    /// Statistics are on, because `f::stats()` is there for every function.
    ///
    /// # Panics
    ///
    /// When the settings are no possible cache, with the text of the `BuildError` and the name of
    /// the function.
    #[cold]
    #[must_use]
    fn build<K: Key>(name: &str, max_capacity: u64, ttl: Option<Duration>) -> Cache<K, Self> {
        let mut builder = Cache::builder().name(name).max_capacity(max_capacity).record_stats();
        if let Some(ttl) = ttl {
            builder = builder.time_to_live(ttl);
        }
        match builder.try_build() {
            Ok(cache) => cache,
            Err(error) => panic!("#[cached] on `{name}`: {error}"),
        }
    }

    /// The hit path: the value, or the owned key with which to load it.
    ///
    /// Owned parts are made here and only on a miss, so that a hit allocates nothing and clones
    /// no argument.
    ///
    /// # Errors
    ///
    /// The key, when there is no value.
    #[inline]
    fn find<P: Part<Key: Key>>(cache: &Cache<P::Key, Self>, view: View<P>) -> Result<Self, P::Key> {
        match cache.get(&view) {
            Some(value) => Ok(value),
            None => Err(view.0.to_key()),
        }
    }

    /// One load for all who miss a key; the miss itself has been counted by [`CacheValue::find`].
    fn load<K: Key>(cache: &Cache<K, Self>, key: K, body: impl FnOnce() -> Self) -> Self {
        cache.__load(key, body)
    }

    /// The same for a body that may have nothing, which is not kept.
    fn load_option<K: Key>(
        cache: &Cache<K, Self>,
        key: K,
        body: impl FnOnce() -> Option<Self>,
    ) -> Option<Self> {
        cache.__load_option(key, body)
    }

    /// The same for a body that may fail; an error is not kept.
    ///
    /// # Errors
    ///
    /// Those of the body.
    fn load_result<K: Key, E, H: ShareError<E>>(
        cache: &Cache<K, Self>,
        key: K,
        body: impl FnOnce() -> Result<Self, E>,
        share: H,
    ) -> Result<Self, E> {
        cache.__load_result(key, body, share)
    }

    /// `f::get(..)`: the value if there is one; nothing is loaded.
    #[inline]
    fn get<P: Part<Key: Key>>(cache: &Cache<P::Key, Self>, view: View<P>) -> Option<Self> {
        cache.get(&view)
    }

    /// `f::insert(.., value)`.
    fn insert<P: Part<Key: Key>>(cache: &Cache<P::Key, Self>, view: View<P>, value: Self) {
        cache.insert(view.0.to_key(), value);
    }

    /// `f::invalidate(..)`: whether there was an entry.
    fn invalidate<P: Part<Key: Key>>(cache: &Cache<P::Key, Self>, view: View<P>) -> bool {
        cache.__invalidate(&view)
    }

    /// `f::refresh(..)`: runs the body and keeps the part of its result that `kept` picks.
    fn refresh<K: Key, R>(
        cache: &Cache<K, Self>,
        key: K,
        body: impl FnOnce() -> R,
        kept: impl FnOnce(&R) -> Option<&Self>,
    ) -> R {
        cache.__refresh(key, body, kept)
    }

    /// `f::clear()`.
    fn clear<K: Key>(cache: &Cache<K, Self>) {
        cache.invalidate_all();
    }

    /// `f::stats()`.
    #[must_use]
    fn stats<K: Key>(cache: &Cache<K, Self>) -> Stats {
        cache.stats()
    }
}

impl<T: Clone + Send + Sync + 'static> CacheValue<Fits> for T {}
impl<T: Impossible + Clone + Send + Sync + 'static> CacheValue<Never> for T {}
