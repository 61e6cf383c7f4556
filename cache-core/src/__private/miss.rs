//! What a look-up that found nothing hands to the load.

use crate::__private::macro_caches;
use crate::api::cache::Cache;
use crate::flight::flight::FlightKind;
use crate::flight::share_error::ErrorSharing;
use crate::load::attempt::{Attempt, Lookup};
use crate::util::hash::{Hashed, KeyHash};
use std::future::Future;

use super::bounds::HashBuilder;
use super::view::{Owned, Part, View};

/// A call that has no value yet. `None` if it bypasses the cache.
pub struct Miss<O: Owned, V>(Option<PendingLoad<O::Key, V>>);

/// The load of one key, and what the look-up saw of it.
struct PendingLoad<K, V> {
    key: Hashed<K>,
    looked_up: Lookup<V>,
    /// Unshared: joins no other run, and no other call joins it.
    kind: FlightKind,
}

impl<O: Owned, V> Miss<O, V> {
    /// Returns the same call, with an unshared load.
    pub fn unshared(self) -> Self {
        Self(self.0.map(|load| PendingLoad { kind: FlightKind::Unshared, ..load }))
    }
}

impl<O: Owned, V: Clone + Send + Sync + 'static> Miss<O, V> {
    /// Returns the value, or what is needed to load it: only here, on a miss, an owned key is made.
    #[inline]
    pub(super) fn look<P, S>(cache: &Cache<P::Key, V, S>, view: View<P>) -> Result<V, Self>
    where
        P: Part<Key = O::Key, Owned = O>,
        S: HashBuilder,
    {
        if macro_caches::bypassed() {
            return Err(Self(None));
        }
        let hash = cache.hash(&view);
        match cache.lookup_to_load(&view, hash) {
            Lookup::Hit(value, _) => Ok(value),
            looked_up => Err(Self::new(hash, view, looked_up)),
        }
    }

    /// A call that bypasses the cache.
    pub(super) const fn bypassed() -> Self {
        Self(None)
    }

    #[cold]
    fn new<P: Part<Key = O::Key>>(hash: KeyHash, view: View<P>, looked_up: Lookup<V>) -> Self {
        let key = Hashed { hash, key: view.0.to_key() };
        Self(Some(PendingLoad { key, looked_up, kind: FlightKind::Shared }))
    }

    /// Loads, on a thread.
    pub(super) fn load<E, S>(
        self,
        cache: &Cache<O::Key, V, S>,
        body: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<V, E>
    where
        S: HashBuilder,
    {
        let Some(PendingLoad { key, looked_up, kind }) = self.0 else { return body() };
        let loaded = Attempt::new(cache.store(), key, looked_up, kind).run(body, &share);
        loaded.map(|(value, _)| value)
    }

    /// Loads, in a task.
    pub(super) async fn load_async<E, S>(
        self,
        cache: &Cache<O::Key, V, S>,
        body: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<V, E>
    where
        S: HashBuilder,
    {
        let Some(PendingLoad { key, looked_up, kind }) = self.0 else { return body.await };
        let attempt = Attempt::new(cache.store(), key, looked_up, kind);
        attempt.run_async(body, &share).await.map(|(value, _)| value)
    }
}
