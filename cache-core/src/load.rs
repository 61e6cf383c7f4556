//! One load: who runs the loader, who waits, and whether the value is stored.
//!
//! A caller who finds no live value takes the key's shard's lock and either *joins* the flight that
//! is registered for the key or *leads* one of his own: puts the key into a reserved slot and
//! registers. The loader runs with nothing held: no lock, no pin. See `flight.rs` for why being
//! registered is all that a publish has to check.
//!
//! Whoever leads holds a [`Leader`]; dropping it takes everything back. A thread that asks for a
//! key that it is already loading leads a second flight beside the first, which nobody can join: it
//! cannot wait for itself. So does a waiter who cannot be given the leader's error: at once and in
//! parallel with others like him, not one after another.

use std::any::Any;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use crate::RemovalCause;
use crate::call::Call;
use crate::flight::{Flight, Outcome};
use crate::shard::Shard;
use crate::store::Store;

/// How the failure of one load reaches those who waited for it.
#[doc(hidden)]
pub trait ShareError<E> {
    /// What waiters are given; nothing if they cannot be given anything.
    fn share(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>>;
    /// The error made of what the leader shared; nothing if it is of another type.
    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E>;
}

/// Shares a clone of the error.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct CloneError;

impl<E: Clone + Send + Sync + 'static> ShareError<E> for CloneError {
    fn share(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(error.clone()))
    }

    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        shared.downcast_ref::<E>().cloned()
    }
}

/// Shares nothing: every waiter loads by himself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct KeepError;

impl<E> ShareError<E> for KeepError {
    fn share(&self, _: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    fn adopt(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        None
    }
}

/// For errors that are in an `Arc` already.
pub(crate) struct ShareArc;

impl<E: Send + Sync + 'static> ShareError<Arc<E>> for ShareArc {
    fn share(&self, error: &Arc<E>) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(error) as Arc<dyn Any + Send + Sync>)
    }

    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<Arc<E>> {
        Arc::clone(shared).downcast().ok()
    }
}

/// The "error" of a load that found nothing.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

/// For loads that cannot fail.
pub(crate) struct NeverFails;

impl ShareError<Infallible> for NeverFails {
    fn share(&self, error: &Infallible) -> Option<Arc<dyn Any + Send + Sync>> {
        match *error {}
    }

    fn adopt(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<Infallible> {
        None
    }
}

/// What a caller is to do about a key.
enum Role<'s, K: Hash + Eq, V: Clone> {
    /// It is there by now.
    Hit(V),
    Join(Arc<Flight<V>>),
    Lead(Leader<'s, K, V>),
}

impl<K: Hash + Eq, V: Clone> Store<K, V> {
    /// Loads a key that was just found missing. `init` runs at most once, on this thread.
    pub(crate) fn load<E>(
        &self,
        hash: u64,
        key: K,
        init: impl FnOnce() -> Result<V, E>,
        share: impl ShareError<E>,
    ) -> Result<V, E> {
        let mut key = key;
        let mut may_join = true;
        loop {
            let flight = match self.take_role(hash, key, may_join) {
                (Role::Hit(value), _) => return Ok(value),
                (Role::Lead(leader), _) => return leader.run(init, &share),
                (Role::Join(flight), given_back) => {
                    key = given_back.expect("a key is kept by a leader only");
                    flight
                }
            };
            match flight.wait() {
                Outcome::Value(value) => return Ok(value.clone()),
                Outcome::Failed(shared) => match share.adopt(shared) {
                    Some(error) => return Err(error),
                    None => may_join = false,
                },
                Outcome::Unshared => may_join = false,
                Outcome::Abandoned => {}
            }
        }
    }

    /// Loads a key whatever is stored under it; what `kept` picks of the result takes its place.
    pub(crate) fn reload<R>(
        &self,
        hash: u64,
        key: K,
        init: impl FnOnce() -> R,
        kept: impl FnOnce(&R) -> Option<&V>,
    ) -> R {
        let leader = {
            let pinned = self.table.pin();
            let shard = pinned.lock(self.table.shard_of(hash));
            self.lead(shard, hash, key, Manner { joinable: false, replaces: true })
        };
        let timer = LoadTimer::start(self);
        let result = init();
        let value = kept(&result).cloned();
        timer.stop(value.is_some());
        match value {
            Some(value) => drop(leader.publish(value)),
            None => leader.fail(Outcome::Unshared),
        }
        result
    }

    /// Registers a flight of one's own, and lets go of the lock.
    fn lead(
        &self,
        mut shard: Shard<'_, K, V>,
        hash: u64,
        key: K,
        manner: Manner,
    ) -> Leader<'_, K, V> {
        let slot = shard.reserve(hash, key);
        let flight = Arc::new(Flight::new(slot, manner.joinable));
        shard.state().0.loads.add(hash, Arc::clone(&flight));
        let _ = shard.unlock();
        Leader { store: self, hash, flight, replaces: manner.replaces, ended: false }
    }

    /// Joins or leads. Gives the key back unless it was put into a slot.
    fn take_role(&self, hash: u64, key: K, may_join: bool) -> (Role<'_, K, V>, Option<K>) {
        // Read before the lock is taken: the clock may be the user's.
        let now = self.now();
        let pinned = self.table.pin();
        let mut for_other_keys: Vec<Arc<Flight<V>>> = Vec::new();
        let mut joinable = may_join;
        loop {
            let (mut shard, found) = pinned.lock_key(hash, |other| *other == key);
            if let Some(entry) = found.map(|id| shard.entry(id))
                && entry.deadline() > now
            {
                let _ = shard.unlock();
                return (Role::Hit(entry.value().clone()), Some(key));
            }
            let running =
                if joinable { shard.state().0.loads.joinable(hash, &for_other_keys) } else { None };
            let Some(flight) = running else {
                let manner = Manner { joinable, replaces: false };
                return (Role::Lead(self.lead(shard, hash, key, manner)), None);
            };
            let _ = shard.unlock();
            if *pinned.reserved_key(flight.slot()) != key {
                for_other_keys.push(flight);
            } else if flight.is_led_here() {
                joinable = false;
            } else {
                return (Role::Join(flight), Some(key));
            }
        }
    }
}

/// The duty to land a flight. Dropped without having done so, it lands it as abandoned.
pub(crate) struct Leader<'s, K: Hash + Eq, V: Clone> {
    store: &'s Store<K, V>,
    hash: u64,
    flight: Arc<Flight<V>>,
    replaces: bool,
    ended: bool,
}

/// How a flight differs from others.
#[derive(Clone, Copy)]
struct Manner {
    /// May others wait for it?
    joinable: bool,
    /// May its value take the place of one that is fresh?
    replaces: bool,
}

impl<K: Hash + Eq, V: Clone> Leader<'_, K, V> {
    fn run<E>(
        self,
        init: impl FnOnce() -> Result<V, E>,
        share: &impl ShareError<E>,
    ) -> Result<V, E> {
        let timer = LoadTimer::start(self.store);
        let loaded = init();
        timer.stop(loaded.is_ok());
        match loaded {
            Ok(value) => Ok(self.publish(value)),
            Err(error) => {
                let outcome = share.share(&error).map_or(Outcome::Unshared, Outcome::Failed);
                self.fail(outcome);
                Err(error)
            }
        }
    }

    /// Stores the value, if the flight is still registered and the key still absent, and gives it
    /// to those who wait.
    fn publish(mut self, value: V) -> V {
        let store = self.store;
        let slot = self.flight.slot();
        let (arrival, now) = {
            let pinned = store.table.pin();
            store.receive(pinned.reserved_key(slot), value.clone(), None)
        };
        let fits = u64::from(arrival.weight) <= store.budget.max();
        let Leader { hash, flight, ended, replaces, .. } = &mut self;
        store.write(now, |call| {
            let key = call.pinned.reserved_key(slot);
            if !fits {
                store.turned_away(call.pinned, key, &arrival.value, RemovalCause::Size);
                *ended = true;
                return call.abandon(*hash, flight);
            }
            // Still registered, and nothing fresh there (unless that is to be replaced)?
            let wanted = |shard: &mut Shard<'_, K, V>, found: Option<u32>| {
                let vacant = found.is_none_or(|id| *replaces || shard.entry(id).deadline() <= now);
                vacant && shard.state().0.loads.has(flight)
            };
            let (mut shard, place) =
                call.lock_with_room(*hash, arrival.weight, |other| other == key, wanted);
            shard.state().0.loads.remove(flight);
            *ended = true;
            if let Some(place) = place {
                shard.store(slot, place, arrival, &mut call.room, now, &mut call.removed);
                call.expire_and_unlock(shard);
            } else {
                shard.abandon(slot);
                call.unlock(shard);
            }
        });
        self.land_with(&value);
        value
    }

    /// Lands with a clone of the value, if anybody waits. Nobody can have begun to since the flight
    /// left the register, and who has holds a handle to it.
    fn land_with(&self, value: &V) {
        if Arc::strong_count(&self.flight) > 1 {
            self.flight.land(Outcome::Value(value.clone()));
        }
    }

    fn fail(mut self, outcome: Outcome<V>) {
        self.unregister();
        self.flight.land(outcome);
    }

    fn unregister(&mut self) {
        self.ended = true;
        self.store.write(0, |call| call.abandon(self.hash, &self.flight));
    }
}

impl<K: Hash + Eq, V: Clone> Drop for Leader<'_, K, V> {
    fn drop(&mut self) {
        if !self.ended {
            self.unregister();
        }
        // Whatever went wrong, nobody waits for ever. A flight that has landed stays as it is.
        if Arc::strong_count(&self.flight) > 1 {
            self.flight.land(Outcome::Abandoned);
        }
    }
}

impl<K, V> Call<'_, '_, K, V> {
    /// Takes a flight off the register and retires its slot.
    fn abandon(&mut self, hash: u64, flight: &Arc<Flight<V>>) {
        let mut shard = self.pinned.lock(self.store.table.shard_of(hash));
        shard.state().0.loads.remove(flight);
        shard.abandon(flight.slot());
        self.unlock(shard);
    }
}

/// Counts a load, also one that panics.
struct LoadTimer<'s, K, V> {
    store: &'s Store<K, V>,
    began: Option<Instant>,
    succeeded: bool,
}

impl<'s, K, V> LoadTimer<'s, K, V> {
    fn start(store: &'s Store<K, V>) -> Self {
        let began = store.config.record_stats.then(Instant::now);
        LoadTimer { store, began, succeeded: false }
    }

    fn stop(mut self, succeeded: bool) {
        self.succeeded = succeeded;
    }
}

impl<K, V> Drop for LoadTimer<'_, K, V> {
    fn drop(&mut self) {
        let Some(began) = self.began else { return };
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let pinned = self.store.table.pin();
        let counters = pinned.counters();
        if self.succeeded { &counters.loads } else { &counters.load_failures }.add(1);
        counters.load_nanos.add(nanos);
    }
}
