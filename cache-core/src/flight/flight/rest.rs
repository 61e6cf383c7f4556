//! What is left of a load whose caller does not wait for it any more.
//!
//! A load that is a future is polled by the task whose call leads it. Where that call ends before
//! the load does and does not give it up, because it is served an old value at its soft limit,
//! another party has to poll the rest. Not every thread can: a future of a runtime needs what the
//! task had that polled it so far, timers and sockets, and panics where there are none. A thread of
//! the cache's own would kill it. Hence, in this order:
//! 1. *A task that waits for the flight*, the *driver*: whenever it is polled, it polls the rest,
//!    with its own waker. When it stops waiting, because it is dropped or times out, another is
//!    chosen and woken: the youngest each time, which probably waits the longest.
//! 2. *The user's executor*, if it takes futures ([`Spawn::spawn_future`]).
//! 3. Neither: the rest is dropped, and the load has failed, as at the hard limit. The flight
//!    lands, and the threads that wait look again.
//!
//! Threads that wait do not drive: nothing says that they belong to a runtime. Nor may a thread
//! block that the driver needs to be polled. So a task is not chosen if the thread that polled it
//! last is blocked for this very flight; and a thread that comes to block, and polled the driver
//! last, loads alone ([`Flight::was_polled_here`]).
//!
//! A task of another runtime than the leader's is taken for one that can drive: nothing tells them
//! apart. Where it cannot, the rest panics. That is caught: the load has failed.
//!
//! The rest holds the flight's leader, and the flight holds the rest, but only while a task waits:
//! no cycle outlives that.
//!
//! A waiting call's costs are those of a wait without a rest, plus two words; a hand-over takes the
//! flight's lock and looks at the youngest tasks first, at one unless threads are blocked too.
//!
//! [`Spawn::spawn_future`]: crate::Spawn::spawn_future

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use super::{Flight, Waiter, Waiters};
use crate::flight::wait_graph;
use crate::types::executor::{FutureJob, Spawn};
use crate::util::panics::drop_payload;

/// The rest of a load. Dropping it before it is ready gives the load up.
pub(crate) struct Rest<V> {
    /// `None` once it is ready.
    load: Option<FutureJob>,
    flight: Arc<Flight<V>>,
    executor: Arc<dyn Spawn>,
}

impl<V: Send + Sync + 'static> Rest<V> {
    /// `load` leads the flight.
    pub(crate) fn new(load: FutureJob, flight: Arc<Flight<V>>, executor: Arc<dyn Spawn>) -> Self {
        Rest { load: Some(load), flight, executor }
    }

    /// Hands it to the party that is to poll it.
    pub(crate) fn go_on(self) {
        let flight = Arc::clone(&self.flight);
        // Relaxed: see `for_each_dependent`.
        flight.detached.store(true, Relaxed);
        let mut waiting = flight.waiting();
        waiting.rest = Some(self);
        let next = flight.choose_driver(&mut waiting);
        drop(waiting);
        next.finish();
    }
}

impl<V> Future for Rest<V> {
    type Output = ();

    /// Never panics.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(load) = &mut self.load else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| load.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            // Told by the process's hook, counted, and noted with the entry, as in `background_refresh.rs`.
            Err(panic) => drop_payload(panic),
        }
        end(self.load.take());
        Poll::Ready(())
    }
}

impl<V> Drop for Rest<V> {
    fn drop(&mut self) {
        if self.load.is_some() {
            self.flight.give_up();
            end(self.load.take());
        }
    }
}

/// Drops what is the user's, in a call that has nothing to do with it.
fn end(load: Option<FutureJob>) {
    catch_unwind(AssertUnwindSafe(|| drop(load))).unwrap_or_else(drop_payload);
}

/// The party that a rest goes to, to be notified without the flight's lock.
#[must_use]
pub(super) enum Handover<V> {
    /// There is no rest to be handed over.
    Nothing,
    Task(Waker),
    Executor(Rest<V>),
}

impl<V: Send + Sync + 'static> Handover<V> {
    /// For a task that has stopped waiting, perhaps because it is dropped: a panic of the user's
    /// executor is not its own.
    pub(super) fn finish_quietly(self) {
        catch_unwind(AssertUnwindSafe(|| self.finish())).unwrap_or_else(drop_payload);
    }

    fn finish(self) {
        match self {
            Handover::Nothing => {}
            Handover::Task(waker) => {
                // As in `land`: the trouble of its runtime alone.
                catch_unwind(AssertUnwindSafe(|| waker.wake())).unwrap_or_else(drop_payload);
            }
            Handover::Executor(rest) => {
                let executor = Arc::clone(&rest.executor);
                // What comes back is dropped.
                drop(executor.spawn_future(Box::pin(rest)));
            }
        }
    }
}

impl<V> Flight<V> {
    /// What ends now, before it is ready, has failed.
    pub(crate) fn give_up(&self) {
        // Relaxed, here and below: read by the leader, whom the same thread drops next.
        self.given_up.store(true, Relaxed);
    }

    pub(crate) fn was_given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }
}

impl<V: Send + Sync + 'static> Flight<V> {
    /// The load of a value of this type whose loader the calling thread is running.
    pub(crate) fn current_load() -> Option<Arc<Self>> {
        let running: Arc<dyn std::any::Any + Send + Sync> = wait_graph::current_load()?;
        running.downcast().ok()
    }

    /// Chooses the task that polls the rest of the load from now on, if there is a rest.
    pub(super) fn choose_driver(&self, waiting: &mut Waiters<V>) -> Handover<V> {
        waiting.driver = None;
        let Some(rest) = waiting.rest.take() else { return Handover::Nothing };
        let Waiters { calls, blocked, .. } = waiting;
        let can_poll = |call: &Waiter| !call.blocks && !blocked.contains(&call.thread);
        let Some((&ticket, call)) = calls.iter_mut().rev().find(|(_, call)| can_poll(call)) else {
            return Handover::Executor(rest);
        };
        // It leaves another when it is polled, which it will be.
        let waker = std::mem::replace(&mut call.waker, Waker::noop().clone());
        // From here on, that thread must not block for the flight.
        self.polled_by.store(call.thread, Relaxed);
        (waiting.driver, waiting.rest) = (Some(ticket), Some(rest));
        Handover::Task(waker)
    }

    /// Polls the rest of the load, as its driver. False if the flight has landed.
    pub(super) fn drive(&self, mut rest: Rest<V>, context: &mut Context<'_>) -> bool {
        if Pin::new(&mut rest).poll(context).is_ready() {
            return false;
        }
        self.waiting().rest = Some(rest);
        true
    }
}
