//! A cache that knows how to load what it is asked for.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::api::cache::Cache;
use crate::flight::flight::{FlightKind, Outcome};
use crate::flight::share_error::{ErrorSharing as _, ShareArc};
use crate::load::attempt::{Attempt, Step};
use crate::load::lookup::{Lookup, StaleEntry};
use crate::types::error::LoadError;
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};
use ahash::RandomState;
use equivalent::Equivalent;

type Loader<K, V, E> = Arc<dyn Fn(&K) -> Result<V, E> + Send + Sync>;

/// A [`Cache`] together with the function that loads its values. Made by
/// [`CacheBuilder::build_with_loader`](crate::CacheBuilder::build_with_loader), or of any cache by
/// [`LoadingCache::new`].
///
/// It is a handle, as the cache is: cloning it gives another handle to the same cache and loader. All
/// loads of it follow the rules of [`Cache::get_with`], and share flights with loads that are made
/// through [`cache`](Self::cache).
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
    /// Another handle to the same cache.
    fn clone(&self) -> Self {
        LoadingCache { cache: self.cache.clone(), loader: Arc::clone(&self.loader) }
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
    /// Loads what is missing in this cache with this function.
    pub fn new(
        cache: Cache<K, V, S>,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Self {
        LoadingCache { cache, loader: Arc::new(loader) }
    }

    /// The cache: to look without loading, to write, to invalidate.
    #[must_use]
    pub fn cache(&self) -> &Cache<K, V, S> {
        &self.cache
    }

    /// The key's value; if there is none, it is loaded and stored. See [`Cache::try_get_with`]. A hit
    /// takes no lock and makes no key.
    ///
    /// Where the cache refreshes ([`refresh_after`](crate::CacheBuilder::refresh_after)) or serves stale values
    /// ([`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate)), that is done by the cache's
    /// [`executor`](crate::CacheBuilder::executor), and this call is served at once.
    ///
    /// # Errors
    /// What the loader gave, in this call or in the one whose load it waited for.
    ///
    /// # Panics
    /// With the panic of the loader; and as [`Cache::get_with`].
    pub fn get<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.get_with_status(key).map(|(value, _)| value)
    }

    /// As [`get`](Self::get), and says how the value came about.
    ///
    /// # Errors
    /// As there.
    pub fn get_with_status<Q>(&self, key: &Q) -> Result<(V, Status), LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.cache.hash(key);
        match self.cache.lookup_to_load(key, hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            Lookup::RefreshDue(stale) => Ok(self.spawn_refresh(hash, key, stale)),
            Lookup::Miss => self.load_missing(hash, key),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_missing<Q>(&self, hash: KeyHash, key: &Q) -> Result<(V, Status), LoadError<E>>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        // The loader looks at a key of its own: the other waits in the cache.
        let load = || (self.loader)(&key.to_owned()).map_err(Arc::new);
        let own = Hashed { hash, key: key.to_owned() };
        let loaded = self.cache.store().load(Lookup::Miss, own, load, &ShareArc);
        loaded.map_err(LoadError::Failed)
    }

    /// Has an entry refreshed by the executor.
    fn spawn_refresh<Q>(&self, hash: KeyHash, key: &Q, stale: StaleEntry<V>) -> (V, Status)
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let (loader, own) = (Arc::clone(&self.loader), key.to_owned());
        let load = move || loader(&own).map_err(Arc::new);
        self.cache.spawn_refresh(Hashed { hash, key: key.to_owned() }, stale, load, ShareArc)
    }

    /// As [`get`](Self::get), as a task: does not block while it waits for another caller's load. The
    /// loader, where this call is the one to run it, runs inside the poll.
    ///
    /// # Errors
    /// As there.
    pub async fn get_async<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.cache.hash(key);
        match self.cache.lookup_to_load(key, hash) {
            Lookup::RefreshDue(stale) => Ok(self.spawn_refresh(hash, key, stale).0),
            looked_up => {
                let load = async { (self.loader)(&key.to_owned()).map_err(Arc::new) };
                let own = Hashed { hash, key: key.to_owned() };
                let loaded = self.cache.store().load_async(looked_up, own, load, &ShareArc).await;
                loaded.map(|(value, _)| value).map_err(LoadError::Failed)
            }
        }
    }

    /// Loads the key anew, whatever is stored under it, and puts the value in its place, unless the
    /// key is written meanwhile. Until then the old value is served; an error leaves it there.
    ///
    /// The load begins with this call: it joins none that began before. Of several refreshes of a key
    /// at once, the one that began last wins. Who misses the key meanwhile waits for this load.
    ///
    /// # Errors
    /// What the loader gave.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn refresh<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let own = Hashed { hash: self.cache.hash(key), key: key.to_owned() };
        let load = || (self.loader)(&key.to_owned()).map_err(Arc::new);
        let kept = |loaded: &Result<V, Arc<E>>| match loaded {
            Ok(value) => Ok(value.clone()),
            Err(error) => {
                Err(ShareArc.to_shared(error).map_or(Outcome::NotShareable, Outcome::Failed))
            }
        };
        let loaded = self.cache.store().reload(own, load, kept);
        loaded.map_err(LoadError::Failed)
    }

    /// As [`get`](Self::get) for each of the keys, in their order. Keys that other callers are loading
    /// are waited for when all others are loaded. To load many keys by one call of a function, there
    /// is [`Cache::get_many_with`].
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
        let at_once: Vec<_> = keys.iter().map(|key| self.get_unless_running(key)).collect();
        let in_turn = at_once.into_iter().zip(keys);
        let loaded = |key| self.load_missing(self.cache.hash(key), key).map(|(value, _)| value);
        in_turn.map(|(got, key)| got.unwrap_or_else(|| loaded(key))).collect()
    }

    /// As `get`; returns `None` if another caller is loading the key.
    fn get_unless_running(&self, key: &K) -> Option<Result<V, LoadError<E>>>
    where
        K: Clone,
    {
        let hash = self.cache.hash(key);
        match self.cache.lookup_to_load(key, hash) {
            Lookup::Hit(value, _) => return Some(Ok(value)),
            Lookup::RefreshDue(stale) => return Some(Ok(self.spawn_refresh(hash, key, stale).0)),
            Lookup::Miss => {}
        }
        let own = Hashed { hash, key: key.clone() };
        match Attempt::new(self.cache.store(), own, FlightKind::Shared).start() {
            Step::Done(value, _) => Some(Ok(value)),
            Step::Lead(guard) => {
                let loaded = guard.run(|| (self.loader)(key).map_err(Arc::new), &ShareArc);
                Some(loaded.map(|(value, _)| value).map_err(LoadError::Failed))
            }
            Step::Wait(_, flight) => {
                flight.unjoin();
                None
            }
        }
    }
}
