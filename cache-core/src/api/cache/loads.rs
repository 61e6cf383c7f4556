//! Loading what is missing, as a thread or as a task: the same loads, with the same flights.
//!
//! All methods take one path, [`Cache::fetch`]: look the key up; if it has no value, load it. They
//! differ in three things, which are arguments there: whether they receive the key or a borrowed
//! form of it, what their loader returns, and how waiters share its error ([`ErrorSharing`]). Loads
//! of several keys at once are a [`Batch`].
//!
//! The futures are `Send` if the key, the value and `init` are. They hold no lock and no guard
//! while they wait, need no runtime, and may be dropped at any time.

use std::borrow::Borrow;
use std::convert::{Infallible, identity};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Cache;
use crate::flight::flight::FlightKind;
use crate::flight::share_error::{ErrorSharing, KeepError, Nothing, ShareArc, ShareNothing};
use crate::load::attempt::{Attempt, Lookup};
use crate::load::batch::{Batch, LoadedBatch, answers, numbers};
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};
use equivalent::Equivalent;

/// Loading: a value that is missing is made, once, however many callers miss it.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns the key's value; if there is none, loads it as a thread. `own` makes the owned key,
    /// only if a load needs it.
    #[inline]
    pub(crate) fn fetch<Q: Hash + Equivalent<K> + ?Sized, T: Borrow<Q>, E>(
        &self,
        key: T,
        own: impl FnOnce(T) -> K,
        loader: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let hash = self.hash(key.borrow());
        match self.lookup_to_load(key.borrow(), hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            looked_up => self.load_missed(looked_up, hash, || own(key), loader, &share),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_missed<E>(
        &self,
        looked_up: Lookup<V>,
        hash: KeyHash,
        key: impl FnOnce() -> K,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let mut key = Hashed { hash, key: key() };
        if let Lookup::Miss = looked_up {
            match self.store().lead_at_once(key) {
                Ok(guard) => return guard.run(loader, share),
                Err(returned) => key = returned,
            }
        }
        Attempt::new(self.store(), key, looked_up, FlightKind::Shared).run(loader, share)
    }

    /// As [`fetch`](Self::fetch), as a task.
    pub(crate) async fn fetch_async<Q: Hash + Equivalent<K> + ?Sized, T: Borrow<Q>, E>(
        &self,
        key: T,
        own: impl FnOnce(T) -> K,
        loader: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let hash = self.hash(key.borrow());
        match self.lookup_to_load(key.borrow(), hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            looked_up => {
                let key = Hashed { hash, key: own(key) };
                let attempt = Attempt::new(self.store(), key, looked_up, FlightKind::Shared);
                attempt.run_async(loader, &share).await
            }
        }
    }

    /// Returns the key's value; if there is none, `init` makes it, and it is stored.
    ///
    /// However many callers, threads and tasks, miss a key at once, one of them runs its `init` and
    /// the others wait for its value. If `init` panics, the panic goes to its caller, and one of
    /// the waiters runs its own `init`.
    ///
    /// A write to the key, or a flush, supersedes a running load: its waiters receive the value, it
    /// is not stored, and later callers start a new load.
    ///
    /// A hit acquires no lock. `init` runs without any lock held and may use this cache and others:
    /// * Asking for other keys from inside `init` works, as deep as the stack allows.
    /// * Asking for the same key from inside `init` runs the inner `init` at once: a load does not
    ///   wait for itself. The value that is made first is stored.
    /// * Loads on several threads that would wait for each other in a cycle do not: the call that
    ///   would close the cycle runs its own `init`.
    /// * A thread does not block for a future that it was itself the last to poll, but runs its own
    ///   `init`: on a runtime of one thread that future would never be polled again.
    /// * A cycle that passes through something other than a cache (the latch of a thread pool, a
    ///   channel) ends after [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout).
    ///
    /// Where the cache refreshes or serves stale values, one of the callers of a key whose refresh
    /// is due runs its `init` and waits for it; the others receive the old value. See
    /// [`refresh_after`](crate::CacheBuilder::refresh_after),
    /// [`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate) and
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error). The guide [to
    /// loads](crate::guide::loads) has the whole of it.
    ///
    /// # Panics
    /// With the panic of `init`. Also if loads of one key run inside each other 32 levels deep,
    /// which is treated as a recursion without end.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, String> = cache_core::Cache::new(10);
    /// assert_eq!(cache.get_with(1, || "one".to_owned()), "one");
    /// assert_eq!(cache.get_with(1, || unreachable!()), "one");
    /// ```
    #[inline]
    #[doc(alias = "get_or_insert_with")]
    pub fn get_with(&self, key: K, init: impl FnOnce() -> V) -> V {
        self.get_with_status(key, init).0
    }

    /// As [`get_with`](Self::get_with), by a borrowed form of the key: the key is made only if it
    /// is missing.
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, usize> = cache_core::Cache::new(10);
    /// assert_eq!(cache.get_with_by_ref("some key", || 8), 8);
    /// ```
    #[inline]
    pub fn get_with_by_ref<Q>(&self, key: &Q, init: impl FnOnce() -> V) -> V
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let Ok((value, _)) =
            self.fetch::<Q, _, _>(key, Q::to_owned, || Ok::<V, Infallible>(init()), KeepError);
        value
    }

    /// As [`get_with`](Self::get_with). Also returns how the value came about.
    ///
    /// ```
    /// use cache_core::Status;
    ///
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// assert_eq!(cache.get_with_status(1, || 10), (10, Status::Loaded));
    /// assert_eq!(cache.get_with_status(1, || 20), (10, Status::Hit));
    /// ```
    #[inline]
    pub fn get_with_status(&self, key: K, init: impl FnOnce() -> V) -> (V, Status) {
        let Ok(loaded) = self.fetch(key, identity, || Ok::<V, Infallible>(init()), KeepError);
        loaded
    }

    /// As [`get_with`](Self::get_with), for an `init` that may fail: an error is not stored.
    /// Waiters with the same error type share it. A waiter with another error type runs its own
    /// `init` immediately, in parallel with others.
    ///
    /// # Errors
    /// What `init` returned, this call's or that of the call it waited for.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, u16> = cache_core::Cache::new(10);
    /// let port = cache.try_get_with("port".to_owned(), || "80a".parse());
    /// assert!(port.is_err_and(|error| error.to_string().contains("invalid digit")));
    /// assert_eq!(cache.try_get_with("port".to_owned(), || "80".parse()), Ok(80));
    /// ```
    #[inline]
    pub fn try_get_with<E>(&self, key: K, init: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.fetch(key, identity, || init().map_err(Arc::new), ShareArc).map(|(value, _)| value)
    }

    /// As [`try_get_with`](Self::try_get_with), by a borrowed form of the key: the key is made only
    /// if it is missing.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_get_with_by_ref<Q, E>(
        &self,
        key: &Q,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        E: Send + Sync + 'static,
    {
        self.fetch::<Q, _, _>(key, Q::to_owned, || init().map_err(Arc::new), ShareArc)
            .map(|(value, _)| value)
    }

    /// As [`get_with`](Self::get_with), for an `init` that may return `None`: nothing is stored,
    /// and waiters receive `None`. An old value, which this load was to refresh or which could be
    /// served stale, is removed: to find nothing is no failure.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// assert_eq!(cache.optionally_get_with(1, || None), None);
    /// assert_eq!(cache.optionally_get_with(1, || Some(10)), Some(10));
    /// ```
    #[inline]
    pub fn optionally_get_with(&self, key: K, init: impl FnOnce() -> Option<V>) -> Option<V> {
        let fetched = self.fetch(key, identity, || init().ok_or(Nothing), ShareNothing);
        fetched.ok().map(|(value, _)| value)
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), by a borrowed form of the key: the
    /// key is made only if it is missing.
    #[inline]
    pub fn optionally_get_with_by_ref<Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized>(
        &self,
        key: &Q,
        init: impl FnOnce() -> Option<V>,
    ) -> Option<V> {
        let fetched =
            self.fetch::<Q, _, _>(key, Q::to_owned, || init().ok_or(Nothing), ShareNothing);
        fetched.ok().map(|(value, _)| value)
    }

    /// As [`get_with`](Self::get_with), with a future that makes the value.
    ///
    /// Threads and tasks that miss a key at once share one load, whichever began it. The load
    /// begins when the returned future is first polled; `init` is polled by the task whose call
    /// leads it. If that future is dropped before it is ready, or `init` panics, one of the waiters
    /// runs its own `init`. A future that is neither polled nor dropped holds up its waiters, until
    /// [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout): real time, measured by a thread
    /// of the cache's, whatever the runtime.
    ///
    /// A hit acquires no lock. No lock is held while `init` is polled.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache: cache_core::Cache<u32, String> = cache_core::Cache::new(10);
    /// assert_eq!(cache.get_with_async(1, async { "one".to_owned() }).await, "one");
    /// assert_eq!(cache.get_with_async(1, async { unreachable!() }).await, "one");
    /// # });
    /// ```
    pub async fn get_with_async(&self, key: K, init: impl Future<Output = V>) -> V {
        self.get_with_status_async(key, init).await.0
    }

    /// As [`get_with_async`](Self::get_with_async), by a borrowed form of the key: the key is made
    /// only if it is missing.
    pub async fn get_with_by_ref_async<Q>(&self, key: &Q, init: impl Future<Output = V>) -> V
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok((value, _)) = self.fetch_async::<Q, _, _>(key, Q::to_owned, init, KeepError).await;
        value
    }

    /// As [`get_with_async`](Self::get_with_async). Also returns how the value came about.
    pub async fn get_with_status_async(
        &self,
        key: K,
        init: impl Future<Output = V>,
    ) -> (V, Status) {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok(loaded) = self.fetch_async(key, identity, init, KeepError).await;
        loaded
    }

    /// As [`try_get_with`](Self::try_get_with), with a future that makes the value: see
    /// [`get_with_async`](Self::get_with_async).
    ///
    /// # Errors
    /// What `init` returned, this call's or that of the call it waited for.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache: cache_core::Cache<u32, u16> = cache_core::Cache::new(10);
    /// assert!(cache.try_get_with_async(1, async { "80a".parse() }).await.is_err());
    /// assert_eq!(cache.try_get_with_async(1, async { "80".parse() }).await, Ok(80));
    /// # });
    /// ```
    pub async fn try_get_with_async<E: Send + Sync + 'static>(
        &self,
        key: K,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>> {
        let init = async { init.await.map_err(Arc::new) };
        self.fetch_async(key, identity, init, ShareArc).await.map(|(value, _)| value)
    }

    /// As [`try_get_with_async`](Self::try_get_with_async), by a borrowed form of the key: the key
    /// is made only if it is missing.
    ///
    /// # Errors
    /// As there.
    pub async fn try_get_with_by_ref_async<Q, E>(
        &self,
        key: &Q,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        E: Send + Sync + 'static,
    {
        let init = async { init.await.map_err(Arc::new) };
        self.fetch_async::<Q, _, _>(key, Q::to_owned, init, ShareArc).await.map(|(value, _)| value)
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), with a future that makes the value:
    /// see [`get_with_async`](Self::get_with_async).
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let init = async { init.await.ok_or(Nothing) };
        let fetched = self.fetch_async(key, identity, init, ShareNothing).await;
        fetched.ok().map(|(value, _)| value)
    }

    /// As [`optionally_get_with_async`](Self::optionally_get_with_async), by a borrowed form of the
    /// key: the key is made only if it is missing.
    pub async fn optionally_get_with_by_ref_async<Q>(
        &self,
        key: &Q,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let init = async { init.await.ok_or(Nothing) };
        let fetched = self.fetch_async::<Q, _, _>(key, Q::to_owned, init, ShareNothing).await;
        fetched.ok().map(|(value, _)| value)
    }

    /// Returns the values of the keys, in their order; loads those that are missing together.
    ///
    /// `init` receives the missing keys, each once, and returns pairs of keys and values, in any
    /// order, which are stored. A key for which it returns no pair has no value, which is no error.
    ///
    /// Each missing key has a load of its own, as in [`get_with`](Self::get_with). A key that
    /// another caller is loading is not given to `init`: this call waits for that load. A caller
    /// that misses one of this call's keys meanwhile waits for this call. All values from `init`
    /// are stored before the call waits for any other load, so batches with the same keys do not
    /// wait for each other in a cycle. A write to one of the keys supersedes the load of that key
    /// alone.
    ///
    /// `init` runs once; not at all if no key is missing; and again for keys whose load by another
    /// caller has brought no value. If it panics, the panic goes to the caller, and nothing of that
    /// run is stored.
    ///
    /// A pair with a key that was not asked for (a query may return a whole page where one row was
    /// wanted) is stored too, unless the key has a live value, or may have been written,
    /// invalidated or flushed since `init` was called. Such a key has no load that a write could
    /// supersede. Instead, writes are noted while batches run, by a part of their keys' hashes; a
    /// write to another key of the same part may cause the pair to be dropped without need.
    ///
    /// In a cache that refreshes or serves stale values, the keys whose refresh this call has
    /// claimed are among those given to `init`. A key of these without a pair is taken to be gone,
    /// and its entry is removed.
    ///
    /// A hit acquires no lock; a missing key costs what a single load does. `init` runs without any
    /// lock held.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// cache.insert(1, 10);
    /// let squares = cache.get_many_with(&[1, 2, 3], |missing| {
    ///     assert_eq!(missing, [2, 3]);
    ///     vec![(2, 20)]
    /// });
    /// assert_eq!(squares, [Some(10), Some(20), None]);
    /// ```
    pub fn get_many_with(
        &self,
        keys: &[K],
        mut init: impl FnMut(&[K]) -> Vec<(K, V)>,
    ) -> Vec<Option<V>>
    where
        K: Clone,
    {
        let loader = |places: Vec<usize>| {
            let asked: Vec<&K> = places.into_iter().map(|place| &keys[place]).collect();
            let missing: Vec<K> = asked.iter().copied().cloned().collect();
            let pairs = init(&missing);
            // Dropped here: a panic of the drop would leak answers that are made already.
            drop(missing);
            Ok::<_, Infallible>(self.answers(&asked, pairs))
        };
        let Ok(values) = self.batch(keys).load(loader, &KeepError);
        values
    }

    /// As [`get_many_with`](Self::get_many_with), with a future to load the missing keys. See
    /// [`get_with_async`](Self::get_with_async).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// let load = |missing: Vec<u32>| async { missing.into_iter().map(|n| (n, n * n)).collect() };
    /// assert_eq!(cache.get_many_with_async(&[3, 4], load).await, [Some(9), Some(16)]);
    /// # });
    /// ```
    pub async fn get_many_with_async<F>(
        &self,
        keys: &[K],
        mut init: impl FnMut(Vec<K>) -> F,
    ) -> Vec<Option<V>>
    where
        K: Clone,
        F: Future<Output = Vec<(K, V)>>,
    {
        let loader = |places: Vec<usize>| {
            let asked: Vec<&K> = places.into_iter().map(|place| &keys[place]).collect();
            let loading = init(asked.iter().copied().cloned().collect());
            async move { Ok::<_, Infallible>(self.answers(&asked, loading.await)) }
        };
        let Ok(values) = self.batch(keys).load_async(loader, &KeepError).await;
        values
    }

    /// Separates the pairs with the keys that were asked for from others.
    pub(crate) fn answers(&self, asked: &[&K], pairs: Vec<(K, V)>) -> LoadedBatch<K, V> {
        let numbers = numbers(asked, pairs.iter().map(|(key, _)| key));
        answers(asked.len(), numbers, pairs, |key| Some(self.hashed(key)))
    }

    /// Looks all keys up, for a load of those that are missing.
    pub(crate) fn batch(&self, keys: &[K]) -> Batch<'_, K, V>
    where
        K: Clone,
    {
        let hasher = self.inner.hasher.clone();
        let looked_up = keys.iter().map(|key| self.lookup_to_load(key, self.hash(key)));
        Batch::new(self.store(), keys, looked_up, hasher, |key| self.hash(key))
    }
}
