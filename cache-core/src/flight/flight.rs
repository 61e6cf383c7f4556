//! A flight: one load of one key, and those who wait for it.
//!
//! ```text
//!                    registered                      unregistered
//!
//!            ┌───────────┐   publish, fail   ┌────────────────────────────────┐
//!   lead ──▶ │  running  │ ────────────────▶ │ landed: Value, Failed, Unshared│──▶ those who
//!            │           │                   └────────────────────────────────┘    wait take it
//!            │ may be    │   panic, cancel,  ┌────────────────────────────────┐
//!            │ joined    │ ────────────────▶ │ landed: Retry              │──▶ one of them
//!            └───────────┘   a compute ends  └────────────────────────────────┘    leads the next
//!              │       │                                    ▲        ▲
//!     somebody │       │ a write to the key,                │        │
//!     lost     │       │ a flush                            │        │ as above
//!     patience │       ▼                                    │        │
//!              │     ┌───────────────────────────┐          │        │
//!              │     │ superseded: still running, │──────────│────────┘
//!              │     │ not joined, not published │          │
//!              │     └───────────────────────────┘          │ as above
//!              ▼                                            │
//!            ┌───────────────────────────┐                  │
//!            │ alone: running, not       │──────────────────┘
//!            │ joined, may be published  │
//!            └───────────────────────────┘
//! ```
//! While a load runs, its flight is *registered* with the key's shard, under the shard's lock.
//! **Registered means: nothing was written to this key and nothing was flushed since the load
//! began.** Whoever writes the key or flushes the shard takes the flight off the register; so a
//! later caller finds none to join and begins a load of his own, and the leader, when he comes to
//! publish under the same lock, finds himself unregistered and gives the value only to those who
//! had joined. No generation has to be counted or compared: being on the register is the
//! generation, one bit wide and kept for each load.
//!
//! The register knows flights by the hash of their key. Who wants to *join* compares the keys, and so
//! does who *writes* the key and finds flights of the same hash, without the lock: the flight's key
//! waits in its reserved slot.
//!
//! There are three kinds, see [`FlightKind`]: loads that may be joined; loads that run beside another of
//! the same key because their caller cannot wait for it; and computations of the entry interface,
//! which others wait for but learn nothing from.
//!
//! The register stands in `in_flight.rs`. The leader holds a guard ([`FlightGuard`](crate::load::guard::FlightGuard));
//! dropping it, by a panic or with a future that is not polled to its end, lands the flight, and one
//! of those who wait leads the next. So whoever waits is woken; see `wait.rs` for waiting.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};

use crate::flight::wait_graph::{self, KeyAt, LoadNode};
use crate::table::{Reserved, SharedSlot};
use crate::util::fork;
use crate::util::hash::KeyHash;
use crate::util::panics::drop_payload;
use crate::util::sync::{Mutex, MutexGuard};
use crate::util::thread_slot;

mod rest;

use self::rest::Handover;
pub(crate) use self::rest::Rest;

/// How a flight ended.
pub(crate) enum Outcome<V> {
    /// With a value.
    Value(V),
    /// With an error that waiters of the same error type can share.
    Failed(Arc<dyn Any + Send + Sync>),
    /// With nothing that could be given to a waiter: he loads by himself, at once.
    NotShareable,
    /// The leader panicked or gave up, or has computed something: who waits looks at the cache
    /// again, and leads the next flight if nobody else does.
    Retry,
}

/// What a flight is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlightKind {
    /// A load: others with the same key join it.
    Shared,
    /// A load whose caller could not join another, or whom somebody has lost patience with. Nobody
    /// joins it, and its value is stored only if nothing fresh is there and no computation runs.
    Unshared,
    /// A computation of the entry interface: others wait for it, and then look again.
    Compute,
}

/// See the module's head.
pub(crate) struct Flight<V> {
    key: KeyAt,
    /// The current_load load that this one was begun inside of.
    outer: Option<Arc<dyn LoadNode>>,
    compute: bool,
    /// How many may be waiting, or are about to. Raised under the shard's lock, by who finds the flight
    /// on the register; read after that lock was held by the leader, who has taken it off.
    joined: AtomicUsize,
    /// The thread that polled the load last, if its loader is a future; otherwise 0.
    polled_by: AtomicUsize,
    /// The load ends before it is ready, and that counts as a failure of it.
    given_up: AtomicBool,
    /// It is not inside of `outer` any more: the call that began it there has ended.
    detached: AtomicBool,
    outcome: OnceLock<Outcome<V>>,
    /// Acquired through [`Flight::waiting`] only.
    waiting: Mutex<Waiters<V>>,
    /// That of the process it began in, see [`fork::generation`].
    generation: u32,
}

/// The calls that wait, by their tickets.
struct Waiters<V> {
    next_ticket: u64,
    calls: BTreeMap<u64, Waiter>,
    /// The threads that block in a call, one of each such call.
    blocked: Vec<usize>,
    /// What is left of the load, where tasks that wait are to poll it; not while one does.
    rest: Option<Rest<V>>,
    /// The task that polls the rest: it has been woken since it came to be that, or its waker has
    /// been given to the rest.
    driver: Option<u64>,
}

/// What is locked, and the gate that is passed before.
struct Gated<'f, V> {
    waiting: MutexGuard<'f, Waiters<V>>,
    _gate: fork::Gate,
}

impl<V> Deref for Gated<'_, V> {
    type Target = Waiters<V>;

    fn deref(&self) -> &Waiters<V> {
        &self.waiting
    }
}

impl<V> DerefMut for Gated<'_, V> {
    fn deref_mut(&mut self) -> &mut Waiters<V> {
        &mut self.waiting
    }
}

/// A call that waits.
struct Waiter {
    waker: Waker,
    /// A thread that blocks, or the one by which a task was polled last.
    thread: usize,
    blocks: bool,
    /// The load that the call was made inside of.
    inside: Option<Arc<dyn LoadNode>>,
}

impl<V: Send + Sync + 'static> LoadNode for Flight<V> {
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>)) {
        // Relaxed: a search that sees it late takes the load for one that is still waited for.
        let outer = self.outer.iter().filter(|_| !self.detached.load(Relaxed));
        outer.for_each(&mut *visit);
        self.waiting().calls.values().filter_map(|call| call.inside.as_ref()).for_each(visit);
    }

    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt)) {
        visit(&self.key);
    }

    fn includes(&self, address: usize) -> bool {
        self.address() == address
    }

    fn note_poll(&self) {
        // Relaxed: read for a comparison with the reader's own number only, which he finds here
        // if it was he who stored it.
        self.polled_by.store(thread_slot::identity(), Relaxed);
    }
}

impl<V> Flight<V> {
    /// `outer` is the load that this one is begun inside of.
    pub(crate) fn new(key: KeyAt, outer: Option<Arc<dyn LoadNode>>, compute: bool) -> Self {
        Flight {
            key,
            outer,
            compute,
            joined: AtomicUsize::new(0),
            polled_by: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            detached: AtomicBool::new(false),
            outcome: OnceLock::new(),
            waiting: Mutex::new(Waiters {
                next_ticket: 0,
                calls: BTreeMap::new(),
                blocked: Vec::new(),
                rest: None,
                driver: None,
            }),
            generation: fork::generation(),
        }
    }

    /// A flight that has ended, for another load. It must be a [plain](Self::is_plain) one.
    pub(crate) fn reuse(&mut self, key: KeyAt, outer: Option<Arc<dyn LoadNode>>, compute: bool) {
        debug_assert!(self.is_plain() && self.waiting.get_mut().calls.is_empty());
        (self.key, self.outer, self.compute) = (key, outer, compute);
        self.generation = fork::generation();
        *self.polled_by.get_mut() = 0;
        (*self.given_up.get_mut(), *self.detached.get_mut()) = (false, false);
        *self.joined.get_mut() = 0;
    }

    /// Is the calling thread inside of this load?
    pub(crate) fn is_led_here(&self) -> bool {
        wait_graph::is_inside(self.address())
    }

    /// Did it begin before the process was forked, and is it led by a thread that is not there any
    /// more? Or by a future that may never be polled again: nobody waits for that either.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.generation != fork::generation() && self.outcome.get().is_none() && !self.is_led_here()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// The calls that wait. While the lock is held, and the outcome set, the process does not fork.
    fn waiting(&self) -> Gated<'_, V> {
        let gate = fork::gate();
        Gated { waiting: self.waiting.lock(), _gate: gate }
    }

    /// Somebody holds the flight who may come to wait for it. The caller holds the shard's lock.
    pub(crate) fn join(&self) {
        // Relaxed, here and below: the lock orders this before the leader's look. Who takes it back
        // only spares him a landing that nobody waits for.
        self.joined.fetch_add(1, Relaxed);
    }

    /// He will not wait.
    pub(crate) fn unjoin(&self) {
        self.joined.fetch_sub(1, Relaxed);
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.joined.load(Relaxed) > 0
    }

    /// Does it hold nothing of the user's, nor another flight, so that it may be let go anywhere?
    pub(crate) fn is_plain(&self) -> bool {
        self.outer.is_none() && self.outcome.get().is_none()
    }

    /// The reserved slot that holds the key, until the leader takes it.
    pub(crate) fn slot(&self) -> &SharedSlot {
        &self.key.slot
    }

    /// Takes the reserved slot, in order to publish or abandon it: once, by the leader.
    pub(crate) fn take_slot(&self) -> Reserved {
        self.key.slot.take().expect("a leader ends its flight once")
    }

    /// The hash of the key.
    pub(crate) fn hash(&self) -> KeyHash {
        self.key.hash
    }

    pub(crate) fn is_compute(&self) -> bool {
        self.compute
    }

    /// Is the loader a future that the calling thread was the last to poll? Then that thread must
    /// not block until it is ready: on a runtime of one thread it would never be polled again.
    pub(crate) fn was_polled_here(&self) -> bool {
        self.polled_by.load(Relaxed) == thread_slot::identity()
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome<V>> {
        self.outcome.get()
    }

    /// Ends the flight and wakes all who wait.
    pub(crate) fn complete(&self, outcome: Outcome<V>) {
        let mut waiting = self.waiting();
        // A flight lands once; if it did not, the first outcome stands.
        let refused = self.outcome.set(outcome);
        let calls = std::mem::take(&mut waiting.calls);
        waiting.blocked.clear();
        drop(waiting);
        for call in calls.into_values() {
            // A waker that panics is its runtime's trouble and must not keep the others waiting.
            let woken = catch_unwind(AssertUnwindSafe(|| call.waker.wake()));
            woken.unwrap_or_else(drop_payload);
        }
        drop(refused);
    }

    /// Leaves a waker to be called at the landing. The ticket is for [`update_waker`](Self::update_waker) and
    /// [`leave`](Self::leave). The waker comes back if the flight has landed; or if the caller
    /// would block, and has become the thread whose task is to poll the rest of the load.
    pub(crate) fn add_waiter(
        &self,
        waker: Waker,
        inside: Option<Arc<dyn LoadNode>>,
        blocks: bool,
    ) -> Result<u64, Waker> {
        let mut waiting = self.waiting();
        // Looked at under the lock that `land` takes after setting the outcome: either it finds
        // this call, or this call finds the outcome. So it is with the choice of a driver.
        let is_driver = blocks && waiting.driver.is_some() && self.was_polled_here();
        if is_driver || self.outcome.get().is_some() {
            return Err(waker);
        }
        let (ticket, thread) = (waiting.next_ticket, thread_slot::identity());
        waiting.next_ticket += 1;
        waiting.calls.insert(ticket, Waiter { waker, thread, blocks, inside });
        if blocks {
            waiting.blocked.push(thread);
        }
        Ok(ticket)
    }
}

impl<V: Send + Sync + 'static> Flight<V> {
    /// A task that waits is polled again, perhaps with another waker. False if the flight has landed.
    pub(crate) fn update_waker(&self, ticket: u64, context: &mut Context<'_>) -> bool {
        // Wakers are somebody's code: cloned before the lock is taken, dropped after it.
        let mut waker = context.waker().clone();
        let mut waiting = self.waiting();
        let Some(call) = waiting.calls.get_mut(&ticket) else { return false };
        std::mem::swap(&mut call.waker, &mut waker);
        call.thread = thread_slot::identity();
        let rest = if waiting.driver == Some(ticket) { waiting.rest.take() } else { None };
        drop(waiting);
        rest.is_none_or(|rest| self.drive(rest, context))
    }

    /// Does not wait any more.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut waiting = self.waiting();
        // Dropped after the unlocking.
        let left = waiting.calls.remove(&ticket);
        if let Some(call) = left.as_ref().filter(|call| call.blocks) {
            let place = waiting.blocked.iter().position(|&thread| thread == call.thread);
            place.map(|place| waiting.blocked.swap_remove(place));
        }
        let drove = waiting.driver == Some(ticket);
        let next = if drove { self.choose_driver(&mut waiting) } else { Handover::Nothing };
        drop(waiting);
        next.finish_quietly();
    }
}
