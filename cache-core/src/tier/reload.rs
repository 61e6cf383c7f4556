//! A load of keys whatever the tiers have: `f::refresh(..)` of `#[cached]`.
//!
//! Like every load it stores what it has loaded under a lease, so that a write or an invalidation
//! that comes meanwhile, in whichever process, has the last word. Of the loads of other callers it
//! is the later one, and they are superseded: where another holds the lease, or the tier gives none
//! for a value that is still good, the value is removed first. If the origin then has none, the old
//! value is stored again under the lease.

use std::future::Future;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::cache::{TieredCache, bytes_of};
use super::fetch::{Way, life_left};
use super::link::{Lease, LeaseTerms, Leased, TierItem};
use super::names::NotedLoad;
use super::remote_key::{RemoteKey, TierKey};
use super::stats::count;
use crate::load::refresh::LivedValue;
use crate::util::signal::block_on;

/// What a reload has of a key while the origin runs.
struct Reloading<'w> {
    /// The key's name in the tier, if that may be used.
    name: Option<TierKey>,
    lease: Option<Lease>,
    /// What the lease is to replace, and a tick at which it was there.
    old: Option<(TierItem, u64)>,
    /// Kept until the value is in memory.
    _noted: Option<NotedLoad<'w>>,
}

impl<'w, K, V> Way<'w, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Loads the keys. `origin` returns with its result a value for each that has one. `all` is
    /// to be kept until the values are in memory.
    async fn reload<R>(
        &self,
        (keys, all): (&[K], &mut Vec<Reloading<'w>>),
        origin: impl Future<Output = (R, Vec<Option<V>>)>,
    ) -> (R, Vec<Option<LivedValue<V>>>) {
        for key in keys {
            all.push(self.begin_reload(key).await);
        }
        let began = Instant::now();
        let (result, values) = origin.await;
        let took = began.elapsed();
        let mut lived = Vec::with_capacity(keys.len());
        for ((key, reloading), value) in keys.iter().zip(all).zip(values) {
            lived.push(self.end_reload(key, reloading, value, took).await);
        }
        (result, lived)
    }

    /// Takes the lease of a key.
    async fn begin_reload(&self, key: &K) -> Reloading<'w> {
        let (shared, bytes) = (self.shared, bytes_of(key));
        let name = self.key(&bytes).await;
        let _noted = shared.note(&bytes, shared.memory.hash(key));
        let (mut lease, mut old) = (None, None);
        if let Some(name) = &name {
            (lease, old) = self.seize(name).await;
            let counters = &shared.counters;
            count(if lease.is_some() { &counters.leases_won } else { &counters.unleased_loads });
        }
        Reloading { name, lease, old, _noted }
    }

    /// Acquires the lease of a key, also if another process holds it, whose lease then ends. Also
    /// returns the item that is to be replaced, with a tick at which it was there.
    async fn seize(&self, name: &TierKey) -> (Option<Lease>, Option<(TierItem, u64)>) {
        let (shared, mut old) = (self.shared, None);
        let terms = LeaseTerms::new(shared.lease_time()).refresh_within(Duration::MAX);
        for is_last in [false, true] {
            let since = shared.now();
            let leased = match self.tier.lease(&name.wire, terms).await {
                Ok(Leased::Found { item, lease, is_stale }) => {
                    old = (!is_stale).then_some((item, since));
                    lease
                }
                Ok(Leased::Won(lease)) => Some(lease),
                Ok(Leased::Lost) => None,
                Err(error) => {
                    shared.counters.error(error);
                    return (None, None);
                }
            };
            if leased.is_some() || is_last {
                return (leased, old);
            }
            if let Err(error) = self.tier.remove(&name.wire).await {
                shared.counters.error(error);
                break;
            }
        }
        (None, old)
    }

    /// Stores what the origin has returned for a key. Returns with it for how long it may be in
    /// memory.
    async fn end_reload(
        &self,
        key: &K,
        reloading: &mut Reloading<'w>,
        value: Option<V>,
        took: Duration,
    ) -> Option<LivedValue<V>> {
        let Reloading { name, lease, old, .. } = reloading;
        if let Some(value) = value {
            self.shared.load_times.note(took);
            let until = self.keep_of(key, (name.as_ref(), *lease), &value, took).await;
            return Some((value, life_left(until, &self.shared.clock)));
        }
        match (&name, *lease, old.take()) {
            (Some(name), Some(lease), Some(old)) => self.give_back(name, lease, old).await,
            (Some(name), lease, None) => self.give_up(name, lease).await,
            _ => {}
        }
        None
    }
}

impl<K, V> TieredCache<K, V>
where
    K: RemoteKey + Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Loads keys whatever the tiers have, as a thread. `origin` returns with its result a value
    /// for each key that has one; what is stored of the others stays.
    pub(crate) fn reload<R>(&self, keys: &[K], origin: impl FnOnce() -> (R, Vec<Option<V>>)) -> R {
        let store = self.shared.memory.store();
        let lead = |key: &K| store.lead_reload(self.shared.memory.hashed(key.clone()));
        let led = keys.iter().map(lead).collect();
        let (way, mut all) = (self.on_thread(), Vec::new());
        store.reload_for(led, || block_on(way.reload((keys, &mut all), async { origin() })))
    }

    /// As [`reload`](Self::reload), as a task.
    pub(crate) async fn reload_async<R>(
        &self,
        keys: &[K],
        origin: impl Future<Output = (R, Vec<Option<V>>)>,
    ) -> R {
        let store = self.shared.memory.store();
        let lead = |key: &K| store.lead_reload(self.shared.memory.hashed(key.clone()));
        let led = keys.iter().map(lead).collect();
        let (way, mut all) = (self.on_task(), Vec::new());
        store.reload_for_async(led, way.reload((keys, &mut all), origin)).await
    }
}
