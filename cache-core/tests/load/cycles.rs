//! Loads that would wait for each other: in each cycle of the wait-for graph one call loads
//! unshared, and the others wait.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use cache_core::{Cache, RandomState, Status};

use super::two_threads::{nested_cycle_ends, run_both};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// Each of several threads loads its key and, when all have begun, asks for the next one's.
fn cycle<S: TestHasher>(length: u64) {
    let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
    let (begun, loads) = (Barrier::new(length as usize), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..length {
            let (cache, begun, loads) = (&cache, &begun, &loads);
            scope.spawn(move || {
                let next = (n + 1) % length;
                let value = cache.get_with(n, || {
                    loads.fetch_add(1, SeqCst);
                    begun.wait();
                    let load_next = || {
                        loads.fetch_add(1, SeqCst);
                        1000 + next
                    };
                    10_000 + cache.get_with(next, load_next)
                });
                assert!(value > 10_000, "{value}");
            });
        }
    });
    // One call must go ahead by itself; the others can wait.
    assert_eq!(loads.load(SeqCst), length as usize + 1);
    for n in 0..length {
        assert!(cache.contains_key(&n));
    }
    validate(&cache);
}

#[test]
fn a_loads_b_while_b_loads_a() {
    must_end(|| {
        for _ in 0..200 {
            cycle::<RandomState>(2);
            cycle::<Constant>(2);
        }
    });
}

#[test]
fn loads_that_wait_for_each_other_in_a_cycle_end() {
    must_end(|| {
        for length in 3..9 {
            for _ in 0..30 {
                cycle::<RandomState>(length);
            }
        }
    });
}

/// Values of different types, and so different caches altogether.
#[test]
fn a_cycle_through_two_caches_ends() {
    must_end(|| {
        for _ in 0..200 {
            let (names, sizes) = (Cache::<u64, String>::new(10), Cache::<String, u64>::new(10));
            let begun = Barrier::new(2);
            let load_name = || {
                names.get_with(1, || {
                    begun.wait();
                    sizes.get_with("a".to_owned(), || 4).to_string()
                })
            };
            let load_size = || {
                sizes.get_with("a".to_owned(), || {
                    begun.wait();
                    names.get_with(1, || "four".to_owned()).len() as u64
                })
            };
            run_both(load_name, load_size);
            assert!(names.contains_key(&1) && sizes.contains_key("a"));
        }
    });
}

#[test]
fn a_cycle_through_nested_loads_ends() {
    nested_cycle_ends(|cache, begun| {
        cache.get_with("a", || {
            cache.get_with("inside a", || {
                begun.wait();
                cache.get_with("inside b", || 1)
            })
        });
    });
}

/// Tasks that would wait for each other for ever, polled by hand so that both begin to wait.
#[test]
fn a_cycle_of_tasks_ends() {
    let cache = Cache::<u64, u64>::new(10);
    let gate = Gate::default();
    let load = |own, other| {
        let (cache, gate) = (&cache, &gate);
        cache.get_with_async(own, async move {
            gate.passed().await;
            10 * cache.get_with_async(other, async move { own }).await
        })
    };
    let (mut a, mut b) = (Polled::pending(load(1, 2)), Polled::pending(load(2, 1)));
    gate.open();
    assert_eq!(a.poll(), None, "waits for the load of 2");
    assert_eq!(b.poll(), Some(20), "would wait for the load of 1, which waits for it");
    assert_eq!(a.poll(), Some(200));
    validate(&cache);
}

#[test]
fn a_cycle_of_a_thread_and_a_task_ends() {
    must_end(|| {
        for _ in 0..200 {
            let cache = Cache::<u64, u64>::new(10);
            let begun = Barrier::new(2);
            let task = || {
                block_on(cache.get_with_async(1, async {
                    begun.wait();
                    cache.get_with_async(2, async { 0 }).await
                }))
            };
            let thread = || {
                cache.get_with(2, || {
                    begun.wait();
                    cache.get_with(1, || 0)
                })
            };
            run_both(task, thread);
            assert_eq!(cache.entry_count(), 2);
        }
    });
}

#[test]
fn batches_in_opposite_order_do_not_wait_for_each_other() {
    must_end(|| {
        for _ in 0..200 {
            let cache = Cache::<u64, u64>::new(100);
            let loads = AtomicUsize::new(0);
            let begin = Barrier::new(2);
            let load = |keys: Vec<u64>| {
                begin.wait();
                let load = |missing: &[u64]| {
                    loads.fetch_add(missing.len(), SeqCst);
                    thread::yield_now();
                    missing.iter().map(|&key| (key, 2 * key)).collect()
                };
                let values = cache.get_many_with(&keys, load);
                assert!(keys.iter().zip(values).all(|(key, value)| value == Some(2 * key)));
            };
            run_both(|| load((0..20).collect()), || load((0..20).rev().collect()));
            assert_eq!(loads.load(SeqCst), 20, "each once");
            validate(&cache);
        }
    });
}

/// The loader of one batch asks for a key of the other, whichever of its flights that is.
#[test]
fn a_cycle_of_two_batches_ends() {
    must_end(|| {
        for wanted in [[0, 12], [2, 10], [1, 11]] {
            let cache = Cache::<u64, u64>::new(100);
            let begun = Barrier::new(2);
            let load = |keys: &[u64], wanted: u64| {
                let values = cache.get_many_with(keys, |missing| {
                    begun.wait();
                    let other = cache.get_with(wanted, || 7);
                    missing.iter().map(|&key| (key, other)).collect()
                });
                assert!(values.iter().all(Option::is_some));
            };
            run_both(|| load(&[0, 1, 2], wanted[1]), || load(&[10, 11, 12], wanted[0]));
            validate(&cache);
        }
    });
}

/// A caller that is inside no load closes no cycle, so it waits although others are in one.
#[test]
fn a_cycle_costs_callers_outside_of_it_no_load() {
    must_end(|| {
        let cache = Cache::<u64, u64>::builder().record_stats().build();
        let begun = Barrier::new(3);
        thread::scope(|scope| {
            for n in 0..2 {
                let (cache, begun) = (&cache, &begun);
                scope.spawn(move || {
                    cache.get_with(n, || {
                        begun.wait();
                        cache.get_with(1 - n, || 5)
                    })
                });
            }
            begun.wait();
            let (value, status) = cache.get_with_status(0, || unreachable!("a load is running"));
            assert_eq!(value, 5);
            assert_ne!(status, Status::Loaded);
        });
    });
}

#[test]
fn of_two_computations_that_would_wait_for_each_other_one_says_so() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let begun = Barrier::new(2);
        let panicked = AtomicUsize::new(0);
        let compute = |own: u64| {
            let computes = || {
                cache.entry(own).and_upsert_with(|_| {
                    begun.wait();
                    cache.entry(1 - own).and_upsert_with(|_| 1).into_value()
                })
            };
            panicked.fetch_add(usize::from(panics(computes)), SeqCst);
        };
        run_both(|| compute(0), || compute(1));
        assert_eq!(panicked.load(SeqCst), 1);
        validate(&cache);
    });
}
