//! How often the bodies of cached functions ran on the calling thread; each test has a thread of
//! its own.

use std::cell::Cell;

thread_local! {
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Counts a run of a body, and returns its number.
pub(crate) fn run() -> u64 {
    RUNS.set(RUNS.get() + 1);
    runs()
}

/// Returns how many runs there were.
pub(crate) fn runs() -> u64 {
    RUNS.get()
}
