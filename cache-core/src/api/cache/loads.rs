//! Loading what is missing, as a thread. The same for tasks is in `loads_async.rs`.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use equivalent::Equivalent;

use super::Cache;
use super::fetch::{ByRef, ByValue};
use crate::flight::flight::Outcome;
use crate::flight::share_error::{NeverFails, Nothing, ShareArc, ShareNothing};
use crate::types::status::Status;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
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
        let Ok((value, _)) = self.fetch(ByRef(key), || Ok::<V, Infallible>(init()), NeverFails);
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
        let Ok(loaded) = self.fetch(ByValue(key), || Ok::<V, Infallible>(init()), NeverFails);
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
        self.fetch(ByValue(key), || init().map_err(Arc::new), ShareArc).map(|(value, _)| value)
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
        self.fetch(ByRef(key), || init().map_err(Arc::new), ShareArc).map(|(value, _)| value)
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
        let fetched = self.fetch(ByValue(key), || init().ok_or(Nothing), ShareNothing);
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
        let fetched = self.fetch(ByRef(key), || init().ok_or(Nothing), ShareNothing);
        fetched.ok().map(|(value, _)| value)
    }

    /// Runs `init` whatever is cached, and stores what `pick` takes from the result, unless the key
    /// was written or the cache flushed since the load began.
    pub(crate) fn reload<R>(
        &self,
        key: K,
        init: impl FnOnce() -> R,
        pick: impl FnOnce(&R) -> Option<&V>,
    ) -> R {
        let pick = |result: &R| pick(result).cloned().ok_or(Outcome::NotShareable);
        self.store().reload(self.hashed(key), init, pick)
    }
}
