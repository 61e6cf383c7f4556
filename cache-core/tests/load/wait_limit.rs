//! Tests in which callers reach their wait limit, in real time.
//!
//! Such a test has steps that must end before the wait limit: a call has to be waiting when the
//! next one begins. On a busy machine any step may take any time. So each step is marked, and if
//! one took too long, the test starts again with twice the limit. Nothing else is forgiven: a step
//! that was in time and went wrong is a bug.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use cache_core::{Cache, CacheBuilder};

use crate::common::threads::must_end;

/// The wait limit of the callers of one attempt.
#[derive(Clone, Copy)]
pub(crate) struct WaitLimit(Duration);

/// The payload of the panic that ends an attempt.
struct HeldUp;

/// Runs a test again until no step of it was held up.
#[track_caller]
pub(crate) fn with_wait_limit(test: impl Fn(WaitLimit) + Send + 'static) {
    must_end(move || {
        let mut limit = Duration::from_millis(20);
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(WaitLimit(limit)))) {
            if !panic.is::<HeldUp>() {
                resume_unwind(panic);
            }
            limit *= 2;
        }
    });
}

impl WaitLimit {
    /// A cache whose callers wait so long.
    pub(crate) fn builder(self) -> CacheBuilder<u64, u64> {
        Cache::builder().coalesce_timeout(self.0)
    }

    /// Runs a step that has to end before a caller that begins to wait in it times out.
    pub(crate) fn step<R>(self, step: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(step));
        if began.elapsed() >= self.0 {
            resume_unwind(Box::new(HeldUp));
        }
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
