//! A flight: one load of one key, and those who wait for it.
//!
//! ```text
//!             registered                 unregistered
//!   lead ──▶ ┌─────────┐ publish ──────▶ ┌────────┐
//!            │ running │ a write to the  │ landed │──▶ waiters are woken
//!            │         │ key, a flush ─▶ │   or   │
//!            └─────────┘ (still running, │ failed │
//!                 │       but nobody may │   or   │
//!                 │       join or publish)│ abandoned
//!                 └── panic ────────────▶└────────┘
//! ```
//! While a load runs, its flight is *registered* with the key's shard, under the shard's lock.
//! **Registered means: nothing was written to this key and nothing was flushed since the load
//! began.** Whoever writes the key or flushes the shard takes the flight off the register; so a
//! later caller finds none to join and begins a load of his own, and the leader, when he comes to
//! publish under the same lock, finds himself unregistered and gives the value only to those who
//! had joined. No generation has to be counted or compared.
//!
//! The register knows flights by the full hash of their key, so that a writer need not run `Eq`
//! under the lock; two keys with one hash may take each other's flight off the register, which
//! costs a load and is never wrong. Who wants to *join* compares the keys, without the lock: the
//! flight's key waits in its reserved slot.
//!
//! The leader holds a guard ([`Leader`](crate::load::Leader)); dropping it, by a panic too, lands
//! the flight as abandoned, and one of the waiters leads the next.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::thread::{self, Thread, ThreadId};

use parking_lot::Mutex;

/// How a load ended.
pub(crate) enum Outcome<V> {
    /// With a value.
    Value(V),
    /// With an error that waiters of the same error type can share.
    Failed(Arc<dyn Any + Send + Sync>),
    /// With nothing that could be given to a waiter: he loads by himself, at once.
    Unshared,
    /// The leader panicked or gave up: one of the waiters leads the next flight.
    Abandoned,
}

/// See the module's head.
pub(crate) struct Flight<V> {
    /// The reserved slot that holds the key.
    slot: u32,
    leader: ThreadId,
    /// May others wait for it? A load that its thread runs beside another of the same key
    /// registers only to be published.
    joinable: bool,
    outcome: OnceLock<Outcome<V>>,
    waiting: Mutex<Vec<Waker>>,
}

impl<V> Flight<V> {
    pub(crate) fn new(slot: u32, joinable: bool) -> Self {
        Flight {
            slot,
            leader: thread::current().id(),
            joinable,
            outcome: OnceLock::new(),
            waiting: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    pub(crate) fn is_led_here(&self) -> bool {
        self.leader == thread::current().id()
    }

    /// Ends the flight and wakes all who wait.
    pub(crate) fn land(&self, outcome: Outcome<V>) {
        // A flight lands once; if it did not, the first outcome stands.
        let _ = self.outcome.set(outcome);
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Leaves a waker to be called at the landing; false if the flight has landed.
    pub(crate) fn wake_later(&self, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        // Looked at under the lock that `land` takes after setting the outcome: either it finds
        // this waker, or this call finds the outcome.
        if self.outcome.get().is_some() {
            return false;
        }
        waiting.push(waker.clone());
        true
    }

    /// Blocks the calling thread until the flight has landed.
    pub(crate) fn wait(&self) -> &Outcome<V> {
        loop {
            if let Some(outcome) = self.outcome.get() {
                return outcome;
            }
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            if self.wake_later(&waker) {
                while self.outcome.get().is_none() {
                    thread::park();
                }
            }
        }
    }
}

/// Wakes a thread that is parked: a waiting thread is a task like any other.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The flights of one shard that are registered.
pub(crate) struct Register<V> {
    /// Few at any time (one for each load running in this shard), so a list.
    flights: Vec<(u64, Arc<Flight<V>>)>,
}

impl<V> Register<V> {
    pub(crate) fn new() -> Self {
        Register { flights: Vec::new() }
    }

    pub(crate) fn add(&mut self, hash: u64, flight: Arc<Flight<V>>) {
        self.flights.push((hash, flight));
    }

    /// Takes this flight off the register: true if it was on it. What comes off is the caller's,
    /// who holds another handle, so that nothing of the user's is dropped under the lock.
    pub(crate) fn remove(&mut self, flight: &Arc<Flight<V>>) -> bool {
        let place = self.flights.iter().position(|(_, other)| Arc::ptr_eq(other, flight));
        place.map(|place| self.flights.swap_remove(place)).is_some()
    }

    pub(crate) fn has(&self, flight: &Arc<Flight<V>>) -> bool {
        self.flights.iter().any(|(_, other)| Arc::ptr_eq(other, flight))
    }

    /// A write to a key with this hash: its flights must not be joined or published any more. Each
    /// is held by its leader until he has unregistered it, so none is dropped here.
    #[inline]
    pub(crate) fn overtake(&mut self, hash: u64) {
        if !self.flights.is_empty() {
            self.flights.retain(|(other, _)| *other != hash);
        }
    }

    /// As `overtake`, for all keys.
    pub(crate) fn overtake_all(&mut self) {
        self.flights.clear();
    }

    /// A flight with this hash that may be joined and is none of those judged to be for other keys.
    pub(crate) fn joinable(&self, hash: u64, others: &[Arc<Flight<V>>]) -> Option<Arc<Flight<V>>> {
        let found = self.flights.iter().find(|(other, flight)| {
            *other == hash
                && flight.joinable
                && !others.iter().any(|judged| Arc::ptr_eq(judged, flight))
        });
        found.map(|(_, flight)| Arc::clone(flight))
    }
}
