//! A cache together with the function that loads its values.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::api::cache::Cache;
use crate::flight::flight::{Flight, FlightKind};
use crate::flight::share_error::{ErrorSharing, ShareLoadError};
use crate::load::attempt::{Attempt, Lookup, StaleEntry, Step};
use crate::load::guard::FlightGuard;
use crate::types::error::LoadError;
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};
use crate::util::panics::drop_payload;
use ahash::RandomState;
use equivalent::Equivalent;

/// The function that loads.
enum Loader<K, V, E> {
    One(OneLoader<K, V, E>),
    Bulk(BulkLoader<K, V, E>),
}

type OneLoader<K, V, E> = Arc<dyn Fn(&K) -> Result<V, E> + Send + Sync>;
type BulkLoader<K, V, E> = Arc<dyn Fn(&[K]) -> Result<Vec<(K, V)>, E> + Send + Sync>;

impl<K: Eq, V, E> Loader<K, V, E> {
    /// Loads one key. What a loader of many returns for others is dropped.
    fn load(&self, key: &K) -> Result<V, LoadError<E>> {
        match self {
            Loader::One(loader) => loader(key).map_err(failed),
            Loader::Bulk(loader) => {
                let pairs = loader(std::slice::from_ref(key)).map_err(failed)?;
                let found = pairs.into_iter().find(|(other, _)| other == key);
                found.map(|(_, value)| value).ok_or(LoadError::NotFound)
            }
        }
    }
}

impl<K, V, E> Clone for Loader<K, V, E> {
    fn clone(&self) -> Self {
        match self {
            Loader::One(loader) => Loader::One(Arc::clone(loader)),
            Loader::Bulk(loader) => Loader::Bulk(Arc::clone(loader)),
        }
    }
}

fn failed<E>(error: E) -> LoadError<E> {
    LoadError::Failed(Arc::new(error))
}

/// A [`Cache`] together with the function that loads its values.
///
/// Made by [`CacheBuilder::build_with_loader`](crate::CacheBuilder::build_with_loader), or from any
/// cache by [`LoadingCache::new`]; for a function that loads many keys by one call, by
/// [`build_with_bulk_loader`](crate::CacheBuilder::build_with_bulk_loader).
///
/// It is a handle, as the cache is: a clone is another handle to the same cache and loader. Its
/// loads follow the rules of [`Cache::get_with`], and share flights with loads that are made
/// through [`cache`](Self::cache). The loader runs without any lock of the cache held.
///
/// ```
/// use cache_core::Cache;
///
/// let lengths = Cache::builder()
///     .max_capacity(100)
///     .build_with_loader(|path: &String| std::fs::metadata(path).map(|file| file.len()));
/// let error = lengths.get("no such file").unwrap_err();
/// assert_eq!(error.failure().map(|error| error.kind()), Some(std::io::ErrorKind::NotFound));
/// ```
pub struct LoadingCache<K, V, E, S = RandomState> {
    cache: Cache<K, V, S>,
    loader: Loader<K, V, E>,
}

impl<K, V, E, S> Clone for LoadingCache<K, V, E, S> {
    /// Returns another handle to the same cache.
    fn clone(&self) -> Self {
        LoadingCache { cache: self.cache.clone(), loader: self.loader.clone() }
    }
}

impl<K, V, E, S> fmt::Debug for LoadingCache<K, V, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadingCache").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl<K, V, E, S> LoadingCache<K, V, E, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Makes a loading cache of a cache and a loader.
    ///
    /// ```
    /// use cache_core::{Cache, LoadingCache};
    ///
    /// let cache: Cache<u32, u32> = Cache::new(100);
    /// let squares = LoadingCache::new(cache, |n: &u32| n.checked_mul(*n).ok_or("too large"));
    /// assert_eq!(squares.get(&3), Ok(9));
    /// assert!(squares.get(&u32::MAX).is_err());
    /// ```
    pub fn new(
        cache: Cache<K, V, S>,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Self {
        LoadingCache { cache, loader: Loader::One(Arc::new(loader)) }
    }

    /// Makes a loading cache of a cache and a loader of many keys: see
    /// [`build_with_bulk_loader`](crate::CacheBuilder::build_with_bulk_loader).
    pub fn with_bulk_loader(
        cache: Cache<K, V, S>,
        loader: impl Fn(&[K]) -> Result<Vec<(K, V)>, E> + Send + Sync + 'static,
    ) -> Self {
        LoadingCache { cache, loader: Loader::Bulk(Arc::new(loader)) }
    }

    /// Returns the cache: to look keys up without loading, to write, to invalidate.
    #[must_use]
    pub fn cache(&self) -> &Cache<K, V, S> {
        &self.cache
    }

    /// Returns the key's value; if there is none, loads and stores it. See [`Cache::try_get_with`].
    ///
    /// A hit acquires no lock and makes no key.
    ///
    /// Where the cache refreshes ([`refresh_after`](crate::CacheBuilder::refresh_after)) or serves
    /// stale values ([`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate)), the
    /// cache's [`executor`](crate::CacheBuilder::executor) runs the loader, and this call returns
    /// at once.
    ///
    /// # Errors
    /// What the loader returned, in this call or in the one whose load it waited for.
    ///
    /// # Panics
    /// With the panic of the loader; and as [`Cache::get_with`].
    pub fn get<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.get_with_status(key).map(|(value, _)| value)
    }

    /// As [`get`](Self::get). Also returns how the value came about.
    ///
    /// # Errors
    /// As there.
    pub fn get_with_status<Q>(&self, key: &Q) -> Result<(V, Status), LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.cache.hash(key);
        self.find(hash, key).map_or_else(|| self.load_missing(hash, key), Ok)
    }

    /// Returns the value to be served, if there is one. If its refresh is due, hands that to the
    /// executor.
    #[inline]
    fn find<Q>(&self, hash: KeyHash, key: &Q) -> Option<(V, Status)>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.cache.lookup_to_load(key, hash) {
            Lookup::Hit(value, status) => Some((value, status)),
            Lookup::RefreshDue(stale) => Some(self.spawn_refresh(hash, key, stale)),
            Lookup::Miss => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn load_missing<Q>(&self, hash: KeyHash, key: &Q) -> Result<(V, Status), LoadError<E>>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        // The loader is shown a second key: the first is in the cache meanwhile.
        let load = || self.loader.load(&key.to_owned());
        let own = Hashed { hash, key: key.to_owned() };
        self.attempt(own).run(load, &self.share())
    }

    fn share(&self) -> ShareLoadError {
        ShareLoadError { may_be_absent: matches!(self.loader, Loader::Bulk(_)) }
    }

    fn attempt(&self, key: Hashed<K>) -> Attempt<'_, K, V> {
        Attempt::new(self.cache.store(), key, Lookup::Miss, FlightKind::Shared)
    }

    /// Hands the refresh of an entry to the executor, and returns the old value.
    fn spawn_refresh<Q>(&self, hash: KeyHash, key: &Q, stale: StaleEntry<V>) -> (V, Status)
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let (store, own) = (self.cache.store(), Hashed { hash, key: key.to_owned() });
        // It is nested in no load, not even in the one that its caller runs inside: no caller waits
        // for it.
        if let Some(guard) = store.lead_refresh(own, stale.claim, None) {
            let refresh = BackgroundRefresh { cache: self.cache.clone(), flight: guard.detach() };
            let (loader, own) = (self.loader.clone(), key.to_owned());
            let share = self.share();
            let job = move || refresh.run(move || loader.load(&own), share);
            store.config.executor.spawn(Box::new(job));
        }
        store.serve(stale)
    }

    /// As [`get`](Self::get), as a task: does not block while it waits for another caller's load.
    /// If this call is the one to run the loader, it does so inside the poll.
    ///
    /// # Errors
    /// As there.
    pub async fn get_async<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.cache.hash(key);
        if let Some((value, _)) = self.find(hash, key) {
            return Ok(value);
        }
        let load = async { self.loader.load(&key.to_owned()) };
        let own = Hashed { hash, key: key.to_owned() };
        self.attempt(own).run_async(load, &self.share()).await.map(|(value, _)| value)
    }

    /// Loads the key, whatever is stored under it, and puts the value in place of the present one,
    /// unless the key is written meanwhile. Until then the old value is served; an error leaves it,
    /// except [`LoadError::NotFound`], which removes it.
    ///
    /// The load begins with this call: it joins none that began before. Of several refreshes of a
    /// key at once, the one that began last wins. Callers that miss the key meanwhile wait for this
    /// load.
    ///
    /// # Errors
    /// What the loader returned.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn refresh<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let (store, hash) = (self.cache.store(), self.cache.hash(key));
        let led = [store.lead_reload(Hashed { hash, key: key.to_owned() })];
        let load = || {
            let loaded = self.loader.load(&key.to_owned());
            let error = loaded.as_ref().err().and_then(|error| self.share().to_shared(error));
            let value = loaded.as_ref().ok().cloned();
            (loaded, [value], error)
        };
        store.reload(led, load)
    }

    /// Returns what [`get`](Self::get) would for each of the keys, in their order.
    ///
    /// A loader of one key runs for one key after another; the keys that other callers are loading
    /// are waited for last. A loader of many keys
    /// ([`build_with_bulk_loader`](crate::CacheBuilder::build_with_bulk_loader)) runs once, for all
    /// keys that are missing and that nobody else is loading, by the rules of
    /// [`Cache::get_many_with`]. If it fails, each of these keys has its error, unless an old value
    /// may be served; the others have their values. It runs again for keys whose load by another
    /// caller has brought nothing.
    ///
    /// ```
    /// # let doubled = cache_core::Cache::builder().build_with_loader(|n: &u32| {
    /// #     if *n < 10 { Ok(2 * n) } else { Err("too large") }
    /// # });
    /// let all = doubled.get_all(&[1, 2, 30]);
    /// assert_eq!(all[1], Ok(4));
    /// assert_eq!(all[2].as_ref().unwrap_err().to_string(), "too large");
    /// let all: Result<Vec<u32>, _> = doubled.get_all(&[1, 2]).into_iter().collect();
    /// assert_eq!(all, Ok(vec![2, 4]));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn get_all(&self, keys: &[K]) -> Vec<Result<V, LoadError<E>>>
    where
        K: Clone,
    {
        let loader = match &self.loader {
            Loader::Bulk(loader) => return self.get_all_at_once(keys, loader),
            Loader::One(loader) => loader,
        };
        let at_once: Vec<_> =
            keys.iter().map(|key| self.get_unless_running(key, &**loader)).collect();
        let in_turn = at_once.into_iter().zip(keys);
        let loaded = |key| self.load_missing(self.cache.hash(key), key).map(|(value, _)| value);
        in_turn.map(|(got, key)| got.unwrap_or_else(|| loaded(key))).collect()
    }

    /// Loads what is missing by one call of the loader.
    fn get_all_at_once(
        &self,
        keys: &[K],
        loader: &BulkLoader<K, V, E>,
    ) -> Vec<Result<V, LoadError<E>>>
    where
        K: Clone,
    {
        let load = |places: Vec<usize>| {
            let asked: Vec<&K> = places.into_iter().map(|place| &keys[place]).collect();
            let missing: Vec<K> = asked.iter().copied().cloned().collect();
            let pairs = loader(&missing).map_err(failed)?;
            // Dropped here: a panic of the drop would leak answers that are made already.
            drop(missing);
            Ok(self.cache.answers(&asked, pairs))
        };
        self.cache.batch(keys).load_each(load, &self.share(), LoadError::NotFound)
    }

    /// As [`get`](Self::get); returns `None` if another caller is loading the key.
    fn get_unless_running(
        &self,
        key: &K,
        loader: &dyn Fn(&K) -> Result<V, E>,
    ) -> Option<Result<V, LoadError<E>>>
    where
        K: Clone,
    {
        let hash = self.cache.hash(key);
        if let Some((value, _)) = self.find(hash, key) {
            return Some(Ok(value));
        }
        let own = Hashed { hash, key: key.clone() };
        match self.attempt(own).start() {
            Step::Done((value, _)) => Some(Ok(value)),
            Step::Lead(guard) => {
                let loaded = guard.run(|| loader(key).map_err(failed), &self.share());
                Some(loaded.map(|(value, _)| value))
            }
            Step::Wait(_, flight) => {
                flight.unjoin();
                None
            }
        }
    }
}

/// A refresh handed to the executor. Its flight is registered; dropping it without having run it
/// completes the flight.
struct BackgroundRefresh<K: Eq, V: Clone + Send + Sync + 'static, S> {
    cache: Cache<K, V, S>,
    flight: Arc<Flight<V>>,
}

impl<K: Eq, V: Clone + Send + Sync + 'static, S> BackgroundRefresh<K, V, S> {
    fn run<E: Send + Sync + 'static>(
        self,
        loader: impl FnOnce() -> Result<V, LoadError<E>>,
        share: ShareLoadError,
    ) {
        let guard = FlightGuard::attach(self.cache.store(), &self.flight);
        // A loader's panic must not reach the executor: some end the process then. The process's
        // panic hook has reported it, and it is counted and noted with the entry.
        let loaded = catch_unwind(AssertUnwindSafe(|| guard.run(loader, &share)));
        loaded.map_or_else(drop_payload, drop);
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static, S> Drop for BackgroundRefresh<K, V, S> {
    fn drop(&mut self) {
        drop(FlightGuard::attach(self.cache.store(), &self.flight));
    }
}
