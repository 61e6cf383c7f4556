//! What keys and values must be, so that a miss of it is told in one sentence.
//!
//! With one implementation for all types, the compiler would follow it and complain of `Clone` or
//! `Hash` alone, once for each function that asks for it. Hence `Way`, which means nothing: a
//! second implementation that never applies makes the compiler stop at the trait itself and print
//! the text that stands here. And all that an expansion does goes through the one trait
//! [`CacheValue`], in the same words from everywhere, which the compiler then says only once.

use super::keep::Keep;
use super::missed::Missed;
use super::settings::Settings;
use super::view::{Part, View};
use crate::flight::Outcome;
use crate::wait::Caller;
use crate::{Cache, Stats};
use std::future::Future;
use std::hash::{BuildHasher, Hash};

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

/// What makes the hashers of a cache.
pub trait Hasher: BuildHasher + Clone + Send + Sync + 'static {}

impl<S: BuildHasher + Clone + Send + Sync + 'static> Hasher for S {}

/// What a cached value must be, and all that an expansion does with a cache of such values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "must be `Clone + Send + Sync + 'static`",
    note = "every hit hands out a clone: where the type is not `Clone`, or costly to clone, \
            wrap it in `Arc`"
)]
pub trait CacheValue<Way>: Clone + Send + Sync + 'static {
    /// Builds the cache of one function; `set` says the options.
    ///
    /// # Panics
    ///
    /// When the options are no possible cache, with the text of the `BuildError` and the name of
    /// the function.
    #[cold]
    #[must_use]
    fn build<K: Key>(
        name: &str,
        set: fn(Settings<K, Self>) -> Settings<K, Self>,
    ) -> Cache<K, Self> {
        set(Settings::new(name)).build()
    }

    /// The hit path: the value, or what is needed to load it.
    ///
    /// Owned parts of the key are made here and only on a miss, so that a hit allocates nothing and
    /// clones no argument.
    ///
    /// # Errors
    ///
    /// The key, when there is no value.
    #[inline]
    fn find<P: Part<Key: Key>, S: Hasher>(
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Result<Self, Missed<P::Key, Self>> {
        Missed::look(cache, view)
    }

    /// As [`CacheValue::find`], unless the call is to pass the cache.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    fn find_unless<P: Part<Key: Key>, S: Hasher>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Result<Self, Missed<P::Key, Self>> {
        if bypass { Err(Missed::bypassed()) } else { Missed::look(cache, view) }
    }

    /// One load for all who miss a key; the miss itself has been counted by [`CacheValue::find`].
    ///
    /// Only these lines are compiled for each function; what a load does is compiled for each type.
    #[cold]
    fn load<K: Key, S: Hasher, R, H: Keep<R, Self>>(
        cache: &Cache<K, Self, S>,
        missed: Missed<K, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> R {
        let mut body = Some(body);
        load_dyn(cache, missed, &mut || body.take().expect("a body runs once")(), keep)
    }

    /// As [`CacheValue::load`], with a future.
    fn load_async<K: Key, S: Hasher, R, H: Keep<R, Self>>(
        cache: &Cache<K, Self, S>,
        missed: Missed<K, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = R> {
        let body = async { H::split(body.await) };
        async move { H::join(missed.load_async(cache, body, keep.share()).await) }
    }

    /// `f::get(..)`: the value if there is one; nothing is loaded.
    #[inline]
    fn get<P: Part<Key: Key>, S: Hasher>(
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Option<Self> {
        cache.get(&view)
    }

    /// `f::insert(.., value)`.
    fn insert<P: Part<Key: Key>, S: Hasher>(
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
        value: Self,
    ) {
        cache.insert(view.0.to_key(), value);
    }

    /// `f::invalidate(..)`: whether there was an entry.
    fn invalidate<P: Part<Key: Key>, S: Hasher>(
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> bool {
        cache.__invalidate(&view)
    }

    /// `f::refresh(..)`: runs the body and keeps what is to be kept of its result.
    fn refresh<K: Key, S: Hasher, R, H: Keep<R, Self>>(
        cache: &Cache<K, Self, S>,
        key: K,
        body: impl FnOnce() -> R,
        _keep: H,
    ) -> R {
        let mut body = Some(body);
        let body: &mut dyn FnMut() -> R = &mut || body.take().expect("a body runs once")();
        cache.__refresh(key, body, H::kept)
    }

    /// As [`CacheValue::refresh`], with a future.
    fn refresh_async<K: Key, S: Hasher, R, H: Keep<R, Self>>(
        cache: &Cache<K, Self, S>,
        key: K,
        body: impl Future<Output = R>,
        _keep: H,
    ) -> impl Future<Output = R> {
        let kept = |result: &R| H::kept(result).cloned().ok_or(Outcome::Unshared);
        let key = (cache.hash(&key), key);
        cache.store().reload(Caller::Task, key, body, kept)
    }

    /// `f::clear()`.
    fn clear<K: Key, S: Hasher>(cache: &Cache<K, Self, S>) {
        cache.invalidate_all();
    }

    /// `f::stats()`.
    #[must_use]
    fn stats<K: Key, S: Hasher>(cache: &Cache<K, Self, S>) -> Stats {
        cache.stats()
    }
}

/// As [`CacheValue::load`], for all functions of these types.
#[inline(never)]
fn load_dyn<K: Key, V, S: Hasher, R, H: Keep<R, V>>(
    cache: &Cache<K, V, S>,
    missed: Missed<K, V>,
    body: &mut dyn FnMut() -> R,
    keep: H,
) -> R
where
    V: Clone + Send + Sync + 'static,
{
    H::join(missed.load(cache, || H::split(body()), keep.share()))
}

impl<T: Clone + Send + Sync + 'static> CacheValue<Fits> for T {}
impl<T: Impossible + Clone + Send + Sync + 'static> CacheValue<Never> for T {}
