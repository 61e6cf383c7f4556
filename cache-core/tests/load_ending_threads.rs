//! Loads on a thread that is ending: in destructors of thread-locals that are older than what the
//! cache keeps for the thread, and so run after it is gone. A binary of its own, because it counts
//! the bytes that the process holds.

mod common {
    pub(crate) mod bytes;
    pub(crate) mod ending;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod hashers;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, RandomState};

use cache_core::__private::testing::validate;
use common::bytes::held;
use common::ending::at_the_end_of_a_thread;
use common::hashers::{Constant, TestHasher};
use common::tasks::block_on;
use common::threads::must_end;

/// One test at a time: each counts bytes, or would be counted.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

type Numbers<S> = Cache<u64, u64, S>;

/// A cache whose callers never time out.
fn waits_for_ever<S: TestHasher>() -> Numbers<S> {
    Cache::builder().coalesce_timeout(Duration::MAX).build_with_hasher(S::default())
}

fn nested_loads<S: TestHasher>() {
    let ways: [fn(&Numbers<S>) -> u64; 6] = [
        |cache| cache.get_with(1, || cache.get_with(1, || 7)),
        |cache| cache.get_with(1, || cache.get_with(2, || cache.get_with(1, || 7))),
        |cache| cache.get_with(1, || block_on(cache.get_with_async(1, async { 7 }))),
        |cache| block_on(cache.get_with_async(1, async { cache.get_with(1, || 7) })),
        |cache| {
            let inner = |_: &[u64]| vec![(1, 7)];
            cache.get_with(1, || cache.get_many_with(&[2, 1], inner)[1].unwrap())
        },
        |cache| {
            let outer = |_: &[u64]| vec![(1, cache.get_with(2, || cache.get_with(1, || 7)))];
            cache.get_many_with(&[1, 2], outer)[0].unwrap()
        },
    ];
    for load in ways {
        let cache = waits_for_ever::<S>();
        let own = cache.clone();
        assert_eq!(at_the_end_of_a_thread(move || load(&own)), 7);
        assert_eq!(cache.get(&1), Some(7));
        validate(&cache);
    }
}

#[test]
fn a_load_inside_itself_does_not_wait_for_itself() {
    let _turn = one_at_a_time();
    must_end(|| {
        nested_loads::<RandomState>();
        nested_loads::<Constant>();
    });
}

#[test]
fn a_cycle_with_another_thread_ends() {
    let _turn = one_at_a_time();
    must_end(|| {
        let cache = waits_for_ever::<RandomState>();
        let begun = Arc::new(std::sync::Barrier::new(2));
        let (own, own_begun) = (cache.clone(), Arc::clone(&begun));
        let other = thread::spawn(move || {
            own.get_with(2, || {
                own_begun.wait();
                own.get_with(1, || 10)
            })
        });
        let own = cache.clone();
        at_the_end_of_a_thread(move || {
            own.get_with(1, || {
                begun.wait();
                own.get_with(2, || 20)
            })
        });
        other.join().unwrap();
        assert!(cache.contains_key(&1) && cache.contains_key(&2));
        validate(&cache);
    });
}

#[test]
fn a_recursion_without_end_says_so() {
    let _turn = one_at_a_time();
    must_end(|| {
        fn load(cache: &Numbers<RandomState>, calls: &AtomicUsize) -> u64 {
            calls.fetch_add(1, SeqCst);
            cache.get_with(1, || load(cache, calls))
        }
        let cache = waits_for_ever();
        let calls = Arc::new(AtomicUsize::new(0));
        let (own, own_calls) = (cache.clone(), Arc::clone(&calls));
        let text = at_the_end_of_a_thread(move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| load(&own, &own_calls)));
            *loaded.expect_err("it panics").downcast::<String>().expect("a text")
        });
        assert!(text.contains("a load of a key runs inside itself, 32 levels deep"), "{text}");
        assert_eq!(calls.load(SeqCst), 33);
        validate(&cache);
    });
}

#[test]
fn a_computation_inside_itself_panics() {
    let _turn = one_at_a_time();
    must_end(|| {
        let cache = waits_for_ever::<RandomState>();
        let own = cache.clone();
        let text = at_the_end_of_a_thread(move || {
            let upsert = |_| own.entry(1).and_upsert_with(|_| 1).into_value();
            let computed = catch_unwind(AssertUnwindSafe(|| own.entry(1).and_upsert_with(upsert)));
            *computed.expect_err("it panics").downcast::<String>().expect("a text")
        });
        assert!(text.contains("it would wait for itself for ever"), "{text}");
        validate(&cache);
    });
}

#[test]
fn nothing_is_left_of_a_thread_that_loads_at_its_end() {
    let _turn = one_at_a_time();
    must_end(|| {
        let cache = waits_for_ever::<RandomState>();
        let round = || {
            let own = cache.clone();
            at_the_end_of_a_thread(move || own.get_with(1, || own.get_with(1, || 7)));
            cache.invalidate_all();
            cache.run_pending_tasks();
        };
        (0..10).for_each(|_| round());
        let before = held();
        (0..100).for_each(|_| round());
        let growth = held() - before;
        // Less than the least that a stack takes, for each thread.
        assert!(growth < 100 * 16, "{growth} bytes");
    });
}
