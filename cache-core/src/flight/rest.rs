//! Which party polls the rest of a load: see `handover.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::types::executor::{FutureJob, Spawn};
use crate::util::panics::drop_payload;

/// The rest of a load, and the executor that gets it if no task can poll it.
pub(super) struct Rest {
    /// Never panics. Dropping it before it is ready gives the load up.
    pub(super) future: FutureJob,
    pub(super) executor: Arc<dyn Spawn>,
}

/// The party that a rest goes to, to be notified without the flight's lock.
#[must_use]
pub(super) enum Handover {
    /// There is no rest to be handed over.
    Nothing,
    Task(Waker),
    Executor(Rest),
}

impl Handover {
    /// For a task that has stopped waiting, perhaps because it is dropped: a panic of the user's
    /// executor is not its own.
    pub(super) fn finish_quietly(self) {
        catch_unwind(AssertUnwindSafe(|| self.finish())).unwrap_or_else(drop_payload);
    }

    pub(super) fn finish(self) {
        match self {
            Handover::Nothing => {}
            Handover::Task(waker) => {
                // As in `Flight::complete`: a waker that panics is its runtime's trouble alone.
                catch_unwind(AssertUnwindSafe(|| waker.wake())).unwrap_or_else(drop_payload);
            }
            Handover::Executor(Rest { future, executor }) => {
                // What comes back is dropped.
                drop(executor.spawn_future(future));
            }
        }
    }
}
