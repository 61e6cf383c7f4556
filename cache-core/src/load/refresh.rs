//! Loading an entry again while its old value may be served.
//!
//! A call that has claimed a refresh (`lookup.rs`) leads a flight as any other load, and need not
//! wait: whether the entry was written or removed in the meantime, or its key is being loaded
//! already, is found out under the lock of the shard ([`Store::lead_refresh`]). A caller that
//! misses the key meanwhile joins the refresh; a write supersedes it.
//!
//! The caller runs it, if the loader cannot leave its call. Otherwise the cache's executor does;
//! see `api/cache/background_refresh.rs`.
//!
//! A *reload* is a load of a key whatever is stored or being loaded: it joins nothing, and of
//! several the one that began last wins.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::{FlightKind, Outcome};
use crate::flight::load_node::{BatchNode, LoadNode};
use crate::flight::wait_graph::{self, LoadScope};
use crate::load::attempt::Acquired;
use crate::load::guard::FlightGuard;
use crate::load::timer::LoadTimer;
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

    /// Loads a key whatever is stored under it; what `kept` picks of the result takes its place.
    pub(crate) fn reload<R>(
        &self,
        key: Hashed<K>,
        loader: impl FnOnce() -> R,
        kept: impl FnOnce(&R) -> Result<V, Outcome<V>>,
    ) -> R {
        let (guard, timer) = (self.lead_reload(key), self.start_timer());
        let result = guard.scope(loader);
        guard.keep(timer, kept(&result));
        result
    }

    /// As [`reload`](Self::reload), as a task.
    pub(crate) async fn reload_async<R>(
        &self,
        key: Hashed<K>,
        loader: impl Future<Output = R>,
        kept: impl FnOnce(&R) -> Result<V, Outcome<V>>,
    ) -> R {
        let (guard, timer) = (self.lead_reload(key), self.start_timer());
        let result = guard.scope_async(loader).await;
        guard.keep(timer, kept(&result));
        result
    }

    /// As [`reload`](Self::reload), for many keys. `loader` returns numbers of keys with their
    /// values; what is stored under the others stays.
    pub(crate) fn reload_many<R>(
        &self,
        keys: Vec<Hashed<K>>,
        loader: impl FnOnce() -> (R, Vec<(usize, V)>),
    ) -> R {
        let (guards, timer) = (self.lead_reloads(keys), self.start_timer());
        let scope = LoadScope::enter(node_of(&guards));
        let (result, answers) = loader();
        drop(scope);
        keep_many(guards, timer, answers);
        result
    }

    /// As [`reload_many`](Self::reload_many), as a task.
    pub(crate) async fn reload_many_async<R>(
        &self,
        keys: Vec<Hashed<K>>,
        loader: impl Future<Output = (R, Vec<(usize, V)>)>,
    ) -> R {
        let (guards, timer) = (self.lead_reloads(keys), self.start_timer());
        let (result, answers) = wait_graph::run_async(node_of(&guards), loader).await;
        keep_many(guards, timer, answers);
        result
    }

    fn lead_reloads(&self, keys: Vec<Hashed<K>>) -> Vec<FlightGuard<'_, K, V>> {
        keys.into_iter().map(|key| self.lead_reload(key)).collect()
    }

    /// Leads whatever is stored or being loaded.
    fn lead_reload(&self, key: Hashed<K>) -> FlightGuard<'_, K, V> {
        self.check_levels(key.hash, &key.key);
        let (guard, outer) = (self.table.pin(), wait_graph::current_load());
        let shard = self.lock(&guard, key.hash);
        self.lead((shard, false), key, FlightKind::Shared, outer).replacing()
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static> FlightGuard<'_, K, V> {
    /// Ends a reload with what is to be kept of its result.
    fn keep(self, timer: LoadTimer<'_, K, V>, kept: Result<V, Outcome<V>>) {
        let load_nanos = timer.stop(kept.is_ok());
        match kept {
            Ok(value) => drop(self.after(load_nanos).publish(value)),
            Err(outcome) => self.end(outcome),
        }
    }
}

fn keep_many<K: Eq, V: Clone + Send + Sync + 'static>(
    guards: Vec<FlightGuard<'_, K, V>>,
    timer: LoadTimer<'_, K, V>,
    answers: Vec<(usize, V)>,
) {
    let load_nanos = timer.stop(!answers.is_empty());
    let mut guards: Vec<_> = guards.into_iter().map(Some).collect();
    for (number, value) in answers {
        if let Some(guard) = guards[number].take() {
            drop(guard.after(load_nanos).publish(value));
        }
    }
    guards.into_iter().flatten().for_each(|guard| guard.end(Outcome::Failed(None)));
}

/// The flights of a batch as one load that others may be begun inside of.
pub(super) fn node_of<'g, 's: 'g, K: Eq + 's, V: Clone + Send + Sync + 'static>(
    guards: impl IntoIterator<Item = &'g FlightGuard<'s, K, V>>,
) -> Arc<dyn LoadNode> {
    Arc::new(BatchNode(guards.into_iter().map(FlightGuard::node).collect()))
}
