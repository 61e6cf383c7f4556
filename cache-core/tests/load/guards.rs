//! Loads under a guard: which caller is given it, which wait, and what becomes of them.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock, GuardError, LoadGuard, LoadTimeouts, RandomState, Status};

use super::entry::plus_one;
use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::crowd::{Crowd, Key};
use crate::common::hashers::TestHasher;
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// A cache whose callers wait for ever.
fn patient() -> Cache<Key, u32> {
    Cache::builder().coalesce_timeout(Duration::MAX).build()
}

fn a_guard_loads_once<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let guard = subject.get_or_guard(&1).unwrap_err();
    assert!(format!("{guard:?}").starts_with("LoadGuard"));
    assert_eq!(subject.get(&1), None);
    assert_eq!(guard.insert(10), 10);
    assert_eq!(subject.get_or_guard(&1).unwrap(), 10);
    assert_eq!(subject.get_or_guard_timeout(&1, Duration::ZERO).unwrap(), 10);
    assert_eq!(block_on(subject.get_or_guard_async(&1)).unwrap(), 10);
    let timeouts = LoadTimeouts::new(|_| pending());
    assert_eq!(block_on(subject.get_or_guard_within_async(&1, &timeouts)).unwrap(), 10);
    subject.invalidate(&1);
    drop(subject.get_or_guard(&1).unwrap_err());
    let guard = block_on(subject.get_or_guard_async(&1)).unwrap_err();
    subject.check_holds(0);
    // What is written meanwhile stays, and supersedes the load.
    subject.insert(1, 11);
    assert_eq!((guard.insert(12), subject.get(&1)), (12, Some(11)));
    subject.invalidate(&1);
    let guard = subject.get_or_guard(&1).unwrap_err();
    subject.invalidate(&1);
    assert_eq!((guard.insert(13), subject.get(&1)), (13, None));
    subject.check_holds(0);
    if subject.setup.stats {
        let stats = subject.stats();
        assert_eq!((stats.loads, stats.load_failures), (3, 1), "one guard was dropped");
    }
}

#[test]
fn a_key_that_is_missing_is_loaded_by_the_caller_that_has_its_guard() {
    in_every_configuration!(a_guard_loads_once);
}

type Call = fn(&Cache<Key, u32>, Key) -> u32;

/// Calls of all kinds for a key that another caller loads; each returns what it is given.
fn all_calls() -> Vec<Call> {
    vec![
        |cache, key| cache.get_or_guard(&key).unwrap(),
        |cache, key| block_on(cache.get_or_guard_async(&key)).unwrap(),
        |cache, key| cache.get_or_guard_timeout(&key, Duration::MAX).unwrap(),
        |cache, key| {
            let timeouts = LoadTimeouts::new(|_| pending()).hard(TTL);
            block_on(cache.get_or_guard_within_async(&key, &timeouts)).unwrap()
        },
        |cache, key| cache.get_with(key, || unreachable!("a guard is there")),
        |cache, key| block_on(cache.get_with_async(key, async { unreachable!() })),
        |cache, key| cache.get_many_with(&[key], |_| unreachable!())[0].unwrap(),
        |cache, key| cache.get_or_revalidate(key, |_| false, || unreachable!()),
    ]
}

#[test]
fn all_kinds_of_callers_wait_for_the_guard_and_are_given_its_value() {
    must_end(|| {
        for off in [false, true] {
            let (crowd, calls) = (Crowd::default(), all_calls());
            let cache = if off { Cache::new(0) } else { patient() };
            let guard = cache.get_or_guard(&crowd.key(1)).unwrap_err();
            let waiting: Vec<_> = calls
                .into_iter()
                .map(|call| {
                    let (cache, key, joined) = (cache.clone(), crowd.key(1), crowd.joined());
                    let waits = thread::spawn(move || call(&cache, key));
                    crowd.wait_for(joined + 1);
                    waits
                })
                .collect();
            assert_eq!(guard.insert(7), 7);
            assert!(waiting.into_iter().all(|call| call.join().unwrap() == 7));
            assert_eq!(cache.get(&crowd.key(1)), if off { None } else { Some(7) });
            validate(&cache);
        }
    });
}

/// However a guard goes without a value, of those that wait one is given the next.
#[test]
fn a_guard_that_is_dropped_hands_its_load_to_one_waiter() {
    silence_panics_on_purpose();
    must_end(|| {
        let drops: [fn(LoadGuard<'_, Key, u32>); 2] =
            [|guard| drop(guard), |guard| assert!(panics(move || panic_with(guard)))];
        for drop_it in drops {
            let (crowd, cache, guards) = (Crowd::default(), patient(), AtomicUsize::new(0));
            let guard = cache.get_or_guard(&crowd.key(1)).unwrap_err();
            thread::scope(|scope| {
                for as_task in [false, true, false, true] {
                    let (cache, key, guards) = (&cache, crowd.key(1), &guards);
                    scope.spawn(move || {
                        let got = match as_task {
                            true => block_on(cache.get_or_guard_async(&key)),
                            false => cache.get_or_guard(&key),
                        };
                        let value = got.unwrap_or_else(|guard| {
                            guards.fetch_add(1, SeqCst);
                            guard.insert(5)
                        });
                        assert_eq!(value, 5);
                    });
                }
                crowd.wait_for(4);
                drop_it(guard);
            });
            assert_eq!((guards.into_inner(), cache.get(&crowd.key(1))), (1, Some(5)));
            validate(&cache);
        }
    });
}

fn panic_with(_guard: LoadGuard<'_, Key, u32>) {
    panic!("on purpose");
}

/// The thread would wait for itself; so it does not wait, whichever way it asks.
fn asking_again<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let guard = subject.get_or_guard(&1).unwrap_err();
    let second = subject.get_or_guard(&1).unwrap_err();
    let third = subject.get_or_guard_timeout(&1, Duration::MAX).unwrap_err();
    assert!(matches!(third, GuardError::Guard(_)));
    drop(third);
    assert_eq!(subject.get_with_status(1, || 3), (3, Status::Loaded));
    assert_eq!((second.insert(2), guard.insert(1)), (2, 1));
    assert_eq!(subject.get(&1), Some(3), "the value that was made first");
    let guard = subject.get_or_guard(&2).unwrap_err();
    let entry = subject.entry(2).and_upsert_with(plus_one);
    assert_eq!((*entry.value(), guard.insert(9)), (1, 9));
    assert_eq!(subject.get(&2), Some(1), "a computation waits for no such load");
}

#[test]
fn a_thread_that_asks_for_a_key_whose_guard_it_has_does_not_wait() {
    must_end(|| {
        in_every_configuration!(asking_again);
    });
}

/// Another task of the thread may wait: the one that has the guard goes on meanwhile.
#[test]
fn a_task_waits_for_a_guard_of_another_task_of_its_thread() {
    let cache: Cache<u64, u64> = Cache::builder().coalesce_timeout(Duration::MAX).build();
    let guard = block_on(cache.get_or_guard_async(&1)).unwrap_err();
    let mut waits = Polled::pending(cache.get_or_guard_async(&1));
    drop(Polled::pending(cache.get_or_guard_async(&1)));
    drop(guard);
    assert_eq!(waits.wakes.count(), 1);
    let guard = waits.poll().expect("it leads now").unwrap_err();
    let waits = Polled::pending(cache.get_or_guard_async(&1));
    guard.insert(4);
    assert_eq!(waits.finish().unwrap(), 4);
    validate(&cache);
}

#[test]
fn a_guard_may_be_used_on_another_thread() {
    must_end(|| {
        fn is_send<T: Send>(it: T) -> T {
            it
        }
        let cache: Cache<String, u64> = Cache::new(10);
        let guard = is_send(is_send(cache.get_or_guard_async("a")));
        let guard = block_on(guard).unwrap_err();
        let timeouts = LoadTimeouts::new(|_| pending());
        drop(is_send(cache.get_or_guard_within_async("a", &timeouts)));
        thread::scope(|scope| _ = scope.spawn(|| guard.insert(3)).join());
        assert_eq!(cache.get_or_guard("a").unwrap(), 3);
    });
}

#[test]
fn a_caller_waits_no_longer_than_it_says() {
    must_end(|| {
        let (crowd, cache) = (Crowd::default(), patient());
        let key = crowd.key(1);
        let guard = cache.get_or_guard(&key).unwrap_err();
        thread::scope(|scope| {
            scope.spawn(|| {
                let millisecond = Duration::from_millis(1);
                for timeout in [Duration::ZERO, millisecond] {
                    let waited = cache.get_or_guard_timeout(&key, timeout);
                    assert!(matches!(waited, Err(GuardError::TimedOut)), "{waited:?}");
                }
                let timeouts = LoadTimeouts::new(|_| ready(()));
                let timeouts = timeouts.soft(millisecond).hard(2 * millisecond);
                let waited = block_on(cache.get_or_guard_within_async(&key, &timeouts));
                assert!(matches!(waited, Err(GuardError::TimedOut)), "{waited:?}");
            });
        });
        assert_eq!(guard.insert(8), 8);
        let served = cache.get_or_guard_timeout(&key, Duration::ZERO);
        assert_eq!(served.unwrap(), 8, "the load went on");
    });
}

/// A guard that is kept for ever holds nobody up for longer than `coalesce_timeout`.
#[test]
fn a_caller_that_times_out_on_a_guard_is_given_one() {
    must_end(|| {
        let cache: Cache<u64, u64> =
            Cache::builder().coalesce_timeout(Duration::from_millis(1)).build();
        let kept = cache.get_or_guard(&1).unwrap_err();
        thread::scope(|scope| {
            let as_thread = || cache.get_or_guard(&1).map_err(|guard| guard.insert(2));
            let as_thread = scope.spawn(as_thread).join().unwrap();
            assert_eq!(as_thread, Err(2));
            cache.invalidate(&1);
            let again = cache.get_or_guard(&1).unwrap_err();
            let as_task =
                || block_on(cache.get_or_guard_async(&1)).map_err(|guard| guard.insert(3));
            assert_eq!(scope.spawn(as_task).join().unwrap(), Err(3));
            drop(again);
        });
        assert_eq!((kept.insert(1), cache.get(&1)), (1, Some(3)));
        validate(&cache);
    });
}

#[test]
fn callers_that_waited_for_a_load_that_failed_are_given_guards_at_once() {
    let cache: Cache<u64, u64> = Cache::builder().coalesce_timeout(Duration::MAX).build();
    let gate = Gate::default();
    let fails = gate.then(Err::<u64, _>("no"));
    let leads = Polled::pending(cache.try_get_with_async(1, fails));
    let mut waiting = [(); 2].map(|()| Polled::pending(cache.get_or_guard_async(&1)));
    gate.open();
    assert!(leads.finish().is_err());
    let [first, second] = waiting.each_mut().map(|call| call.poll().expect("ready").unwrap_err());
    assert_eq!((second.insert(2), first.insert(1)), (2, 1), "they do not wait for each other");
    assert_eq!(cache.get(&1), Some(2));
    validate(&cache);
}

/// A value whose clone panics if it is armed.
#[derive(Debug)]
struct Armed(Arc<AtomicBool>);

impl Clone for Armed {
    fn clone(&self) -> Self {
        assert!(!self.0.load(SeqCst), "on purpose");
        Armed(Arc::clone(&self.0))
    }
}

#[test]
fn a_guard_whose_value_cannot_be_stored_for_a_panic_hands_its_load_over() {
    silence_panics_on_purpose();
    let armed = Arc::new(AtomicBool::new(true));
    let cache: Cache<u64, Armed> = Cache::builder().coalesce_timeout(Duration::MAX).build();
    let guard = cache.get_or_guard(&1).unwrap_err();
    let mut waits = Polled::pending(cache.get_or_guard_async(&1));
    assert!(panics(|| guard.insert(Armed(Arc::clone(&armed)))));
    armed.store(false, SeqCst);
    let guard = waits.poll().expect("it leads now").unwrap_err();
    guard.insert(Armed(armed));
    assert!(cache.contains_key(&1));
    let weigh =
        |_: &u64, value: &u64| -> u32 { if *value == 0 { resume_unwind(Box::new(())) } else { 1 } };
    let cache: Cache<u64, u64> = Cache::builder().weigher(weigh).max_capacity(10).build();
    let guard = cache.get_or_guard(&1).unwrap_err();
    let mut waits = Polled::pending(cache.get_or_guard_async(&1));
    assert!(catch_unwind(AssertUnwindSafe(|| guard.insert(0))).is_err());
    assert_eq!(waits.poll().expect("it leads now").unwrap_err().insert(1), 1);
    validate(&cache);
}

#[test]
fn where_old_values_are_served_one_caller_is_given_the_guard() {
    let clock = FakeClock::new();
    let cache: Cache<u64, u64> = Cache::builder()
        .time_to_live(TTL)
        .stale_while_revalidate(TTL)
        .stale_if_error(3 * TTL)
        .clock(clock.clone())
        .build();
    cache.insert(1, 1);
    clock.advance(TTL);
    let guard = cache.get_or_guard(&1).unwrap_err();
    assert_eq!(cache.get_or_guard(&1).unwrap(), 1, "the old value, at once");
    assert_eq!((guard.insert(2), cache.get(&1)), (2, Some(2)));
    // At a time limit the old value is served, too.
    clock.advance(3 * TTL);
    let guard = cache.get_or_guard(&1).unwrap_err();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(cache.get_or_guard_timeout(&1, Duration::ZERO).unwrap(), 2);
            let timeouts = LoadTimeouts::new(|_| ready(())).soft(TTL);
            let waited = block_on(cache.get_or_guard_within_async(&1, &timeouts));
            assert_eq!(waited.unwrap(), 2);
        });
    });
    drop(guard);
    validate(&cache);
}

/// The loader of a key asks for it under a guard, and so do loads that need each other.
#[test]
fn a_guard_inside_a_load_of_its_key_is_unshared() {
    must_end(|| {
        let cache: Cache<u64, u64, RandomState> =
            Cache::builder().coalesce_timeout(Duration::MAX).build();
        let value = cache.get_with(1, || cache.get_or_guard(&1).unwrap_err().insert(4) + 1);
        assert_eq!((value, cache.get(&1)), (5, Some(4)));
        // A guard that is made inside of a load, and outlives it.
        let mut kept = None;
        cache.get_with(2, || {
            kept = Some(cache.get_or_guard(&3).unwrap_err());
            2
        });
        let waits = thread::scope(|scope| {
            let waits = Polled::pending(cache.get_or_guard_async(&3));
            scope.spawn(|| kept.take().unwrap().insert(3)).join().unwrap();
            waits.finish()
        });
        assert_eq!(waits.unwrap(), 3);
        validate(&cache);
    });
}
