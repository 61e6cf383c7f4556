//! Loading what is missing, as a thread. For tasks there is `loads_async.rs`.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Cache;
use crate::flight::flight::Outcome;
use crate::flight::share_error::{ErrorSharing, NeverFails, Nothing, ShareArc, ShareNothing};
use crate::flight::wait::Caller;
use crate::load::load::ready;
use crate::load::refresh::Looked;
use crate::types::status::Status;
use crate::util::hash::Hashed;
use equivalent::Equivalent;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// The key's value; if there is none, `init` makes it, and it is stored.
    ///
    /// However many callers ask for a missing key at once, threads and tasks, one of them runs its
    /// `init` and the others wait for its value. If `init` panics, the panic goes to its caller, and
    /// one of those who wait runs his own.
    ///
    /// A write to the key or a flush supersedes a load that is running: those who wait for it are
    /// given its value, but it is not stored, and who asks after the write begins anew.
    ///
    /// A hit takes no lock. `init` runs without any lock held and may use this cache and others:
    /// * Asking for other keys from inside `init` works, as deep as the stack allows.
    /// * Asking for the same key from inside `init` runs the inner `init` at once: a load does not
    ///   wait for itself. The first value to be made is stored.
    /// * Loads on several threads that would wait for each other in a ring do not: the call that
    ///   would close the ring runs its own `init`.
    /// * A thread does not block for a future that it was itself the last to poll, but runs its own
    ///   `init`: on a runtime of one thread that future would never be polled again.
    /// * A ring that passes through something else than a cache (the latch of a thread pool, a
    ///   channel) ends after [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout).
    ///
    /// Where the cache refreshes or serves stale values, of those who ask for a key whose refresh is due one
    /// runs his `init` and waits for it; the others are given the old value. See
    /// [`refresh_after`](crate::CacheBuilder::refresh_after),
    /// [`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate) and
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error).
    ///
    /// # Panics
    /// With the panic of `init`. Also if loads of one and the same key run inside each other 32 levels
    /// deep, which is taken for a recursion without end.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, String> = cache_core::Cache::new(10);
    /// assert_eq!(cache.get_with(1, || "one".to_owned()), "one");
    /// assert_eq!(cache.get_with(1, || unreachable!()), "one");
    /// ```
    #[inline]
    pub fn get_with(&self, key: K, init: impl FnOnce() -> V) -> V {
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, _) => value,
            looked => self.load_value(looked, Hashed { hash, key }, init).0,
        }
    }

    /// As [`get_with`](Self::get_with); the key is only made if it is missing.
    #[inline]
    pub fn get_with_by_ref<Q>(&self, key: &Q, init: impl FnOnce() -> V) -> V
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => value,
            looked => self.load_value(looked, Hashed { hash, key: key.to_owned() }, init).0,
        }
    }

    /// As [`get_with`](Self::get_with), and says how the value came about.
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
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, status) => (value, status),
            looked => self.load_value(looked, Hashed { hash, key }, init),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_value(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl FnOnce() -> V,
    ) -> (V, Status) {
        let Ok(loaded) = self.load(looked, key, || Ok::<V, Infallible>(init()), NeverFails);
        loaded
    }

    /// As [`get_with`](Self::get_with), for an `init` that may fail: an error is not stored. Those
    /// who wait share it, if their calls have the same error type; who waits with another type runs
    /// his own `init`, at once and in parallel with others like him.
    ///
    /// # Errors
    /// What `init` gave, its own or that of the call it waited for.
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
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, _) => Ok(value),
            looked => self.load_result(looked, Hashed { hash, key }, init),
        }
    }

    /// As [`try_get_with`](Self::try_get_with); the key is only made if it is missing.
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
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => Ok(value),
            looked => self.load_result(looked, Hashed { hash, key: key.to_owned() }, init),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_result<E: Send + Sync + 'static>(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>> {
        self.load(looked, key, || init().map_err(Arc::new), ShareArc).map(|(value, _)| value)
    }

    /// As [`get_with`](Self::get_with), for an `init` that may find nothing: nothing is then
    /// stored, and those who wait are given nothing too. If there is an old value, which this was to refresh
    /// or that could be served stale, it is removed: to find nothing is no failure.
    #[inline]
    pub fn optionally_get_with(&self, key: K, init: impl FnOnce() -> Option<V>) -> Option<V> {
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, _) => Some(value),
            looked => self.load_option(looked, Hashed { hash, key }, init),
        }
    }

    /// As [`optionally_get_with`](Self::optionally_get_with); the key is only made if it is
    /// missing.
    #[inline]
    pub fn optionally_get_with_by_ref<Q>(
        &self,
        key: &Q,
        init: impl FnOnce() -> Option<V>,
    ) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => Some(value),
            looked => self.load_option(looked, Hashed { hash, key: key.to_owned() }, init),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_option(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl FnOnce() -> Option<V>,
    ) -> Option<V> {
        let loaded = self.load(looked, key, || init().ok_or(Nothing), ShareNothing);
        loaded.map(|(value, _)| value).ok()
    }

    /// What a call that may load does when it has looked, as a thread.
    #[inline]
    pub(crate) fn load<E>(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match looked {
            Looked::Served(value, status) => Ok((value, status)),
            Looked::Missing => self.store().load_here(key, init, share),
            Looked::Due(old) => self.store().refresh_here(key, old, init, &share),
        }
    }

    /// For tests: a load that says itself how an error is shared, as functions under `#[cached]` do.
    #[doc(hidden)]
    pub fn __load_result<E>(
        &self,
        key: K,
        init: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<V, E> {
        self.load(Looked::Missing, self.hashed(key), init, share).map(|(value, _)| value)
    }

    /// For the macros: loads whatever is cached, and puts what `kept` picks of the result into its
    /// place, unless the key was written or the cache flushed since the load began.
    #[doc(hidden)]
    pub fn __refresh<R>(
        &self,
        key: K,
        init: impl FnOnce() -> R,
        kept: impl FnOnce(&R) -> Option<&V>,
    ) -> R {
        let kept = |result: &R| kept(result).cloned().ok_or(Outcome::NotShareable);
        let key = self.hashed(key);
        ready(self.store().reload(Caller::Thread, key, async { init() }, kept))
    }
}
