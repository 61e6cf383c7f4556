//! The leader of a flight: runs the loader, and stores what it returns.
//!
//! The leader holds a [`FlightGuard`]. Dropping it takes everything back: the flight is
//! deregistered, its slot is given back, and the waiters retry. That covers panics of the loader
//! and futures that are dropped halfway, with no code for either.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flight::flight::{Flight, FlightKind, Outcome};
use crate::flight::share_error::{ErrorSharing, SharedError};
use crate::flight::wait_graph::{self, KeyAt, LoadNode, LoadScope};
use crate::shard::shard::Shard;
use crate::store::deadlines::nanos;
use crate::store::store::{Store, StoreGuard};
use crate::store::txn::WriteTxn;
use crate::table::{SharedSlot, SlotId};
use crate::time::system::SYSTEM_HAS_CLOCK;
use crate::types::removal::RemovalCause;
use crate::types::status::Status;
use crate::util::hash::Hashed;
use crate::util::panics::DeferredPanic;

/// The duty to complete a flight. Dropped without having done so, it completes the flight with
/// [`Outcome::Retry`].
pub(crate) struct FlightGuard<'s, K: Eq, V: Clone> {
    store: &'s Store<K, V>,
    flight: Arc<Flight<V>>,
    /// A call is given what comes of it.
    serves: bool,
    /// The duty has gone to another guard; see [`detach`](Self::detach).
    detached: bool,
}

impl<K: Eq, V: Clone> Store<K, V> {
    /// Registers a flight, and releases the lock. `entry`: see [`InFlight::add`]. `outer` is the
    /// load that it is begun inside of.
    ///
    /// [`InFlight::add`]: crate::flight::in_flight::InFlight::add
    #[inline]
    pub(super) fn lead(
        &self,
        (mut shard, entry): (Shard<'_, K, V>, Option<SlotId>),
        Hashed { hash, key }: Hashed<K>,
        kind: FlightKind,
        outer: Option<Arc<dyn LoadNode>>,
    ) -> FlightGuard<'_, K, V> {
        let slot = SharedSlot::new(shard.reserve(hash, key));
        let key = KeyAt { cache: self.address(), hash, slot };
        let loads = shard.loads();
        let flight = match loads.take_spare() {
            None => Arc::new(Flight::new(key, outer, kind)),
            Some(mut spare) => {
                let flight = Arc::get_mut(&mut spare).expect("a spare flight is nobody else's");
                flight.reuse(key, outer, kind);
                spare
            }
        };
        loads.add(Arc::clone(&flight), entry);
        drop(shard);
        FlightGuard { store: self, flight, serves: true, detached: false }
    }
}

impl<'s, K: Eq, V: Clone> FlightGuard<'s, K, V> {
    /// Lets go of the store, before the loader of a refresh has run. The flight must be
    /// [attached](Self::attach) again: nothing else completes it.
    #[must_use]
    pub(crate) fn detach(mut self) -> Arc<Flight<V>> {
        self.detached = true;
        Arc::clone(&self.flight)
    }

    /// `store` is the one that the flight is registered with. No call is given what comes of it.
    pub(crate) fn attach(store: &'s Store<K, V>, flight: &Arc<Flight<V>>) -> Self {
        FlightGuard { store, flight: Arc::clone(flight), serves: false, detached: false }
    }

    /// Makes it the guard of a load without a loader: the calling thread does not wait for it.
    pub(super) fn hand_out(self) -> Self {
        self.flight.hand_out();
        self
    }

    /// Returns `true` if every other load of the key that has begun since has joined the flight: it
    /// was neither superseded nor has a caller timed out on it.
    pub(crate) fn is_shared(&self) -> bool {
        let guard = self.store.pin();
        let mut shard = self.store.lock(&guard, self.flight.hash());
        shard.loads().is_shared(&self.flight)
    }

    /// The flight as one that others may be begun inside of.
    pub(super) fn node(&self) -> Arc<dyn LoadNode> {
        self.flight.node()
    }

    /// Runs the loader, and stores its value or shares its error. If it fails, there may be an old
    /// value to be served instead.
    #[inline]
    pub(crate) fn run<E>(
        self,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let running = self.begin();
        let loaded = loader();
        running.end(loaded, share)
    }

    /// Begins to run the loader, in the caller's frame: until [`RunningLoad::end`] the load is
    /// what the calling thread is inside of. A caller that keeps nothing else meanwhile needs
    /// little of the stack, which matters for loaders that load in turn.
    #[inline]
    pub(crate) fn begin(self) -> RunningLoad<'s, K, V> {
        let timer = self.store.start_timer();
        RunningLoad { _scope: LoadScope::enter(self.node()), timer, guard: self }
    }

    /// As [`begin`](Self::begin), for a load that was begun by
    /// [`lead_reload`](Store::lead_reload).
    pub(crate) fn begin_reload(self) -> RunningReload<'s, K, V> {
        RunningReload(self.begin())
    }

    /// As [`run`](Self::run), as a task.
    pub(crate) async fn run_async<E>(
        self,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let timer = self.store.start_timer();
        let loaded = wait_graph::run_async(self.node(), loader).await;
        let _scope = LoadScope::enter(self.node());
        self.finish(timer, loaded, share)
    }

    /// Ends the load with what the loader has returned. Runs inside of the load.
    #[inline]
    fn finish<E>(
        self,
        timer: LoadTimer<'_, K, V>,
        loaded: Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let load_nanos = timer.stop(loaded.is_ok());
        match loaded {
            Ok(value) => Ok((self.publish_inside(value, share.life(), load_nanos), Status::Loaded)),
            Err(error) if share.is_absence(&error) => {
                self.end_absent(share.to_shared(&error));
                Err(error)
            }
            Err(error) => self.fail(share.to_shared(&error)).ok_or(error),
        }
    }

    /// Shares an error. Returns the old value that may be served instead, if there is one.
    pub(super) fn fail(self, error: Option<SharedError>) -> Option<(V, Status)> {
        let old = self.end_failed();
        self.complete(|| Outcome::Failed(error));
        if let (Some((_, status)), true) = (&old, self.serves) {
            self.store.count_status(&self.store.pin(), *status);
        }
        old
    }

    /// Stores the value, if the flight is still registered and the key still absent (or to be
    /// replaced), and gives it to the waiters. The user code that this runs is inside of the load,
    /// as the loader was: the waiters cannot go on before it.
    /// `load_nanos` is how long the loader took, where that is of interest.
    pub(crate) fn publish(self, value: V, load_nanos: u64) -> V {
        self.publish_for(value, None, load_nanos)
    }

    /// As [`publish`](Self::publish), for a value that has a life of its own: zero is not stored.
    pub(crate) fn publish_for(self, value: V, life: Option<Duration>, load_nanos: u64) -> V {
        let _scope = LoadScope::enter(self.node());
        self.publish_inside(value, life, load_nanos)
    }

    #[inline]
    fn publish_inside(self, value: V, life: Option<Duration>, load_nanos: u64) -> V {
        let stored = value.clone();
        if self.store.plain && life.is_none() {
            match self.store.publish_plain(&self.flight, stored) {
                Ok(()) => self.complete(|| Outcome::Value(value.clone())),
                Err(stored) => self.publish_in_general(&value, stored, life, load_nanos),
            }
        } else {
            self.publish_in_general(&value, stored, life, load_nanos);
        }
        value
    }

    /// As `publish_inside`, whatever the cache and the flight are like.
    #[inline(never)]
    fn publish_in_general(&self, value: &V, stored: V, life: Option<Duration>, load_nanos: u64) {
        let (store, flight, hash) = (self.store, &self.flight, self.flight.hash());
        let (new, now) = if store.needs_key() {
            let guard = store.pin();
            let key = flight.key(&guard);
            store.prepare(Hashed { hash, key }, stored, life, load_nanos)
        } else {
            store.prepare_keyless(hash, stored, life, load_nanos)
        };
        store.write(now, |txn| {
            let Some(cause) = store.refuses(&new, now) else {
                return txn.publish(flight, new);
            };
            // What the value was to replace is out of date all the same.
            let outdated = flight.kind.replaces_fresh() || store.config.lifetimes.serves_stale();
            let remove = outdated.then_some(RemovalCause::Replaced);
            txn.withdraw(flight, remove, Some((new, cause)));
        });
        self.complete(|| match flight.kind {
            FlightKind::Compute => Outcome::Retry,
            _ => Outcome::Value(value.clone()),
        });
    }

    /// Removes the key's entry, unless the key was written since the flight began.
    pub(super) fn remove(self) {
        self.write(|txn| txn.withdraw(&self.flight, Some(RemovalCause::Explicit), None));
    }

    /// Ends a computation that would remove an entry and was shown none.
    pub(super) fn remove_expired(self) {
        if self.store.config.lifetimes.serves_stale() {
            self.write(|txn| txn.end_absent(&self.flight));
        }
    }

    /// Ends the flight without a value.
    pub(super) fn end(self, outcome: Outcome<V>) {
        self.deregister();
        self.complete(|| outcome);
    }

    /// Ends the flight of a load that has found that there is no value, and shares that.
    pub(super) fn end_absent(self, shared: Option<SharedError>) {
        // A refresh may replace a fresh entry.
        let may_serve = self.store.config.lifetimes.serves_old_values();
        match may_serve || self.flight.kind == FlightKind::Refresh {
            true => self.write(|txn| txn.end_absent(&self.flight)),
            false => self.withdraw(),
        }
        self.complete(|| Outcome::Failed(shared));
    }

    /// Gives waiters the outcome. One of a flight that has completed stays.
    fn complete(&self, outcome: impl FnOnce() -> Outcome<V>) {
        if self.flight.is_joined() {
            self.flight.complete(outcome());
        }
    }

    /// Ends the flight of a load that has failed, and notes that with the old entry. Returns the
    /// old value if it may still be served.
    fn end_failed(&self) -> Option<(V, Status)> {
        if !self.store.config.lifetimes.serves_old_values() {
            self.withdraw();
            return None;
        }
        self.write(|txn| {
            let old = txn.end_failed(&self.flight)?;
            let lifetimes = &self.store.config.lifetimes;
            let status = lifetimes.served_after_failure(old, txn.ledger.now)?;
            Some((old.value().clone(), status))
        })
    }

    /// Ends the flight, and frees some of what has expired, as a load that stores does.
    fn withdraw(&self) {
        self.write(|txn| txn.withdraw(&self.flight, None, None));
    }

    /// Ends the flight and nothing else. Reads no clock and compares no keys.
    fn deregister(&self) {
        let _scope = LoadScope::enter(self.node());
        self.store.write(0, |txn| txn.withdraw(&self.flight, None, None));
    }

    /// A write transaction of the load.
    fn write<R>(&self, work: impl FnOnce(&mut WriteTxn<'_, '_, K, V>) -> R) -> R {
        let _scope = LoadScope::enter(self.node());
        self.store.write(self.store.now(), work)
    }
}

impl<K: Eq, V: Clone> Drop for FlightGuard<'_, K, V> {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        let mut panics = DeferredPanic::default();
        if !self.flight.has_ended() {
            // A loader that panics has failed, and one that is given up. One that is merely dropped
            // halfway has not.
            let failed = std::thread::panicking() || self.flight.was_given_up();
            let failed = failed && self.store.config.lifetimes.serves_old_values();
            panics.catch(|| match failed {
                true => self.write(|txn| _ = txn.end_failed(&self.flight)),
                false => self.deregister(),
            });
            if !self.flight.has_ended() {
                // `Eq` panicked, before the flight was deregistered. This compares nothing.
                panics.catch(|| self.deregister());
            }
        }
        // Whatever went wrong, no waiter waits for ever.
        self.complete(|| Outcome::Retry);
        panics.resume();
    }
}

impl<V> Flight<V> {
    /// The key that it loads, for its leader, which has not ended it.
    pub(super) fn key<'p, K>(&self, guard: &'p StoreGuard<'_, K, V>) -> &'p K {
        guard.key_of(self.slot()).expect("the leader has not ended its flight")
    }
}

/// A load whose loader runs. Dropped if the loader panics: the fields in this order.
pub(crate) struct RunningLoad<'s, K: Eq, V: Clone> {
    _scope: LoadScope,
    timer: LoadTimer<'s, K, V>,
    guard: FlightGuard<'s, K, V>,
}

impl<K: Eq, V: Clone> RunningLoad<'_, K, V> {
    /// Ends the load with what the loader has returned.
    #[inline]
    pub(crate) fn end<E>(
        self,
        loaded: Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let RunningLoad { _scope, timer, guard } = self;
        guard.finish(timer, loaded, share)
    }
}

/// As [`RunningLoad`], for a load whatever is stored or being loaded.
pub(crate) struct RunningReload<'s, K: Eq, V: Clone>(RunningLoad<'s, K, V>);

impl<K: Eq, V: Clone> RunningReload<'_, K, V> {
    /// Stores the value; without one, what is stored stays.
    pub(crate) fn end(self, value: Option<V>) {
        let RunningLoad { _scope, timer, guard } = self.0;
        let load_nanos = timer.stop(value.is_some());
        match value {
            Some(value) => drop(guard.publish_inside(value, None, load_nanos)),
            None => guard.end(Outcome::Failed(None)),
        }
    }
}

/// A load that runs: counted when this is stopped, or dropped because the loader panics or is
/// dropped.
pub(crate) struct LoadTimer<'s, K, V> {
    store: &'s Store<K, V>,
    /// The start by the system's clock, for the statistics; `None` without such a clock.
    began: Option<Instant>,
    /// The start by the cache's clock, if refreshes may come early: that depends on load times.
    started: Option<u64>,
    succeeded: bool,
}

impl<K, V> LoadTimer<'_, K, V> {
    /// Counts the load. Returns how long it took, by the cache's clock, if entries record that;
    /// else 0.
    pub(crate) fn stop(mut self, succeeded: bool) -> u64 {
        self.succeeded = succeeded;
        self.started.map_or(0, |started| self.store.clock.fine_now().saturating_sub(started))
    }
}

impl<K, V> Drop for LoadTimer<'_, K, V> {
    fn drop(&mut self) {
        if !self.store.config.record_stats {
            return;
        }
        let nanos = self.began.map_or(0, |began| nanos(began.elapsed()));
        let guard = self.store.pin();
        let counters = guard.counters();
        if self.succeeded { &counters.loads } else { &counters.load_failures }.add(1);
        counters.load_nanos.add(nanos);
    }
}

impl<K, V> Store<K, V> {
    /// The identity of this cache.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Starts to time a load.
    pub(crate) fn start_timer(&self) -> LoadTimer<'_, K, V> {
        let began = (self.config.record_stats && SYSTEM_HAS_CLOCK).then(Instant::now);
        let started = (self.config.lifetimes.early > 0.0).then(|| self.clock.fine_now());
        LoadTimer { store: self, began, started, succeeded: false }
    }
}
