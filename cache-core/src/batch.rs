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
//! Calls that the loader makes are inside of all flights that the batch leads ([`Together`]): none of
//! them ends before the loader does.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::flight::Flight;
use crate::lead::Leader;
use crate::load::{Next, Role};
use crate::nesting::{self, Running, Together};
use crate::refresh::{Looked, Old};
use crate::share::{Nothing, ShareError, ShareNothing};
use crate::store::Store;
use crate::wait::Caller;

/// A key that is to be loaded.
struct Wanted<V> {
    /// Its place in the batch, where it stands first.
    place: usize,
    hash: u64,
    may_join: bool,
    timed_out: bool,
    /// What is there, if the batch has claimed its refresh.
    old: Option<Old<V>>,
}

/// A key that the batch loads.
type Led<'s, K, V> = (Wanted<V>, Leader<'s, K, V>);
/// A key that somebody else loads.
type Joined<V> = (Wanted<V>, Arc<Flight<V>>);

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
        hash: impl Fn(&K) -> u64,
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
                wanted.push(Wanted { place, hash, may_join, timed_out, old });
            } else {
                again.push((place, first));
            }
        }
        Batch { keys, values, wanted, again }
    }

    /// Loads what is wanted, and answers with the values in the order of the keys.
    pub(crate) async fn load<F, L>(
        mut self,
        store: &Store<K, V>,
        caller: Caller,
        mut loader: F,
    ) -> Vec<Option<V>>
    where
        F: FnMut(Vec<K>) -> L,
        L: Future<Output = Vec<(K, V)>>,
    {
        while !self.wanted.is_empty() {
            let (led, joined) = self.take_roles(store);
            if !led.is_empty() {
                let running = led.iter().map(|(_, leader)| leader.running()).collect();
                let running: Arc<dyn Running> = Arc::new(Together(running));
                let timer = store.start_timer();
                let loading = {
                    // The loader may be a closure that does its work when it is called.
                    let _entered = nesting::enter(Arc::clone(&running));
                    let keys = led.iter().map(|(wanted, _)| self.keys[wanted.place].clone());
                    loader(keys.collect())
                };
                let pairs = nesting::run(running, caller == Caller::Task, loading).await;
                let load_nanos = timer.stop(!pairs.is_empty());
                self.publish(led, pairs, load_nanos);
            }
            self.wanted = self.wait(store, caller, joined).await;
        }
        for (place, first) in self.again {
            self.values[place] = self.values[first].clone();
        }
        self.values
    }

    /// Joins or leads the flight of each wanted key.
    fn take_roles<'s>(&mut self, store: &'s Store<K, V>) -> (Vec<Led<'s, K, V>>, Vec<Joined<V>>) {
        let (mut led, mut joined) = (Vec::new(), Vec::new());
        let outer = nesting::innermost();
        for mut wanted in self.wanted.drain(..) {
            let key = self.keys[wanted.place].clone();
            if let Some(old) = wanted.old.take() {
                match store.lead_refresh((wanted.hash, key), old.id(), outer.clone()) {
                    Some(leader) => led.push((wanted, leader)),
                    None => self.values[wanted.place] = Some(store.serve(old).0),
                }
                continue;
            }
            match store.take_role(wanted.hash, key, wanted.may_join, outer.clone()) {
                Role::Hit(value, _) => self.values[wanted.place] = Some(value),
                Role::Join(flight, _) => joined.push((wanted, flight)),
                Role::Lead(leader) => led.push((wanted, leader)),
            }
        }
        (led, joined)
    }

    /// Publishes what the loader gave. Pairs with other keys than it was asked for are ignored:
    /// nobody can say whether they are out of date.
    fn publish(&mut self, led: Vec<Led<'_, K, V>>, pairs: Vec<(K, V)>, load_nanos: u64) {
        let keys = self.keys;
        let place_of: Vec<usize> = led.iter().map(|(wanted, _)| wanted.place).collect();
        let mut led: Vec<Option<Led<'_, K, V>>> = led.into_iter().map(Some).collect();
        let mut by_key: Option<HashMap<&K, usize>> = None;
        for (next, (key, value)) in pairs.into_iter().enumerate() {
            // Most loaders answer in the order in which they were asked.
            let n = if place_of.get(next).is_some_and(|&place| keys[place] == key) {
                Some(next)
            } else {
                let numbered = || place_of.iter().enumerate().map(|(n, &place)| (&keys[place], n));
                by_key.get_or_insert_with(|| numbered().collect()).get(&key).copied()
            };
            if let Some((wanted, leader)) = n.and_then(|n| led[n].take()) {
                self.values[wanted.place] = Some(leader.after(load_nanos).publish(value));
            }
        }
        // The loader knows nothing of these keys. Those who wait are told so.
        for (_, leader) in led.into_iter().flatten() {
            // It has not failed, so no old value is served instead.
            let _ = leader.fail(Nothing, &ShareNothing);
        }
    }

    /// Waits for the flights of others; answers which keys are still wanted.
    async fn wait(
        &mut self,
        store: &Store<K, V>,
        caller: Caller,
        joined: Vec<Joined<V>>,
    ) -> Vec<Wanted<V>> {
        let mut still_wanted = Vec::new();
        let deadline = store.patience();
        for (mut wanted, flight) in joined {
            match store.wait_for(caller, &flight, deadline, &mut wanted.timed_out).await {
                Next::Take(value) => {
                    self.values[wanted.place] = Some(value.clone());
                    continue;
                }
                Next::Fail(error) if ShareNothing.adopt(error).is_some_and(|Nothing| true) => {
                    continue;
                }
                Next::Fail(_) | Next::LoadAlone => wanted.may_join = false,
                Next::LookAgain => {}
            }
            still_wanted.push(wanted);
        }
        still_wanted
    }
}
