//! What an expansion calls: all functions of one trait, so that a type that cannot be cached is one
//! error (`diagnostics.rs`).

use super::bounds::{Clonable, Fits, HashBuilder, Impossible, Never};
use super::loads::{self, Miss};
use super::macro_caches;
use super::many::{BatchLookup, Found, Pairing};
use super::place::{self, AllThreads, OneThread, PlacedKey, PlacedPart};
use super::settings::{DEFAULT_CAPACITY, Set, Settings};
use super::type_probe::ReturnKind;
use super::view::{OwnKey, Owned, Part, View};
use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::flight::share_error::SharedError;
use crate::load::attempt::Lookup;
use crate::types::error::BuildError;
use crate::types::stats::Stats;
use crate::types::status::Status;
use std::future::Future;

/// What a cached value must be, and all that an expansion does with a cache of such values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "must be `Clone + Send + Sync + 'static`",
    note = "every hit hands out a clone: where the type is not `Clone`, or costly to clone, \
            wrap it in `Arc`",
    note = "where it is not `Send` and `Sync`, as `Rc` is not, `#[cached(thread_local)]` has a \
            cache for each thread"
)]
pub trait CacheValue<Way, Place = AllThreads>: Clonable<Way> {
    /// Builds a cache in its place, and lists it.
    ///
    /// # Errors
    ///
    /// If the options contradict each other.
    fn cache_of<K: PlacedKey<Place>>(
        builder: CacheBuilder<K, Self>,
    ) -> Result<Cache<K, Self>, BuildError>;

    /// Builds the cache of one function; `set` sets the options.
    ///
    /// # Panics
    ///
    /// If the options contradict each other, with the text of the `BuildError` and the name of the
    /// function.
    #[cold]
    fn build<K: PlacedKey<Place>>(name: &str, set: Set<K, Self>) -> Cache<K, Self> {
        // With statistics, because `f::stats()` is there for every function.
        let builder =
            CacheBuilder::unset().name(name).max_capacity(DEFAULT_CAPACITY).record_stats();
        let built = Self::cache_of(set(Settings { builder }).builder);
        built.unwrap_or_else(|error| panic!("#[cached] on `{name}`: {error}"))
    }

    /// As [`CacheValue::build`], where the type of the key stands written elsewhere.
    ///
    /// # Panics
    ///
    /// As there.
    #[cold]
    fn build_for<P: PlacedPart<Place>>(name: &str, set: Set<P::Key, Self>) -> Cache<P::Key, Self> {
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
        if bypass || macro_caches::bypassed() {
            return Err(Miss(None));
        }
        let hash = cache.hash(&view);
        match cache.lookup_to_load(&view, hash) {
            Lookup::Hit(value, _) => Ok(value),
            looked_up => Err(Miss::new(hash, view, looked_up)),
        }
    }

    /// As [`CacheValue::find`], with how the value was obtained.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    fn find_stated<P: Part, S: HashBuilder>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Result<(Self, Status), Miss<P::Owned, Self>> {
        if bypass || macro_caches::bypassed() {
            return Err(Miss(None));
        }
        let hash = cache.hash(&view);
        match cache.lookup_to_load(&view, hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            looked_up => Err(Miss::new(hash, view, looked_up)),
        }
    }

    /// What takes the place of [`CacheValue::find`] in a call that loads anew whatever is stored:
    /// there is no look-up. `None` if the call bypasses the cache.
    #[cold]
    fn miss_anew<P: Part, S: HashBuilder>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        view: View<P>,
    ) -> Miss<P::Owned, Self> {
        if bypass || macro_caches::bypassed() {
            return Miss(None);
        }
        Miss::anew(cache.hash(&view), view)
    }

    /// Loads, once for all concurrent callers that miss the key. [`CacheValue::find`] has counted
    /// the miss.
    ///
    /// Only these lines are compiled for each function; the load is compiled for each type. And
    /// only what they hold is on the stack while the body runs, which may load in turn.
    #[cold]
    fn load<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> R {
        let mut running = None;
        if let Some(returned) = loads::begin_plain(cache, missed, &mut running, keep) {
            return returned;
        }
        loads::end_plain(&mut running, body(), keep)
    }

    /// As [`CacheValue::load`], with how the value was obtained.
    #[cold]
    fn load_stated<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> H::Stated {
        let mut running = None;
        if let Some(returned) = loads::begin_stated(cache, missed, &mut running, keep) {
            return returned;
        }
        loads::end_stated(&mut running, body(), keep)
    }

    /// As [`CacheValue::load`], with a future.
    fn load_async<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = R> {
        let body = async { H::into_result(body.await) };
        async move {
            let loaded = loads::run_async(cache, missed, body, &keep.sharing()).await;
            H::from_result(loaded.map(|(value, _)| value))
        }
    }

    /// As [`CacheValue::load_stated`], with a future.
    fn load_stated_async<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        missed: Miss<O, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = H::Stated> {
        let body = async { H::into_result(body.await) };
        async move { H::stated(loads::run_async(cache, missed, body, &keep.sharing()).await) }
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
        let led = [cache.store().lead_reload(cache.hashed(key.0))];
        cache.store().reload(led, || kept_of::<_, _, H>(body()))
    }

    /// As [`CacheValue::refresh`], with a future.
    fn refresh_async<O: Owned, S: HashBuilder, R, H: ReturnKind<R, Self>>(
        cache: &Cache<O::Key, Self, S>,
        key: OwnKey<O>,
        body: impl Future<Output = R>,
        _keep: H,
    ) -> impl Future<Output = R> {
        async move {
            let led = [cache.store().lead_reload(cache.hashed(key.0))];
            let loader = async { kept_of::<_, _, H>(body.await) };
            cache.store().reload_async(led, loader).await
        }
    }

    /// As [`CacheValue::find`], for a function over many keys. Only for missing elements an owned
    /// key is made.
    fn find_many<P: Part, S: HashBuilder>(
        bypass: bool,
        cache: &Cache<P::Key, Self, S>,
        views: impl Iterator<Item = View<P>>,
    ) -> BatchLookup<P::Owned, Self> {
        if bypass || macro_caches::bypassed() {
            return BatchLookup(None);
        }
        let values = Vec::with_capacity(views.size_hint().0);
        let mut found = Found { values, keys: vec![], looked_up: vec![], anew: false };
        for view in views {
            let value = match cache.lookup_to_load(&view, cache.hash(&view)) {
                Lookup::Hit(value, _) => Some(value),
                looked_up => {
                    found.keys.push(view.0.to_key());
                    found.looked_up.push(looked_up);
                    None
                }
            };
            found.values.push(value);
        }
        BatchLookup(Some(found))
    }

    /// What takes the place of [`CacheValue::find_many`] in a call that loads anew.
    #[cold]
    fn miss_many_anew<P: Part, S: HashBuilder>(
        bypass: bool,
        _cache: &Cache<P::Key, Self, S>,
        views: impl Iterator<Item = View<P>>,
    ) -> BatchLookup<P::Owned, Self> {
        if bypass || macro_caches::bypassed() {
            return BatchLookup(None);
        }
        BatchLookup::anew(views)
    }

    /// Loads the keys that [`CacheValue::find_many`] has not found, each once. `body` is given
    /// elements, not keys.
    fn load_many<O: Owned, S: HashBuilder, I, C, R, H: ReturnKind<R, C>>(
        cache: &Cache<O::Key, Self, S>,
        many: BatchLookup<O, Self>,
        ids: &[I],
        mut body: impl FnMut(&[I]) -> R,
        (keep, pairing): (H, Pairing<I, Self, C>),
    ) -> R {
        let Some(found) = many.0 else { return body(ids) };
        if found.anew {
            let keys = found.into_keys::<O>();
            return Self::refresh_many(cache, ids, keys, || body(ids), (keep, pairing));
        }
        let missing = found.missing(ids);
        let loader = |places: Vec<usize>| {
            let asked: Vec<&I> = places.into_iter().map(|place| missing[place]).collect();
            let returned = body(&(pairing.cloned)(&asked));
            Ok(pairing.answers(&asked, H::into_result(returned)?))
        };
        let (values, batch) = found.into_batch(cache);
        let loaded = batch.load(loader, &keep.sharing());
        H::from_result(loaded.map(|loaded| (pairing.complete)(ids, values, loaded)))
    }

    /// As [`CacheValue::load_many`], with futures.
    fn load_many_async<O: Owned, S: HashBuilder, I, C, R, H: ReturnKind<R, C>, F>(
        cache: &Cache<O::Key, Self, S>,
        many: BatchLookup<O, Self>,
        ids: &[I],
        mut body: impl FnMut(Vec<I>) -> F,
        (keep, pairing): (H, Pairing<I, Self, C>),
    ) -> impl Future<Output = R>
    where
        F: Future<Output = R>,
    {
        async move {
            let Some(found) = many.0 else {
                return body((pairing.cloned)(&Vec::from_iter(ids))).await;
            };
            if found.anew {
                let loading = body((pairing.cloned)(&Vec::from_iter(ids)));
                let (keys, how) = (found.into_keys::<O>(), (keep, pairing));
                return Self::refresh_many_async(cache, ids, keys, loading, how).await;
            }
            let (missing, pairing) = (found.missing(ids), &pairing);
            let loader = |places: Vec<usize>| {
                let asked: Vec<&I> = places.into_iter().map(|place| missing[place]).collect();
                let loading = body((pairing.cloned)(&asked));
                async move { Ok(pairing.answers(&asked, H::into_result(loading.await)?)) }
            };
            let (values, batch) = found.into_batch(cache);
            let loaded = batch.load_async(loader, &keep.sharing()).await;
            H::from_result(loaded.map(|loaded| (pairing.complete)(ids, values, loaded)))
        }
    }

    /// As [`CacheValue::refresh`], for a function over many keys.
    fn refresh_many<O: Owned, S: HashBuilder, I, C, R, H: ReturnKind<R, C>>(
        cache: &Cache<O::Key, Self, S>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl FnOnce() -> R,
        how: (H, Pairing<I, Self, C>),
    ) -> R {
        let lead = |OwnKey(key): OwnKey<O>| cache.store().lead_reload(cache.hashed(key));
        let led: Vec<_> = keys.into_iter().map(lead).collect();
        cache.store().reload(led, || how.1.kept::<R, H>(ids, body()))
    }

    /// As [`CacheValue::refresh_many`], with a future.
    fn refresh_many_async<O: Owned, S: HashBuilder, I, C, R, H: ReturnKind<R, C>>(
        cache: &Cache<O::Key, Self, S>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl Future<Output = R>,
        how: (H, Pairing<I, Self, C>),
    ) -> impl Future<Output = R> {
        async move {
            let lead = |OwnKey(key): OwnKey<O>| cache.store().lead_reload(cache.hashed(key));
            let led: Vec<_> = keys.into_iter().map(lead).collect();
            let loader = async { how.1.kept::<R, H>(ids, body.await) };
            cache.store().reload_async(led, loader).await
        }
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

/// Returns what a body has returned, as it was, and the value to keep of it, if there is one.
fn kept_of<R, V: Clone, H: ReturnKind<R, V>>(
    returned: R,
) -> (R, [Option<V>; 1], Option<SharedError>) {
    let returned = H::into_result(returned);
    let value = returned.as_ref().ok().cloned();
    (H::from_result(returned), [value], None)
}

impl<T: Clone + Send + Sync + 'static> CacheValue<Fits> for T {
    fn cache_of<K: PlacedKey<AllThreads>>(
        builder: CacheBuilder<K, T>,
    ) -> Result<Cache<K, T>, BuildError> {
        K::cache_of(builder)
    }
}

impl<T: Clone + 'static> CacheValue<Fits, OneThread> for T {
    fn cache_of<K: PlacedKey<OneThread>>(
        builder: CacheBuilder<K, T>,
    ) -> Result<Cache<K, T>, BuildError> {
        place::on_this_thread(builder)
    }
}

impl<T: Impossible + Clone + 'static, Place> CacheValue<Never, Place> for T {
    fn cache_of<K: PlacedKey<Place>>(_: CacheBuilder<K, T>) -> Result<Cache<K, T>, BuildError> {
        unreachable!("there is no such value")
    }
}
