//! A load of many keys at once.
//!
//! Each missing key of the batch joins the flight that runs for it or leads its own, like a single
//! load. The keys that the batch leads are loaded by one call of the loader and published before
//! any flight of others is waited for: two batches that want the same keys in opposite order each
//! load what they lead, and then take the rest from each other.
//!
//! What a joined flight does not bring (its leader panicked, was cancelled, failed with an error
//! that a batch cannot be given) is led in another round, so the loader may be called again, for
//! those keys. A round waits for each flight once, so the number of rounds is the largest number of
//! failed flights any key meets.
//!
//! A loader that fails has failed for all the keys it was asked for: each flight fails by itself,
//! with the one error, and the batch fails unless old values can be served for all of them. A batch
//! of a [`LoadingCache`](crate::LoadingCache) does not: there each key has its value or its error.
//!
//! Pairs that the loader returns for keys that it was not asked for have no flight. Such a pair is
//! stored under the rule of a load that runs beside others: if its key is absent, and was not
//! written since the loader was called, which `written.rs` knows; otherwise it is dropped.
//!
//! Calls that the loader makes are inside of all flights that the batch leads
//! ([`BatchNode`](crate::flight::wait_graph::BatchNode)): none of them ends before the loader does.
//!
//! Like an [`Attempt`], a batch neither runs the loader nor waits; [`Batch::load`] and
//! [`Batch::load_async`] do, round by round.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind};
use crate::flight::share_error::{ErrorSharing, Nothing, ShareNothing, SharedError};
use crate::flight::wait::WaitResult;
use crate::flight::wait_graph::{self, LoadNode, LoadScope};
use crate::flight::written::RunningBatch;
use crate::load::attempt::{Attempt, Lookup, Step};
use crate::load::guard::{FlightGuard, LoadTimer};
use crate::load::refresh::node_of;
use crate::shard::shard::Shard;
use crate::store::store::Store;
use crate::store::txn::{LockKey, TxnLocks};
use crate::table::SlotId;
use crate::util::hash::{Hashed, KeyHash};

/// The keys of a batch, and what is known of them.
pub(crate) struct Batch<'s, K, V> {
    store: &'s Store<K, V>,
    values: Vec<Option<V>>,
    /// The keys to be loaded, each once, by their first places in the batch.
    wanted: Vec<(usize, Attempt<'s, K, V>)>,
    /// The later places of keys that stand in the batch more than once, with the first.
    again: Vec<(usize, usize)>,
}

/// One call of the loader.
struct Round<'s, K: Eq, V: Clone> {
    /// The keys that the batch leads, by their places in it.
    led: Vec<(usize, FlightGuard<'s, K, V>)>,
    /// The load of all of them.
    node: Arc<dyn LoadNode>,
    /// Since when writes to keys that nobody asked for are noted.
    since: RunningBatch,
    timer: LoadTimer<'s, K, V>,
}

/// The keys that other callers load.
type Joined<'s, K, V> = Vec<(usize, Attempt<'s, K, V>, Arc<Flight<V>>)>;

impl<'s, K: Hash + Eq + Clone, V: Clone> Batch<'s, K, V> {
    /// A batch of keys, each of which has been looked up; `hash` is the cache's hash of a key.
    pub(crate) fn new<S: BuildHasher>(
        store: &'s Store<K, V>,
        keys: &[K],
        looked_up: impl Iterator<Item = Lookup<V>>,
        hasher: S,
        hash: impl Fn(&K) -> KeyHash,
    ) -> Self {
        let mut first: HashMap<&K, usize, S> = HashMap::with_hasher(hasher);
        let (mut values, mut wanted, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for ((place, key), looked_up) in keys.iter().enumerate().zip(looked_up) {
            if let Lookup::Hit(value, _) = looked_up {
                values.push(Some(value));
                continue;
            }
            values.push(None);
            let first = *first.entry(key).or_insert(place);
            if first != place {
                again.push((place, first));
                continue;
            }
            let own = Hashed { hash: hash(key), key: key.clone() };
            wanted.push((place, Attempt::new(store, own, looked_up, FlightKind::Shared)));
        }
        Batch { store, values, wanted, again }
    }

    /// Loads what is wanted, and returns the values in the order of the keys.
    ///
    /// The loader is given places of keys in the batch.
    pub(crate) fn load<E>(
        mut self,
        loader: impl FnMut(Vec<usize>) -> Result<LoadedBatch<K, V>, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<Vec<Option<V>>, E> {
        self.load_rounds(loader, share, &mut FailWhole)?;
        Ok(self.into_values())
    }

    /// As [`load`](Self::load), for a batch that does not fail as a whole: returns the value of
    /// each key, or its error; `absent` if it has neither.
    pub(crate) fn load_each<E: Clone>(
        mut self,
        loader: impl FnMut(Vec<usize>) -> Result<LoadedBatch<K, V>, E>,
        share: &impl ErrorSharing<E>,
        absent: E,
    ) -> Vec<Result<V, E>> {
        let mut failures = FailEach(vec![None; self.values.len()]);
        let Ok(()) = self.load_rounds(loader, share, &mut failures) else {
            unreachable!("each error is noted")
        };
        for &(place, first) in &self.again {
            failures.0[place] = failures.0[first].clone();
        }
        let values = self.into_values().into_iter().zip(failures.0);
        values.map(|(value, error)| value.ok_or(error.unwrap_or(absent.clone()))).collect()
    }

    fn load_rounds<E>(
        &mut self,
        mut loader: impl FnMut(Vec<usize>) -> Result<LoadedBatch<K, V>, E>,
        share: &impl ErrorSharing<E>,
        failures: &mut impl Failures<E>,
    ) -> Result<(), E> {
        while !self.wanted.is_empty() {
            let (round, joined) = self.start_round();
            if let Some(round) = round {
                let places = round.led.iter().map(|&(place, _)| place).collect();
                let loaded = wait_graph::run(Arc::clone(&round.node), || loader(places));
                self.end_round(round, loaded, share, failures)?;
            }
            let deadline = self.store.wait_deadline();
            for (place, attempt, flight) in joined {
                let waited = flight.wait(deadline);
                self.resume((place, attempt), &flight, (waited, share), failures)?;
            }
        }
        Ok(())
    }

    /// As [`load`](Self::load), as a task.
    pub(crate) async fn load_async<E, F: Future<Output = Result<LoadedBatch<K, V>, E>>>(
        mut self,
        mut loader: impl FnMut(Vec<usize>) -> F,
        share: &impl ErrorSharing<E>,
    ) -> Result<Vec<Option<V>>, E> {
        while !self.wanted.is_empty() {
            let (round, joined) = self.start_round();
            if let Some(round) = round {
                // A closure may do its work when it is called.
                let places = round.led.iter().map(|&(place, _)| place).collect();
                let loading = wait_graph::run(Arc::clone(&round.node), || loader(places));
                let loaded = wait_graph::run_async(Arc::clone(&round.node), loading).await;
                self.end_round(round, loaded, share, &mut FailWhole)?;
            }
            let deadline = self.store.wait_deadline();
            for (place, attempt, flight) in joined {
                let waited = flight.wait_async(deadline).await;
                self.resume((place, attempt), &flight, (waited, share), &mut FailWhole)?;
            }
        }
        Ok(self.into_values())
    }

    /// Joins or leads the flight of each wanted key.
    fn start_round(&mut self) -> (Option<Round<'s, K, V>>, Joined<'s, K, V>) {
        let (mut led, mut joined) = (Vec::new(), Vec::new());
        for (place, attempt) in std::mem::take(&mut self.wanted) {
            match attempt.start() {
                Step::Done((value, _)) => self.values[place] = Some(value),
                Step::Lead(guard) => led.push((place, guard)),
                Step::Wait(attempt, flight) => joined.push((place, attempt, flight)),
            }
        }
        let round = (!led.is_empty()).then(|| {
            let (since, timer) = (self.store.batches.begin(), self.store.start_timer());
            let node = node_of(led.iter().map(|(_, guard)| guard));
            Round { led, node, since, timer }
        });
        (round, joined)
    }

    /// Publishes what the loader has returned, or fails the flights. The error is noted for those
    /// that have no old value to be served.
    fn end_round<E>(
        &mut self,
        round: Round<'s, K, V>,
        loaded: Result<LoadedBatch<K, V>, E>,
        share: &impl ErrorSharing<E>,
        failures: &mut impl Failures<E>,
    ) -> Result<(), E> {
        let Round { led, node, since, timer } = round;
        let brought_some = |answers: &LoadedBatch<K, V>| answers.asked.iter().any(Option::is_some);
        let load_nanos = timer.stop(loaded.as_ref().is_ok_and(brought_some));
        match loaded {
            Ok(answers) => {
                for (number, ((place, guard), value)) in
                    led.into_iter().zip(answers.asked).enumerate()
                {
                    match value {
                        Some(value) => {
                            let life = share.life_of(number);
                            self.values[place] = Some(guard.publish_for(value, life, load_nanos));
                        }
                        // The loader knows nothing of this key, and the waiters are given that.
                        None => guard.end_absent(ShareNothing.to_shared(&Nothing)),
                    }
                }
                for (key, value) in answers.others {
                    self.store.add_unasked(key, value, &since, load_nanos);
                }
                Ok(())
            }
            Err(error) => {
                let _scope = LoadScope::enter(node);
                let (shared, mut failed) = (share.to_shared(&error), Vec::new());
                for (place, guard) in led {
                    self.values[place] = guard.fail(shared.clone()).map(|(old, _)| old);
                    failed.extend(self.values[place].is_none().then_some(place));
                }
                if failed.is_empty() { Ok(()) } else { failures.note(&failed, error) }
            }
        }
    }

    /// Goes on after a wait for the flight of another caller.
    fn resume<E>(
        &mut self,
        (place, attempt): (usize, Attempt<'s, K, V>),
        flight: &Arc<Flight<V>>,
        (waited, share): (WaitResult, &impl ErrorSharing<E>),
        failures: &mut impl Failures<E>,
    ) -> Result<(), E> {
        // A load that has found nothing has not failed: to a batch that is no error.
        let recover = |error: &SharedError| match ShareNothing.recover(error) {
            Some(Nothing) => Some(None),
            None => share.recover(error).map(Some),
        };
        match attempt.resume(flight, waited, recover) {
            Ok(attempt) => self.wanted.push((place, attempt)),
            Err(error) => return error.map_or(Ok(()), |error| failures.note(&[place], error)),
        }
        Ok(())
    }

    fn into_values(mut self) -> Vec<Option<V>> {
        for (place, first) in self.again {
            self.values[place] = self.values[first].clone();
        }
        self.values
    }
}

/// What becomes of a batch when the load of some of its keys fails.
trait Failures<E> {
    /// Returns the error, if the batch is to fail with it.
    fn note(&mut self, places: &[usize], error: E) -> Result<(), E>;
}

/// The batch fails with the first error.
struct FailWhole;

impl<E> Failures<E> for FailWhole {
    fn note(&mut self, _: &[usize], error: E) -> Result<(), E> {
        Err(error)
    }
}

/// Each key has its own error, at its place.
struct FailEach<E>(Vec<Option<E>>);

impl<E: Clone> Failures<E> for FailEach<E> {
    fn note(&mut self, places: &[usize], error: E) -> Result<(), E> {
        places.iter().for_each(|&place| self.0[place] = Some(error.clone()));
        Ok(())
    }
}

/// What a loader has returned.
pub(crate) struct LoadedBatch<K, V> {
    /// For each key that it was asked for the value, if it has one.
    pub(crate) asked: Vec<Option<V>>,
    /// Other keys, with their values.
    pub(crate) others: Vec<(Hashed<K>, V)>,
}

/// Separates pairs with the keys that were asked for, which have a number, from others, whose keys
/// are what `other` makes of them; `None`: the pair is dropped.
pub(crate) fn answers<Q, K, V>(
    asked: usize,
    numbers: Vec<Option<usize>>,
    pairs: Vec<(Q, V)>,
    other: impl Fn(Q) -> Option<Hashed<K>>,
) -> LoadedBatch<K, V> {
    let mut answers = LoadedBatch { asked: (0..asked).map(|_| None).collect(), others: Vec::new() };
    for (number, (key, value)) in numbers.into_iter().zip(pairs) {
        match number {
            Some(number) => {
                // Before the value is moved: a panic of this would leak it.
                drop(key);
                answers.asked[number].get_or_insert(value);
            }
            None => answers.others.extend(other(key).map(|key| (key, value))),
        }
    }
    answers
}

/// Returns for each answered key its number among those that were asked for. Others have none.
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

impl<K: Eq, V: Clone> Store<K, V> {
    /// Stores a value that a loader gave for a key that it was not asked for, if the key is absent
    /// and was not written since. If it cannot be stored for another reason, the listener is
    /// notified.
    pub(super) fn add_unasked(
        &self,
        Hashed { hash, key }: Hashed<K>,
        value: V,
        since: &RunningBatch,
        load_nanos: u64,
    ) {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, None, load_nanos);
        self.write(now, |txn| {
            let mut unasked = Unasked { hash, key: &key, since, now };
            if let Some(cause) = self.refuses(&new, now) {
                let (mut shard, found) = unasked.lock(&txn.locks);
                let not_shown = if unasked.wants(&mut shard, found) {
                    txn.reject(&mut shard, Hashed { hash, key }, new, cause)
                } else {
                    Some((key, new))
                };
                txn.unlock(shard);
                return drop(not_shown);
            }
            let (mut shard, target) = txn.lock_with_room(new.weight, &mut unasked);
            if let Some(target) = target {
                let slot = shard.reserve(hash, key);
                shard.loads().occupy(hash);
                shard.store(slot, target, new, &mut txn.ledger);
            }
            txn.expire_and_unlock(shard);
        });
    }
}

/// A value that is added if its key is absent and was not written since.
struct Unasked<'k, K> {
    hash: KeyHash,
    key: &'k K,
    since: &'k RunningBatch,
    now: u64,
}

impl<'p, K: Eq, V> LockKey<'p, K, V> for Unasked<'_, K> {
    fn hash(&self) -> KeyHash {
        self.hash
    }

    fn lock(&mut self, locks: &TxnLocks<'p, K, V>) -> (Shard<'p, K, V>, Option<SlotId>) {
        let (hash, key, guard) = (self.hash, self.key, locks.guard);
        let (found, eq) = (guard.find_hash(hash), |other: &K| other == key);
        locks.store.shards.lock_key(guard, hash, found, eq, &locks.retries)
    }

    fn wants(&mut self, shard: &mut Shard<'p, K, V>, found: Option<SlotId>) -> bool {
        let absent = found.is_none_or(|id| shard.entry(id).deadline() <= self.now);
        absent && shard.loads().may_add(self.hash, self.since)
    }
}
