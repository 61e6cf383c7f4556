//! Waiting for a flight, as a thread or as a task.
//!
//! Both leave a [`Waker`] with the flight. A task leaves that of its executor and is polled again;
//! a thread leaves that of a [`Signal`], which unblocks it. So a flight knows one kind of waiter.
//!
//! A wait ends when the flight has completed; at once if it could never end, as far as the cache
//! can know (see `wait_graph.rs`); and at its deadline. A task that waits may come to poll the load
//! that it waits for (see `handover.rs`).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::flight::flight::{Flight, FlightNode, WaiterKind};
use crate::flight::timer::WakeTimer;
use crate::flight::wait_graph::{self, LoadNode};
use crate::util::signal::Signal;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitResult {
    /// The flight has an outcome; or its leader has vanished in a fork, and it will never have one.
    Completed,
    /// The deadline has passed.
    TimedOut,
    /// The flight cannot complete before the waiter's own load does.
    Deadlock,
    /// The calling thread would block, and it was the last to poll the loader, or the task that is
    /// to poll it.
    OwnThread,
}

/// A waiter's registration with a flight; removed on drop.
struct Registration<'f> {
    flight: &'f FlightNode,
    ticket: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.flight.remove_waiter(self.ticket);
    }
}

impl<V> Flight<V> {
    /// Registers a waiter, or says why there is nothing to wait for.
    fn register(
        self: &Arc<Self>,
        waker: Waker,
        kind: WaiterKind,
    ) -> Result<Registration<'_>, WaitResult> {
        if self.is_orphaned() {
            return Err(WaitResult::Completed);
        }
        let inside = wait_graph::current_load();
        let added = if inside.is_none() {
            self.add_waiter(waker, None, kind)
        } else {
            let target = self.node() as Arc<dyn LoadNode>;
            let mut found = Vec::new();
            // Released before what was found is dropped.
            let _graph = wait_graph::lock_graph();
            if wait_graph::would_deadlock(&target, &mut found) {
                return Err(WaitResult::Deadlock);
            }
            self.add_waiter(waker, inside, kind)
        };
        match added {
            Ok(ticket) => Ok(Registration { flight: self, ticket }),
            Err(_waker) if self.outcome().is_some() => Err(WaitResult::Completed),
            Err(_waker) => Err(WaitResult::OwnThread),
        }
    }

    /// Waits as a thread until the flight has completed, at most until `deadline`. Does not block
    /// for a loader that only the calling thread may poll.
    pub(crate) fn wait(self: &Arc<Self>, deadline: Option<Instant>) -> WaitResult {
        if self.outcome().is_none() && self.was_polled_here() {
            return WaitResult::OwnThread;
        }
        self.block(deadline)
    }

    /// Blocks the calling thread until the flight has completed, whoever polls its loader.
    pub(crate) fn block(self: &Arc<Self>, deadline: Option<Instant>) -> WaitResult {
        let signal = Signal::new();
        match self.register(Waker::from(Arc::clone(&signal)), WaiterKind::Thread) {
            Err(result) => result,
            Ok(_registration) => {
                signal.block_until(deadline);
                match self.outcome() {
                    Some(_) => WaitResult::Completed,
                    None => WaitResult::TimedOut,
                }
            }
        }
    }

    /// As [`wait`](Self::wait), as a task.
    pub(crate) async fn wait_async(self: &Arc<Self>, deadline: Option<Instant>) -> WaitResult {
        let (mut registration, mut timer) = (None, None);
        poll_fn(move |context| {
            match &registration {
                None => match self.register(context.waker().clone(), WaiterKind::Task) {
                    Ok(registered) => registration = Some(registered),
                    Err(result) => return Poll::Ready(result),
                },
                Some(Registration { ticket, .. }) => {
                    if self.is_orphaned() || !self.update_waker(*ticket, context) {
                        return Poll::Ready(WaitResult::Completed);
                    }
                }
            }
            let Some(deadline) = deadline else { return Poll::Pending };
            if Instant::now() >= deadline {
                return Poll::Ready(WaitResult::TimedOut);
            }
            match &timer {
                None => timer = Some(WakeTimer::start(deadline, context.waker().clone())),
                // It has gone off since the time was read, and has called another waker.
                Some(timer) if !timer.set_waker(context.waker()) => {
                    return Poll::Ready(WaitResult::TimedOut);
                }
                Some(_) => {}
            }
            Poll::Pending
        })
        .await
    }
}
