//! Loading what is missing, as a task: the same loads as those of threads, with the same flights.
//!
//! These futures are `Send` where the key, the value and `init` are. They hold no lock and no pin
//! while they wait, need no runtime, and may be dropped at any time.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Cache;
use crate::flight::share_error::{ErrorSharing, NeverFails, Nothing, ShareArc, ShareNothing};
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
    /// As [`get_with`](Self::get_with), with a future to make the value.
    ///
    /// Threads and tasks that ask for a key at once share one load, whichever began it. `init` is
    /// polled by the task whose call runs it. The load begins when the future is first polled.
    /// If the future is dropped before it is ready, or `init` panics, one of those who wait runs his
    /// own `init`. A future that is neither polled nor dropped holds up those who wait for it, until
    /// [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout); they wait in real time, woken by
    /// a thread of the cache's, whatever the runtime.
    ///
    /// A hit takes no lock. No lock is held while `init` is polled.
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

    /// As [`get_with_async`](Self::get_with_async); the key is only made if it is missing.
    pub async fn get_with_by_ref_async<Q>(&self, key: &Q, init: impl Future<Output = V>) -> V
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => value,
            looked => {
                self.load_value_async(looked, Hashed { hash, key: key.to_owned() }, init).await.0
            }
        }
    }

    /// As [`get_with_async`](Self::get_with_async), and says how the value came about.
    pub async fn get_with_status_async(
        &self,
        key: K,
        init: impl Future<Output = V>,
    ) -> (V, Status) {
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, status) => (value, status),
            looked => self.load_value_async(looked, Hashed { hash, key }, init).await,
        }
    }

    async fn load_value_async(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl Future<Output = V>,
    ) -> (V, Status) {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok(loaded) = self.load_async(looked, key, init, NeverFails).await;
        loaded
    }

    /// What a call that may load does when it has looked, as a task.
    pub(crate) async fn load_async<E>(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match looked {
            Looked::Served(value, status) => Ok((value, status)),
            Looked::Missing => self.store().load(key, init, share).await,
            Looked::Due(old) => self.store().refresh(key, old, init, &share).await,
        }
    }

    /// As [`try_get_with`](Self::try_get_with), with a future to make the value. See
    /// [`get_with_async`](Self::get_with_async).
    ///
    /// # Errors
    /// What `init` gave, its own or that of the call it waited for.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, _) => Ok(value),
            looked => self.load_result_async(looked, Hashed { hash, key }, init).await,
        }
    }

    /// As [`try_get_with_async`](Self::try_get_with_async); the key is only made if it is missing.
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
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => Ok(value),
            looked => {
                self.load_result_async(looked, Hashed { hash, key: key.to_owned() }, init).await
            }
        }
    }

    pub(crate) async fn load_result_async<E: Send + Sync + 'static>(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>> {
        let init = async { init.await.map_err(Arc::new) };
        self.load_async(looked, key, init, ShareArc).await.map(|(value, _)| value)
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), with a future to make the value. See
    /// [`get_with_async`](Self::get_with_async).
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let hash = self.hash(&key);
        match self.look_to_load(&key, hash) {
            Looked::Served(value, _) => Some(value),
            looked => self.load_option_async(looked, Hashed { hash, key }, init).await,
        }
    }

    /// As [`optionally_get_with_async`](Self::optionally_get_with_async); the key is only made if it
    /// is missing.
    pub async fn optionally_get_with_by_ref_async<Q>(
        &self,
        key: &Q,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.look_to_load(key, hash) {
            Looked::Served(value, _) => Some(value),
            looked => {
                self.load_option_async(looked, Hashed { hash, key: key.to_owned() }, init).await
            }
        }
    }

    async fn load_option_async(
        &self,
        looked: Looked<V>,
        key: Hashed<K>,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let init = async { init.await.ok_or(Nothing) };
        let loaded = self.load_async(looked, key, init, ShareNothing).await;
        loaded.map(|(value, _)| value).ok()
    }
}
