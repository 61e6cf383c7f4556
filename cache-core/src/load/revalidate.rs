//! Loading a value anew because the caller refuses the one that is there.
//!
//! The caller's predicate is shown the value in the cache, without a lock. If it refuses it, the
//! call is a load like any other: it joins the flight that runs for the key, or leads its own,
//! which replaces the value ([`FlightKind::Refresh`](crate::flight::flight::FlightKind::Refresh))
//! unless the key is written meanwhile. What a flight brings is newer than what was refused, and is
//! not tested: of many callers that refuse a value, one loads.
//!
//! If the load fails, others may be served the old value (`stale_if_error`, or a fresh one that was
//! to be refreshed). This caller is, only if it accepts that.

use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::Flight;
use crate::flight::share_error::ErrorSharing;
use crate::flight::wait::WaitResult;
use crate::load::attempt::{Attempt, Lookup, Step, Test};
use crate::table::SlotId;
use crate::types::status::Status;

impl<'s, K: Eq, V: Clone> Attempt<'s, K, V> {
    /// Serves a value that is accepted, joins or leads. `refused` is the slot of a value that was
    /// refused since the caller was pinned, which it still is.
    pub(crate) fn start_revalidating(
        self,
        accepts: &mut impl FnMut(&V) -> bool,
        refused: Option<SlotId>,
    ) -> Step<'s, K, V> {
        self.start_testing(Some(Test { accepts, refused }))
    }

    /// Goes on after a wait, as [`resume`](Self::resume).
    fn resume_revalidating<E: Clone>(
        self,
        flight: &Arc<Flight<V>>,
        waited: WaitResult,
        accepts: &mut impl FnMut(&V) -> bool,
        share: &impl ErrorSharing<E>,
    ) -> Result<Step<'s, K, V>, E> {
        let mut failure = None;
        let attempt = self.resume(flight, waited, |shared| {
            failure = share.recover(shared);
            failure.clone()
        })?;
        match (failure, &attempt.looked_up) {
            (Some(error), Lookup::Hit(old, _)) if !accepts(old) => Err(error),
            _ => Ok(attempt.start_revalidating(accepts, None)),
        }
    }
}

impl<K: Eq, V: Clone> Step<'_, K, V> {
    /// Loads the key as a thread, from the first step on.
    pub(crate) fn revalidate<E: Clone>(
        mut self,
        mut accepts: impl FnMut(&V) -> bool,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        loop {
            let (waiting, flight) = match self {
                Step::Done(done) => return Ok(done),
                Step::Lead(guard) => {
                    let mut failure = None;
                    let loaded = guard.run(|| note(loader(), &mut failure), share);
                    return settle(loaded, failure, accepts);
                }
                Step::Wait(waiting, flight) => (waiting, flight),
            };
            let waited = flight.wait(waiting.store.wait_deadline());
            self = waiting.resume_revalidating(&flight, waited, &mut accepts, share)?;
        }
    }

    /// As [`revalidate`](Self::revalidate), as a task.
    pub(crate) async fn revalidate_async<E: Clone>(
        mut self,
        mut accepts: impl FnMut(&V) -> bool,
        loader: impl Future<Output = Result<V, E>>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        loop {
            let (waiting, flight) = match self {
                Step::Done(done) => return Ok(done),
                Step::Lead(guard) => {
                    let mut failure = None;
                    let loader = async { note(loader.await, &mut failure) };
                    let loaded = guard.run_async(loader, share).await;
                    return settle(loaded, failure, accepts);
                }
                Step::Wait(waiting, flight) => (waiting, flight),
            };
            let waited = flight.wait_async(waiting.store.wait_deadline()).await;
            self = waiting.resume_revalidating(&flight, waited, &mut accepts, share)?;
        }
    }
}

/// Keeps a copy of the error.
fn note<V, E: Clone>(loaded: Result<V, E>, failure: &mut Option<E>) -> Result<V, E> {
    *failure = loaded.as_ref().err().cloned();
    loaded
}

/// Returns what a load has come to: its error, if an old value would be served in place of it which
/// the caller refuses.
fn settle<V, E>(
    loaded: Result<(V, Status), E>,
    failure: Option<E>,
    mut accepts: impl FnMut(&V) -> bool,
) -> Result<(V, Status), E> {
    match (loaded, failure) {
        (Ok((old, _)), Some(error)) if !accepts(&old) => Err(error),
        (loaded, _) => loaded,
    }
}
