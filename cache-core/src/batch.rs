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

use crate::flight::{Flight, Outcome};
use crate::lead::Leader;
use crate::load::{Next, Role};
use crate::nesting::{self, Running, Together};
use crate::share::{CloneError, Nothing, ShareError};
use crate::store::Store;
use crate::wait::Caller;

/// A key that is missing.
struct Wanted {
    /// Its place in the batch, where it stands first.
    place: usize,
    hash: u64,
    may_join: bool,
    timed_out: bool,
}

/// The keys of a batch, and what is known of them.
pub(crate) struct Batch<'k, K, V> {
    keys: &'k [K],
    values: Vec<Option<V>>,
    /// The keys to be loaded, each once.
    wanted: Vec<Wanted>,
    /// The later places of keys that stand in the batch more than once, with the first.
    again: Vec<(usize, usize)>,
}

impl<'k, K: Hash + Eq + Clone, V: Clone + Send + Sync + 'static> Batch<'k, K, V> {
    /// A batch of which these values were found; `hash` is the cache's hash of a key.
    pub(crate) fn new<S: BuildHasher>(
        keys: &'k [K],
        found: Vec<Option<V>>,
        hasher: S,
        hash: impl Fn(&K) -> u64,
    ) -> Self {
        let mut first: HashMap<&K, usize, S> = HashMap::with_hasher(hasher);
        let (mut wanted, mut again) = (Vec::new(), Vec::new());
        for (place, key) in keys.iter().enumerate().filter(|&(place, _)| found[place].is_none()) {
            let first = *first.entry(key).or_insert(place);
            if first == place {
                wanted.push(Wanted { place, hash: hash(key), may_join: true, timed_out: false });
            } else {
                again.push((place, first));
            }
        }
        Batch { keys, values: found, wanted, again }
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
    #[expect(clippy::type_complexity, reason = "two lists of what belongs to a key")]
    fn take_roles<'s>(
        &mut self,
        store: &'s Store<K, V>,
    ) -> (Vec<(Wanted, Leader<'s, K, V>)>, Vec<(Wanted, Arc<Flight<V>>)>) {
        let (mut led, mut joined) = (Vec::new(), Vec::new());
        let outer = nesting::innermost();
        for wanted in self.wanted.drain(..) {
            let key = self.keys[wanted.place].clone();
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
    fn publish(
        &mut self,
        led: Vec<(Wanted, Leader<'_, K, V>)>,
        pairs: Vec<(K, V)>,
        load_nanos: u64,
    ) {
        let keys = self.keys;
        let place_of: Vec<usize> = led.iter().map(|(wanted, _)| wanted.place).collect();
        let mut led: Vec<Option<(Wanted, Leader<'_, K, V>)>> = led.into_iter().map(Some).collect();
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
            let nothing = CloneError.share(&Nothing);
            leader.end(nothing.map_or(Outcome::Unshared, Outcome::Failed));
        }
    }

    /// Waits for the flights of others; answers which keys are still wanted.
    async fn wait(
        &mut self,
        store: &Store<K, V>,
        caller: Caller,
        joined: Vec<(Wanted, Arc<Flight<V>>)>,
    ) -> Vec<Wanted> {
        let mut still_wanted = Vec::new();
        let deadline = store.patience();
        for (mut wanted, flight) in joined {
            match store.wait_for(caller, &flight, deadline, &mut wanted.timed_out).await {
                Next::Take(value) => {
                    self.values[wanted.place] = Some(value.clone());
                    continue;
                }
                Next::Fail(error) if CloneError.adopt(error).is_some_and(|Nothing| true) => {
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
