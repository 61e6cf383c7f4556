//! Loading an entry again while its old value may be served.
//!
//! A call that has claimed a refresh (`attempt.rs`) leads a flight as any other load, and need not
//! wait: whether the entry was written or removed in the meantime, or its key is being loaded
//! already, is found out under the lock of the shard ([`Store::lead_refresh`]). A caller that
//! misses the key meanwhile joins the refresh; a write supersedes it.
//!
//! The caller runs it, if the loader cannot leave its call. Otherwise the cache's executor does;
//! see `api/loading.rs`.
//!
//! A *reload* is a load of a key whatever is stored or being loaded: it joins nothing, and of
//! several the one that began last wins.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::{FlightKind, Outcome};
use crate::flight::share_error::SharedError;
use crate::flight::wait_graph::{self, BatchNode, LoadNode, LoadScope};
use crate::load::attempt::Acquired;
use crate::load::guard::{FlightGuard, LoadTimer};
use crate::store::store::Store;
use crate::table::{EntryRef, RefreshState, Retries};
use crate::util::hash::Hashed;

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Leads a refresh of the entry with this claim. Returns `None` if another entry has taken its
    /// place, or none is there, or the key is being loaded or computed.
    pub(crate) fn lead_refresh(
        &self,
        key: Hashed<K>,
        claim: u64,
        outer: Option<Arc<dyn LoadNode>>,
    ) -> Option<FlightGuard<'_, K, V>> {
        let hash = key.hash;
        self.check_levels(hash, &key.key);
        let (guard, own) = (self.table.pin(), Hashed { hash, key: &key.key });
        let serve_none = None::<fn(EntryRef<'_, K, V>, u64) -> Option<Infallible>>;
        let kind = FlightKind::Shared;
        match self.acquire(&guard, own, kind, &Retries::default(), serve_none) {
            Acquired::Served(never) => match never {},
            Acquired::Running(flight) => {
                flight.unjoin();
                None
            }
            Acquired::Idle(shard, found) => {
                let state = found.and_then(|id| shard.entry(id).refresh_state());
                if state.map(RefreshState::retry_at) != Some(claim) {
                    return None;
                }
                self.count(&guard, |counters| &counters.refreshes);
                Some(self.lead((shard, false), key, kind, outer).replacing())
            }
        }
    }

    /// Loads keys whatever is stored under them. `loader` returns numbers of keys with the values
    /// to be stored, and what callers that wait for the others are given; what is stored under
    /// those stays.
    pub(crate) fn reload<R>(
        &self,
        keys: Vec<Hashed<K>>,
        loader: impl FnOnce() -> (R, Vec<(usize, V)>, Option<SharedError>),
    ) -> R {
        let (guards, timer) = (self.lead_reloads(keys), self.start_timer());
        let scope = LoadScope::enter(node_of(&guards));
        let (result, values, error) = loader();
        drop(scope);
        end_reloads(guards, timer, values, error);
        result
    }

    /// As [`reload`](Self::reload), as a task.
    pub(crate) async fn reload_async<R>(
        &self,
        keys: Vec<Hashed<K>>,
        loader: impl Future<Output = (R, Vec<(usize, V)>, Option<SharedError>)>,
    ) -> R {
        let (guards, timer) = (self.lead_reloads(keys), self.start_timer());
        let (result, values, error) = wait_graph::run_async(node_of(&guards), loader).await;
        end_reloads(guards, timer, values, error);
        result
    }

    /// Leads whatever is stored or being loaded.
    fn lead_reloads(&self, keys: Vec<Hashed<K>>) -> Vec<FlightGuard<'_, K, V>> {
        let lead = |key: Hashed<K>| {
            self.check_levels(key.hash, &key.key);
            let (guard, outer) = (self.table.pin(), wait_graph::current_load());
            let shard = self.lock(&guard, key.hash);
            self.lead((shard, false), key, FlightKind::Shared, outer).replacing()
        };
        keys.into_iter().map(lead).collect()
    }
}

fn end_reloads<K: Eq, V: Clone + Send + Sync + 'static>(
    guards: Vec<FlightGuard<'_, K, V>>,
    timer: LoadTimer<'_, K, V>,
    values: Vec<(usize, V)>,
    error: Option<SharedError>,
) {
    let load_nanos = timer.stop(!values.is_empty());
    let mut guards: Vec<_> = guards.into_iter().map(Some).collect();
    for (number, value) in values {
        if let Some(guard) = guards[number].take() {
            drop(guard.publish(value, load_nanos));
        }
    }
    guards.into_iter().flatten().for_each(|guard| guard.end(Outcome::Failed(error.clone())));
}

/// The flights of a batch as one load that others may be begun inside of.
pub(super) fn node_of<'g, 's: 'g, K: Eq + 's, V: Clone + Send + Sync + 'static>(
    guards: impl IntoIterator<Item = &'g FlightGuard<'s, K, V>>,
) -> Arc<dyn LoadNode> {
    Arc::new(BatchNode(guards.into_iter().map(FlightGuard::node).collect()))
}
