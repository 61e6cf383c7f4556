//! Small models of the lock-free parts, run by loom through every interleaving and every value that
//! the memory model lets a load see.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p cache-core --lib loom_tests
//! ```
//! The models run the code itself, not a copy of it: `reclaim/epoch.rs` with the fence on both
//! sides (loom knows no `membarrier`), and the table with blocks of four slots and tiny regions,
//! under the locks of `shard/` (`shard/loom_tests.rs`). Keys and values hold a [`Tracked`] cell,
//! read as user code would read them and written when they are dropped: loom reports any read that
//! is not ordered before the drop, or after the creation, of what it reads. Regions and slots
//! report to loom in the same way when they are freed.
//!
//! A running thread is interrupted at most five times in a run, unless the environment says
//! otherwise (`LOOM_MAX_PREEMPTIONS`).

use loom::cell::UnsafeCell;
use loom::thread;

use crate::util::thread_slot;

mod epochs;

pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(5));
    builder.max_branches = 100_000;
    builder.check(move || {
        thread_slot::set(0);
        body();
    });
}

/// Runs `body` on another thread, whose number this is.
pub(crate) fn spawn(number: usize, body: impl FnOnce() + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread_slot::set(number);
        body();
    })
}

const ENDED: u64 = u64::MAX;

/// A number whose accesses loom checks.
pub(crate) struct Tracked(UnsafeCell<u64>);

// SAFETY: all accesses go through loom, which fails the test where two of them race.
unsafe impl Sync for Tracked {}

impl Tracked {
    pub(crate) fn new(number: u64) -> Self {
        Tracked(UnsafeCell::new(number))
    }

    pub(crate) fn get(&self) -> u64 {
        // SAFETY: the pointer is valid for as long as the cell is borrowed.
        let number = self.0.with(|number| unsafe { *number });
        assert_ne!(number, ENDED, "read after its end");
        number
    }

    fn end(&self) {
        // SAFETY: as above, and loom fails the test if another thread reads or writes.
        self.0.with_mut(|number| unsafe { *number = ENDED });
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.end();
    }
}
