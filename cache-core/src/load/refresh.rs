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

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::flight::flight::{FlightKind, Outcome};
use crate::flight::share_error::{ErrorSharing, ShareNothing, SharedError};
use crate::flight::wait_graph::{self, BatchNode, LoadNode};
use crate::load::attempt::Acquired;
use crate::load::guard::{FlightGuard, LoadTimer};
use crate::store::store::Store;
use crate::table::{RefreshState, Retries};
use crate::util::hash::Hashed;

impl<K: Eq, V: Clone> Store<K, V> {
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
        let (guard, own) = (self.pin(), Hashed { hash, key: &key.key });
        let kind = FlightKind::Refresh;
        match self.acquire(&guard, own, kind, &Retries::default(), None) {
            Acquired::Served(..) => None,
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
                Some(self.lead((shard, found), key, kind, outer))
            }
        }
    }

    /// Loads keys whatever is stored under them, by the loads that [`lead_reload`] has begun.
    /// `loader` returns for each of them the value to be stored, if there is one, and what callers
    /// that wait for the others are given; what is stored under those stays, unless it is that
    /// there is no value.
    ///
    /// [`lead_reload`]: Self::lead_reload
    pub(crate) fn reload<'s, R, Values: Several<Option<V>>>(
        &'s self,
        led: impl Several<FlightGuard<'s, K, V>>,
        loader: impl FnOnce() -> (R, Values, Option<SharedError>),
    ) -> R {
        let timer = self.start_timer();
        let loaded = wait_graph::run(node_of(led.as_ref().iter()), loader);
        end_reload(led, timer, loaded)
    }

    /// As [`reload`](Self::reload), as a task.
    pub(crate) async fn reload_async<'s, R, Values: Several<Option<V>>>(
        &'s self,
        led: impl Several<FlightGuard<'s, K, V>>,
        loader: impl Future<Output = (R, Values, Option<SharedError>)>,
    ) -> R {
        let timer = self.start_timer();
        let loaded = wait_graph::run_async(node_of(led.as_ref().iter()), loader).await;
        end_reload(led, timer, loaded)
    }

    /// As [`reload`](Self::reload), for values that have a life of their own: zero is not stored.
    pub(crate) fn reload_for<'s, R>(
        &'s self,
        led: Vec<FlightGuard<'s, K, V>>,
        loader: impl FnOnce() -> (R, Vec<Option<LivedValue<V>>>),
    ) -> R {
        let timer = self.start_timer();
        let loaded = wait_graph::run(node_of(led.iter()), loader);
        end_reload_for(led, timer, loaded)
    }

    /// As [`reload_for`](Self::reload_for), as a task.
    pub(crate) async fn reload_for_async<'s, R>(
        &'s self,
        led: Vec<FlightGuard<'s, K, V>>,
        loader: impl Future<Output = (R, Vec<Option<LivedValue<V>>>)>,
    ) -> R {
        let timer = self.start_timer();
        let loaded = wait_graph::run_async(node_of(led.iter()), loader).await;
        end_reload_for(led, timer, loaded)
    }

    /// Leads whatever is stored or being loaded.
    pub(crate) fn lead_reload(&self, key: Hashed<K>) -> FlightGuard<'_, K, V> {
        self.check_levels(key.hash, &key.key);
        let (guard, outer) = (self.pin(), wait_graph::current_load());
        let shard = self.lock(&guard, key.hash);
        self.lead((shard, None), key, FlightKind::Refresh, outer)
    }
}

/// An array of one, or a vector.
pub(crate) trait Several<T>: AsRef<[T]> + IntoIterator<Item = T> {}

impl<T, C: AsRef<[T]> + IntoIterator<Item = T>> Several<T> for C {}

fn end_reload<'s, K: Eq + 's, V: Clone, R>(
    led: impl Several<FlightGuard<'s, K, V>>,
    timer: LoadTimer<'s, K, V>,
    (result, values, error): (R, impl Several<Option<V>>, Option<SharedError>),
) -> R {
    let load_nanos = timer.stop(values.as_ref().iter().any(Option::is_some));
    let is_absence = error.as_ref().is_some_and(|error| ShareNothing.recover(error).is_some());
    for (guard, value) in led.into_iter().zip(values) {
        match value {
            Some(value) => drop(guard.publish(value, load_nanos)),
            None if is_absence => guard.end_absent(error.clone()),
            None => guard.end(Outcome::Failed(error.clone())),
        }
    }
    result
}

/// A value, and how long it may be kept; `None`: without end.
pub(crate) type LivedValue<V> = (V, Option<Duration>);

fn end_reload_for<'s, K: Eq + 's, V: Clone, R>(
    led: Vec<FlightGuard<'s, K, V>>,
    timer: LoadTimer<'s, K, V>,
    (result, values): (R, Vec<Option<LivedValue<V>>>),
) -> R {
    let load_nanos = timer.stop(values.iter().any(Option::is_some));
    for (guard, value) in led.into_iter().zip(values) {
        match value {
            Some((value, life)) => drop(guard.publish_for(value, life, load_nanos)),
            None => guard.end(Outcome::Failed(None)),
        }
    }
    result
}

/// The flights of one call of a loader as one load that others may be begun inside of.
pub(super) fn node_of<'g, 's: 'g, K: Eq + 's, V: Clone + 's>(
    led: impl ExactSizeIterator<Item = &'g FlightGuard<'s, K, V>>,
) -> Arc<dyn LoadNode> {
    let mut nodes = led.map(FlightGuard::node);
    match (nodes.len(), nodes.next()) {
        (1, Some(node)) => node,
        (_, first) => Arc::new(BatchNode(first.into_iter().chain(nodes).collect())),
    }
}
