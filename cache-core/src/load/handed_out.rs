//! Loads without a loader: the caller that leads is handed the guard, and makes the value when and
//! where it likes.
//!
//! To all others it is a load like any other. What differs is what the cache can know of it: no
//! thread's stack says which calls are made inside of it (`wait_graph.rs`), because the guard may
//! be kept anywhere and sent to another thread. So a wait that would never end is known in one case
//! only: a thread asks for a key whose guard it was given, and then leads an unshared load. All
//! other such waits end with `coalesce_timeout`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use crate::flight::flight::Flight;
use crate::flight::wait::WaitResult;
use crate::load::attempt::{Attempt, Step};
use crate::load::guard::FlightGuard;

/// What a call that has no loader gets.
pub(crate) enum ValueOrGuard<'s, K: Eq, V: Clone> {
    Value(V),
    Guard(FlightGuard<'s, K, V>),
    /// The caller's own limit has passed.
    TimedOut,
}

/// What it gets at once; or the flight that it has to wait for.
type Started<'s, K, V> = Result<ValueOrGuard<'s, K, V>, (Attempt<'s, K, V>, Arc<Flight<V>>)>;

impl<'s, K: Eq, V: Clone> Attempt<'s, K, V> {
    /// Returns the value, of the cache or of a load that this call waits for, or leads. Waits at
    /// most until the caller's `limit`.
    pub(crate) fn value_or_guard(mut self, limit: Option<Instant>) -> ValueOrGuard<'s, K, V> {
        loop {
            let (waiting, flight) = match self.start_handing_out() {
                Ok(got) => return got,
                Err(wait) => wait,
            };
            let shared_limit = waiting.store.wait_deadline();
            let own = limit.filter(|own| shared_limit.is_none_or(|shared| *own <= shared));
            let waited = flight.wait(own.or(shared_limit));
            if waited == WaitResult::TimedOut && own.is_some() {
                flight.unjoin();
                return ValueOrGuard::TimedOut;
            }
            self = waiting.resume_without_loader(&flight, waited);
        }
    }

    /// As [`value_or_guard`](Self::value_or_guard), as a task, without a limit of its own.
    pub(crate) async fn value_or_guard_async(mut self) -> ValueOrGuard<'s, K, V> {
        loop {
            let (waiting, flight) = match self.start_handing_out() {
                Ok(got) => return got,
                Err(wait) => wait,
            };
            let waited = flight.wait_async(waiting.store.wait_deadline()).await;
            self = waiting.resume_without_loader(&flight, waited);
        }
    }

    fn start_handing_out(self) -> Started<'s, K, V> {
        match self.start() {
            Step::Done((value, _)) => Ok(ValueOrGuard::Value(value)),
            Step::Lead(guard) => Ok(ValueOrGuard::Guard(guard.hand_out())),
            Step::Wait(waiting, flight) => Err((waiting, flight)),
        }
    }

    /// Goes on after a wait. No error can be shared with a call that returns none.
    fn resume_without_loader(self, flight: &Arc<Flight<V>>, waited: WaitResult) -> Self {
        let Ok(attempt) = self.resume(flight, waited, |_| None::<Infallible>);
        attempt
    }
}
