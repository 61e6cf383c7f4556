//! Tests in which callers lose patience, in real time.
//!
//! Such a test has steps that must not take as long as patience lasts: a call is to be waiting when
//! the next begins. On a busy machine any step may take any time. So each says so, and where one took
//! too long, the test begins anew, with twice the patience. Nothing else is forgiven: a step that was
//! quick enough and went wrong is a fault.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// How long the callers of an attempt wait.
#[derive(Clone, Copy)]
pub(crate) struct Patience(pub(crate) Duration);

/// The payload of the panic that ends an attempt.
struct HeldUp;

/// Runs a test until no step of it is held up.
pub(crate) fn with_patience(test: impl Fn(Patience)) {
    let mut patience = Duration::from_millis(20);
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(Patience(patience)))) {
        if !panic.is::<HeldUp>() {
            resume_unwind(panic);
        }
        patience *= 2;
    }
}

impl Patience {
    /// Does what must be done before the patience of a caller can end that begins to wait in it.
    pub(crate) fn step<R>(self, step: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(step));
        if began.elapsed() >= self.0 {
            resume_unwind(Box::new(HeldUp));
        }
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
