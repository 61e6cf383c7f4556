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
//!    completes, and the threads that wait retry.
//!
//! Threads that wait do not drive: nothing says that they belong to a runtime. Nor may a thread
//! block that the driver needs to be polled. So a task is not chosen if the thread that polled it
//! last is blocked for this very flight; and a thread that comes to block, and polled the driver
//! last, loads unshared ([`FlightNode::was_polled_here`]).
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
use std::task::{Context, Poll};

use crate::flight::flight::{FlightNode, Rest};
use crate::types::executor::{FutureJob, Spawn};
use crate::util::panics::drop_payload;

/// Has the rest of a load polled by another party. `load` leads the flight.
pub(crate) fn hand_over(load: FutureJob, flight: &Arc<FlightNode>, executor: Arc<dyn Spawn>) {
    let future = Box::pin(Remainder { load: Some(load), flight: Arc::clone(flight) });
    flight.leave_to_others(Rest { future, executor });
}

/// The rest of a load as a future. Dropping it before it is ready gives the load up.
struct Remainder {
    /// `None` once it is ready.
    load: Option<FutureJob>,
    flight: Arc<FlightNode>,
}

impl Future for Remainder {
    type Output = ();

    /// Never panics.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(load) = &mut self.load else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| load.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            // The process's hook has reported it, it is counted, and noted with the entry.
            Err(panic) => drop_payload(panic),
        }
        drop_quietly(self.load.take());
        Poll::Ready(())
    }
}

impl Drop for Remainder {
    fn drop(&mut self) {
        if self.load.is_some() {
            self.flight.give_up();
            drop_quietly(self.load.take());
        }
    }
}

/// Drops user code in a call that has nothing to do with it.
fn drop_quietly(load: Option<FutureJob>) {
    catch_unwind(AssertUnwindSafe(|| drop(load))).unwrap_or_else(drop_payload);
}
