//! Loading several keys at once: one exchange with the tier for all that memory does not have.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{TieredCache, bytes_of};
use super::fetch::Way;
use super::link::{Lease, LeaseTerms, Leased};
use super::lock::ForkMutex;
use super::names::NotedLoad;
use super::remote_key::{RemoteKey, TierKey};
use super::stats::count;
use crate::util::signal::block_on;

/// What one call makes of the keys that memory does not have.
struct Missing<'w, K, V> {
    way: Way<'w, K, V>,
    after: ForkMutex<AfterLoads<'w, K, V>>,
}

/// What has to be done when the values are in memory.
struct AfterLoads<'w, K, V> {
    noted: Vec<NotedLoad<'w>>,
    /// Values that live shorter in memory than others do.
    short: Vec<(K, Duration)>,
    /// Values that must not be kept in memory.
    unkept: HashMap<K, V>,
}

impl<K, V> AfterLoads<'_, K, V> {
    fn new() -> Self {
        AfterLoads { noted: Vec::new(), short: Vec::new(), unkept: HashMap::new() }
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
        Missing { way, after: ForkMutex::new(AfterLoads::new()) }
    }

    /// Gets the values of keys from the tier, and those that it lacks from `load`. Returns those
    /// that may be kept in memory.
    async fn get<F: Future<Output = Vec<(K, V)>>>(
        &self,
        keys: &[K],
        load: impl FnOnce(Vec<K>) -> F,
    ) -> Vec<(K, V)> {
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
            match self.way.key(&bytes_of(key)).await {
                None => to_load.push(ToLoad { place, name: None, lease: None }),
                Some(name) => {
                    let names = shared.names.as_ref();
                    let hash = shared.memory.hash(key);
                    let noted = names.map(|names| shared.note(names, &name.wire, hash));
                    self.after.lock().noted.extend(noted);
                    named.push((place, name));
                }
            }
        }
        let wires: Vec<&[u8]> = named.iter().map(|(_, name)| name.wire.as_slice()).collect();
        let items =
            if wires.is_empty() { Vec::new() } else { self.way.tier.get_many(&wires).await };
        drop(wires);
        for ((place, name), item) in named.into_iter().zip(items) {
            let item = item.map_err(|error| counters.error(error));
            let is_asked = item.is_ok();
            let entry = item.ok().flatten().map(|item| shared.read_item(&item, &name));
            let entry = entry.and_then(|read| read.map_err(|why| counters.rejected(why)).ok());
            match entry.filter(|entry| entry.is_fresh()).map(|entry| (entry.value, entry.fresh_for))
            {
                Some((Some(value), left)) => {
                    count(&counters.hits);
                    let key = keys[place].clone();
                    if let Some(left) = left.filter(|left| *left < shared.lives.memory) {
                        self.after.lock().short.push((key.clone(), left));
                    }
                    found.push((key, value));
                }
                _ => {
                    count(&counters.misses);
                    let lease = if is_asked { self.lease(&name).await } else { None };
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

    /// Stores what was loaded. Returns what may be kept in memory.
    async fn store(
        &self,
        keys: &[K],
        to_load: Vec<ToLoad>,
        pairs: Vec<(K, V)>,
        took: Duration,
    ) -> Vec<(K, V)> {
        let shared = self.way.shared;
        let mut values: HashMap<K, V> = pairs.into_iter().collect();
        let mut kept = Vec::with_capacity(to_load.len());
        for ToLoad { place, name, lease } in to_load {
            if lease.is_none() {
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
            let life = match &name {
                None => shared.unleased_life(),
                Some(name) if keep => self.way.store((name, lease), &value, took).await,
                Some(name) => {
                    self.way.give_up(name, lease).await;
                    shared.lives.memory
                }
            };
            if life.is_zero() {
                self.after.lock().unkept.insert(key, value);
                continue;
            }
            if life < shared.lives.memory {
                self.after.lock().short.push((key.clone(), life));
            }
            kept.push((key, value));
        }
        kept
    }

    /// Gives the values in memory their lives, and fills in what is not kept there.
    fn finish(self, keys: &[K], mut values: Vec<Option<V>>) -> Vec<Option<V>> {
        let after = mem::replace(&mut *self.after.lock(), AfterLoads::new());
        for (key, life) in after.short {
            self.way.shared.memory.set_ttl(&key, life);
        }
        for (key, value) in keys.iter().zip(&mut values) {
            if value.is_none() {
                *value = after.unkept.get(key).cloned();
            }
        }
        values
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
        let values = self
            .shared
            .memory
            .get_many_with(keys, |keys| block_on(missing.get(keys, |asked| ready(init(&asked)))));
        missing.finish(keys, values)
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
        let values = self.shared.memory.get_many_with_async(keys, move |keys: Vec<K>| async move {
            get.get(&keys, load).await
        });
        let values = values.await;
        missing.finish(keys, values)
    }
}
