//! Loading an entry again whose old value may be served meanwhile.
//!
//! # Who begins one
//! A call that may load looks first, without a lock ([`Store::look_closely`]). If what it finds is due for
//! a refresh, it tries to claim that, by one compare-and-swap on a number of the entry's own. Of all who
//! come at once one succeeds; to the others the entry is not due any more, and they are served. So while
//! a refresh runs a hit costs what it costs otherwise.
//!
//! The claim says that nobody else begins within a second. That a refresh may take longer, that the entry
//! may have been written or removed in the meantime, and that its key may be on its way already by another
//! load, is found out under the lock of the shard ([`Store::lead_refresh`]). A refresh is a flight as any
//! other: who misses the key (because it has gone meanwhile) joins it, a write supersedes it.
//!
//! # Who runs it
//! The caller, if the loader is his and cannot leave his call ([`Store::refresh_here`]). Otherwise the cache's
//! executor; see `cache/background_refresh.rs`.

use std::future::Future;

use crate::flight::flight::FlightKind;
use crate::flight::share_error::ErrorSharing;
use crate::flight::wait::Caller;
use crate::flight::wait_graph::{self, LoadNode};
use crate::load::guard::FlightGuard;
use crate::load::load::{Met, Seek};
use crate::shard::lifetimes::{Phase, RETRY};
use crate::store::store::{Store, StoreGuard};
use crate::table::{RefreshState, Retries};
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};

/// What a call that may load finds at first.
pub(crate) enum Looked<V> {
    /// A value, and that is all.
    Served(V, Status),
    /// An old value. The caller has claimed its refresh.
    Due(Old<V>),
    /// Nothing that could be served. The caller loads.
    Missing,
}

/// A value that is served until a newer one is there, or if none can be had.
pub(crate) struct Old<V> {
    pub(crate) value: V,
    pub(crate) status: Status,
    /// What the claim of its refresh has left with the entry it comes from, by which that is known
    /// again; see [`RefreshState::claim`](crate::table::RefreshState::claim).
    claim: u64,
}

impl<V> Old<V> {
    pub(crate) fn claim(&self) -> u64 {
        self.claim
    }
}

impl<K, V: Clone> Store<K, V> {
    /// Looks a key up for a call that may load, in a cache whose entries outlive loads. Counts a use, and a
    /// hit or miss.
    #[inline(never)]
    pub(crate) fn look_closely(
        &self,
        guard: &StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Looked<V> {
        let Some(entry) = guard.find(hash, eq) else {
            self.count_look(guard, false);
            return Looked::Missing;
        };
        let now = self.now();
        let phase = self.config.lifetimes.phase(entry, now);
        let fresh = matches!(phase, Phase::Fresh | Phase::Due);
        self.count_look(guard, fresh);
        if fresh {
            entry.touch();
            if self.extends_on_read {
                self.extend(guard, hash, entry, now);
            }
        }
        let (status, due) = match phase {
            Phase::Fresh => (Status::Hit, false),
            Phase::Due => (Status::Hit, true),
            Phase::Stale { due } => (Status::Stale, due),
            Phase::Failing { due: false } => (Status::Fallback, false),
            Phase::Failing { due: true } | Phase::Over => return Looked::Missing,
        };
        // Cloned before the claim: a clone that panics has claimed nothing.
        let value = entry.value().clone();
        let claim = now.saturating_add(RETRY);
        if due && entry.refresh_state().is_some_and(|refresh_state| refresh_state.claim(now, claim))
        {
            return Looked::Due(Old { value, status, claim });
        }
        self.count_status(guard, status);
        Looked::Served(value, status)
    }

    fn count_look(&self, guard: &StoreGuard<'_, K, V>, hit: bool) {
        if let Some(counters) = self.counting(guard) {
            if hit { &counters.hits } else { &counters.misses }.add(1);
        }
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Makes a refresh that this call has claimed. Until it has ended, others are served the old value; this
    /// call is if it fails.
    pub(crate) fn refresh_here<E>(
        &self,
        key: Hashed<K>,
        old: Old<V>,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match self.lead_refresh(key, old.claim, wait_graph::current_load()) {
            Some(leader) => leader.load_here(loader, share),
            None => Ok(self.serve(old)),
        }
    }

    /// As `refresh_here`, as a task.
    pub(crate) async fn refresh<E>(
        &self,
        key: Hashed<K>,
        old: Old<V>,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match self.lead_refresh(key, old.claim, wait_graph::current_load()) {
            Some(leader) => leader.load(Caller::Task, loader, share).await,
            None => Ok(self.serve(old)),
        }
    }

    /// Gives an old value to a caller.
    pub(crate) fn serve(&self, old: Old<V>) -> (V, Status) {
        self.count_status(&self.table.pin(), old.status);
        (old.value, old.status)
    }

    /// Begins a refresh of the entry with this claim; nothing if another entry has taken its place, or
    /// none is there, or the key is being loaded or computed.
    pub(crate) fn lead_refresh(
        &self,
        Hashed { hash, key }: Hashed<K>,
        claim: u64,
        outer: Option<std::sync::Arc<dyn LoadNode>>,
    ) -> Option<FlightGuard<'_, K, V>> {
        self.check_levels(hash, &key);
        let guard = self.table.pin();
        let seek = Seek { entry: false, flight: true };
        match self.meet(&guard, Hashed { hash, key: &key }, seek, &Retries::default()) {
            Met::Entry(..) => unreachable!("not looked for"),
            Met::Flight(flight) => {
                flight.unjoin();
                None
            }
            Met::Nobody(shard, found) => {
                let claimed = found
                    .and_then(|id| shard.entry(id).refresh_state())
                    .map(RefreshState::retry_at);
                if claimed != Some(claim) {
                    return None;
                }
                if let Some(counters) = self.counting(&guard) {
                    counters.refreshes.add(1);
                }
                let own = Hashed { hash, key };
                Some(self.lead((shard, false), own, FlightKind::Shared, outer).replacing())
            }
        }
    }
}
