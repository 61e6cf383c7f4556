//! Loading what is missing, as a task: the same loads as those of threads, with the same flights.
//!
//! These futures are `Send` if the key, the value and `init` are. They hold no lock and no guard
//! while they wait, need no runtime, and may be dropped at any time.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use equivalent::Equivalent;

use super::Cache;
use super::fetch::{ByRef, ByValue};
use crate::flight::share_error::{NeverFails, Nothing, ShareArc, ShareNothing};
use crate::types::status::Status;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
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
        let Ok((value, _)) = self.fetch_async(ByRef(key), init, NeverFails).await;
        value
    }

    /// As [`get_with_async`](Self::get_with_async). Also returns how the value came about.
    pub async fn get_with_status_async(
        &self,
        key: K,
        init: impl Future<Output = V>,
    ) -> (V, Status) {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok(loaded) = self.fetch_async(ByValue(key), init, NeverFails).await;
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
        self.fetch_async(ByValue(key), init, ShareArc).await.map(|(value, _)| value)
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
        self.fetch_async(ByRef(key), init, ShareArc).await.map(|(value, _)| value)
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), with a future that makes the value:
    /// see [`get_with_async`](Self::get_with_async).
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let init = async { init.await.ok_or(Nothing) };
        let fetched = self.fetch_async(ByValue(key), init, ShareNothing).await;
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
        let fetched = self.fetch_async(ByRef(key), init, ShareNothing).await;
        fetched.ok().map(|(value, _)| value)
    }
}
