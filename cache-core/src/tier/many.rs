//! Loading several keys at once: one exchange with the tier for all that memory does not have.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{TieredCache, bytes_of};
use super::fetch::{Way, life_left};
use super::link::{Lease, LeaseTerms, Leased};
use super::lock::ForkMutex;
use super::names::NotedLoad;
use super::remote_key::{RemoteKey, TierKey};
use super::stats::count;
use crate::flight::share_error::ErrorSharing;
use crate::util::signal::block_on;

/// What one call makes of the keys that memory does not have.
struct Missing<'w, K, V> {
    way: Way<'w, K, V>,
    /// Of the keys of the last exchange, until when their values may be in memory.
    until: ForkMutex<Vec<u64>>,
    /// Kept until the values are in memory.
    noted: ForkMutex<Vec<NotedLoad<'w>>>,
}

impl<K, V> ErrorSharing<Infallible> for Missing<'_, K, V> {
    fn life_of(&self, number: usize) -> Option<Duration> {
        let until = self.until.lock()[number];
        life_left(until, &self.way.shared.clock)
    }
}

/// A key that the tier has no value for.
struct ToLoad {
    /// Its place among the keys.
    place: usize,
    /// Its name in the tier, if that may be used.
    name: Option<TierKey>,
    lease: Option<Lease>,
}

impl<'w, K, V> Missing<'w, K, V>
where
    K: RemoteKey + Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn new(way: Way<'w, K, V>) -> Self {
        Missing { way, until: ForkMutex::new(Vec::new()), noted: ForkMutex::new(Vec::new()) }
    }

    /// Gets the values of keys from the tier, and those that it lacks from `load`.
    async fn get<F: Future<Output = Vec<(K, V)>>>(
        &self,
        keys: &[K],
        load: impl FnOnce(Vec<K>) -> F,
    ) -> Vec<(K, V)> {
        *self.until.lock() = vec![u64::MAX; keys.len()];
        let (mut pairs, to_load) = self.look_up(keys).await;
        if !to_load.is_empty() {
            let asked = to_load.iter().map(|it| keys[it.place].clone()).collect();
            let began = Instant::now();
            let loaded = load(asked).await;
            let took = began.elapsed();
            self.way.shared.load_times.note(took);
            pairs.extend(self.store(keys, to_load, loaded, took).await);
        }
        pairs
    }

    /// Looks the keys up in the tier. Returns the values with their keys, and what is to be loaded.
    async fn look_up(&self, keys: &[K]) -> (Vec<(K, V)>, Vec<ToLoad>) {
        let (shared, counters) = (self.way.shared, &self.way.shared.counters);
        let (mut found, mut to_load, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for (place, key) in keys.iter().enumerate() {
            let bytes = bytes_of(key);
            let name = self.way.key(&bytes).await;
            let noted = shared.note(&bytes, shared.memory.hash(key));
            self.noted.lock().extend(noted);
            match name {
                None => to_load.push(ToLoad { place, name: None, lease: None }),
                Some(name) => named.push((place, name)),
            }
        }
        let since = shared.now();
        let wires: Vec<&[u8]> = named.iter().map(|(_, name)| name.wire.as_slice()).collect();
        let items =
            if wires.is_empty() { Vec::new() } else { self.way.tier.get_many(&wires).await };
        drop(wires);
        let mut items = items.into_iter();
        for (place, name) in named {
            // A tier that returns too few knows nothing of the rest.
            let item = items.next().unwrap_or(Ok(None)).map_err(|error| counters.error(error));
            let is_asked = item.is_ok();
            let entry = item.ok().flatten().map(|item| shared.read_item(&item, &name));
            let entry = entry.and_then(|read| read.map_err(|why| counters.rejected(why)).ok());
            match entry.filter(|entry| entry.is_fresh()).map(|entry| (entry.value, entry.fresh_for))
            {
                Some((Some(value), left)) => {
                    count(&counters.hits);
                    let memory = shared.lives.memory;
                    let life = left.map_or(memory, |left| left.min(memory));
                    self.until.lock()[place] = shared.until(since, life);
                    found.push((keys[place].clone(), value));
                }
                _ => {
                    let mut lease = None;
                    if is_asked {
                        count(&counters.misses);
                        lease = self.lease(&name).await;
                    }
                    to_load.push(ToLoad { place, name: Some(name), lease });
                }
            }
        }
        (found, to_load)
    }

    /// Asks for a lease. Does not wait for another caller that has it: what is loaded without one
    /// is not stored remotely.
    async fn lease(&self, name: &TierKey) -> Option<Lease> {
        let (shared, counters) = (self.way.shared, &self.way.shared.counters);
        let terms = LeaseTerms::new(shared.lease_time());
        match self.way.tier.lease(&name.wire, terms).await {
            Ok(Leased::Won(lease)) => {
                count(&counters.leases_won);
                Some(lease)
            }
            Ok(Leased::Found { lease, .. }) => lease,
            Ok(Leased::Lost) => {
                count(&counters.leases_lost);
                None
            }
            Err(error) => {
                counters.error(error);
                None
            }
        }
    }

    /// Stores what was loaded, and returns it.
    async fn store(
        &self,
        keys: &[K],
        to_load: Vec<ToLoad>,
        pairs: Vec<(K, V)>,
        took: Duration,
    ) -> Vec<(K, V)> {
        let shared = self.way.shared;
        let mut values: HashMap<K, V> = pairs.into_iter().collect();
        let mut stored = Vec::with_capacity(to_load.len());
        for ToLoad { place, name, lease } in to_load {
            if lease.is_none() && name.is_some() {
                count(&shared.counters.unleased_loads);
            }
            let loaded = values.remove_entry(&keys[place]);
            let Some((key, value)) = loaded else {
                if let Some(name) = &name {
                    self.way.store_absence((name, lease), took).await;
                }
                continue;
            };
            let keep = shared.keep_remotely.as_ref().is_none_or(|keep| keep(&key, &value));
            let until = match &name {
                None => shared.unleased_until(),
                Some(name) if keep => self.way.store((name, lease), &value, took).await,
                Some(name) => {
                    self.way.give_up(name, lease).await;
                    shared.until(shared.now(), shared.lives.memory)
                }
            };
            self.until.lock()[place] = until;
            stored.push((key, value));
        }
        stored
    }
}

impl<K, V> TieredCache<K, V>
where
    K: RemoteKey + Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns the values of the keys, in their order: from memory, from the remote tier by one
    /// exchange a server, and the rest from `init`, which receives the missing keys, each once, and
    /// returns pairs of keys and values in any order. A key without a pair has no value, which is
    /// no error; a pair with a key that was not asked for is dropped.
    ///
    /// See [`Cache::get_many_with`](crate::Cache::get_many_with). A key that another process is
    /// loading is not waited for: this call loads it too, and does not store it remotely.
    ///
    /// # Panics
    /// As [`Cache::get_with`](crate::Cache::get_with).
    pub fn get_many_with(
        &self,
        keys: &[K],
        mut init: impl FnMut(&[K]) -> Vec<(K, V)>,
    ) -> Vec<Option<V>> {
        let missing = Missing::new(self.on_thread());
        let load = |keys: &[K]| block_on(missing.get(keys, |asked| ready(init(&asked))));
        self.shared.memory.get_many_sharing(keys, load, &missing)
    }

    /// As [`get_many_with`](Self::get_many_with), with a future to load the missing keys.
    pub async fn get_many_with_async<F>(
        &self,
        keys: &[K],
        init: impl FnMut(Vec<K>) -> F,
    ) -> Vec<Option<V>>
    where
        F: Future<Output = Vec<(K, V)>>,
    {
        let (missing, init) = (Missing::new(self.on_task()), Mutex::new(init));
        let load = |asked| init.lock().unwrap_or_else(PoisonError::into_inner)(asked);
        let (get, load) = (&missing, &load);
        let load = move |keys: Vec<K>| async move { get.get(&keys, load).await };
        self.shared.memory.get_many_sharing_async(keys, load, &missing).await
    }
}
