//! Waiting for a flight, as a thread or as a task.
//!
//! Both leave a [`Waker`] with the flight. A task leaves that of its executor and is polled again; a
//! thread leaves that of a [`Signal`], which unblocks it.
//!
//! A wait ends when the flight has landed; at once if it could never end, as far as the cache can
//! know (see `wait_graph.rs`); and when the caller's patience is over. A task that waits may come to
//! poll the load that it waits for (see `flight/rest.rs`).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::flight::flight::Flight;
use crate::flight::timer::WakeTimer;
use crate::flight::wait_graph::{self, LoadNode};
use crate::util::signal::Signal;

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A thread, which blocks.
    Thread,
    /// A task, which is polled.
    Task,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The flight has an outcome; or its leader has vanished in a fork, and it will never have one.
    Completed,
    /// It takes longer than the caller wants to wait.
    TimedOut,
    /// It cannot end before the caller does.
    Ring,
    /// The calling thread would block, and it was the last to poll the loader, or the task that is
    /// to poll it.
    OwnThread,
}

/// A place among those who wait for a flight, given up when it drops.
struct Registration<'f, V: Send + Sync + 'static> {
    flight: &'f Flight<V>,
    ticket: u64,
}

impl<V: Send + Sync + 'static> Drop for Registration<'_, V> {
    fn drop(&mut self) {
        self.flight.leave(self.ticket);
    }
}

impl<V: Send + Sync + 'static> Flight<V> {
    /// A place among those who wait, or why there is nothing to wait for.
    fn register(
        self: &Arc<Self>,
        waker: Waker,
        caller: Caller,
    ) -> Result<Registration<'_, V>, Waited> {
        if self.is_orphaned() {
            return Err(Waited::Completed);
        }
        let blocks = caller == Caller::Thread;
        let inside = wait_graph::current_load();
        let placed = if inside.is_none() {
            self.add_waiter(waker, None, blocks)
        } else {
            let target = Arc::clone(self) as Arc<dyn LoadNode>;
            let mut found = Vec::new();
            let graph = wait_graph::lock_graph();
            if wait_graph::would_deadlock(&target, &mut found) {
                drop(graph);
                return Err(Waited::Ring);
            }
            let placed = self.add_waiter(waker, inside, blocks);
            drop(graph);
            placed
        };
        match placed {
            Ok(ticket) => Ok(Registration { flight: self, ticket }),
            Err(_waker) if self.outcome().is_some() => Err(Waited::Completed),
            Err(_waker) => Err(Waited::OwnThread),
        }
    }

    /// Waits until the flight has landed, at most until `deadline`. As a thread it blocks and is
    /// ready at the first poll.
    pub(crate) async fn wait(
        self: &Arc<Self>,
        caller: Caller,
        deadline: Option<Instant>,
    ) -> Waited {
        match caller {
            Caller::Thread if self.outcome().is_none() && self.was_polled_here() => {
                Waited::OwnThread
            }
            Caller::Thread => self.block(deadline),
            Caller::Task => {
                let mut wait = Wait { flight: self, deadline, place: None, timer: None };
                poll_fn(move |context| wait.poll(context)).await
            }
        }
    }

    /// Blocks the calling thread until the flight has landed, whoever polls its loader.
    pub(crate) fn block(self: &Arc<Self>, deadline: Option<Instant>) -> Waited {
        let signal = Signal::new();
        match self.register(Waker::from(Arc::clone(&signal)), Caller::Thread) {
            Err(waited) => waited,
            Ok(_place) => {
                signal.block_until(deadline);
                if self.outcome().is_some() { Waited::Completed } else { Waited::TimedOut }
            }
        }
    }
}

/// A task that waits.
struct Wait<'f, V: Send + Sync + 'static> {
    flight: &'f Arc<Flight<V>>,
    deadline: Option<Instant>,
    place: Option<Registration<'f, V>>,
    timer: Option<WakeTimer>,
}

impl<V: Send + Sync + 'static> Wait<'_, V> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Waited> {
        match &self.place {
            None => match self.flight.register(context.waker().clone(), Caller::Task) {
                Ok(place) => self.place = Some(place),
                Err(waited) => return Poll::Ready(waited),
            },
            Some(place) => {
                if self.flight.is_orphaned() || !self.flight.update_waker(place.ticket, context) {
                    return Poll::Ready(Waited::Completed);
                }
            }
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if Instant::now() >= deadline {
            return Poll::Ready(Waited::TimedOut);
        }
        match &self.timer {
            None => self.timer = Some(WakeTimer::start(deadline, context.waker().clone())),
            // It has gone off since the time was read, and has called another waker.
            Some(timer) if !timer.set_waker(context.waker()) => {
                return Poll::Ready(Waited::TimedOut);
            }
            Some(_) => {}
        }
        Poll::Pending
    }
}
