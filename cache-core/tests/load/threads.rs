//! Loads by threads: one load for all callers of a key, which of them runs it, and what each is
//! given.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, RandomState, RemovalCause};

use crate::common::configurations::Log;
use crate::common::crowd::{Crowd, Key, Running};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;
use cache_core::__private::{CacheValue, KeepError, OkOnly, View};

const CALLERS: usize = 8;

fn cache() -> (Cache<Key, u32>, Crowd) {
    (Cache::builder().max_capacity(100).record_stats().build(), Crowd::default())
}

#[test]
fn get_with_of_many_callers_loads_once() {
    must_end(|| {
        for round in 0..50 {
            let (cache, crowd) = cache();
            let loads = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..CALLERS {
                    scope.spawn(|| {
                        let value = cache.get_with(crowd.key(1), || {
                            crowd.wait_for(CALLERS - 1);
                            loads.fetch_add(1, SeqCst);
                            round
                        });
                        assert_eq!(value, round);
                    });
                }
            });
            assert_eq!(loads.load(SeqCst), 1);
            assert_eq!(cache.get(&crowd.key(1)), Some(round));
            validate(&cache);
            let stats = cache.stats();
            assert_eq!((stats.loads, stats.load_failures), (1, 0));
            assert_eq!((stats.hits, stats.misses), (1, CALLERS as u64));
        }
    });
}

#[test]
fn loads_of_all_kinds_share_one_flight() {
    must_end(|| {
        for _ in 0..50 {
            let (cache, crowd) = cache();
            let loads = AtomicUsize::new(0);
            let load = || {
                crowd.wait_for(5);
                loads.fetch_add(1, SeqCst);
                7
            };
            let key = || crowd.key(1);
            thread::scope(|scope| {
                scope.spawn(|| assert_eq!(cache.get_with(key(), load), 7));
                scope.spawn(|| assert_eq!(cache.get_with_by_ref(&key(), load), 7));
                scope.spawn(|| {
                    assert_eq!(cache.try_get_with(key(), || Ok::<_, u8>(load())), Ok(7));
                });
                scope.spawn(|| {
                    let given = cache.try_get_with_by_ref(&key(), || Ok::<_, String>(load()));
                    assert_eq!(given, Ok(7));
                });
                scope.spawn(|| {
                    assert_eq!(cache.optionally_get_with(key(), || Some(load())), Some(7));
                });
                scope.spawn(|| {
                    let given = cache.optionally_get_with_by_ref(&key(), || Some(load()));
                    assert_eq!(given, Some(7));
                });
            });
            assert_eq!(loads.load(SeqCst), 1);
        }
    });
}

#[test]
fn try_get_with_shares_one_error_with_all_waiters() {
    must_end(|| {
        for _ in 0..50 {
            let (cache, crowd) = cache();
            let loads = AtomicUsize::new(0);
            let errors: Mutex<Vec<Arc<String>>> = Mutex::default();
            thread::scope(|scope| {
                for _ in 0..CALLERS {
                    scope.spawn(|| {
                        let given = cache.try_get_with(crowd.key(1), || {
                            crowd.wait_for(CALLERS - 1);
                            Err(format!("failure {}", loads.fetch_add(1, SeqCst)))
                        });
                        errors.lock().unwrap().push(given.unwrap_err());
                    });
                }
            });
            let errors = errors.into_inner().unwrap();
            assert_eq!((loads.load(SeqCst), errors.len()), (1, CALLERS));
            assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])), "one and the same");
            assert_eq!(cache.get(&crowd.key(1)), None);
            assert_eq!((cache.stats().loads, cache.stats().load_failures), (0, 1));
            validate(&cache);
        }
    });
}

#[test]
fn optionally_get_with_shares_none_with_all_waiters() {
    must_end(|| {
        let (cache, crowd) = cache();
        let loads = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let given = cache.optionally_get_with(crowd.key(1), || {
                        crowd.wait_for(CALLERS - 1);
                        loads.fetch_add(1, SeqCst);
                        None
                    });
                    assert_eq!(given, None);
                });
            }
        });
        assert_eq!(loads.load(SeqCst), 1);
        assert_eq!(cache.get_with(crowd.key(1), || 5), 5, "nothing was stored");
    });
}

/// Four callers expect one error type, four another. Those with the leader's type share its error;
/// the others run their own loaders, once each and all at once: they meet at a barrier.
#[test]
fn waiters_with_another_error_type_run_their_own_loaders_in_parallel() {
    fn caller<E: Send + Sync + 'static>(
        (cache, crowd): &(Cache<Key, u32>, Crowd),
        (first, meet, loads): &(AtomicBool, Barrier, AtomicUsize),
        error: E,
    ) {
        let given = cache.try_get_with(crowd.key(1), || {
            loads.fetch_add(1, SeqCst);
            if first.swap(false, SeqCst) {
                crowd.wait_for(CALLERS - 1);
            } else {
                meet.wait();
            }
            Err(error)
        });
        assert!(given.is_err());
    }
    must_end(|| {
        for _ in 0..50 {
            let shared = cache();
            let loads = (AtomicBool::new(true), Barrier::new(CALLERS / 2), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..CALLERS / 2 {
                    scope.spawn(|| caller(&shared, &loads, 8_u8));
                    scope.spawn(|| caller(&shared, &loads, "no".to_owned()));
                }
            });
            assert_eq!(loads.2.load(SeqCst), 1 + CALLERS / 2);
            validate(&shared.0);
        }
    });
}

/// An error that cannot be shared: the waiters load at once, and meet.
#[test]
fn waiters_for_an_error_that_is_not_shared_run_their_own_loaders_in_parallel() {
    must_end(|| {
        let (cache, crowd) = cache();
        let (first, meet) = (AtomicBool::new(true), Barrier::new(2));
        let failures = AtomicUsize::new(0);
        let load = || {
            if first.swap(false, SeqCst) {
                crowd.wait_for(2);
                return Err("no");
            }
            meet.wait();
            Ok(7)
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let key = crowd.key(1);
                    let given =
                        <u32 as CacheValue<_>>::find(false, &cache, View(&key)).or_else(|missed| {
                            <u32 as CacheValue<_>>::load(&cache, missed, load, OkOnly(KeepError))
                        });
                    failures.fetch_add(usize::from(given.is_err()), SeqCst);
                });
            }
        });
        assert_eq!(failures.load(SeqCst), 1);
        assert_eq!(cache.get(&crowd.key(1)), Some(7));
    });
}

#[test]
fn a_loader_that_panics_hands_over_to_a_waiter() {
    must_end(|| {
        for _ in 0..30 {
            let (cache, crowd) = cache();
            let (loads, panicked) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..CALLERS {
                    scope.spawn(|| {
                        let call = || {
                            cache.get_with(crowd.key(1), || {
                                crowd.wait_for(CALLERS - 1);
                                assert!(loads.fetch_add(1, SeqCst) > 0, "on purpose");
                                7
                            })
                        };
                        if panics(|| assert_eq!(call(), 7)) {
                            panicked.fetch_add(1, SeqCst);
                        }
                    });
                }
            });
            assert_eq!((loads.load(SeqCst), panicked.load(SeqCst)), (2, 1));
            assert_eq!(cache.get(&crowd.key(1)), Some(7));
            assert_eq!((cache.stats().loads, cache.stats().load_failures), (1, 1));
            validate(&cache);
        }
    });
}

#[test]
fn loaders_that_all_panic_leave_no_waiter() {
    must_end(|| {
        let (cache, crowd) = cache();
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let loader = || {
                        crowd.wait_for(CALLERS - 1);
                        panic!("on purpose")
                    };
                    assert!(panics(|| cache.get_with(crowd.key(1), loader)));
                });
            }
        });
        assert_eq!(cache.stats().load_failures, CALLERS as u64);
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(cache.get_with(crowd.key(1), || 3), 3);
        validate(&cache);
    });
}

/// Loaders of different keys run at the same time, also where all keys have one hash.
#[test]
fn loads_of_different_keys_do_not_wait_for_each_other() {
    fn test<S: TestHasher>() {
        let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
        let (meet, loads) = (Barrier::new(CALLERS), AtomicUsize::new(0));
        for round in 0..20 {
            thread::scope(|scope| {
                for n in 0..2 * CALLERS as u64 {
                    let (cache, meet, loads) = (&cache, &meet, &loads);
                    scope.spawn(move || {
                        let key = round * 100 + n / 2;
                        let value = cache.get_with(key, || {
                            loads.fetch_add(1, SeqCst);
                            meet.wait();
                            key * 2
                        });
                        assert_eq!(value, key * 2);
                    });
                }
            });
            validate(&cache);
        }
        assert_eq!(loads.load(SeqCst), 20 * CALLERS);
    }
    must_end(|| {
        test::<RandomState>();
        test::<Constant>();
    });
}

#[test]
fn a_load_of_the_same_key_from_inside_runs_at_once() {
    fn load(cache: &Cache<u64, u64>, depth: u64) -> u64 {
        cache.get_with(1, || {
            if depth < 20 {
                assert_eq!(load(cache, depth + 1), depth + 1);
            }
            depth
        })
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert_eq!(load(&cache, 0), 0, "each is given what its own loader made");
        assert_eq!(cache.get(&1), Some(20), "what was stored first stays");
        assert_eq!(cache.entry_count(), 1);
        validate(&cache);
    });
}

#[test]
fn a_failure_inside_a_load_of_the_same_key_leaves_the_outer_load() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let value = cache.get_with(1, || {
            assert_eq!(cache.optionally_get_with(1, || None), None);
            assert_eq!(cache.try_get_with(1, || Err(4)), Err(Arc::new(4)));
            assert!(panics(|| cache.get_with(1, || panic!("on purpose"))));
            9
        });
        assert_eq!((value, cache.get(&1)), (9, Some(9)));
        validate(&cache);
    });
}

#[test]
fn recursion_over_different_keys_works() {
    fn fib<S: TestHasher>(cache: &Cache<u64, u64, S>, loads: &AtomicUsize, n: u64) -> u64 {
        cache.get_with(n, || {
            loads.fetch_add(1, SeqCst);
            if n < 2 { n } else { fib(cache, loads, n - 1) + fib(cache, loads, n - 2) }
        })
    }
    fn test<S: TestHasher>() {
        for max in [81, 1000, u64::MAX] {
            let cache = Cache::builder().max_capacity(max).build_with_hasher(S::default());
            let loads = AtomicUsize::new(0);
            assert_eq!(fib::<S>(&cache, &loads, 80), 23_416_728_348_467_685);
            assert_eq!(loads.load(SeqCst), 81);
            validate(&cache);
        }
    }
    must_end(|| {
        test::<RandomState>();
        test::<Constant>();
    });
}

#[test]
fn recursion_by_several_threads_at_once_works() {
    fn fib(cache: &Cache<u64, u64>, n: u64) -> u64 {
        // A load waits for loads of smaller numbers only, so no two wait for each other.
        cache.get_with(n, || if n < 2 { n } else { fib(cache, n - 2) + fib(cache, n - 1) })
    }
    must_end(|| {
        for _ in 0..20 {
            let cache = Cache::new(1000);
            thread::scope(|scope| {
                for n in 0..4 {
                    let cache = &cache;
                    scope.spawn(move || assert!(fib(cache, 60 + n) > 0));
                }
            });
            assert_eq!(fib(&cache, 60), 1_548_008_755_920);
        }
    });
}

#[test]
fn a_loader_may_use_the_cache() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(3);
        let value = cache.get_with(1, || {
            (10..30).for_each(|key| cache.insert(key, key));
            cache.invalidate(&29);
            assert_eq!(cache.iter().count(), 2);
            cache.run_pending_tasks();
            assert_eq!(cache.remove(&1), None);
            5
        });
        assert_eq!(value, 5);
        assert_eq!(cache.get(&1), None, "it was removed after its load began");
        assert_eq!(cache.get_with(1, || 6), 6);
        assert_eq!(cache.get(&1), Some(6));
        validate(&cache);
    });
}

#[test]
fn a_loaded_value_too_heavy_is_returned_and_not_stored() {
    must_end(|| {
        let (log, crowd) = (Log::<u32, u32>::default(), Crowd::default());
        let tell = log.listener();
        let cache: Cache<Key, u32> = Cache::builder()
            .max_capacity(10)
            .weigher(|_, value| *value)
            .record_stats()
            .eviction_listener(move |key: &Key, value, cause| tell(&key.name, value, cause))
            .build();
        let running = Running::begin(&cache, &crowd.key(1), 11, 3);
        assert_eq!(running.end(), [11; 4]);
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(log.take(), [(1, 11, RemovalCause::Size)]);
        assert_eq!((cache.stats().loads, cache.stats().removed_size), (1, 1));
        assert_eq!(cache.get_with(crowd.key(1), || 10), 10);
        assert_eq!(cache.get(&crowd.key(1)), Some(10));
        validate(&cache);
    });
}

/// It replaces nothing: what was stored from inside stays.
#[test]
fn a_loaded_value_too_heavy_leaves_what_was_stored_meanwhile() {
    must_end(|| {
        let weigh = |_: &u64, value: &u64| *value as u32;
        let cache: Cache<u64, u64> = Cache::builder().max_capacity(10).weigher(weigh).build();
        let value = cache.get_with(1, || {
            assert_eq!(cache.get_with(1, || 5), 5);
            11
        });
        assert_eq!((value, cache.get(&1)), (11, Some(5)));
        validate(&cache);
    });
}

#[test]
fn a_loaded_value_is_stored_in_a_full_cache() {
    for max in [1, 2, 10] {
        let cache = Cache::<u64, u64>::new(max);
        for key in 0..100 {
            assert_eq!(cache.get_with(key, || key), key);
            assert_eq!(cache.get(&key), Some(key));
            assert_eq!(cache.entry_count(), max.min(key + 1));
            validate(&cache);
        }
    }
}

#[test]
fn stats_of_loads_include_their_time() {
    let cache = Cache::<u64, u64>::builder().record_stats().build();
    cache.get_with(1, || {
        let began = std::time::Instant::now();
        wait_until(|| began.elapsed() >= Duration::from_millis(2));
        1
    });
    assert!(cache.stats().load_time >= Duration::from_millis(2));
    assert!(cache.stats().average_load_time() >= Duration::from_millis(2));
}
