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
use crate::flight::share_error::{ErrorSharing, KeepError, SharedError};
use crate::load::batch::{Batch, LoadedBatch};
use crate::util::signal::block_on;

/// What one call makes of the keys that memory does not have.
struct Missing<'w, K, V, S> {
    way: Way<'w, K, V>,
    /// How errors of the load travel.
    share: S,
    /// Of the keys of the last exchange, until when their values may be in memory.
    until: ForkMutex<Vec<u64>>,
    /// Kept until the values are in memory.
    noted: ForkMutex<Vec<NotedLoad<'w>>>,
}

impl<K, V, E, S: ErrorSharing<E>> ErrorSharing<E> for Missing<'_, K, V, S> {
    fn to_shared(&self, error: &E) -> Option<SharedError> {
        self.share.to_shared(error)
    }

    fn recover(&self, shared: &SharedError) -> Option<E> {
        self.share.recover(shared)
    }

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

impl<'w, K, V, S> Missing<'w, K, V, S>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn new(way: Way<'w, K, V>, share: S) -> Self {
        let (until, noted) = (ForkMutex::new(Vec::new()), ForkMutex::new(Vec::new()));
        Missing { way, share, until, noted }
    }

    /// Gets the values of keys from the tier, and those that it lacks from `load`, which receives
    /// the places of those keys and returns their values.
    async fn get<E, F: Future<Output = Result<PerKey<V>, E>>>(
        &self,
        keys: &[&K],
        load: impl FnOnce(Vec<usize>) -> F,
    ) -> Result<PerKey<V>, E> {
        *self.until.lock() = vec![u64::MAX; keys.len()];
        let (mut values, to_load) = self.look_up(keys).await;
        if to_load.is_empty() {
            return Ok(values);
        }
        let began = Instant::now();
        let loaded = load(to_load.iter().map(|it| it.place).collect()).await;
        let took = began.elapsed();
        match loaded {
            Ok(loaded) => {
                self.way.shared.load_times.note(took);
                for (it, value) in to_load.into_iter().zip(loaded) {
                    let place = it.place;
                    values[place] = self.store(keys[place], it, value, took).await;
                }
                Ok(values)
            }
            Err(error) => {
                for ToLoad { name, lease, .. } in to_load {
                    if let Some(name) = &name {
                        self.way.give_up(name, lease).await;
                    }
                }
                Err(error)
            }
        }
    }

    /// Looks the keys up in the tier. Returns the values, and what is to be loaded.
    async fn look_up(&self, keys: &[&K]) -> (PerKey<V>, Vec<ToLoad>) {
        let (shared, counters) = (self.way.shared, &self.way.shared.counters);
        let mut values: PerKey<V> = keys.iter().map(|_| None).collect();
        let (mut to_load, mut named) = (Vec::new(), Vec::new());
        for (place, &key) in keys.iter().enumerate() {
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
                    values[place] = Some(value);
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
        (values, to_load)
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

    /// Stores what was loaded for a key, and returns it.
    async fn store(
        &self,
        key: &K,
        ToLoad { place, name, lease }: ToLoad,
        value: Option<V>,
        took: Duration,
    ) -> Option<V> {
        let shared = self.way.shared;
        if lease.is_none() && name.is_some() {
            count(&shared.counters.unleased_loads);
        }
        let Some(value) = value else {
            if let Some(name) = &name {
                self.way.store_absence((name, lease), took).await;
            }
            return None;
        };
        let until = self.way.keep_of(key, (name.as_ref(), lease), &value, took).await;
        self.until.lock()[place] = until;
        Some(value)
    }
}

impl<K, V> Way<'_, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Stores the value that was loaded for a key, if it is to be stored remotely. Returns until
    /// when it may be in memory.
    pub(super) async fn keep_of(
        &self,
        key: &K,
        (name, lease): (Option<&TierKey>, Option<Lease>),
        value: &V,
        took: Duration,
    ) -> u64 {
        let shared = self.shared;
        match name {
            None => shared.unleased_until(),
            Some(name) if shared.keep_remotely.as_ref().is_none_or(|keep| keep(key, value)) => {
                self.store((name, lease), value, took).await
            }
            Some(name) => {
                self.give_up(name, lease).await;
                shared.until(shared.now(), shared.lives.memory)
            }
        }
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
        let load = |places: Vec<usize>| {
            let asked = keys_at(keys, &places);
            let pairs = init(&asked);
            Ok::<_, Infallible>(in_order(&asked, pairs))
        };
        let Ok(values) = self.load_many((keys, self.shared.memory.batch(keys)), load, KeepError);
        values
    }

    /// As [`get_many_with`](Self::get_many_with), with a future to load the missing keys.
    pub async fn get_many_with_async<F>(
        &self,
        keys: &[K],
        mut init: impl FnMut(Vec<K>) -> F,
    ) -> Vec<Option<V>>
    where
        F: Future<Output = Vec<(K, V)>>,
    {
        let load = |places: Vec<usize>| {
            let asked = keys_at(keys, &places);
            let loading = init(asked.clone());
            async move { Ok::<_, Infallible>(in_order(&asked, loading.await)) }
        };
        let batch = (keys, self.shared.memory.batch(keys));
        let Ok(values) = self.load_many_async(batch, load, KeepError).await;
        values
    }

    /// Loads the keys of a batch that memory does not have. `load` receives the places of those
    /// that the remote tier lacks, and returns their values.
    pub(crate) fn load_many<E>(
        &self,
        (keys, batch): (&[K], Batch<'_, K, V>),
        mut load: impl FnMut(Vec<usize>) -> Result<PerKey<V>, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<PerKey<V>, E> {
        let missing = Missing::new(self.on_thread(), share);
        let loader = |places: Vec<usize>| {
            let asked: Vec<&K> = places.iter().map(|&place| &keys[place]).collect();
            let load = |among: Vec<usize>| ready(load(those(&places, among)));
            let asked = block_on(missing.get(&asked, load))?;
            Ok(LoadedBatch { asked, others: Vec::new() })
        };
        batch.load(loader, &missing)
    }

    /// As [`load_many`](Self::load_many), as a task.
    pub(crate) async fn load_many_async<E, F>(
        &self,
        (keys, batch): (&[K], Batch<'_, K, V>),
        load: impl FnMut(Vec<usize>) -> F,
        share: impl ErrorSharing<E>,
    ) -> Result<PerKey<V>, E>
    where
        F: Future<Output = Result<PerKey<V>, E>>,
    {
        let (missing, load) = (Missing::new(self.on_task(), share), Mutex::new(load));
        let load = |places| load.lock().unwrap_or_else(PoisonError::into_inner)(places);
        let (missing, load) = (&missing, &load);
        let loader = move |places: Vec<usize>| async move {
            let asked: Vec<&K> = places.iter().map(|&place| &keys[place]).collect();
            let load = |among: Vec<usize>| load(those(&places, among));
            let asked = missing.get(&asked, load).await?;
            Ok(LoadedBatch { asked, others: Vec::new() })
        };
        batch.load_async(loader, missing).await
    }
}

/// For each key a value, if it has one.
type PerKey<V> = Vec<Option<V>>;

/// Those of the places that stand at these places among them.
fn those(places: &[usize], among: Vec<usize>) -> Vec<usize> {
    among.into_iter().map(|place| places[place]).collect()
}

fn keys_at<K: Clone>(keys: &[K], places: &[usize]) -> Vec<K> {
    places.iter().map(|&place| keys[place].clone()).collect()
}

/// The values of the keys that were asked for, out of pairs. Of two for one key the last counts.
fn in_order<K: Hash + Eq, V>(asked: &[K], pairs: Vec<(K, V)>) -> PerKey<V> {
    let mut values: HashMap<K, V> = pairs.into_iter().collect();
    asked.iter().map(|key| values.remove(key)).collect()
}
