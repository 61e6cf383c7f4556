//! Refreshes that no caller waits for.

use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Cache;
use crate::flight::share_error::ShareError;
use crate::load::guard::Parked;
use crate::load::refresh::Old;
use crate::types::executor::Job;
use crate::types::status::Status;
use crate::util::panics::dispose;

/// A refresh that is on its way to a thread. Its flight is registered; if it is dropped without having been
/// run, the flight lands.
struct Behind<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    cache: Cache<K, V, S>,
    /// Taken when it runs.
    parked: Option<Parked<V>>,
    loader: Option<F>,
    share: H,
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Has a refresh made by the executor, which this call has claimed, and gives the old value.
    pub(crate) fn refresh_behind<E, F, H>(
        &self,
        key: (u64, K),
        old: Old<V>,
        loader: F,
        share: H,
    ) -> (V, Status)
    where
        F: FnOnce() -> Result<V, E> + Send + 'static,
        H: ShareError<E> + Send + 'static,
        E: 'static,
    {
        let store = self.store();
        // It is inside of no load, not even of the one that its caller is inside of: nobody waits for it.
        if let Some(leader) = store.lead_refresh(key, old.claim(), None) {
            let parked = Some(leader.park());
            let behind = Behind { cache: self.clone(), parked, loader: Some(loader), share };
            let job: Job = Box::new(move || behind.run());
            store.config.executor.spawn(job);
        }
        store.serve(old)
    }
}

impl<K, V, S, F, H> Behind<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    fn run<E>(mut self)
    where
        F: FnOnce() -> Result<V, E>,
        H: ShareError<E>,
    {
        let (Some(parked), Some(loader)) = (self.parked.take(), self.loader.take()) else { return };
        let leader = parked.lead(self.cache.store());
        // The panic of a loader must not reach the executor, some of which end the process then. It has
        // been told by the process's hook, counted, and noted with the entry.
        let loaded = catch_unwind(AssertUnwindSafe(|| leader.load_here(loader, &self.share)));
        loaded.map_or_else(dispose, drop);
    }
}

impl<K, V, S, F, H> Drop for Behind<K, V, S, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if let Some(parked) = self.parked.take() {
            drop(parked.lead(&self.cache.inner.store));
        }
    }
}
