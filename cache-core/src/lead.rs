//! The leader of a flight: runs the loader, and stores what it gives.
//!
//! Whoever leads holds a [`Leader`]; dropping it takes everything back: the flight leaves the
//! register, its slot is given back, and those who wait look again. That covers panics of the loader
//! and futures that are dropped halfway, with no code for either.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::RemovalCause;
use crate::call::Call;
use crate::flight::{Flight, Kind, Outcome};
use crate::nesting::{self, KeyAt, Running};
use crate::panics::Panics;
use crate::register::Judged;
use crate::shard::{Arrival, Shard, cause_or_expired};
use crate::share::ShareError;
use crate::store::Store;
use crate::wait::Caller;

/// The duty to land a flight. Dropped without having done so, it lands it with
/// [`Outcome::LookAgain`].
pub(crate) struct Leader<'s, K: Eq, V: Clone + Send + Sync + 'static> {
    store: &'s Store<K, V>,
    flight: Arc<Flight<V>>,
    /// May its value take the place of one that is fresh?
    replaces: bool,
    state: LeaderState,
}

/// How far a leader has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeaderState {
    /// The flight's slot is reserved; it is registered, or overtaken.
    Leading,
    /// It is off the register, and its slot is published or given back.
    Ended,
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Registers a flight of one's own, and lets go of the lock. `vacant`: the key has no entry.
    /// `outer` is the load that it is begun inside of.
    pub(crate) fn lead(
        &self,
        (mut shard, vacant): (Shard<'_, K, V>, bool),
        (hash, key): (u64, K),
        kind: Kind,
        outer: Option<Arc<dyn Running>>,
    ) -> Leader<'_, K, V> {
        let slot = shard.reserve(hash, key);
        let key = KeyAt { cache: self.address(), hash, slot };
        let (loads, compute) = (&mut shard.state().0.loads, kind == Kind::Compute);
        let flight = match loads.take_spare() {
            None => Arc::new(Flight::new(key, outer, compute)),
            Some(mut spare) => {
                let flight = Arc::get_mut(&mut spare).expect("a spare flight is nobody else's");
                flight.reuse(key, outer, compute);
                spare
            }
        };
        loads.add(kind, vacant, Arc::clone(&flight));
        let _ = shard.unlock();
        Leader { store: self, flight, replaces: compute, state: LeaderState::Leading }
    }

    /// Tells this cache from others.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Counts a load until it is stopped or dropped.
    pub(crate) fn start_timer(&self) -> LoadTimer<'_, K, V> {
        let began = self.config.record_stats.then(Instant::now);
        LoadTimer { store: self, began, succeeded: false }
    }
}

impl<'s, K: Eq, V: Clone + Send + Sync + 'static> Leader<'s, K, V> {
    /// As [`Kind::Compute`], but a load: it replaces what is there.
    pub(crate) fn replacing(self) -> Self {
        let mut leader = self;
        leader.replaces = true;
        leader
    }

    /// The flight as one that others may be begun inside of.
    pub(crate) fn running(&self) -> Arc<dyn Running> {
        Arc::clone(&self.flight) as Arc<dyn Running>
    }

    /// Runs user code as the loader of this flight.
    pub(crate) async fn run<T>(&self, caller: Caller, loader: impl Future<Output = T>) -> T {
        nesting::run(self.running(), caller == Caller::Task, loader).await
    }

    /// Runs the loader, and stores its value or shares its error.
    pub(crate) async fn load<E>(
        self,
        caller: Caller,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ShareError<E>,
    ) -> Result<V, E> {
        let timer = self.store.start_timer();
        let loaded = self.run(caller, loader).await;
        timer.stop(loaded.is_ok());
        match loaded {
            Ok(value) => Ok(self.publish(value)),
            Err(error) => Err(self.fail(error, share)),
        }
    }

    /// As `load`, for a thread: without a future around it.
    #[inline]
    pub(crate) fn load_here<E>(
        self,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ShareError<E>,
    ) -> Result<V, E> {
        let timer = self.store.start_timer();
        let _entered = nesting::enter(self.running());
        let loaded = loader();
        timer.stop(loaded.is_ok());
        match loaded {
            Ok(value) => Ok(self.publish_inside(value)),
            Err(error) => Err(self.fail(error, share)),
        }
    }

    fn fail<E>(self, error: E, share: &impl ShareError<E>) -> E {
        self.end(share.share(&error).map_or(Outcome::Unshared, Outcome::Failed));
        error
    }

    /// Stores the value, if the flight is still registered and the key still absent (or to be
    /// replaced), and gives it to those who wait. The user's code that this runs is inside of the load,
    /// as the loader was: those who wait for the load cannot go on before it.
    pub(crate) fn publish(self, value: V) -> V {
        let _entered = nesting::enter(self.running());
        self.publish_inside(value)
    }

    fn publish_inside(mut self, value: V) -> V {
        let (store, slot) = (self.store, self.flight.slot());
        let (arrival, now) = if store.config.weigher.is_none() {
            store.receive_unweighed(value.clone())
        } else {
            let pinned = store.table.pin();
            store.receive(pinned.reserved_key(slot), value.clone(), None)
        };
        let Leader { flight, state, replaces, .. } = &mut self;
        store.write(now, |call| {
            if u64::from(arrival.weight) <= store.budget.max() {
                return call.publish(flight, *replaces, arrival, state);
            }
            let key = call.pinned.reserved_key(slot);
            // What the value was to replace is out of date all the same.
            if call.withdraw(flight, replaces.then_some(RemovalCause::Replaced), state) {
                store.turned_away(call.pinned, key, &arrival.value, RemovalCause::Size);
            }
        });
        if self.flight.is_joined() {
            self.flight.land(if self.flight.is_compute() {
                Outcome::LookAgain
            } else {
                Outcome::Value(value.clone())
            });
        }
        value
    }

    /// Removes the key's entry, unless the key was written since the flight began.
    pub(crate) fn remove(mut self) {
        let _entered = nesting::enter(self.running());
        let Leader { store, flight, state, .. } = &mut self;
        store.write(store.now(), |call| {
            call.withdraw(flight, Some(RemovalCause::Explicit), state);
        });
        drop(self);
    }

    /// Ends the flight without a value.
    pub(crate) fn end(mut self, outcome: Outcome<V>) {
        self.unregister();
        if self.flight.is_joined() {
            self.flight.land(outcome);
        }
    }

    fn unregister(&mut self) {
        let _entered = nesting::enter(self.running());
        let Leader { store, flight, state, .. } = self;
        store.write(0, |call| _ = call.withdraw(flight, None, state));
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Drop for Leader<'_, K, V> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        if self.state == LeaderState::Leading {
            panics.catch(|| self.unregister());
        }
        // Whatever went wrong, nobody waits for ever. A flight that has landed stays as it is.
        if self.flight.is_joined() {
            self.flight.land(Outcome::LookAgain);
        }
        panics.resume();
    }
}

impl<'p, K: Eq, V> Call<'_, 'p, K, V> {
    /// Takes a flight off the register, and stores its value if that is still wanted.
    fn publish(
        &mut self,
        flight: &Arc<Flight<V>>,
        replaces: bool,
        arrival: Arrival<V>,
        state: &mut LeaderState,
    ) {
        let (now, slot, pinned) = (self.now, flight.slot(), self.pinned);
        let (certain, judged) = (Cell::new(false), RefCell::new(Judged::by_leader_of(flight)));
        let wanted = |shard: &mut Shard<'p, K, V>, found: Option<u32>| {
            if certain.get() {
                return true;
            }
            // Who has lost patience with it has loaded something newer.
            let replaces = replaces && !shard.state().0.loads.is_alone(flight);
            let vacant = found.is_none_or(|id| replaces || shard.entry(id).deadline() <= now);
            vacant && shard.state().0.loads.may_publish(flight)
        };
        let (hash, number) = (flight.hash(), self.store.table.shard_of(flight.hash()));
        let lock = || {
            let mut shard = pinned.lock(number);
            certain.set(shard.state().0.loads.is_vacant(flight));
            if certain.get() {
                return (shard, None);
            }
            let _ = shard.unlock();
            let key = pinned.reserved_key(slot);
            Call::lock_to_write(pinned, hash, |other| other == key, &judged)
        };
        let (mut shard, place) = self.lock_with_room(hash, arrival.weight, lock, wanted);
        let loads = &mut shard.state().0.loads;
        if place.is_some() && replaces && !flight.is_compute() {
            loads.overtake_older(flight, &judged.borrow());
        }
        loads.remove(flight);
        *state = LeaderState::Ended;
        if let Some(place) = place {
            if flight.is_compute() {
                loads.overtake(hash as u32, &judged.borrow());
            }
            loads.occupy(hash);
            shard.store(slot, place, arrival, &mut self.room, now, &mut self.removed);
            self.expire_and_unlock(shard);
        } else {
            shard.abandon(slot);
            self.unlock(shard);
        }
    }

    /// Takes a flight off the register and gives its slot back. If nothing was written to its key
    /// since it began, also removes the entry that is there, for the reason given if one is given; and
    /// says so.
    fn withdraw(
        &mut self,
        flight: &Arc<Flight<V>>,
        remove: Option<RemovalCause>,
        state: &mut LeaderState,
    ) -> bool {
        let (now, hash, slot) = (self.now, flight.hash(), flight.slot());
        let judged = RefCell::new(Judged::by_leader_of(flight));
        let (mut shard, found) = match remove {
            None => (self.pinned.lock(self.store.table.shard_of(hash)), None),
            Some(_) => {
                let key = self.pinned.reserved_key(slot);
                Call::lock_to_write(self.pinned, hash, |other| other == key, &judged)
            }
        };
        let in_time = shard.state().0.loads.remove(flight);
        *state = LeaderState::Ended;
        if let (Some(cause), true) = (remove, in_time) {
            shard.state().0.loads.overtake(hash as u32, &judged.borrow());
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut self.room, &mut self.removed);
            }
        }
        shard.abandon(slot);
        self.unlock(shard);
        in_time
    }
}

/// Counts a load, also one that panics.
pub(crate) struct LoadTimer<'s, K, V> {
    store: &'s Store<K, V>,
    began: Option<Instant>,
    succeeded: bool,
}

impl<K, V> LoadTimer<'_, K, V> {
    pub(crate) fn stop(mut self, succeeded: bool) {
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
