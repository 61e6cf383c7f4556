//! A load of many keys at once.
//!
//! Each missing key of the batch joins the flight that runs for it or leads its own, like a single
//! load. The keys that the batch leads are loaded by one call of the loader and published before
//! any flight of others is waited for: two batches that want the same keys in opposite order each load
//! what they lead, and then take the rest from each other.
//!
//! What a joined flight does not bring (its leader panicked, was cancelled, failed with an error that
//! a batch cannot be given) is led in another round, so the loader may be called again, for those
//! keys. A round waits for each flight once, so there are as many rounds as a key has bad luck.
//!
//! A loader that fails has failed for all the keys it was asked for: each flight fails by itself, with the
//! one error, and the batch fails unless old values can be served for all of them.
//!
//! Pairs that the loader returns for keys that it was not asked for have no flight. Such a
//! pair is stored under the rule of a load that runs beside others: if its key is absent, and was not
//! written since the loader was called, which `written.rs` knows; otherwise it is dropped.
//!
//! Calls that the loader makes are inside of all flights that the batch leads ([`BatchNode`]): none of
//! them ends before the loader does.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::flight::flight::{Flight, Outcome};
use crate::flight::share_error::{ErrorSharing, Nothing, ShareNothing};
use crate::flight::wait::Caller;
use crate::flight::wait_graph::{self, BatchNode, LoadNode, LoadScope};
use crate::flight::written::RunningBatch;
use crate::load::guard::FlightGuard;
use crate::load::load::{Next, Role};
use crate::load::refresh::{Looked, Old};
use crate::shard::shard::Shard;
use crate::store::store::Store;
use crate::table::{Retries, SlotId};
use crate::util::hash::{Hashed, KeyHash};

/// A key that is to be loaded.
struct Wanted<V> {
    /// Its place in the batch, where it stands first.
    place: usize,
    hash: KeyHash,
    may_join: bool,
    timed_out: bool,
    retries: Retries,
    /// What is there, if the batch has claimed its refresh.
    old: Option<Old<V>>,
}

/// A key that the batch loads.
type Led<'s, K, V> = (Wanted<V>, FlightGuard<'s, K, V>);
/// A key that somebody else loads.
type Joined<V> = (Wanted<V>, Arc<Flight<V>>);

/// What a loader has returned.
pub(crate) struct Answers<K, V> {
    /// Numbers of keys that it was asked for, with their values.
    pub(crate) asked: Vec<(usize, V)>,
    /// Other keys, with their values.
    pub(crate) others: Vec<(Hashed<K>, V)>,
}

/// The keys of a batch, and what is known of them.
pub(crate) struct Batch<'k, K, V> {
    keys: &'k [K],
    values: Vec<Option<V>>,
    /// The keys to be loaded, each once.
    wanted: Vec<Wanted<V>>,
    /// The later places of keys that stand in the batch more than once, with the first.
    again: Vec<(usize, usize)>,
}

impl<'k, K: Hash + Eq + Clone, V: Clone + Send + Sync + 'static> Batch<'k, K, V> {
    /// A batch of keys, each of which has been looked up; `hash` is the cache's hash of a key.
    pub(crate) fn new<S: BuildHasher>(
        keys: &'k [K],
        looked: impl Iterator<Item = Looked<V>>,
        hasher: S,
        hash: impl Fn(&K) -> KeyHash,
    ) -> Self {
        let mut first: HashMap<&K, usize, S> = HashMap::with_hasher(hasher);
        let (mut values, mut wanted, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for ((place, key), looked) in keys.iter().enumerate().zip(looked) {
            let (value, old) = match looked {
                Looked::Served(value, _) => (Some(value), None),
                Looked::Due(old) => (None, Some(old)),
                Looked::Missing => (None, None),
            };
            let is_served = value.is_some();
            values.push(value);
            if is_served {
                continue;
            }
            let first = *first.entry(key).or_insert(place);
            if first == place {
                let (hash, may_join, timed_out) = (hash(key), true, false);
                let retries = Retries::default();
                wanted.push(Wanted { place, hash, may_join, timed_out, retries, old });
            } else {
                again.push((place, first));
            }
        }
        Batch { keys, values, wanted, again }
    }

    /// Loads what is wanted, and returns the values in the order of the keys.
    ///
    /// The loader is given places of keys in the batch, and returns numbers of those that it
    /// was given with their values, and other keys with theirs: see [`answers`].
    pub(crate) async fn load<E, F, L>(
        mut self,
        store: &Store<K, V>,
        caller: Caller,
        mut loader: F,
        share: impl ErrorSharing<E>,
    ) -> Result<Vec<Option<V>>, E>
    where
        F: FnMut(Vec<usize>) -> L,
        L: Future<Output = Result<Answers<K, V>, E>>,
    {
        while !self.wanted.is_empty() {
            let (led, joined) = self.take_roles(store);
            if !led.is_empty() {
                let running = together(led.iter().map(|(_, leader)| leader.running()));
                let since = store.batches.begin();
                let timer = store.start_timer();
                let loading = {
                    // The loader may be a closure that does its work when it is called.
                    let _entered = LoadScope::enter(Arc::clone(&running));
                    loader(led.iter().map(|(wanted, _)| wanted.place).collect())
                };
                let is_task = caller == Caller::Task;
                let loaded = wait_graph::run(Arc::clone(&running), is_task, loading).await;
                let brought_some = |answers: &Answers<K, V>| !answers.asked.is_empty();
                let load_nanos = timer.stop(loaded.as_ref().is_ok_and(brought_some));
                match loaded {
                    Ok(answers) => {
                        self.publish(led, answers.asked, load_nanos);
                        for (key, value) in answers.others {
                            store.add_unasked(key, value, &since, load_nanos);
                        }
                    }
                    Err(error) => {
                        let _entered = LoadScope::enter(running);
                        self.fail(led, error, &share)?;
                    }
                }
            }
            self.wanted = self.wait(store, caller, joined, &share).await?;
        }
        for (place, first) in self.again {
            self.values[place] = self.values[first].clone();
        }
        Ok(self.values)
    }

    /// Joins or leads the flight of each wanted key.
    fn take_roles<'s>(&mut self, store: &'s Store<K, V>) -> (Vec<Led<'s, K, V>>, Vec<Joined<V>>) {
        let (mut led, mut joined) = (Vec::new(), Vec::new());
        let outer = wait_graph::current_load();
        for mut wanted in self.wanted.drain(..) {
            let key = self.keys[wanted.place].clone();
            if let Some(old) = wanted.old.take() {
                match store.lead_refresh(
                    Hashed { hash: wanted.hash, key },
                    old.claim(),
                    outer.clone(),
                ) {
                    Some(leader) => led.push((wanted, leader)),
                    None => self.values[wanted.place] = Some(store.serve(old).0),
                }
                continue;
            }
            let Wanted { hash, may_join, .. } = wanted;
            match store.take_role(Hashed { hash, key }, may_join, outer.clone(), &wanted.retries) {
                Role::Hit(value, _) => self.values[wanted.place] = Some(value),
                Role::Join(flight, _) => joined.push((wanted, flight)),
                Role::Lead(leader) => led.push((wanted, leader)),
            }
        }
        (led, joined)
    }

    /// Publishes what the loader gave.
    fn publish(&mut self, led: Vec<Led<'_, K, V>>, answers: Vec<(usize, V)>, load_nanos: u64) {
        let mut led: Vec<Option<Led<'_, K, V>>> = led.into_iter().map(Some).collect();
        for (n, value) in answers {
            if let Some((wanted, leader)) = led[n].take() {
                self.values[wanted.place] = Some(leader.after(load_nanos).publish(value));
            }
        }
        // The loader knows nothing of these keys. Those who wait are told so.
        for (_, leader) in led.into_iter().flatten() {
            // It has not failed, so no old value is served instead.
            let _ = leader.fail(Nothing, &ShareNothing);
        }
    }

    /// Fails the flights of a loader that has failed. The error comes back unless all of them have an old
    /// value to be served.
    fn fail<E>(
        &mut self,
        led: Vec<Led<'_, K, V>>,
        error: E,
        share: &impl ErrorSharing<E>,
    ) -> Result<(), E> {
        let (shared, mut served) = (Shared(share.to_shared(&error)), true);
        for (wanted, leader) in led {
            match leader.fail((), &shared) {
                Ok((old, _)) => self.values[wanted.place] = Some(old),
                Err(()) => served = false,
            }
        }
        if served { Ok(()) } else { Err(error) }
    }

    /// Waits for the flights of others; returns which keys are still wanted.
    async fn wait<E>(
        &mut self,
        store: &Store<K, V>,
        caller: Caller,
        joined: Vec<Joined<V>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<Vec<Wanted<V>>, E> {
        let mut still_wanted = Vec::new();
        let deadline = store.wait_deadline();
        for (mut wanted, flight) in joined {
            match store.wait_for(caller, &flight, deadline, &mut wanted.timed_out).await {
                Next::Take(value) => {
                    self.values[wanted.place] = Some(value.clone());
                    continue;
                }
                Next::Fail(error) if ShareNothing.recover(error).is_some_and(|Nothing| true) => {
                    continue;
                }
                Next::Fail(shared) => match share.recover(shared) {
                    Some(error) => {
                        let old = store.old_value(wanted.hash, &self.keys[wanted.place]);
                        self.values[wanted.place] = Some(old.ok_or(error)?.0);
                        continue;
                    }
                    None => wanted.may_join = false,
                },
                Next::LoadUnshared => wanted.may_join = false,
                Next::Retry => {}
            }
            still_wanted.push(wanted);
        }
        Ok(still_wanted)
    }
}

/// The flights of a batch as one that others may be begun inside of.
fn together(flights: impl Iterator<Item = Arc<dyn LoadNode>>) -> Arc<dyn LoadNode> {
    Arc::new(BatchNode(flights.collect()))
}

/// Tells pairs with keys that were asked for from others. `hash` is the cache's hash of a key.
pub(crate) fn answers<K: Hash + Eq, V>(
    asked: &[&K],
    pairs: Vec<(K, V)>,
    hash: impl Fn(&K) -> KeyHash,
) -> Answers<K, V> {
    let numbers = numbers(asked, pairs.iter().map(|(key, _)| key));
    let mut answers = Answers { asked: Vec::with_capacity(pairs.len()), others: Vec::new() };
    for (number, (key, value)) in numbers.into_iter().zip(pairs) {
        let Some(number) = number else {
            answers.others.push((Hashed { hash: hash(&key), key }, value));
            continue;
        };
        // Before the value is moved: a panic of this would leak it.
        drop(key);
        answers.asked.push((number, value));
    }
    answers
}

/// The values of those keys that have a number.
pub(crate) fn numbered<Q, V>(numbers: Vec<Option<usize>>, pairs: Vec<(Q, V)>) -> Vec<(usize, V)> {
    let mut answers = Vec::with_capacity(pairs.len());
    for (number, (key, value)) in numbers.into_iter().zip(pairs) {
        // Before the value is moved: a panic of this would leak it.
        drop(key);
        answers.extend(number.map(|number| (number, value)));
    }
    answers
}

/// For each key that is answered, its number among those that were asked for. Others have none.
pub(crate) fn numbers<'a, Q: Hash + Eq + 'a>(
    asked: &[&Q],
    answered: impl Iterator<Item = &'a Q>,
) -> Vec<Option<usize>> {
    let mut by_key: Option<HashMap<&Q, usize>> = None;
    let numbered = answered.enumerate().map(|(next, key)| {
        // Most loaders answer in the order in which they were asked.
        if asked.get(next).is_some_and(|asked| **asked == *key) {
            return Some(next);
        }
        let numbered = || asked.iter().enumerate().map(|(number, &key)| (key, number));
        by_key.get_or_insert_with(|| numbered().collect()).get(key).copied()
    });
    numbered.collect()
}

/// An error of several flights: what is shared of it is made once.
struct Shared(Option<Arc<dyn Any + Send + Sync>>);

impl ErrorSharing<()> for Shared {
    fn to_shared(&self, (): &()) -> Option<Arc<dyn Any + Send + Sync>> {
        self.0.clone()
    }

    fn recover(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<()> {
        None
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Stores a value that a loader gave for a key that it was not asked for, if the key is absent
    /// and was not written since. If it cannot be stored for another reason, the listener is told.
    fn add_unasked(
        &self,
        Hashed { hash, key }: Hashed<K>,
        value: V,
        since: &RunningBatch,
        load_nanos: u64,
    ) {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, None, load_nanos);
        self.write(now, |call| {
            let (store, guard) = (call.store, call.guard);
            let lock =
                |retries: &Retries| store.lock_key(guard, hash, |other| *other == key, retries);
            let wanted = |shard: &mut Shard<'_, K, V>, found: Option<SlotId>| {
                let absent = found.is_none_or(|id| shard.entry(id).deadline() <= now);
                absent && shard.loads().may_add(hash, since)
            };
            if let Some(cause) = self.refuses(&new, now) {
                let (mut shard, found) = lock(&call.retries);
                let not_shown = if wanted(&mut shard, found) {
                    call.reject(&mut shard, Hashed { hash, key }, new, cause)
                } else {
                    Some((key, new))
                };
                call.unlock(shard);
                return drop(not_shown);
            }
            let (mut shard, place) = call.lock_with_room(hash, new.weight, lock, wanted);
            if let Some(place) = place {
                let slot = shard.reserve(hash, key);
                shard.loads().occupy(hash);
                shard.store(slot, place, new, &mut call.ledger);
            }
            call.expire_and_unlock(shard);
        });
    }

    /// As [`reload`](Store::reload), for many keys. `loader` returns numbers of keys; what is
    /// stored under the others stays.
    pub(crate) async fn reload_many<R>(
        &self,
        caller: Caller,
        keys: Vec<Hashed<K>>,
        loader: impl Future<Output = (R, Vec<(usize, V)>)>,
    ) -> R {
        let outer = wait_graph::current_load();
        let leaders: Vec<_> =
            keys.into_iter().map(|key| self.lead_reload(key, outer.clone())).collect();
        let timer = self.start_timer();
        let running = together(leaders.iter().map(FlightGuard::running));
        let (result, answers) = wait_graph::run(running, caller == Caller::Task, loader).await;
        let load_nanos = timer.stop(!answers.is_empty());
        let mut leaders: Vec<_> = leaders.into_iter().map(Some).collect();
        for (number, value) in answers {
            if let Some(leader) = leaders[number].take() {
                drop(leader.after(load_nanos).publish(value));
            }
        }
        leaders.into_iter().flatten().for_each(|leader| leader.end(Outcome::NotShareable));
        result
    }
}
