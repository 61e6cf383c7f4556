//! A flight: one load of one key, and the callers that wait for it.
//!
//! ```text
//!                    registered                      deregistered
//!
//!            ┌───────────┐   publish, fail   ┌────────────────────────────────┐
//!   lead ──▶ │  running  │ ────────────────▶ │ completed: Value, Failed       │──▶ the waiters
//!            │           │                   │                                │    take it
//!            │ may be    │                   └────────────────────────────────┘
//!            │ joined    │   panic, cancel,  ┌────────────────────────────────┐
//!            │           │ ────────────────▶ │ completed: Retry               │──▶ one waiter
//!            └───────────┘   a compute ends  └────────────────────────────────┘    leads the next
//!              │       │                                    ▲        ▲
//!     a waiter │       │ a write to the key,                │        │
//!     timed    │       │ a flush                            │        │ as above
//!     out      │       ▼                                    │        │
//!              │     ┌───────────────────────────┐          │        │
//!              │     │ superseded: still running,│──────────│────────┘
//!              │     │ not joined, not published │          │
//!              │     └───────────────────────────┘          │ as above
//!              ▼                                            │
//!            ┌───────────────────────────┐                  │
//!            │ unshared: running, not    │──────────────────┘
//!            │ joined, may be published  │
//!            └───────────────────────────┘
//! ```
//! While a load runs, its flight is *registered* with the key's shard, under the shard's lock.
//! **Registered means: nothing was written to this key and nothing was flushed since the load
//! began.** A write to the key, or a flush of the shard, deregisters the flight. So a later caller
//! finds none to join and begins a load of its own; and the leader, when it comes to publish under
//! the same lock, finds its flight deregistered and gives the value only to the callers that had
//! joined. No generation has to be counted or compared: registration is the generation, one bit
//! wide and kept for each load.
//!
//! The in-flight table (`in_flight.rs`) knows flights by the hashes of their keys. A caller that
//! wants to *join* compares the keys, and so does one that *writes* the key and finds flights of
//! the same hash, without the lock: the flight's key waits in its reserved slot.
//!
//! There are four kinds of flight ([`FlightKind`]): loads that may be joined; loads that run beside
//! another of the same key because their caller cannot wait for it; loads that replace what is
//! fresh; and computations of the entry interface, which others wait for but learn nothing from.
//!
//! The leader holds a guard ([`FlightGuard`](crate::load::guard::FlightGuard)). Dropping it, by a
//! panic or with a future that is not polled to its end, completes the flight, and one of the
//! waiters leads the next. So every waiter is woken; see `wait.rs` for waiting.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use crate::flight::share_error::SharedError;
use crate::flight::timer::wake;
use crate::flight::wait_graph::{self, KeyAt, LoadNode};
use crate::table::{Reserved, SharedSlot};
use crate::types::executor::{FutureJob, Spawn};
use crate::util::fork;
use crate::util::hash::KeyHash;
use crate::util::panics::drop_payload;
use crate::util::sync::Mutex;
use crate::util::thread_slot;

/// How a flight ended.
pub(crate) enum Outcome<V> {
    /// With a value.
    Value(V),
    /// With an error that waiters of the same error type can share; or with nothing that a waiter
    /// could be given. A waiter that is given nothing runs its own load, at once.
    Failed(Option<SharedError>),
    /// The leader panicked or gave up, or has computed something: waiters look at the cache again,
    /// and one leads the next flight if nobody else does.
    Retry,
}

/// What a flight is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlightKind {
    /// A load: others with the same key join it.
    Shared,
    /// A load whose caller could not join another, or for which a waiter timed out. Nobody joins
    /// it, and its value is stored only if nothing fresh is there and no computation runs.
    Unshared,
    /// A load whose value takes the place of one that is fresh: others with the same key join it.
    Refresh,
    /// A computation of the entry interface: others wait for it, and then look again.
    Compute,
}

impl FlightKind {
    /// Returns `true` if its value may take the place of one that is fresh.
    pub(crate) fn replaces_fresh(self) -> bool {
        matches!(self, FlightKind::Refresh | FlightKind::Compute)
    }
}

/// How a waiter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaiterKind {
    /// A thread, which blocks.
    Thread,
    /// A task, which is polled.
    Task,
}

/// One run of a loader for one key.
pub(crate) struct Flight<V> {
    node: Arc<FlightNode>,
    outcome: OnceLock<Outcome<V>>,
}

/// What others know of a flight: a node of the wait-for graph. It holds neither key nor value, so
/// any thread may hold it, and be the last to drop it, also where those may not leave theirs.
pub(crate) struct FlightNode {
    key: KeyAt,
    /// The innermost load that this one was begun inside of.
    outer: Option<Arc<dyn LoadNode>>,
    /// What it began as. The in-flight table knows whether it is shared still.
    pub(crate) kind: FlightKind,
    /// Number of callers that may wait. Incremented under the shard's lock by a caller that finds
    /// the flight registered; read by the leader after it has deregistered the flight under the
    /// same lock.
    joined: AtomicUsize,
    /// The thread that polled the load last, if its loader is a future; the one that was given the
    /// guard, if the load has no loader; otherwise 0.
    polled_by: AtomicUsize,
    /// The load ends before it is ready, and that counts as a failure of it.
    given_up: AtomicBool,
    /// It is not inside of `outer` any more: the call that began it there has ended.
    detached: AtomicBool,
    /// Acquired by [`FlightNode::with_waiters`] only.
    waiters: Mutex<Waiters>,
    /// That of the process it began in, see [`fork::generation`].
    generation: u32,
}

/// The calls that wait, by their tickets.
#[derive(Default)]
struct Waiters {
    next_ticket: u64,
    calls: BTreeMap<u64, Waiter>,
    /// The threads that block in a call, one of each such call.
    blocked: Vec<usize>,
    /// What is left of the load, where tasks that wait are to poll it; not while one does.
    rest: Option<Rest>,
    /// The task that polls the rest: it has been woken since it came to be that, or its waker has
    /// been given to the rest.
    driver: Option<u64>,
}

/// A call that waits.
struct Waiter {
    waker: Waker,
    kind: WaiterKind,
    /// A thread that blocks, or the one by which a task was polled last.
    thread: usize,
    /// The load that the call was made inside of.
    inside: Option<Arc<dyn LoadNode>>,
}

/// The rest of a load, and the executor that gets it if no task can poll it.
pub(super) struct Rest {
    /// Never panics. Dropping it before it is ready gives the load up.
    pub(super) future: FutureJob,
    pub(super) executor: Arc<dyn Spawn>,
}

/// The party that a rest goes to, to be notified without the flight's lock.
#[must_use]
enum Handover {
    /// There is no rest to be handed over.
    Nothing,
    Task(Waker),
    Executor(Rest),
}

impl Handover {
    fn finish(self) {
        match self {
            Handover::Nothing => {}
            Handover::Task(waker) => wake(waker),
            Handover::Executor(Rest { future, executor }) => {
                // What comes back is dropped.
                drop(executor.spawn_future(future));
            }
        }
    }
}

impl LoadNode for FlightNode {
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>)) {
        // Relaxed: a search that sees it late takes the load for one that is still waited for.
        let outer = self.outer.iter().filter(|_| !self.detached.load(Relaxed));
        outer.for_each(&mut *visit);
        self.with_waiters(|waiters| {
            waiters.calls.values().filter_map(|call| call.inside.as_ref()).for_each(visit);
        });
    }

    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt)) {
        visit(&self.key);
    }

    fn note_poll(&self) {
        // Relaxed: a reader compares it with its own number only, which it finds here if it stored
        // it itself.
        self.polled_by.store(thread_slot::identity(), Relaxed);
    }
}

impl<V> Deref for Flight<V> {
    type Target = FlightNode;

    #[inline]
    fn deref(&self) -> &FlightNode {
        &self.node
    }
}

impl<V> Flight<V> {
    /// `outer` is the load that this one is begun inside of.
    pub(crate) fn new(key: KeyAt, outer: Option<Arc<dyn LoadNode>>, kind: FlightKind) -> Self {
        Flight { node: Arc::new(FlightNode::new(key, outer, kind)), outcome: OnceLock::new() }
    }

    /// Makes a flight that has ended into one for another load. It must be
    /// [plain](Self::is_plain). (A new flight in its place costs a load 6 % more instructions.)
    #[inline]
    pub(crate) fn reuse(&mut self, key: KeyAt, outer: Option<Arc<dyn LoadNode>>, kind: FlightKind) {
        debug_assert!(self.is_plain());
        match Arc::get_mut(&mut self.node) {
            Some(node) => node.reuse(key, outer, kind),
            None => self.renew(key, outer, kind),
        }
    }

    /// A search of the graph, or its last leader, still holds the node.
    #[cold]
    fn renew(&mut self, key: KeyAt, outer: Option<Arc<dyn LoadNode>>, kind: FlightKind) {
        self.node = Arc::new(FlightNode::new(key, outer, kind));
    }

    /// The flight as one that others may be begun inside of, or wait for.
    #[inline]
    pub(crate) fn node(&self) -> Arc<FlightNode> {
        Arc::clone(&self.node)
    }

    /// Returns `true` if it began before the process was forked and is led by a thread that is not
    /// there any more; or by a future that may never be polled again: nobody waits for that either.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.generation != fork::generation() && self.outcome.get().is_none() && !self.is_led_here()
    }

    /// Returns `true` if it holds nothing of the user's, nor another flight, so that it may be
    /// dropped anywhere.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.outer.is_none() && self.outcome.get().is_none()
    }

    #[inline]
    pub(crate) fn outcome(&self) -> Option<&Outcome<V>> {
        self.outcome.get()
    }

    /// Sets the outcome and wakes all waiters.
    pub(crate) fn complete(&self, outcome: Outcome<V>) {
        let (_refused, calls) = self.with_waiters(|waiters| {
            waiters.blocked.clear();
            // A flight completes once; if it did not, the first outcome stands.
            (self.outcome.set(outcome), std::mem::take(&mut waiters.calls))
        });
        calls.into_values().for_each(|call| wake(call.waker));
    }

    /// Registers a waker to be called at the completion, and returns a ticket for
    /// [`FlightNode::update_waker`] and [`FlightNode::remove_waiter`]. Returns the
    /// waker if the flight has completed; or if the caller would block, and has become the thread
    /// whose task is to poll the rest of the load.
    pub(crate) fn add_waiter(
        &self,
        waker: Waker,
        inside: Option<Arc<dyn LoadNode>>,
        kind: WaiterKind,
    ) -> Result<u64, Waker> {
        let blocks = kind == WaiterKind::Thread;
        self.with_waiters(|waiters| {
            // Read under the lock that `complete` acquires before it sets the outcome: either it
            // finds this call, or this call finds the outcome. So it is with the choice of a
            // driver.
            let is_driver = blocks && waiters.driver.is_some() && self.was_polled_here();
            if is_driver || self.outcome.get().is_some() {
                return Err(waker);
            }
            let (ticket, thread) = (waiters.next_ticket, thread_slot::identity());
            waiters.next_ticket += 1;
            waiters.calls.insert(ticket, Waiter { waker, kind, thread, inside });
            if blocks {
                waiters.blocked.push(thread);
            }
            Ok(ticket)
        })
    }
}

// Not generic, so a user's crate inlines only what says so.
impl FlightNode {
    fn new(key: KeyAt, outer: Option<Arc<dyn LoadNode>>, kind: FlightKind) -> Self {
        FlightNode {
            key,
            outer,
            kind,
            joined: AtomicUsize::new(0),
            polled_by: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            detached: AtomicBool::new(false),
            waiters: Mutex::new(Waiters::default()),
            generation: fork::generation(),
        }
    }

    /// As [`Flight::reuse`].
    #[inline]
    fn reuse(&mut self, key: KeyAt, outer: Option<Arc<dyn LoadNode>>, kind: FlightKind) {
        debug_assert!(self.waiters.get_mut().calls.is_empty());
        (self.key, self.outer, self.kind) = (key, outer, kind);
        self.generation = fork::generation();
        *self.polled_by.get_mut() = 0;
        (*self.given_up.get_mut(), *self.detached.get_mut()) = (false, false);
        *self.joined.get_mut() = 0;
    }

    /// The load whose loader the calling thread is running; the innermost, if it is one of one key.
    pub(crate) fn current() -> Option<Arc<Self>> {
        let running: SharedError = wait_graph::current_load()?;
        running.downcast().ok()
    }

    /// Notes that no loader runs: the calling thread has a guard for it, and must not wait for it.
    /// It is nested in no load either: the guard may be sent anywhere.
    pub(crate) fn hand_out(&self) {
        // Relaxed: see `note_poll` and `for_each_dependent`.
        self.polled_by.store(thread_slot::identity(), Relaxed);
        self.detached.store(true, Relaxed);
    }

    /// Returns `true` if the calling thread is inside of this load.
    #[inline]
    pub(crate) fn is_led_here(&self) -> bool {
        wait_graph::is_inside(&self.key)
    }

    /// Locks the waiters for `work`. Meanwhile the process does not fork.
    fn with_waiters<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        let _gate = fork::gate();
        let mut waiters = self.waiters.lock();
        work(&mut waiters)
    }

    /// Counts a caller that may come to wait. The caller holds the shard's lock.
    #[inline]
    pub(crate) fn join(&self) {
        // Relaxed, here and below: the lock orders this before the leader's read. A decrement may
        // be seen late; then the leader completes a flight without waiters, which is harmless.
        self.joined.fetch_add(1, Relaxed);
    }

    /// Takes back a [`join`](Self::join): the caller will not wait.
    #[inline]
    pub(crate) fn unjoin(&self) {
        self.joined.fetch_sub(1, Relaxed);
    }

    #[inline]
    pub(crate) fn is_joined(&self) -> bool {
        self.joined.load(Relaxed) > 0
    }

    /// The reserved slot that holds the key, until the leader takes it.
    #[inline]
    pub(crate) fn slot(&self) -> &SharedSlot {
        &self.key.slot
    }

    /// Takes the reserved slot, in order to publish or abandon it: once, by the leader.
    #[inline]
    pub(crate) fn take_slot(&self) -> Reserved {
        self.key.slot.take().expect("a leader ends its flight once")
    }

    /// Returns `true` if the leader has taken the slot: the flight is deregistered.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.key.slot.is_taken()
    }

    /// The hash of the key.
    #[inline]
    pub(crate) fn hash(&self) -> KeyHash {
        self.key.hash
    }

    /// Returns `true` if the loader is a future that the calling thread was the last to poll. Then
    /// that thread must not block until it is ready: on a runtime of one thread it would never be
    /// polled again. Also if the thread was given the guard of a load without a loader.
    #[inline]
    pub(crate) fn was_polled_here(&self) -> bool {
        self.polled_by.load(Relaxed) == thread_slot::identity()
    }

    /// Notes that the load ends now, before it is ready, and has failed.
    #[inline]
    pub(crate) fn give_up(&self) {
        // Relaxed, here and below: read by the leader, which the same thread drops next.
        self.given_up.store(true, Relaxed);
    }

    #[inline]
    pub(crate) fn was_given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }

    /// Chooses the task that polls the rest of the load from now on, if there is a rest.
    fn choose_driver(&self, waiters: &mut Waiters) -> Handover {
        waiters.driver = None;
        let Some(rest) = waiters.rest.take() else { return Handover::Nothing };
        let Waiters { calls, blocked, .. } = waiters;
        let can_poll =
            |call: &Waiter| call.kind == WaiterKind::Task && !blocked.contains(&call.thread);
        let Some((&ticket, call)) = calls.iter_mut().rev().find(|(_, call)| can_poll(call)) else {
            return Handover::Executor(rest);
        };
        // It leaves another when it is polled, which it will be.
        let waker = std::mem::replace(&mut call.waker, Waker::noop().clone());
        // From here on, that thread must not block for the flight.
        self.polled_by.store(call.thread, Relaxed);
        (waiters.driver, waiters.rest) = (Some(ticket), Some(rest));
        Handover::Task(waker)
    }

    /// Has the rest of the load polled by a waiter or an executor: the call that led it ends.
    pub(super) fn leave_to_others(&self, rest: Rest) {
        // Relaxed: see `for_each_dependent`.
        self.detached.store(true, Relaxed);
        let next = self.with_waiters(|waiters| {
            waiters.rest = Some(rest);
            self.choose_driver(waiters)
        });
        next.finish();
    }

    /// Polls the rest of the load, as its driver. Returns `false` if the flight has completed.
    fn drive(&self, mut rest: Rest, context: &mut Context<'_>) -> bool {
        if let Poll::Ready(()) = rest.future.as_mut().poll(context) {
            return false;
        }
        self.with_waiters(|waiters| waiters.rest = Some(rest));
        true
    }

    /// A task that waits is polled again, perhaps with another waker. Returns `false` if the flight
    /// has completed.
    pub(crate) fn update_waker(&self, ticket: u64, context: &mut Context<'_>) -> bool {
        // Wakers are user code: cloned before the lock is acquired, dropped after its release.
        let mut waker = context.waker().clone();
        let found = self.with_waiters(|waiters| {
            let call = waiters.calls.get_mut(&ticket)?;
            std::mem::swap(&mut call.waker, &mut waker);
            call.thread = thread_slot::identity();
            Some(waiters.rest.take_if(|_| waiters.driver == Some(ticket)))
        });
        found.is_some_and(|rest| rest.is_none_or(|rest| self.drive(rest, context)))
    }

    /// Deregisters a waiter.
    pub(crate) fn remove_waiter(&self, ticket: u64) {
        let (_removed, next) = self.with_waiters(|waiters| {
            let removed = waiters.calls.remove(&ticket);
            if let Some(call) = removed.as_ref().filter(|call| call.kind == WaiterKind::Thread) {
                let place = waiters.blocked.iter().position(|&thread| thread == call.thread);
                place.map(|place| waiters.blocked.swap_remove(place));
            }
            let drove = waiters.driver == Some(ticket);
            (removed, if drove { self.choose_driver(waiters) } else { Handover::Nothing })
        });
        // The call has stopped waiting, perhaps because it is dropped: a panic of the user's
        // executor is not its own.
        catch_unwind(AssertUnwindSafe(|| next.finish())).unwrap_or_else(drop_payload);
    }
}
