//! Background refreshes.

use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Cache;
use crate::flight::share_error::ErrorSharing;
use crate::load::guard::DetachedLoad;
use crate::load::lookup::StaleEntry;
use crate::types::executor::Job;
use crate::types::status::Status;
use crate::util::hash::Hashed;
use crate::util::panics::drop_payload;

/// A refresh handed to the executor. Its flight is registered; dropping it without having run it
/// completes the flight.
struct BackgroundRefresh<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    cache: Cache<K, V, S>,
    /// Taken when it runs.
    detached: Option<DetachedLoad<V>>,
    loader: Option<F>,
    share: H,
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Hands a refresh that this call has claimed to the executor, and returns the old value.
    pub(crate) fn spawn_refresh<E, F, H>(
        &self,
        key: Hashed<K>,
        stale: StaleEntry<V>,
        loader: F,
        share: H,
    ) -> (V, Status)
    where
        F: FnOnce() -> Result<V, E> + Send + 'static,
        H: ErrorSharing<E> + Send + 'static,
        E: 'static,
    {
        let store = self.store();
        // It is nested in no load, not even in the one that its caller runs inside: no caller waits
        // for it.
        if let Some(guard) = store.lead_refresh(key, stale.claim, None) {
            let detached = Some(guard.detach());
            let refresh =
                BackgroundRefresh { cache: self.clone(), detached, loader: Some(loader), share };
            let job: Job = Box::new(move || refresh.run());
            store.config.executor.spawn(job);
        }
        store.serve(stale)
    }
}

impl<K, V, S, F, H> BackgroundRefresh<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    fn run<E>(mut self)
    where
        F: FnOnce() -> Result<V, E>,
        H: ErrorSharing<E>,
    {
        let (Some(detached), Some(loader)) = (self.detached.take(), self.loader.take()) else {
            return;
        };
        let guard = detached.attach(self.cache.store());
        // A loader's panic must not reach the executor: some end the process then. The process's
        // panic hook has reported it, and it is counted and noted with the entry.
        let loaded = catch_unwind(AssertUnwindSafe(|| guard.run(loader, &self.share)));
        loaded.map_or_else(drop_payload, drop);
    }
}

impl<K, V, S, F, H> Drop for BackgroundRefresh<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if let Some(detached) = self.detached.take() {
            drop(detached.attach(&self.cache.inner.store));
        }
    }
}
