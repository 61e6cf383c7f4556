//! One load: who runs the loader, who waits, and what each is given.
//!
//! A caller who finds no live value takes the key's shard's lock and either *joins* the flight that
//! is registered for the key or *leads* one of his own: puts the key into a reserved slot and
//! registers. The loader runs with nothing held: no lock, no pin. See `flight.rs` for why being
//! registered is all that a publish has to check, and `guard.rs` for the leader.
//!
//! # Threads and tasks
//! There is one code for both, written as futures. A task's loader is a future and its waiting is
//! pending; a thread's loader is a closure and its waiting blocks, inside the poll, so that its
//! future is ready at the first poll ([`ready`]). A thread that leads at once, which is what most
//! misses are, does without the future ([`Store::load_here`]).
//!
//! # Who cannot wait
//! loads *alone*: leads a second flight beside the first, which nobody can join. It runs at once, and
//! in parallel with others like it, not one after another. That is so for
//! * a call from inside a load of the same key, and any that would close a ring of loads that wait
//!   for each other (`wait_graph.rs`);
//! * a thread that would block until a future is ready which it was itself the last to poll;
//! * a waiter who cannot be given the leader's error;
//! * a waiter who has lost patience. The first to do so takes the stuck flight's place: later
//!   callers join his. Who loses it twice loads alone.

use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::flight::flight::{Flight, FlightKind, Outcome};
use crate::flight::share_error::ErrorSharing;
use crate::flight::wait::{Caller, Waited};
use crate::flight::wait_graph::{self, LoadNode};
use crate::load::guard::FlightGuard;
use crate::shard::shard::Shard;
use crate::store::store::{Store, StoreGuard};
use crate::table::{EntryRef, Retries, SlotId};
use crate::time::system::SYSTEM_HAS_CLOCK;
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};

/// How often a load may run inside itself. With a stack of 2 MiB, what Rust gives its threads, that
/// leaves each level 64 KiB: enough for values of half a kilobyte without optimisation, whose levels
/// took 19 to 42 KiB.
pub(crate) const MOST_LEVELS: usize = 32;

/// The output of a future that a thread's load is: it never waits but by blocking.
#[inline]
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let future = pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a thread waits by blocking"),
    }
}

/// What a caller is to do about a key.
pub(crate) enum Role<'s, K: Eq, V: Clone + Send + Sync + 'static> {
    /// There is something to be served by now.
    Hit(V, Status),
    /// Somebody else is at it. The key comes back.
    Join(Arc<Flight<V>>, K),
    Lead(FlightGuard<'s, K, V>),
}

/// What a caller finds under the lock of a key's shard.
pub(crate) enum Met<'p, K, V> {
    /// An entry to be served, if that was looked for.
    Entry(EntryRef<'p, K, V>, Status),
    /// A flight to wait for.
    Flight(Arc<Flight<V>>),
    /// Neither. The lock is held; there may be an entry.
    Nobody(Shard<'p, K, V>, Option<SlotId>),
}

/// What to look for, see [`Met`].
#[derive(Clone, Copy)]
pub(crate) struct Seek {
    pub(crate) entry: bool,
    pub(crate) flight: bool,
}

/// How a caller goes on after he has waited.
pub(crate) enum Next<'f, V> {
    Take(&'f V),
    Fail(&'f Arc<dyn Any + Send + Sync>),
    LoadUnshared,
    Retry,
}

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Loads a key that was just found missing, as a thread. The loader runs at most once, inside this
    /// call.
    pub(crate) fn load_here<E>(
        &self,
        Hashed { hash, key }: Hashed<K>,
        loader: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        match self.take_role(
            Hashed { hash, key },
            true,
            wait_graph::current_load(),
            &Retries::default(),
        ) {
            // The usual case, and there is nothing to wait for.
            Role::Lead(leader) => leader.load_here(loader, &share),
            role => ready(self.go_on(Caller::Thread, role, hash, async { loader() }, share)),
        }
    }

    /// As `load_here`, as a task.
    pub(crate) async fn load<E>(
        &self,
        Hashed { hash, key }: Hashed<K>,
        loader: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let role = self.take_role(
            Hashed { hash, key },
            true,
            wait_graph::current_load(),
            &Retries::default(),
        );
        self.go_on(Caller::Task, role, hash, loader, share).await
    }

    /// Does what a role says, and then perhaps another.
    async fn go_on<E>(
        &self,
        caller: Caller,
        mut role: Role<'_, K, V>,
        hash: KeyHash,
        loader: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let (mut may_join, mut waited, mut timed_out) = (true, false, false);
        let retries = Retries::default();
        loop {
            let (flight, key) = match role {
                Role::Hit(value, Status::Hit) if waited => return Ok((value, Status::Coalesced)),
                Role::Hit(value, status) => return Ok((value, status)),
                Role::Lead(leader) => return leader.load(caller, loader, &share).await,
                Role::Join(flight, key) => (flight, key),
            };
            waited = true;
            match self.wait_for(caller, &flight, self.wait_deadline(), &mut timed_out).await {
                Next::Take(value) => return Ok((value.clone(), Status::Coalesced)),
                Next::Fail(shared) => match share.recover(shared) {
                    Some(error) => return self.old_value(hash, &key).ok_or(error),
                    None => may_join = false,
                },
                Next::LoadUnshared => may_join = false,
                Next::Retry => {}
            }
            role = self.take_role(
                Hashed { hash, key },
                may_join,
                wait_graph::current_load(),
                &retries,
            );
        }
    }

    /// The value of a key whose load, by another caller, has failed; if it may still be served.
    pub(crate) fn old_value(&self, hash: KeyHash, key: &K) -> Option<(V, Status)> {
        let lifetimes = &self.config.lifetimes;
        if !lifetimes.serves_old_values() {
            return None;
        }
        let (now, guard) = (self.now(), self.table.pin());
        let old = guard.find(hash, |other| other == key)?;
        let status = lifetimes.served_after_failure(old, now)?;
        self.count_status(&guard, status);
        Some((old.value().clone(), status))
    }

    /// Loads a key whatever is stored under it; what `kept` picks of the result takes its place.
    pub(crate) async fn reload<R>(
        &self,
        caller: Caller,
        key: Hashed<K>,
        loader: impl Future<Output = R>,
        kept: impl FnOnce(&R) -> Result<V, Outcome<V>>,
    ) -> R {
        let leader = self.lead_reload(key, wait_graph::current_load());
        let timer = self.start_timer();
        let result = leader.run(caller, loader).await;
        let kept = kept(&result);
        let load_nanos = timer.stop(kept.is_ok());
        match kept {
            Ok(value) => drop(leader.after(load_nanos).publish(value)),
            Err(outcome) => leader.end(outcome),
        }
        result
    }

    /// Leads whatever is stored or being loaded.
    pub(crate) fn lead_reload(
        &self,
        Hashed { hash, key }: Hashed<K>,
        outer: Option<Arc<dyn LoadNode>>,
    ) -> FlightGuard<'_, K, V> {
        self.check_levels(hash, &key);
        let guard = self.table.pin();
        let shard = self.lock(&guard, hash);
        self.lead((shard, false), Hashed { hash, key }, FlightKind::Shared, outer).replacing()
    }

    /// Joins or leads. `retries`: those of all of the call's rounds.
    pub(crate) fn take_role(
        &self,
        Hashed { hash, key }: Hashed<K>,
        may_join: bool,
        outer: Option<Arc<dyn LoadNode>>,
        retries: &Retries,
    ) -> Role<'_, K, V> {
        self.check_levels(hash, &key);
        let guard = self.table.pin();
        // What the thread has written since the last round is no doing of this call.
        retries.has_written(&guard);
        let seek = Seek { entry: true, flight: may_join };
        match self.meet(&guard, Hashed { hash, key: &key }, seek, retries) {
            Met::Entry(entry, status) => {
                self.count_status(&guard, status);
                Role::Hit(entry.value().clone(), status)
            }
            Met::Flight(flight) => Role::Join(flight, key),
            Met::Nobody(shard, found) => {
                let kind = if may_join { FlightKind::Shared } else { FlightKind::Unshared };
                Role::Lead(self.lead((shard, found.is_none()), Hashed { hash, key }, kind, outer))
            }
        }
    }

    /// Takes the lock of a key's shard, unless there is something to be had or to wait for.
    ///
    /// # Panics
    /// See [`Retries::again`].
    pub(crate) fn meet<'p>(
        &'p self,
        guard: &'p StoreGuard<'_, K, V>,
        Hashed { hash, key }: Hashed<&K>,
        seek: Seek,
        retries: &Retries,
    ) -> Met<'p, K, V> {
        // Read only if there is an entry, and then without the lock: the clock may be the user's.
        let mut now = None;
        // Flights that began up to here are for other keys.
        let mut newest_compared = 0;
        loop {
            let (mut shard, found) = self.lock_missing(guard, hash, |other| other == key, retries);
            if let Some(entry) = found.filter(|_| seek.entry).map(|id| shard.entry(id)) {
                let Some(now) = now else {
                    drop(shard);
                    now = Some(self.now());
                    continue;
                };
                if let Some(status) = self.config.lifetimes.served(entry, now) {
                    return Met::Entry(entry, status);
                }
            }
            let running = match seek.flight {
                true => shard.loads().awaitable(hash, newest_compared),
                false => None,
            };
            let Some((flight, began)) = running else { return Met::Nobody(shard, found) };
            drop(shard);
            let is_same_key = guard.key_of(flight.slot()).map(|other| other == key);
            // Also if it is the same: what `Eq` has begun may be all there is to wait for, round after
            // round.
            retries.again(guard);
            match is_same_key {
                Some(true) => return Met::Flight(flight),
                Some(false) => newest_compared = began,
                // It has ended since the lock was released, and is not registered any more.
                None => {}
            }
            flight.unjoin();
        }
    }

    /// Until when a caller waits who begins to wait now.
    pub(crate) fn wait_deadline(&self) -> Option<Instant> {
        let wait_deadline = self.config.coalesce_timeout;
        // For ever is said without a clock, which not every platform has.
        if wait_deadline == Duration::MAX || !SYSTEM_HAS_CLOCK {
            return None;
        }
        Instant::now().checked_add(wait_deadline)
    }

    /// Waits for a flight. `timed_out` says, and is told, whether this caller has lost patience.
    pub(crate) async fn wait_for<'f>(
        &self,
        caller: Caller,
        flight: &'f Arc<Flight<V>>,
        deadline: Option<Instant>,
        timed_out: &mut bool,
    ) -> Next<'f, V> {
        match flight.wait(caller, deadline).await {
            Waited::Ring | Waited::OwnThread => {
                flight.unjoin();
                return Next::LoadUnshared;
            }
            Waited::TimedOut => {
                let again = std::mem::replace(timed_out, true);
                if again || flight.is_compute() {
                    return Next::LoadUnshared;
                }
                self.stop_sharing(flight);
                return Next::Retry;
            }
            Waited::Completed => {}
        }
        // None if the process was forked, and the leader is not there.
        match flight.outcome().unwrap_or(&Outcome::Retry) {
            Outcome::Value(value) => {
                if let Some(counters) = self.counting(&self.table.pin()) {
                    counters.coalesced.add(1);
                }
                Next::Take(value)
            }
            Outcome::Failed(error) => Next::Fail(error),
            Outcome::NotShareable => Next::LoadUnshared,
            Outcome::Retry => Next::Retry,
        }
    }

    /// Lets nobody join a flight any more.
    pub(crate) fn stop_sharing(&self, flight: &Arc<Flight<V>>) {
        let guard = self.table.pin();
        let mut shard = self.lock(&guard, flight.hash());
        shard.loads().stop_sharing(flight);
    }

    /// Ends a recursion that has no end in a panic that says so, rather than with the stack.
    pub(crate) fn check_levels(&self, hash: KeyHash, key: &K) {
        if wait_graph::depth() < MOST_LEVELS {
            return;
        }
        let cache = self.address();
        let loads = wait_graph::loads_of(cache, hash, MOST_LEVELS);
        if loads.is_empty() {
            return;
        }
        // So many loads of one hash: nearly always they are of one key.
        let (guard, mut levels) = (self.table.pin(), Vec::new());
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
            "{}: a load of a key runs inside itself, {levels} levels deep: its loader asks the cache, \
             perhaps through other functions, for the key that it is loading",
            self.title()
        );
    }
}
