//! Loading what is in neither tier, as a thread or as a task: the methods of
//! [`Cache`](crate::Cache), with the same rules for callers of one process.

use std::borrow::Borrow;
use std::convert::{Infallible, identity};
use std::future::Future;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::cache::{TieredCache, bytes_of};
use super::fetch::{Failure, Lived};
use super::remote_key::RemoteKey;
use crate::flight::flight::FlightKind;
use crate::flight::share_error::{ErrorSharing, KeepError, Nothing, ShareArc, ShareNothing};
use crate::load::attempt::{Attempt, Lookup};
use crate::types::status::Status;
use crate::util::hash::Hashed;
use crate::util::signal::block_on;
use equivalent::Equivalent;

/// A load that has begun, and what it knows.
type TieredLoad<'s, K, V, E, S> = (Attempt<'s, K, V>, Lived<'s, E, S>);

impl<K, V> TieredCache<K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns the key's value: from memory, from the remote tier, or from `init`, as a thread.
    /// `own` makes the owned key.
    fn fetch<Q, T, E>(
        &self,
        key: T,
        own: impl FnOnce(T) -> K,
        init: impl FnOnce() -> Result<V, E>,
        failure: Failure<E, impl ErrorSharing<E>>,
    ) -> Result<V, E>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
        T: Borrow<Q>,
    {
        match self.attempt(key, own, failure) {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(attempt) => self.run(attempt, init).map(|(value, _)| value),
        }
    }

    /// As [`fetch`](Self::fetch), as a task.
    async fn fetch_async<Q, T, E>(
        &self,
        key: T,
        own: impl FnOnce(T) -> K,
        init: impl Future<Output = Result<V, E>>,
        failure: Failure<E, impl ErrorSharing<E>>,
    ) -> Result<V, E>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
        T: Borrow<Q>,
    {
        match self.attempt(key, own, failure) {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(attempt) => {
                self.run_async(attempt, init).await.map(|(value, _)| value)
            }
        }
    }

    fn run<'s, E, S: ErrorSharing<E>>(
        &'s self,
        (attempt, lived): TieredLoad<'s, K, V, E, S>,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<(V, Status), E> {
        let load = || block_on(self.on_thread().load(&lived, async { init() }));
        attempt.run(load, &lived)
    }

    async fn run_async<'s, E, S: ErrorSharing<E>>(
        &'s self,
        (attempt, lived): TieredLoad<'s, K, V, E, S>,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<(V, Status), E> {
        let way = self.on_task();
        let load = way.load(&lived, init);
        attempt.run_async(load, &lived).await
    }

    /// Loads a key that has been looked up in memory, as a thread.
    pub(crate) fn load_missed<E>(
        &self,
        (key, looked_up): (Hashed<K>, Lookup<V>),
        init: impl FnOnce() -> Result<V, E>,
        failure: Failure<E, impl ErrorSharing<E>>,
    ) -> Result<(V, Status), E> {
        self.run(self.missed(bytes_of(&key.key), key, looked_up, failure), init)
    }

    /// As [`load_missed`](Self::load_missed), as a task.
    pub(crate) async fn load_missed_async<E>(
        &self,
        (key, looked_up): (Hashed<K>, Lookup<V>),
        init: impl Future<Output = Result<V, E>>,
        failure: Failure<E, impl ErrorSharing<E>>,
    ) -> Result<(V, Status), E> {
        let attempt = self.missed(bytes_of(&key.key), key, looked_up, failure);
        self.run_async(attempt, init).await
    }

    /// What a load is made with. `named` is the key as [`RemoteKey`] writes it.
    fn missed<'s, E, S: ErrorSharing<E>>(
        &'s self,
        named: Vec<u8>,
        key: Hashed<K>,
        looked_up: Lookup<V>,
        failure: Failure<E, S>,
    ) -> TieredLoad<'s, K, V, E, S> {
        let lived = Lived::new((key.hash, named), failure, &self.shared.clock);
        let store = self.shared.memory.store();
        (Attempt::new(store, key, looked_up, FlightKind::Shared), lived)
    }

    /// Looks a key up in memory. Without a value there, returns what the load is made with.
    #[inline]
    fn attempt<'s, Q, T, E, S: ErrorSharing<E>>(
        &'s self,
        key: T,
        own: impl FnOnce(T) -> K,
        failure: Failure<E, S>,
    ) -> ControlFlow<V, TieredLoad<'s, K, V, E, S>>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
        T: Borrow<Q>,
    {
        let memory = &self.shared.memory;
        let hash = memory.hash(key.borrow());
        match memory.lookup_to_load(key.borrow(), hash) {
            Lookup::Hit(value, _) => ControlFlow::Break(value),
            looked_up => {
                let named = bytes_of(key.borrow());
                let key = Hashed { hash, key: own(key) };
                ControlFlow::Continue(self.missed(named, key, looked_up, failure))
            }
        }
    }

    /// Returns the key's value; if neither tier has it, `init` makes it, and it is stored in both.
    ///
    /// Of all callers in this process that miss a key at once one goes on to the remote tier; see
    /// [`Cache::get_with`](crate::Cache::get_with) for what holds among them. Of all processes that
    /// miss it there, one wins the lease and runs its `init`. The others wait for its value, at
    /// most for [`lease_wait`](super::TieredCacheBuilder::lease_wait); then, or if the tier fails,
    /// they run their own, whose value is kept in memory for two seconds at most, and not remotely.
    ///
    /// A hit in memory acquires no lock. `init` runs without any lock held.
    ///
    /// # Panics
    /// As [`Cache::get_with`](crate::Cache::get_with).
    pub fn get_with(&self, key: K, init: impl FnOnce() -> V) -> V {
        let Ok(value) = self.fetch(key, identity, || Ok(init()), never_fails());
        value
    }

    /// As [`get_with`](Self::get_with), by a borrowed form of the key: the key is made only if it
    /// is not in memory.
    pub fn get_with_by_ref<Q>(&self, key: &Q, init: impl FnOnce() -> V) -> V
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
    {
        let Ok(value) = self.fetch::<Q, _, _>(key, Q::to_owned, || Ok(init()), never_fails());
        value
    }

    /// As [`get_with`](Self::get_with), with a future that makes the value. The remote tier is
    /// asked without blocking the thread.
    pub async fn get_with_async(&self, key: K, init: impl Future<Output = V>) -> V {
        let Ok(value) =
            self.fetch_async(key, identity, async { Ok(init.await) }, never_fails()).await;
        value
    }

    /// As [`get_with_async`](Self::get_with_async), by a borrowed form of the key.
    pub async fn get_with_by_ref_async<Q>(&self, key: &Q, init: impl Future<Output = V>) -> V
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
    {
        let init = async { Ok(init.await) };
        let Ok(value) = self.fetch_async::<Q, _, _>(key, Q::to_owned, init, never_fails()).await;
        value
    }

    /// As [`get_with`](Self::get_with), for an `init` that may fail: an error is stored in neither
    /// tier. Within [`stale_if_error`](super::TieredCacheBuilder::stale_if_error) the remote tier's
    /// old value is returned instead.
    ///
    /// # Errors
    /// What `init` returned, this call's or that of the call it waited for.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    pub fn try_get_with<E>(&self, key: K, init: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.fetch(key, identity, || init().map_err(Arc::new), may_fail())
    }

    /// As [`try_get_with`](Self::try_get_with), by a borrowed form of the key.
    ///
    /// # Errors
    /// As there.
    pub fn try_get_with_by_ref<Q, E>(
        &self,
        key: &Q,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
        E: Send + Sync + 'static,
    {
        self.fetch::<Q, _, _>(key, Q::to_owned, || init().map_err(Arc::new), may_fail())
    }

    /// As [`try_get_with`](Self::try_get_with), with a future that makes the value.
    ///
    /// # Errors
    /// As there.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let init = async { init.await.map_err(Arc::new) };
        self.fetch_async(key, identity, init, may_fail()).await
    }

    /// As [`try_get_with_async`](Self::try_get_with_async), by a borrowed form of the key.
    ///
    /// # Errors
    /// As there.
    pub async fn try_get_with_by_ref_async<Q, E>(
        &self,
        key: &Q,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
        E: Send + Sync + 'static,
    {
        let init = async { init.await.map_err(Arc::new) };
        self.fetch_async::<Q, _, _>(key, Q::to_owned, init, may_fail()).await
    }

    /// As [`get_with`](Self::get_with), for an `init` that may return `None`. That there is no
    /// value is stored only with
    /// [`negative_ttl`](super::TieredCacheBuilder::negative_ttl), in the remote tier.
    pub fn optionally_get_with(&self, key: K, init: impl FnOnce() -> Option<V>) -> Option<V> {
        self.fetch(key, identity, || init().ok_or(Nothing), may_be_absent()).ok()
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), by a borrowed form of the key.
    pub fn optionally_get_with_by_ref<Q>(
        &self,
        key: &Q,
        init: impl FnOnce() -> Option<V>,
    ) -> Option<V>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
    {
        let init = || init().ok_or(Nothing);
        self.fetch::<Q, _, _>(key, Q::to_owned, init, may_be_absent()).ok()
    }

    /// As [`optionally_get_with`](Self::optionally_get_with), with a future that makes the value.
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let init = async { init.await.ok_or(Nothing) };
        self.fetch_async(key, identity, init, may_be_absent()).await.ok()
    }

    /// As [`optionally_get_with_async`](Self::optionally_get_with_async), by a borrowed form of the
    /// key.
    pub async fn optionally_get_with_by_ref_async<Q>(
        &self,
        key: &Q,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ToOwned<Owned = K> + ?Sized,
    {
        let init = async { init.await.ok_or(Nothing) };
        self.fetch_async::<Q, _, _>(key, Q::to_owned, init, may_be_absent()).await.ok()
    }
}

fn never_fails() -> Failure<Infallible, KeepError> {
    Failure { share: KeepError, nothing: None }
}

fn may_fail<E>() -> Failure<Arc<E>, ShareArc> {
    Failure { share: ShareArc, nothing: None }
}

fn may_be_absent() -> Failure<Nothing, ShareNothing> {
    Failure { share: ShareNothing, nothing: Some(|| Nothing) }
}
