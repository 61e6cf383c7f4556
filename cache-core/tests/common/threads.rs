//! Waiting for other threads, without sleeping.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Runs `body` on a thread, and fails if it has not ended after 50 seconds, which only a deadlock
/// takes. That is less than the default of `coalesce_timeout`, which would end some deadlocks. Only
/// seconds in which this thread ran count: a process that is stopped for an hour has had none.
#[track_caller]
pub(crate) fn must_end(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        let _ = done.send(());
        outcome
    });
    let second = Duration::from_secs(1);
    let timed_out = |_| matches!(ended.recv_timeout(second), Err(RecvTimeoutError::Timeout));
    assert!(!(0..50).all(timed_out), "still running: a deadlock or a livelock");
    thread.join().unwrap().unwrap_or_else(|panic| resume_unwind(panic));
}

/// Waits, without sleeping, for what another thread is sure to bring about.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}
