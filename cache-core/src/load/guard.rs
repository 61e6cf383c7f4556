//! The leader of a flight: runs the loader, and stores what it gives.
//!
//! Whoever leads holds a [`FlightGuard`]; dropping it takes everything back: the flight leaves the
//! register, its slot is given back, and those who wait look again. That covers panics of the loader
//! and futures that are dropped halfway, with no code for either.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind, Outcome};
use crate::flight::in_flight::KeyComparisons;
use crate::flight::share_error::ErrorSharing;
use crate::flight::wait::Caller;
use crate::flight::wait_graph::{self, KeyAt, LoadNode, LoadScope};
use crate::load::timer::LoadTimer;
use crate::shard::lifetimes::RETRY;
use crate::shard::shard::{NewEntry, Shard, cause_or_expired};
use crate::store::store::{Store, StoreGuard};
use crate::store::txn::WriteTxn;
use crate::table::{EntryRef, Retries, SharedSlot, SlotId};
use crate::types::removal::RemovalCause;
use crate::types::status::Status;
use crate::util::hash::Hashed;
use crate::util::panics::DeferredPanic;

/// The duty to land a flight. Dropped without having done so, it lands it with
/// [`Outcome::Retry`].
pub(crate) struct FlightGuard<'s, K: Eq, V: Clone + Send + Sync + 'static> {
    store: &'s Store<K, V>,
    flight: Arc<Flight<V>>,
    /// May its value take the place of one that is fresh?
    replaces: bool,
    /// Is somebody given what comes of it?
    serves: bool,
    /// How long the loader took, where that is of interest.
    load_nanos: u64,
    state: GuardState,
}

/// A [`FlightGuard`] that is on its way from one thread to another, without the store. It must
/// [lead](Self::lead) again: dropping it lands nothing.
#[must_use]
pub(crate) struct DetachedLoad<V> {
    flight: Arc<Flight<V>>,
    replaces: bool,
}

impl<V: Clone + Send + Sync + 'static> DetachedLoad<V> {
    /// `store` is the one that the flight is registered with. No call is given what comes of it.
    pub(crate) fn lead<K: Eq>(self, store: &Store<K, V>) -> FlightGuard<'_, K, V> {
        let DetachedLoad { flight, replaces } = self;
        let (serves, load_nanos, state) = (false, 0, GuardState::Leading);
        FlightGuard { store, flight, replaces, serves, load_nanos, state }
    }
}

/// How far a leader has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GuardState {
    /// The flight's slot is reserved; it is registered, or superseded.
    Leading,
    /// It is off the register, and its slot is published or given back.
    Ended,
    /// The duty to land it has gone to somebody else.
    DetachedLoad,
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Registers a flight of one's own, and lets go of the lock. `vacant`: the key has no entry.
    /// `outer` is the load that it is begun inside of.
    pub(crate) fn lead(
        &self,
        (mut shard, vacant): (Shard<'_, K, V>, bool),
        Hashed { hash, key }: Hashed<K>,
        kind: FlightKind,
        outer: Option<Arc<dyn LoadNode>>,
    ) -> FlightGuard<'_, K, V> {
        let slot = SharedSlot::new(shard.reserve(hash, key));
        let key = KeyAt { cache: self.address(), hash, slot };
        let (loads, compute) = (&mut shard.loads(), kind == FlightKind::Compute);
        let flight = match loads.take_spare() {
            None => Arc::new(Flight::new(key, outer, compute)),
            Some(mut spare) => {
                let flight = Arc::get_mut(&mut spare).expect("a spare flight is nobody else's");
                flight.reuse(key, outer, compute);
                spare
            }
        };
        loads.add(kind, vacant, Arc::clone(&flight));
        drop(shard);
        FlightGuard {
            store: self,
            flight,
            replaces: compute,
            serves: true,
            load_nanos: 0,
            state: GuardState::Leading,
        }
    }

    /// Tells this cache from others.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl<'s, K: Eq, V: Clone + Send + Sync + 'static> FlightGuard<'s, K, V> {
    /// As [`FlightKind::Compute`], but a load: it replaces what is there.
    pub(crate) fn replacing(self) -> Self {
        let mut leader = self;
        leader.replaces = true;
        leader
    }

    /// Its loader has taken so long.
    pub(crate) fn after(self, load_nanos: u64) -> Self {
        let mut leader = self;
        leader.load_nanos = load_nanos;
        leader
    }

    /// Lets go of the store, before the loader has run.
    pub(crate) fn detach(mut self) -> DetachedLoad<V> {
        // The duty goes to the answer: what is dropped here has none any more.
        self.state = GuardState::DetachedLoad;
        DetachedLoad { flight: Arc::clone(&self.flight), replaces: self.replaces }
    }

    /// The flight as one that others may be begun inside of.
    pub(crate) fn running(&self) -> Arc<dyn LoadNode> {
        Arc::clone(&self.flight) as Arc<dyn LoadNode>
    }

    /// Runs user code as the loader of this flight.
    pub(crate) async fn run<T>(&self, caller: Caller, loader: impl Future<Output = T>) -> T {
        wait_graph::run(self.running(), caller == Caller::Task, loader).await
    }

    /// Runs the loader, and stores its value or shares its error. If it fails, there may be an old value to
    /// be served instead.
    pub(crate) async fn load<E>(
        self,
        caller: Caller,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let timer = self.store.start_timer();
        let loaded = self.run(caller, loader).await;
        let _entered = LoadScope::enter(self.running());
        self.finish(timer, loaded, share)
    }

    /// As `load`, for a thread: without a future around it.
    #[inline]
    pub(crate) fn load_here<E>(
        self,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let timer = self.store.start_timer();
        let _entered = LoadScope::enter(self.running());
        let loaded = loader();
        self.finish(timer, loaded, share)
    }

    /// Runs inside of the load.
    #[inline]
    fn finish<E>(
        mut self,
        timer: LoadTimer<'_, K, V>,
        loaded: Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        self.load_nanos = timer.stop(loaded.is_ok());
        match loaded {
            Ok(value) => Ok((self.publish_inside(value), Status::Loaded)),
            Err(error) => self.fail(error, share),
        }
    }

    /// Shares the error. Gives it back, or the old value that may be served instead.
    pub(crate) fn fail<E>(
        mut self,
        error: E,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let outcome = share.to_shared(&error).map_or(Outcome::NotShareable, Outcome::Failed);
        let mut old = None;
        if !self.store.config.lifetimes.serves_old_values() {
            self.unregister();
        } else if share.is_absence() {
            self.find_absent();
        } else {
            old = self.give_up();
        }
        if self.flight.is_joined() {
            self.flight.complete(outcome);
        }
        if let (Some((_, status)), true) = (&old, self.serves) {
            self.store.count_status(&self.store.table.pin(), *status);
        }
        old.ok_or(error)
    }

    /// Ends a load that has failed. Answers with the old value if it may still be served.
    fn give_up(&mut self) -> Option<(V, Status)> {
        let _entered = LoadScope::enter(self.running());
        let FlightGuard { store, flight, state, .. } = self;
        let now = store.now();
        store.write(now, |call| {
            let old = call.give_up(flight, state)?;
            let status = store.config.lifetimes.served_after_failure(old, now)?;
            Some((old.value().clone(), status))
        })
    }

    /// Stores the value, if the flight is still registered and the key still absent (or to be
    /// replaced), and gives it to those who wait. The user's code that this runs is inside of the load,
    /// as the loader was: those who wait for the load cannot go on before it.
    pub(crate) fn publish(self, value: V) -> V {
        let _entered = LoadScope::enter(self.running());
        self.publish_inside(value)
    }

    fn publish_inside(mut self, value: V) -> V {
        let (store, hash) = (self.store, self.flight.hash());
        let (new, now) = if store.needs_key() {
            let guard = store.table.pin();
            let key = self.flight.key(&guard);
            store.prepare(Hashed { hash, key }, value.clone(), None, self.load_nanos)
        } else {
            store.prepare_keyless(hash, value.clone(), self.load_nanos)
        };
        let FlightGuard { flight, state, replaces, .. } = &mut self;
        store.write(now, |call| {
            let Some(cause) = store.refuses(&new, now) else {
                return call.publish(flight, *replaces, new, state);
            };
            // What the value was to replace is out of date all the same.
            let outdated = *replaces || store.config.lifetimes.serves_stale();
            let remove = outdated.then_some(RemovalCause::Replaced);
            call.withdraw(flight, remove, Some((new, cause)), state);
        });
        if self.flight.is_joined() {
            self.flight.complete(if self.flight.is_compute() {
                Outcome::Retry
            } else {
                Outcome::Value(value.clone())
            });
        }
        value
    }

    /// Removes the key's entry, unless the key was written since the flight began.
    pub(crate) fn remove(mut self) {
        let _entered = LoadScope::enter(self.running());
        let FlightGuard { store, flight, state, .. } = &mut self;
        store.write(store.now(), |call| {
            call.withdraw(flight, Some(RemovalCause::Explicit), None, state);
        });
        drop(self);
    }

    /// Ends a computation that would remove an entry and was shown none.
    pub(crate) fn remove_expired(mut self) {
        self.replaces = false;
        if self.store.config.lifetimes.serves_stale() {
            self.find_absent();
        }
    }

    /// Ends the flight of a load that has found that there is no value.
    fn find_absent(&mut self) {
        let _entered = LoadScope::enter(self.running());
        let FlightGuard { store, flight, replaces, state, .. } = self;
        store.write(store.now(), |call| call.find_absent(flight, *replaces, state));
    }

    /// Ends the flight without a value.
    pub(crate) fn end(mut self, outcome: Outcome<V>) {
        self.unregister();
        if self.flight.is_joined() {
            self.flight.complete(outcome);
        }
    }

    fn note_failure(&mut self) {
        let _entered = LoadScope::enter(self.running());
        let FlightGuard { store, flight, state, .. } = self;
        store.write(store.now(), |call| _ = call.give_up(flight, state));
    }

    fn unregister(&mut self) {
        let _entered = LoadScope::enter(self.running());
        let FlightGuard { store, flight, state, .. } = self;
        store.write(0, |call| call.withdraw(flight, None, None, state));
    }
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Drop for FlightGuard<'_, K, V> {
    fn drop(&mut self) {
        let mut panics = DeferredPanic::default();
        if self.state == GuardState::Leading {
            // A loader that panics has failed, and one that is given up. One that is merely dropped
            // halfway has not.
            let failed = std::thread::panicking() || self.flight.was_given_up();
            let failed = failed && self.store.config.lifetimes.serves_old_values();
            panics.catch(|| if failed { self.note_failure() } else { self.unregister() });
            if self.state == GuardState::Leading {
                // `Eq` panicked, before the flight was off the register. This compares nothing.
                panics.catch(|| self.unregister());
            }
        }
        // Whatever went wrong, nobody waits for ever. A flight that has landed stays as it is.
        if self.state != GuardState::DetachedLoad && self.flight.is_joined() {
            self.flight.complete(Outcome::Retry);
        }
        panics.resume();
    }
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Takes a flight off the register, and stores its value if that is still wanted.
    fn publish(
        &mut self,
        flight: &Arc<Flight<V>>,
        replaces: bool,
        new: NewEntry<V>,
        state: &mut GuardState,
    ) {
        let (now, guard) = (self.ledger.now, self.guard);
        let (certain, compared) =
            (Cell::new(false), RefCell::new(KeyComparisons::for_leader(flight)));
        let wanted = |shard: &mut Shard<'p, K, V>, found: Option<SlotId>| {
            if certain.get() {
                return true;
            }
            // Who has lost patience with it has loaded something newer.
            let replaces = replaces && !shard.loads().is_unshared(flight);
            let vacant = found.is_none_or(|id| replaces || shard.entry(id).deadline() <= now);
            vacant && shard.loads().may_publish(flight)
        };
        let (store, hash) = (self.store, flight.hash());
        let lock = |retries: &Retries| {
            let mut shard = store.lock(guard, hash);
            certain.set(shard.loads().is_vacant(flight));
            if certain.get() {
                return (shard, None);
            }
            drop(shard);
            let key = flight.key(guard);
            WriteTxn::lock_to_write(store, guard, hash, |other| other == key, &compared, retries)
        };
        let (mut shard, place) = self.lock_with_room(hash, new.weight, lock, wanted);
        let loads = &mut shard.loads();
        if place.is_some() && replaces && !flight.is_compute() {
            loads.supersede_older(flight, &compared.borrow());
        }
        loads.remove(flight);
        *state = GuardState::Ended;
        if let Some(place) = place {
            if flight.is_compute() {
                loads.supersede(hash.low(), &compared.borrow());
            }
            loads.occupy(hash);
            shard.store(flight.take_slot(), place, new, &mut self.ledger);
            self.expire_and_unlock(shard);
        } else {
            shard.abandon(flight.take_slot());
            self.unlock(shard);
        }
    }

    /// Takes a flight off the register and gives its slot back. If nothing was written to its key
    /// since it began, also removes the entry that is there, for the reason given if one is given; and
    /// a value that is not stored counts as removed.
    fn withdraw(
        &mut self,
        flight: &Arc<Flight<V>>,
        remove: Option<RemovalCause>,
        mut refused: Option<(NewEntry<V>, RemovalCause)>,
        state: &mut GuardState,
    ) {
        let (now, hash) = (self.ledger.now, flight.hash());
        let compared = RefCell::new(KeyComparisons::for_leader(flight));
        let (mut shard, found) = match remove {
            None => (self.store.lock(self.guard, hash), None),
            Some(_) => {
                let key = flight.key(self.guard);
                let eq = |other: &K| other == key;
                WriteTxn::lock_to_write(self.store, self.guard, hash, eq, &compared, &self.retries)
            }
        };
        let in_time = shard.loads().remove(flight);
        *state = GuardState::Ended;
        if let (Some(cause), true) = (remove, in_time) {
            shard.loads().supersede(hash.low(), &compared.borrow());
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        let (removed, counts) = (&mut self.ledger.removed, in_time && refused.is_some());
        match refused.take_if(|_| in_time && removed.is_listening()) {
            Some((new, cause)) => {
                shard.reject(flight.take_slot(), new, cause, removed);
            }
            None => shard.abandon(flight.take_slot()),
        }
        self.unlock(shard);
        // Dropped here, without the lock, if it is still there.
        if let (true, Some((_, cause))) = (counts, refused) {
            self.ledger.removed.count(cause);
        }
    }
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Takes a flight off the register and gives its slot back. With the lock held, answers with the entry of
    /// its key if nothing was written to it since the flight began. Supersedes nothing.
    fn leave(
        &mut self,
        flight: &Arc<Flight<V>>,
        state: &mut GuardState,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        let guard = self.guard;
        let key = flight.key(guard);
        let eq = |other: &K| other == key;
        let (mut shard, found) = self.store.lock_key(guard, flight.hash(), eq, &self.retries);
        let in_time = shard.loads().remove(flight);
        *state = GuardState::Ended;
        shard.abandon(flight.take_slot());
        (shard, found.filter(|_| in_time))
    }

    /// Ends the flight of a load that has failed. Answers with the old entry, if it is still there, and notes
    /// the failure with it.
    fn give_up(
        &mut self,
        flight: &Arc<Flight<V>>,
        state: &mut GuardState,
    ) -> Option<EntryRef<'p, K, V>> {
        let (shard, found) = self.leave(flight, state);
        let old = found.map(|id| shard.entry(id));
        if let Some(refresh_state) = old.and_then(EntryRef::refresh_state) {
            refresh_state.fail(self.ledger.now.saturating_add(RETRY));
        }
        self.unlock(shard);
        old
    }

    /// Ends a flight that has found that there is no value: the old one must not be served any more. One
    /// that is fresh is only removed if the flight was to replace it.
    fn find_absent(&mut self, flight: &Arc<Flight<V>>, replaces: bool, state: &mut GuardState) {
        let (mut shard, found) = self.leave(flight, state);
        if let Some(id) = found {
            let cause = cause_or_expired(shard.entry(id), RemovalCause::Explicit, self.ledger.now);
            if replaces || cause == RemovalCause::Expired {
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        self.unlock(shard);
    }
}

impl<V> Flight<V> {
    /// The key that it loads, for its leader, which has not ended it.
    pub(crate) fn key<'p, K>(&self, guard: &'p StoreGuard<'_, K, V>) -> &'p K {
        guard.key_of(self.slot()).expect("the leader has not ended its flight")
    }
}
