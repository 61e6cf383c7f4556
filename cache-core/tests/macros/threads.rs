//! Functions under `#[cached]` called by many threads at once.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use cache_core::cached;

const THREADS: usize = 8;

/// Runs `call` on all threads at once, and returns what they return.
fn together<T: Send>(call: impl Fn() -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    call()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn misses_of_one_key_share_one_run() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    #[cached]
    fn slow(n: u64) -> Arc<u64> {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Arc::new(n)
    }
    for n in 0..100 {
        let values = together(|| slow(n));
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    }
    assert_eq!(RUNS.load(Ordering::Relaxed), 100);
    assert_eq!(slow::stats().loads, 100);
}

#[test]
fn errors_that_cannot_be_shared_leave_every_caller_with_its_own() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    /// No `Clone`, so no call can have the error of another.
    #[derive(Debug)]
    struct Failed(usize);
    #[cached]
    fn fails(_n: u64) -> Result<u64, Failed> {
        Err(Failed(RUNS.fetch_add(1, Ordering::Relaxed)))
    }
    let mut seen: Vec<usize> =
        together(|| fails(1)).into_iter().map(|result| result.expect_err("fails").0).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..THREADS).collect::<Vec<_>>());
}

#[test]
fn errors_that_can_be_shared_do_not_replace_those_of_own_runs() {
    thread_local! {
        static OWN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    #[cached]
    fn fails(_n: u64) -> Result<u64, String> {
        let error = RUNS.fetch_add(1, Ordering::Relaxed).to_string();
        OWN.with_borrow_mut(|own| own.push(error.clone()));
        Err(error)
    }
    for n in 0..100 {
        together(|| {
            OWN.with_borrow_mut(Vec::clear);
            let error = fails(n).expect_err("fails");
            OWN.with_borrow(|own| {
                assert!(own.is_empty() || *own == [error], "one run, and its own error");
            });
        });
        assert_eq!(fails::get(n), None);
    }
}
