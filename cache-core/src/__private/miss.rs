//! What a look-up that found nothing hands to the load.

use crate::__private::macro_caches;
use crate::api::cache::Cache;
use crate::flight::share_error::ErrorSharing;
use crate::flight::wait_graph;
use crate::load::load::Role;
use crate::load::refresh::Looked;
use crate::table::Retries;
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};
use std::future::Future;

use super::bounds::{HashBuilder, Key};
use super::view::{Owned, Part, View};

/// A call that has no value yet. `None` if it bypasses the cache.
pub struct Miss<O: Owned, V>(Option<PendingLoad<O::Key, V>>);

/// The load of one key, and what the look-up saw of it.
struct PendingLoad<K, V> {
    key: Hashed<K>,
    looked: Looked<V>,
    /// `true` if callers that miss the key at the same time share one run.
    shared: bool,
}

impl<O: Owned, V> std::fmt::Debug for Miss<O, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miss").field("bypassed", &self.0.is_none()).finish_non_exhaustive()
    }
}

impl<O: Owned, V> Miss<O, V> {
    /// Returns the same call, with an unshared load.
    #[must_use]
    pub fn unshared(self) -> Self {
        Self(self.0.map(|load| PendingLoad { shared: false, ..load }))
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
        match cache.look_to_load(&view, hash) {
            Looked::Served(value, _) => Ok(value),
            looked => Err(Self::new(hash, view, looked)),
        }
    }

    /// A call that bypasses the cache.
    pub(super) const fn bypassed() -> Self {
        Self(None)
    }

    #[cold]
    fn new<P: Part<Key = O::Key>>(hash: KeyHash, view: View<P>, looked: Looked<V>) -> Self {
        Self(Some(PendingLoad { key: Hashed { hash, key: view.0.to_key() }, looked, shared: true }))
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
        let Some(PendingLoad { key, looked, shared }) = self.0 else { return body() };
        let loaded = match looked {
            Looked::Missing if !shared => match unshared_role(cache, key) {
                Role::Lead(leader) => leader.load_here(body, &share),
                role => Ok(found(role)),
            },
            looked => cache.load(looked, key, body, share),
        };
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
        let Some(PendingLoad { key, looked, shared }) = self.0 else { return body.await };
        let loaded = match looked {
            Looked::Missing if !shared => match unshared_role(cache, key) {
                Role::Lead(leader) => {
                    leader.load(crate::flight::wait::Caller::Task, body, &share).await
                }
                role => Ok(found(role)),
            },
            looked => cache.load_async(looked, key, body, share).await,
        };
        loaded.map(|(value, _)| value)
    }
}

/// The role of a caller that loads unshared. Its flight is registered like any other, so that a
/// write or a flush supersedes it; no caller can join it.
fn unshared_role<K, V, S>(cache: &Cache<K, V, S>, Hashed { hash, key }: Hashed<K>) -> Role<'_, K, V>
where
    K: Key,
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
{
    cache.store().take_role(
        Hashed { hash, key },
        false,
        wait_graph::current_load(),
        &Retries::default(),
    )
}

/// The value that another caller has stored meanwhile.
fn found<K: Eq, V: Clone + Send + Sync + 'static>(role: Role<'_, K, V>) -> (V, Status) {
    match role {
        Role::Hit(value, status) => (value, status),
        Role::Lead(_) | Role::Join(..) => unreachable!("an unshared load joins no flight"),
    }
}
