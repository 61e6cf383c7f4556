//! What the expansion of a function with a remote tier calls: the functions of
//! [`CacheValue`](super::CacheValue) once more, over a [`TieredCache`].
//!
//! They have the same names, so that an expansion differs in the name of the trait alone; and the
//! same look-up, so that a hit in memory costs what it costs without a tier.
//!
//! The companion's functions for tasks take an owned key: the borrowed one must not live across an
//! `.await`, or its arguments would have to be `Sync`.

use super::bounds::{Fits, Impossible, Key, Never, Shareable};
use super::loads::Miss;
use super::many::{BatchLookup, Pairing};
use super::runtime::CacheValue;
use super::tier_parts::{TierOwned, TierPart};
use super::tier_settings::{self, TieredSet};
use super::type_probe::ReturnKind;
use super::view::{OwnKey, Owned, View};
use crate::flight::share_error::ErrorSharing;
use crate::tier::{Failure, RemoteKey, TierError, TieredCache};
use crate::types::stats::Stats;
use crate::types::status::Status;
use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What a companion's `get` has found in memory: a value, or the key to be looked up remotely.
pub struct Looked<O: Owned, V>(Result<V, O::Key>);

/// What a cached value must be, and all that an expansion does with a tiered cache of such values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "must be `Clone + Send + Sync + 'static`",
    note = "every hit hands out a clone: where the type is not `Clone`, or costly to clone, \
            wrap it in `Arc`"
)]
pub trait TieredValue<Way>: Shareable<Way> {
    /// Builds the cache of one function; `set` sets the options.
    ///
    /// # Panics
    ///
    /// See `tier_settings::build`.
    #[cold]
    fn build<K: Key + RemoteKey + Send + Sync>(
        name: &str,
        set: TieredSet<K, Self>,
    ) -> TieredCache<K, Self> {
        tier_settings::build(name, set)
    }

    /// As [`TieredValue::build`], where the type of the key stands written elsewhere.
    ///
    /// # Panics
    ///
    /// As there.
    #[cold]
    fn build_for<P: TierPart>(
        name: &str,
        set: TieredSet<P::Key, Self>,
    ) -> TieredCache<P::Key, Self> {
        tier_settings::build(name, set)
    }

    /// The hit path: [`CacheValue::find`] in memory.
    ///
    /// # Errors
    ///
    /// The key, if there is no value in memory.
    #[inline]
    fn find<P: TierPart>(
        bypass: bool,
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
    ) -> Result<Self, Miss<P::Owned, Self>> {
        <Self as CacheValue<Fits>>::find(bypass, cache.memory(), view)
    }

    /// As [`TieredValue::find`], with how the value was obtained.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    fn find_stated<P: TierPart>(
        bypass: bool,
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
    ) -> Result<(Self, Status), Miss<P::Owned, Self>> {
        <Self as CacheValue<Fits>>::find_stated(bypass, cache.memory(), view)
    }

    /// [`CacheValue::miss_anew`].
    #[cold]
    fn miss_anew<P: TierPart>(
        bypass: bool,
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
    ) -> Miss<P::Owned, Self> {
        <Self as CacheValue<Fits>>::miss_anew(bypass, cache.memory(), view)
    }

    /// Gets the value from the tier, or loads it.
    #[cold]
    fn load<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        missed: Miss<O, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> R {
        let mut body = Some(body);
        let body: &mut dyn FnMut() -> R = &mut || body.take().expect("a body runs once")();
        H::from_result(load_dyn(cache, missed, body, keep).map(|(value, _)| value))
    }

    /// As [`TieredValue::load`], with how the value was obtained: one of the tier is a hit.
    #[cold]
    fn load_stated<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        missed: Miss<O, Self>,
        body: impl FnOnce() -> R,
        keep: H,
    ) -> H::Stated {
        let mut body = Some(body);
        let body: &mut dyn FnMut() -> R = &mut || body.take().expect("a body runs once")();
        H::stated(load_dyn(cache, missed, body, keep))
    }

    /// As [`TieredValue::load`], with a future.
    fn load_async<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        missed: Miss<O, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = R> {
        let body = async { H::into_result(body.await) };
        async move {
            let failure = Failure { share: keep.sharing(), nothing: H::nothing() };
            let loaded = run_async(cache, missed, body, failure).await;
            H::from_result(loaded.map(|(value, _)| value))
        }
    }

    /// As [`TieredValue::load_stated`], with a future.
    fn load_stated_async<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        missed: Miss<O, Self>,
        body: impl Future<Output = R>,
        keep: H,
    ) -> impl Future<Output = H::Stated> {
        let body = async { H::into_result(body.await) };
        async move {
            let failure = Failure { share: keep.sharing(), nothing: H::nothing() };
            H::stated(run_async(cache, missed, body, failure).await)
        }
    }

    /// `f::get(..)`: returns the value if one of the tiers has it; nothing is loaded.
    fn get<P: TierPart>(cache: &TieredCache<P::Key, Self>, view: View<P>) -> Option<Self> {
        cache.get(&view)
    }

    /// The beginning of `f::get(..)` for tasks: looks into memory.
    fn look<P: TierPart>(
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
    ) -> Looked<P::Owned, Self> {
        Looked(cache.memory().get(&view).ok_or_else(|| view.0.to_key()))
    }

    /// Its end: asks the tier.
    fn get_async<O: TierOwned>(
        cache: &TieredCache<O::Key, Self>,
        looked: Looked<O, Self>,
    ) -> impl Future<Output = Option<Self>> {
        async move {
            match looked.0 {
                Ok(value) => Some(value),
                Err(key) => cache.get_async(&key).await,
            }
        }
    }

    /// `f::insert(.., value)`.
    ///
    /// # Errors
    ///
    /// See [`TieredCache::insert`].
    fn insert<P: TierPart>(
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
        value: Self,
    ) -> Result<(), TierError> {
        cache.insert(view.0.to_key(), value)
    }

    /// As [`TieredValue::insert`], as a task.
    fn insert_async<O: TierOwned>(
        cache: &TieredCache<O::Key, Self>,
        key: OwnKey<O>,
        value: Self,
    ) -> impl Future<Output = Result<(), TierError>> {
        cache.insert_async(key.0, value)
    }

    /// `f::invalidate(..)`: returns `true` if one of the tiers had a value.
    ///
    /// # Errors
    ///
    /// See [`TieredCache::invalidate`].
    fn invalidate<P: TierPart>(
        cache: &TieredCache<P::Key, Self>,
        view: View<P>,
    ) -> Result<bool, TierError> {
        cache.withdraw(&view)
    }

    /// As [`TieredValue::invalidate`], as a task.
    fn invalidate_async<O: TierOwned>(
        cache: &TieredCache<O::Key, Self>,
        key: OwnKey<O>,
    ) -> impl Future<Output = Result<bool, TierError>> {
        async move { cache.withdraw_async(&key.0).await }
    }

    /// `f::refresh(..)`: runs the body, and stores the part of its result that is to be cached.
    fn refresh<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        key: OwnKey<O>,
        body: impl FnOnce() -> R,
        _keep: H,
    ) -> R {
        cache.reload(&[key.0], || kept_of::<_, _, H>(body()))
    }

    /// As [`TieredValue::refresh`], with a future.
    fn refresh_async<O: TierOwned, R, H: ReturnKind<R, Self>>(
        cache: &TieredCache<O::Key, Self>,
        key: OwnKey<O>,
        body: impl Future<Output = R>,
        _keep: H,
    ) -> impl Future<Output = R> {
        async move { cache.reload_async(&[key.0], async { kept_of::<_, _, H>(body.await) }).await }
    }

    /// As [`TieredValue::find`], for a function over many keys.
    fn find_many<P: TierPart>(
        bypass: bool,
        cache: &TieredCache<P::Key, Self>,
        views: impl Iterator<Item = View<P>>,
    ) -> BatchLookup<P::Owned, Self> {
        <Self as CacheValue<Fits>>::find_many(bypass, cache.memory(), views)
    }

    /// [`CacheValue::miss_many_anew`].
    #[cold]
    fn miss_many_anew<P: TierPart>(
        bypass: bool,
        cache: &TieredCache<P::Key, Self>,
        views: impl Iterator<Item = View<P>>,
    ) -> BatchLookup<P::Owned, Self> {
        <Self as CacheValue<Fits>>::miss_many_anew(bypass, cache.memory(), views)
    }

    /// Gets the keys that [`TieredValue::find_many`] has not found from the tier, or loads them.
    fn load_many<O: TierOwned, I, C, R, H: ReturnKind<R, C>>(
        cache: &TieredCache<O::Key, Self>,
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
        let (missing, keys) = (found.missing(ids), found.keys.clone());
        let load = |places: Vec<usize>| {
            let asked: Vec<&I> = places.into_iter().map(|place| missing[place]).collect();
            let returned = body(&(pairing.cloned)(&asked));
            Ok(pairing.answers::<()>(&asked, H::into_result(returned)?).asked)
        };
        let (values, batch) = found.into_batch(cache.memory());
        let loaded = cache.load_many((&keys, batch), load, keep.sharing());
        H::from_result(loaded.map(|loaded| (pairing.complete)(ids, values, loaded)))
    }

    /// As [`TieredValue::load_many`], with futures.
    fn load_many_async<O: TierOwned, I, C, R, H: ReturnKind<R, C>, F>(
        cache: &TieredCache<O::Key, Self>,
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
            let (missing, keys, pairing) = (found.missing(ids), found.keys.clone(), &pairing);
            let load = |places: Vec<usize>| {
                let asked: Vec<&I> = places.into_iter().map(|place| missing[place]).collect();
                let loading = body((pairing.cloned)(&asked));
                async move {
                    let returned = H::into_result(loading.await)?;
                    Ok(pairing.answers::<()>(&asked, returned).asked)
                }
            };
            let (values, batch) = found.into_batch(cache.memory());
            let loaded = cache.load_many_async((&keys, batch), load, keep.sharing()).await;
            H::from_result(loaded.map(|loaded| (pairing.complete)(ids, values, loaded)))
        }
    }

    /// As [`TieredValue::refresh`], for a function over many keys.
    fn refresh_many<O: TierOwned, I, C, R, H: ReturnKind<R, C>>(
        cache: &TieredCache<O::Key, Self>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl FnOnce() -> R,
        how: (H, Pairing<I, Self, C>),
    ) -> R {
        cache.reload(&plain(keys), || {
            let (returned, values, _) = how.1.kept::<R, H>(ids, body());
            (returned, values)
        })
    }

    /// As [`TieredValue::refresh_many`], with a future.
    fn refresh_many_async<O: TierOwned, I, C, R, H: ReturnKind<R, C>>(
        cache: &TieredCache<O::Key, Self>,
        ids: &[I],
        keys: Vec<OwnKey<O>>,
        body: impl Future<Output = R>,
        how: (H, Pairing<I, Self, C>),
    ) -> impl Future<Output = R> {
        async move {
            let origin = async {
                let (returned, values, _) = how.1.kept::<R, H>(ids, body.await);
                (returned, values)
            };
            cache.reload_async(&plain(keys), origin).await
        }
    }

    /// `f::clear()`.
    ///
    /// # Errors
    ///
    /// See [`TieredCache::invalidate_all`].
    fn clear<K>(cache: &TieredCache<K, Self>) -> Result<(), TierError> {
        cache.invalidate_all()
    }

    /// As [`TieredValue::clear`], as a task.
    fn clear_async<K>(cache: &TieredCache<K, Self>) -> impl Future<Output = Result<(), TierError>> {
        cache.invalidate_all_async()
    }

    /// `f::stats()`: those of the memory.
    fn stats<K>(cache: &TieredCache<K, Self>) -> Stats {
        cache.memory().store().stats()
    }
}

/// As [`TieredValue::load_stated`], for all functions of these types.
#[inline(never)]
fn load_dyn<O: TierOwned, V, R, H: ReturnKind<R, V>>(
    cache: &TieredCache<O::Key, V>,
    missed: Miss<O, V>,
    body: &mut dyn FnMut() -> R,
    keep: H,
) -> Result<(V, Status), H::Uncached>
where
    V: Clone + Send + Sync + 'static,
{
    let loaded = |value| (value, Status::Loaded);
    let mut run = || H::into_result(body());
    let Some(missed) = missed.0 else { return run().map(loaded) };
    if missed.is_anew() {
        let returned = cache.reload(&[missed.key.key], || {
            let returned = run();
            let value = returned.as_ref().ok().cloned();
            (returned, vec![value])
        });
        return returned.map(loaded);
    }
    let failure = Failure { share: keep.sharing(), nothing: H::nothing() };
    let (key, looked_up, _) = missed.into_parts();
    let ran = Cell::new(false);
    let body = || {
        ran.set(true);
        run()
    };
    let (value, status) = cache.load_missed((key, looked_up), body, failure)?;
    Ok((value, stated(status, ran.get())))
}

/// As [`load_dyn`], as a task.
async fn run_async<O: TierOwned, V, E>(
    cache: &TieredCache<O::Key, V>,
    missed: Miss<O, V>,
    body: impl Future<Output = Result<V, E>>,
    failure: Failure<E, impl ErrorSharing<E>>,
) -> Result<(V, Status), E>
where
    V: Clone + Send + Sync + 'static,
{
    let loaded = |value| (value, Status::Loaded);
    let Some(missed) = missed.0 else { return body.await.map(loaded) };
    if missed.is_anew() {
        let origin = async {
            let returned = body.await;
            let value = returned.as_ref().ok().cloned();
            (returned, vec![value])
        };
        return cache.reload_async(&[missed.key.key], origin).await.map(loaded);
    }
    let (key, looked_up, _) = missed.into_parts();
    let ran = AtomicBool::new(false);
    let body = async {
        ran.store(true, Relaxed);
        body.await
    };
    let (value, status) = cache.load_missed_async((key, looked_up), body, failure).await?;
    Ok((value, stated(status, ran.load(Relaxed))))
}

/// How a value was obtained from both tiers: without a run of the body, from the remote one.
fn stated(status: Status, ran: bool) -> Status {
    if status == Status::Loaded && !ran { Status::Hit } else { status }
}

/// Returns what a body has returned, as it was, and the value to keep of it, if there is one.
fn kept_of<R, V: Clone, H: ReturnKind<R, V>>(returned: R) -> (R, Vec<Option<V>>) {
    let returned = H::into_result(returned);
    let value = returned.as_ref().ok().cloned();
    (H::from_result(returned), vec![value])
}

fn plain<O: Owned>(keys: Vec<OwnKey<O>>) -> Vec<O::Key> {
    keys.into_iter().map(|key| key.0).collect()
}

impl<T: Clone + Send + Sync + 'static> TieredValue<Fits> for T {}
impl<T: Impossible + Clone + Send + Sync + 'static> TieredValue<Never> for T {}
