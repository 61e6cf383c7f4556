//! What an expansion calls: all functions of one trait, so that a type that cannot be cached is one
//! error (`diagnostics.rs`). Each hands on to the module that does the work.

use super::bounds::{Fits, HashBuilder, Impossible, Key, Never};
use super::macro_caches;
use super::many::{self, BatchLookup, Pairing};
use super::miss::Miss;
use super::return_kind::ReturnKind;
use super::settings::{DEFAULT_CAPACITY, Set, Settings};
use super::view::{OwnKey, Owned, Part, View};
use crate::api::cache::Cache;
use crate::types::stats::Stats;
use std::future::Future;

/// What a cached value must be, and all that an expansion does with a cache of such values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "must be `Clone + Send + Sync + 'static`",
    note = "every hit hands out a clone: where the type is not `Clone`, or costly to clone, \
            wrap it in `Arc`"
)]
pub trait CacheValue<Way>: Clone + Send + Sync + 'static {
    /// Builds the cache of one function; `set` sets the options.
    ///
    /// # Panics
    ///
    /// If the options contradict each other, with the text of the `BuildError` and the name of the
    /// function.
    #[cold]
    fn build<K: Key>(name: &str, set: Set<K, Self>) -> Cache<K, Self> {
        // With statistics, because `f::stats()` is there for every function.
        let builder = Cache::builder().name(name).max_capacity(DEFAULT_CAPACITY).record_stats();
        let Settings { builder, local } = set(Settings { builder, local: false });
        let built = builder.try_build();
        let cache = built.unwrap_or_else(|error| panic!("#[cached] on `{name}`: {error}"));
        macro_caches::list(&cache, local);
        cache
    }

    /// As [`CacheValue::build`], where the type of the key stands written elsewhere.
    ///
    /// # Panics
    ///
    /// As there.
    #[cold]
    fn build_for<P: Part>(name: &str, set: Set<P::Key, Self>) -> Cache<P::Key, Self> {
        Self::build(name, set)
    }

    /// The hit path: returns the value, or what is needed to load it. With `bypass` there is no
    /// look-up.
    ///
    /// Owned parts of the key are made here and only on a miss, so that a hit allocates nothing and
    /// clones no argument.
    ///
    /// # Errors
    ///
    /// The key, if there is no value.
    #[inline]
    fn find<P: Part, S: HashBuilder>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Result<Self, Miss<P::Owned, Self>> {
        if bypass { Err(Miss::bypassed()) } else { Miss::look(cache, view) }
    }

    /// Loads, once for all concurrent callers that miss the key. [`CacheValue::find`] has counted
    /// the miss.
    ///
    /// Only these lines are compiled for each function; the load is compiled for each type.
    #[cold]
    fn load<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> R {
        let mut body = Some(body);
        load_dyn(cache, missed, &mut || body.take().expect("a body runs once")(), keep)
    }

    /// As [`CacheValue::load`], with a future.
    fn load_async<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = R> {
        let body = async { H::into_result(body.await) };
        async move { H::from_result(missed.load_async(cache, body, keep.sharing()).await) }
    }

    /// `f::get(..)`: returns the value if there is one; nothing is loaded.
    #[inline]
    fn get<P: Part, S: HashBuilder>(cache: &Cache<P::Key, Self, S>, view: View<P>) -> Option<Self> {
        cache.get(&view)
    }

    /// `f::insert(.., value)`.
    fn insert<P: Part, S: HashBuilder>(cache: &Cache<P::Key, Self, S>, view: View<P>, value: Self) {
        cache.insert(view.0.to_key(), value);
    }

    /// `f::invalidate(..)`: returns `true` if there was an entry.
    fn invalidate<P: Part, S: HashBuilder>(cache: &Cache<P::Key, Self, S>, view: View<P>) -> bool {
        cache.invalidate_live(&view)
    }

    /// `f::refresh(..)`: runs the body and caches the part of its result that is to be cached.
    fn refresh<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        key: OwnKey<O>,
        body: impl FnOnce() -> R,
        _keep: H,
    ) -> R {
        let mut body = Some(body);
        let body: &mut dyn FnMut() -> R = &mut || body.take().expect("a body runs once")();
        cache.reload(key.0, body, H::cached_value)
    }

    /// As [`CacheValue::refresh`], with a future.
    fn refresh_async<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        key: OwnKey<O>,
        body: impl Future<Output = R>,
        _keep: H,
    ) -> impl Future<Output = R> {
        let loader = async {
            let result = body.await;
            let kept = H::cached_value(&result).map(|value| (0, value.clone()));
            (result, Vec::from_iter(kept), None)
        };
        let key = cache.hashed(key.0);
        cache.store().reload_async(vec![key], loader)
    }

    /// As [`CacheValue::find`], for a function over many keys.
    fn find_many<P: Part, S: HashBuilder>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        views: impl Iterator<Item = View<P>>,
    ) -> BatchLookup<P::Owned, Self> {
        if bypass { BatchLookup::bypassed() } else { BatchLookup::look(cache, views) }
    }

    /// Loads the keys that [`CacheValue::find_many`] has not found, each once.
    fn load_many<O: Owned, S: HashBuilder, I, C, R, H: ReturnKind<R, C>, A: Pairing<C, I, Self>>(
        cache: &Cache<O::Key, Self, S>,
        many: BatchLookup<O, Self>,
        ids: &[I],
        mut body: impl FnMut(&[I]) -> R,
        how: (H, A),
    ) -> R {
        many.load(cache, ids, |ids: Vec<I>| body(&ids), how)
    }

    /// As [`CacheValue::load_many`], with futures.
    fn load_many_async<
        O: Owned,
        S: HashBuilder,
        I,
        C,
        R,
        H: ReturnKind<R, C>,
        A: Pairing<C, I, Self>,
        F,
    >(
        cache: &Cache<O::Key, Self, S>,
        many: BatchLookup<O, Self>,
        ids: &[I],
        body: impl FnMut(Vec<I>) -> F,
        how: (H, A),
    ) -> impl Future<Output = R>
    where
        F: Future<Output = R>,
    {
        many.load_async(cache, ids, body, how)
    }

    /// As [`CacheValue::refresh`], for a function over many keys.
    fn refresh_many<
        O: Owned,
        S: HashBuilder,
        I,
        C,
        R,
        H: ReturnKind<R, C>,
        A: Pairing<C, I, Self>,
    >(
        cache: &Cache<O::Key, Self, S>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl FnOnce() -> R,
        how: (H, A),
    ) -> R {
        many::refresh(cache, (ids, keys), body, how)
    }

    /// As [`CacheValue::refresh_many`], with a future.
    fn refresh_many_async<
        O: Owned,
        S: HashBuilder,
        I,
        C,
        R,
        H: ReturnKind<R, C>,
        A: Pairing<C, I, Self>,
    >(
        cache: &Cache<O::Key, Self, S>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl Future<Output = R>,
        how: (H, A),
    ) -> impl Future<Output = R> {
        many::refresh_async(cache, (ids, keys), body, how)
    }

    /// `f::clear()`.
    fn clear<K, S>(cache: &Cache<K, Self, S>) {
        cache.store().remove_all();
    }

    /// `f::stats()`.
    fn stats<K, S>(cache: &Cache<K, Self, S>) -> Stats {
        cache.store().stats()
    }
}

/// As [`CacheValue::load`], for all functions of these types.
#[inline(never)]
fn load_dyn<O: Owned, V, S: HashBuilder, R, H: ReturnKind<R, V>>(
    cache: &Cache<O::Key, V, S>,
    missed: Miss<O, V>,
    body: &mut dyn FnMut() -> R,
    keep: H,
) -> R
where
    V: Clone + Send + Sync + 'static,
{
    H::from_result(missed.load(cache, || H::into_result(body()), keep.sharing()))
}

impl<T: Clone + Send + Sync + 'static> CacheValue<Fits> for T {}
impl<T: Impossible + Clone + Send + Sync + 'static> CacheValue<Never> for T {}
