//! What a call that may load finds at first, without a lock.
//!
//! In a cache that refreshes or serves stale values an entry may be due for a refresh
//! ([`Store::find_or_claim`]). A call that finds such an entry tries to *claim* the refresh, by one
//! compare-and-swap on a number of the entry's own. Of all calls that come at once one succeeds; to
//! the others the entry is not due any more, and they are served. So while a refresh runs a hit
//! costs what it costs otherwise. A claim holds off others for a second.

use crate::shard::lifetimes::{Phase, RETRY};
use crate::store::store::{Store, StoreGuard};
use crate::types::status::Status;
use crate::util::hash::KeyHash;

/// What a call that may load has found.
pub(crate) enum Lookup<V> {
    /// A value to be served, and that is all.
    Hit(V, Status),
    /// A value to be served meanwhile. The call has claimed its refresh.
    RefreshDue(StaleEntry<V>),
    /// Nothing that could be served: the call loads.
    Miss,
}

/// A value that is served until a newer one is there, or if none can be had.
pub(crate) struct StaleEntry<V> {
    pub(crate) value: V,
    pub(crate) status: Status,
    /// What the claim of its refresh has left with the entry it comes from, by which that is known
    /// again; see [`RefreshState::claim`](crate::table::RefreshState::claim).
    pub(crate) claim: u64,
}

impl<K, V: Clone> Store<K, V> {
    /// Looks a key up for a call that may load, in a cache whose old values may be served. Counts a
    /// use, and a hit or miss.
    #[inline(never)]
    pub(crate) fn find_or_claim(
        &self,
        guard: &StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Lookup<V> {
        let Some(entry) = guard.find(hash, eq) else {
            self.count(guard, |counters| &counters.misses);
            return Lookup::Miss;
        };
        let now = self.now();
        let phase = self.config.lifetimes.phase(entry, now);
        if matches!(phase, Phase::Fresh | Phase::Due) {
            self.count(guard, |counters| &counters.hits);
            entry.touch();
            if self.extends_on_read {
                self.extend(guard, hash, entry, now);
            }
        } else {
            self.count(guard, |counters| &counters.misses);
        }
        let (status, due) = match phase {
            Phase::Fresh => (Status::Hit, false),
            Phase::Due => (Status::Hit, true),
            Phase::Stale { due } => (Status::Stale, due),
            Phase::Failing { due: false } => (Status::Fallback, false),
            Phase::Failing { due: true } | Phase::Over => return Lookup::Miss,
        };
        // Cloned before the claim: a clone that panics has claimed nothing.
        let value = entry.value().clone();
        let claim = now.saturating_add(RETRY);
        if due && entry.refresh_state().is_some_and(|state| state.claim(now, claim)) {
            return Lookup::RefreshDue(StaleEntry { value, status, claim });
        }
        self.count_status(guard, status);
        Lookup::Hit(value, status)
    }

    /// Serves an old value to a caller.
    pub(crate) fn serve(&self, stale: StaleEntry<V>) -> (V, Status) {
        self.count_status(&self.table.pin(), stale.status);
        (stale.value, stale.status)
    }
}
