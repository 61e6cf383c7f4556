//! One call's attempt to get a value for a key: join the load that runs, or lead one.
//!
//! A call that finds no live value acquires the lock of the key's shard and either *joins* the
//! flight that is registered for the key or *leads* its own: puts the key into a reserved slot and
//! registers. The loader runs with nothing held: no lock, no pin. See `flight.rs` for why being
//! registered is all that a publish has to check, and `guard.rs` for the leader.
//!
//! # A machine that neither blocks nor awaits
//! An [`Attempt`] is the state of such a call. It says what to do next ([`Step`]) and is told what
//! came of a wait; it runs no loader and waits for nothing itself. So threads and tasks share it:
//!
//! ```text
//!  start ──▶ Done: a value to be served
//!    ▲  ├──▶ Lead: the caller runs its loader under the guard it is given
//!    │  └──▶ Wait: the caller waits for the flight, as a thread or as a task
//!    │         │
//!    └─────────┴──▶ resume: a value, an error, or another attempt
//! ```
//! [`Attempt::run`] and [`Attempt::run_async`] drive it. A batch (`batch.rs`) drives many at once.
//! A refresh begins with the lead (`refresh.rs`).
//!
//! # The look-up
//! Before the attempt the call looks the key up, without a lock. In a cache that refreshes or
//! serves stale values an entry may be due for a refresh ([`Store::find_or_claim`]). A call that
//! finds such an entry tries to *claim* the refresh, by one compare-and-swap on a number of the
//! entry's own. Of all calls that come at once one succeeds; to the others the entry is not due any
//! more, and they are served. So while a refresh runs a hit costs what it costs otherwise. A claim
//! holds off others for a second.
//!
//! # Values that the caller refuses
//! A call may bring a [`Test`] that a value must pass (`revalidate.rs`). The value in the cache is
//! tested without the lock, and one that is refused is known again by its slot, as long as the call
//! is pinned. If it is still there under the lock, the call leads a load that replaces it. What a
//! flight brings is not tested.
//!
//! # Unshared loads
//! A call that must not wait runs its own *unshared* load: it leads a second flight beside the
//! first, which nobody can join. It runs at once, and in parallel with others like it, not one
//! after another. That is so for
//! * a call from inside a load of the same key, and any that would close a cycle of loads that wait
//!   for each other (`wait_graph.rs`);
//! * a thread that would block until a future is ready which it was itself the last to poll;
//! * a waiter that cannot be given the leader's error;
//! * a waiter that times out. The first to do so takes the stuck flight's place: later callers join
//!   its load. A call that times out a second time loads unshared.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flight::flight::{Flight, FlightKind, Outcome};
use crate::flight::share_error::{ErrorSharing, SharedError};
use crate::flight::wait::WaitResult;
use crate::flight::wait_graph;
use crate::load::guard::FlightGuard;
use crate::shard::lifetimes::{Phase, RETRY};
use crate::shard::shard::Shard;
use crate::store::store::{Store, StoreGuard};
use crate::table::{EntryRef, Retries, SlotId};
use crate::time::system::SYSTEM_HAS_CLOCK;
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};

/// What a call that may load has found.
pub(crate) enum Lookup<V> {
    /// A value to be served, and that is all.
    Hit(V, Status),
    /// A value to be served meanwhile. The call has claimed its refresh.
    RefreshDue(StaleEntry<V>),
    /// Nothing that could be served: the call loads.
    Miss,
}

/// A value that is served until a newer one is there, or if none can be had.
pub(crate) struct StaleEntry<V> {
    pub(crate) value: V,
    pub(crate) status: Status,
    /// What the claim of its refresh has left with the entry it comes from, by which that is known
    /// again; see [`RefreshState::claim`](crate::table::RefreshState::claim).
    pub(crate) claim: u64,
}

/// The state of a call that loads a key.
pub(crate) struct Attempt<'s, K, V> {
    pub(super) store: &'s Store<K, V>,
    key: Hashed<K>,
    /// Of the flight that it leads if it joins none; an unshared one joins none.
    kind: FlightKind,
    /// What the look-up has found, or the last wait. Nothing once it is used.
    pub(super) looked_up: Lookup<V>,
    waited: bool,
    timed_out: bool,
    /// Those of all of the call's rounds.
    retries: Retries,
}

/// The caller's test of the value in the cache. It runs without a lock.
pub(crate) struct Test<'t, V> {
    pub(crate) accepts: &'t mut dyn FnMut(&V) -> bool,
    /// The slot of a value that was refused since the call was pinned.
    pub(crate) refused: Option<SlotId>,
}

/// How many values that replace each other a round tests. A test may replace the value itself; the
/// next is refused without being tested.
const MOST_TESTS: u32 = 16;

/// What a call has to do next.
pub(crate) enum Step<'s, K: Eq, V: Clone> {
    /// Return this value.
    Done((V, Status)),
    /// Run the loader.
    Lead(FlightGuard<'s, K, V>),
    /// Wait for this flight, then [`resume`](Attempt::resume).
    Wait(Attempt<'s, K, V>, Arc<Flight<V>>),
}

/// How a call goes on once it has nothing to wait for.
pub(crate) enum Led<'s, K: Eq, V: Clone> {
    /// Return this value.
    Done((V, Status)),
    /// Run the loader.
    Lead(FlightGuard<'s, K, V>),
}

/// What a call finds under the lock of a key's shard.
pub(super) enum Acquired<'p, K, V> {
    /// An entry that may be served, to a call that loads for want of one.
    Served(EntryRef<'p, K, V>, Status),
    /// A flight to wait for. The call has joined it.
    Running(Arc<Flight<V>>),
    /// Neither. The lock is held; there may be an entry.
    Idle(Shard<'p, K, V>, Option<SlotId>),
}

impl<'s, K: Eq, V: Clone> Attempt<'s, K, V> {
    /// `kind` is [`FlightKind::Shared`], or [`FlightKind::Unshared`] for a call that joins nobody.
    #[inline]
    pub(crate) fn new(
        store: &'s Store<K, V>,
        key: Hashed<K>,
        looked_up: Lookup<V>,
        kind: FlightKind,
    ) -> Self {
        let (waited, timed_out) = (false, false);
        Attempt { store, key, kind, looked_up, waited, timed_out, retries: Retries::default() }
    }

    /// Serves, joins or leads.
    ///
    /// # Panics
    /// See [`Retries::again`] and [`Store::check_levels`].
    pub(crate) fn start(self) -> Step<'s, K, V> {
        self.start_testing(None)
    }

    /// As [`start`](Self::start); a value in the cache is served only if it passes the test.
    ///
    /// # Panics
    /// As there.
    pub(super) fn start_testing(mut self, mut test: Option<Test<'_, V>>) -> Step<'s, K, V> {
        let (store, hash) = (self.store, self.key.hash);
        match std::mem::replace(&mut self.looked_up, Lookup::Miss) {
            Lookup::Hit(value, status) => return Step::Done((value, status)),
            Lookup::RefreshDue(stale) => {
                let led = store.lead_refresh(self.key, stale.claim, wait_graph::current_load());
                return led.map_or_else(|| Step::Done(store.serve(stale)), Step::Lead);
            }
            Lookup::Miss => {}
        }
        store.check_levels(hash, &self.key.key);
        let guard = store.pin();
        // What the thread has written since the last round is no doing of this call.
        self.retries.has_written(&guard);
        let key = Hashed { hash, key: &self.key.key };
        match store.acquire(&guard, key, self.kind, &self.retries, test.as_mut()) {
            Acquired::Served(entry, status) => {
                store.count_status(&guard, status);
                let was_loaded = self.waited && status == Status::Hit;
                let status = if was_loaded { Status::Coalesced } else { status };
                Step::Done((entry.value().clone(), status))
            }
            Acquired::Running(flight) => Step::Wait(self, flight),
            Acquired::Idle(shard, found) => {
                let outer = wait_graph::current_load();
                let is_refused = found.is_some() && test.is_some_and(|test| test.refused == found);
                let kind = if is_refused { FlightKind::Refresh } else { self.kind };
                Step::Lead(store.lead((shard, found), self.key, kind, outer))
            }
        }
    }

    /// Goes on after a wait for a flight: with its error; with its value, which the attempt then
    /// has; or with another attempt.
    pub(crate) fn resume<E>(
        mut self,
        flight: &Arc<Flight<V>>,
        waited: WaitResult,
        recover: impl FnOnce(&SharedError) -> Option<E>,
    ) -> Result<Self, E> {
        self.waited = true;
        // None if the process was forked, and the leader is not there.
        match (waited, flight.outcome().unwrap_or(&Outcome::Retry)) {
            (WaitResult::Deadlock | WaitResult::OwnThread, _) => {
                flight.unjoin();
                self.kind = FlightKind::Unshared;
            }
            (WaitResult::TimedOut, _) => {
                let again = std::mem::replace(&mut self.timed_out, true);
                if again || flight.kind == FlightKind::Compute {
                    self.kind = FlightKind::Unshared;
                } else {
                    self.store.stop_sharing(flight);
                }
            }
            (WaitResult::Completed, Outcome::Value(value)) => {
                self.store.count(&self.store.pin(), |counters| &counters.coalesced);
                self.looked_up = Lookup::Hit(value.clone(), Status::Coalesced);
            }
            (WaitResult::Completed, Outcome::Failed(shared)) => {
                if let Some(error) = shared.as_ref().and_then(recover) {
                    let old = self.store.old_value(self.key.hash, &self.key.key);
                    let (value, status) = old.ok_or(error)?;
                    self.looked_up = Lookup::Hit(value, status);
                } else {
                    self.kind = FlightKind::Unshared;
                }
            }
            (WaitResult::Completed, Outcome::Retry) => {}
        }
        Ok(self)
    }

    /// Loads the key as a thread. The loader runs at most once, inside this call.
    pub(crate) fn run<E>(
        self,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match self.until_led(share)? {
            Led::Lead(guard) => guard.run(loader, share),
            Led::Done(done) => Ok(done),
        }
    }

    /// Serves, or waits as a thread until it leads. Not inlined: what it needs of the stack is free
    /// again while a loader runs.
    #[inline(never)]
    pub(crate) fn until_led<E>(self, share: &impl ErrorSharing<E>) -> Result<Led<'s, K, V>, E> {
        let mut attempt = self;
        loop {
            let (waiting, flight) = match attempt.start() {
                Step::Lead(guard) => return Ok(Led::Lead(guard)),
                Step::Done(done) => return Ok(Led::Done(done)),
                Step::Wait(waiting, flight) => (waiting, flight),
            };
            let waited = flight.wait(waiting.store.wait_deadline());
            attempt = waiting.resume(&flight, waited, |error| share.recover(error))?;
        }
    }

    /// As [`run`](Self::run), as a task.
    pub(crate) async fn run_async<E>(
        self,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let mut attempt = self;
        loop {
            let (waiting, flight) = match attempt.start() {
                Step::Lead(guard) => return guard.run_async(loader, share).await,
                Step::Done(done) => return Ok(done),
                Step::Wait(waiting, flight) => (waiting, flight),
            };
            let waited = flight.wait_async(waiting.store.wait_deadline()).await;
            attempt = waiting.resume(&flight, waited, |error| share.recover(error))?;
        }
    }
}

impl<K: Eq, V: Clone> Store<K, V> {
    /// Leads a load at once if no entry and no flight has the key's hash: what an [`Attempt`] comes
    /// to nearly always, in a hundred instructions fewer. Otherwise returns the key.
    #[inline]
    pub(crate) fn lead_at_once(&self, key: Hashed<K>) -> Result<FlightGuard<'_, K, V>, Hashed<K>> {
        let (depth, outer) = wait_graph::depth_and_load();
        if depth >= MOST_LEVELS {
            return Err(key);
        }
        let guard = self.pin();
        let mut shard = self.lock(&guard, key.hash);
        if guard.find_hash(key.hash).is_some() || shard.loads().has_hash(key.hash.low()) {
            return Err(key);
        }
        Ok(self.lead((shard, None), key, FlightKind::Shared, outer))
    }

    /// Acquires the lock of a key's shard, for a flight of this kind; unless there is a value to be
    /// served instead, or a flight to wait for. A [refresh](FlightKind::Refresh) and a computation
    /// are served none, and an [unshared](FlightKind::Unshared) load waits for none. With a test a
    /// value is served only if it passes.
    ///
    /// # Panics
    /// See [`Retries::again`].
    pub(super) fn acquire<'p>(
        &'p self,
        guard: &'p StoreGuard<'p, K, V>,
        Hashed { hash, key }: Hashed<&K>,
        kind: FlightKind,
        retries: &Retries,
        mut test: Option<&mut Test<'_, V>>,
    ) -> Acquired<'p, K, V> {
        // Read only if there is an entry, and then without the lock: the clock may be the user's.
        let mut now = None;
        // Flights that began up to here are for other keys.
        let (mut newest_compared, mut tests) = (0, 0);
        loop {
            let (mut shard, found) =
                self.shards.lock_key(guard, hash, None, |other| other == key, retries);
            if let Some(id) = found.filter(|_| !kind.replaces_fresh()) {
                let entry = shard.entry(id);
                let Some(now) = now else {
                    drop(shard);
                    now = Some(self.now());
                    continue;
                };
                if let Some(status) = self.config.lifetimes.served(entry, now) {
                    let Some(test) = &mut test else { return Acquired::Served(entry, status) };
                    if test.refused != found && tests < MOST_TESTS {
                        drop(shard);
                        if (test.accepts)(entry.value()) {
                            return Acquired::Served(entry, status);
                        }
                        (test.refused, tests) = (found, tests + 1);
                        // What the test has written is no doing of `Eq`.
                        retries.has_written(guard);
                        continue;
                    }
                    test.refused = found;
                }
            }
            let running = match kind {
                FlightKind::Unshared => None,
                _ => shard.loads().awaitable(hash, newest_compared),
            };
            let Some((flight, began)) = running else { return Acquired::Idle(shard, found) };
            drop(shard);
            let is_same_key = guard.key_of(flight.slot()).map(|other| other == key);
            // Also if it is the same: what `Eq` has begun may be all there is to wait for, round
            // after round.
            retries.again(guard);
            match is_same_key {
                Some(true) => return Acquired::Running(flight),
                Some(false) => newest_compared = began,
                // It has ended since the lock was released, and is not registered any more.
                None => {}
            }
            flight.unjoin();
        }
    }

    /// Returns the value of a key whose load, by another caller, has failed; if it may still be
    /// served.
    pub(crate) fn old_value(&self, hash: KeyHash, key: &K) -> Option<(V, Status)> {
        let lifetimes = &self.config.lifetimes;
        if !lifetimes.serves_old_values() {
            return None;
        }
        let (now, guard) = (self.now(), self.pin());
        let old = guard.find(hash, |other| other == key)?;
        let status = lifetimes.served_after_failure(old, now)?;
        self.count_status(&guard, status);
        Some((old.value().clone(), status))
    }

    /// The deadline of a wait that begins now, if there is one.
    pub(crate) fn wait_deadline(&self) -> Option<Instant> {
        let limit = self.config.coalesce_timeout;
        // "For ever" needs no clock, which not every platform has.
        let now = (limit != Duration::MAX && SYSTEM_HAS_CLOCK).then(Instant::now);
        now?.checked_add(limit)
    }

    /// Makes a flight unshared: nobody joins it any more.
    pub(super) fn stop_sharing(&self, flight: &Arc<Flight<V>>) {
        let guard = self.pin();
        let mut shard = self.lock(&guard, flight.hash());
        shard.loads().stop_sharing(flight);
    }
}

impl<K, V: Clone> Store<K, V> {
    /// Looks a key up for a call that may load, in a cache whose old values may be served. Counts a
    /// use, and a hit or miss. A value that the caller refuses is a miss.
    #[inline(never)]
    pub(crate) fn find_or_claim(
        &self,
        guard: &StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        refuses: impl FnOnce(EntryRef<'_, K, V>) -> bool,
    ) -> Lookup<V> {
        let Some(entry) = guard.find(hash, eq) else {
            self.count(guard, |counters| &counters.misses);
            return Lookup::Miss;
        };
        let now = self.now();
        let phase = self.config.lifetimes.phase(entry, now);
        let is_over = matches!(phase, Phase::Failing { due: true } | Phase::Over);
        if !is_over && refuses(entry) {
            self.count(guard, |counters| &counters.misses);
            return Lookup::Miss;
        }
        if matches!(phase, Phase::Fresh | Phase::Due) {
            self.count(guard, |counters| &counters.hits);
            entry.touch();
            if self.extends_on_read {
                self.extend(guard, hash, entry, now);
            }
        } else {
            self.count(guard, |counters| &counters.misses);
        }
        let (status, due) = match phase {
            Phase::Fresh => (Status::Hit, false),
            Phase::Due => (Status::Hit, true),
            Phase::Stale { due } => (Status::Stale, due),
            Phase::Failing { due: false } => (Status::Fallback, false),
            Phase::Failing { due: true } | Phase::Over => return Lookup::Miss,
        };
        // Cloned before the claim: a clone that panics has claimed nothing.
        let value = entry.value().clone();
        let claim = now.saturating_add(RETRY);
        if due && entry.refresh_state().is_some_and(|state| state.claim(now, claim)) {
            return Lookup::RefreshDue(StaleEntry { value, status, claim });
        }
        self.count_status(guard, status);
        Lookup::Hit(value, status)
    }

    /// Serves an old value to a caller.
    pub(crate) fn serve(&self, stale: StaleEntry<V>) -> (V, Status) {
        self.count_status(&self.pin(), stale.status);
        (stale.value, stale.status)
    }
}

/// How often a load may run inside itself: a recursion without end is found before the stack ends.
/// With a stack of 2 MiB, what Rust gives its threads, that leaves each level 64 KiB: enough for
/// values of half a kilobyte without optimisation, whose levels took 19 to 42 KiB.
const MOST_LEVELS: usize = 32;

impl<K: Eq, V> Store<K, V> {
    /// Checks that a load of this key may run inside the present ones. O(1) below 32 levels.
    ///
    /// # Panics
    /// If it runs inside itself 32 levels deep.
    #[inline]
    pub(super) fn check_levels(&self, hash: KeyHash, key: &K) {
        if wait_graph::depth() >= MOST_LEVELS {
            self.count_levels(hash, key);
        }
    }

    #[cold]
    fn count_levels(&self, hash: KeyHash, key: &K) {
        let cache = self.address();
        let loads = wait_graph::loads_of(cache, hash, MOST_LEVELS);
        if loads.is_empty() {
            return;
        }
        // So many loads of one hash: nearly always they are of one key.
        let (guard, mut levels) = (self.pin(), Vec::new());
        for load in &loads {
            load.for_each_key(&mut |at| {
                // A load that has ended is none that this one would run inside of.
                let other = (at.cache == cache && at.hash == hash).then(|| guard.key_of(&at.slot));
                if other.flatten().is_some_and(|other| other == key) {
                    levels.push(std::ptr::from_ref(at));
                }
            });
        }
        // One load may be there twice: by itself, and in a batch.
        levels.sort_unstable();
        levels.dedup();
        let levels = levels.len();
        assert!(
            levels < MOST_LEVELS,
            "{}: a load of a key runs inside itself, {levels} levels deep: its loader asks the \
             cache, perhaps through other functions, for the key that it is loading",
            self.title()
        );
    }
}
