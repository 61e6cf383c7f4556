//! Loads inside loads: what would wait for itself does not, and what recurs without end says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::testing::validate;
use crate::common::threads::must_end;
use cache_core::{Cache, Op, RandomState, Status};

/// What a panic said.
fn text_of(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    panic.downcast_ref::<String>().expect("a text").clone()
}

/// Each of several threads loads its key and, when all have begun, asks for the next one's.
fn ring<S: TestHasher>(length: u64) {
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
            ring::<RandomState>(2);
            ring::<Constant>(2);
        }
    });
}

#[test]
fn loads_that_wait_for_each_other_in_a_ring_end() {
    must_end(|| {
        for length in 3..9 {
            for _ in 0..30 {
                ring::<RandomState>(length);
            }
        }
    });
}

/// Values of different types, and so different caches altogether.
#[test]
fn a_ring_through_two_caches_ends() {
    must_end(|| {
        for _ in 0..200 {
            let (names, sizes) = (Cache::<u64, String>::new(10), Cache::<String, u64>::new(10));
            let begun = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    names.get_with(1, || {
                        begun.wait();
                        sizes.get_with("a".to_owned(), || 4).to_string()
                    })
                });
                scope.spawn(|| {
                    sizes.get_with("a".to_owned(), || {
                        begun.wait();
                        names.get_with(1, || "four".to_owned()).len() as u64
                    })
                });
            });
            assert!(names.contains_key(&1) && sizes.contains_key("a"));
        }
    });
}

/// The ring passes through a load that is itself inside another.
#[test]
fn a_ring_through_nested_loads_ends() {
    must_end(|| {
        for _ in 0..100 {
            let cache = Cache::<&str, u64>::new(10);
            let begun = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    cache.get_with("a", || {
                        cache.get_with("inside a", || {
                            begun.wait();
                            cache.get_with("inside b", || 1)
                        })
                    })
                });
                scope.spawn(|| {
                    cache.get_with("b", || {
                        cache.get_with("inside b", || {
                            begun.wait();
                            cache.get_with("a", || 2)
                        })
                    })
                });
            });
            assert_eq!(cache.entry_count(), 4);
        }
    });
}

/// Tasks that would wait for each other for ever, polled by hand so that both do begin to wait.
#[test]
fn a_ring_of_tasks_ends() {
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
fn a_ring_of_a_thread_and_a_task_ends() {
    must_end(|| {
        for _ in 0..200 {
            let cache = Cache::<u64, u64>::new(10);
            let begun = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    block_on(cache.get_with_async(1, async {
                        begun.wait();
                        cache.get_with_async(2, async { 0 }).await
                    }))
                });
                scope.spawn(|| {
                    cache.get_with(2, || {
                        begun.wait();
                        cache.get_with(1, || 0)
                    })
                });
            });
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
            thread::scope(|scope| {
                scope.spawn(|| load((0..20).collect()));
                scope.spawn(|| load((0..20).rev().collect()));
            });
            assert_eq!(loads.load(SeqCst), 20, "each once");
            validate(&cache);
        }
    });
}

/// The loader of one batch asks for a key of the other, whichever of its flights that is.
#[test]
fn a_ring_of_two_batches_ends() {
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
            thread::scope(|scope| {
                scope.spawn(|| load(&[0, 1, 2], wanted[1]));
                scope.spawn(|| load(&[10, 11, 12], wanted[0]));
            });
            validate(&cache);
        }
    });
}

/// A caller that is inside no load closes no ring, so it waits although others are in one.
#[test]
fn a_ring_costs_those_who_look_on_no_load() {
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
fn a_recursion_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> u64 {
        cache.get_with(1, || load(cache) + 1)
    }
    must_end(|| {
        let cache = Cache::builder().name("numbers").build();
        let text = text_of(|| _ = load(&cache));
        assert!(text.starts_with("cache `numbers`: a load of a key runs inside itself"), "{text}");
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get_with(1, || 2), 2, "the cache is whole");
        validate(&cache);
    });
}

/// There is no flight to be found here, because each level takes the one before off the register.
#[test]
fn a_recursion_without_end_that_writes_its_key_says_so() {
    fn load(cache: &Cache<u64, u64>, other: u64) -> u64 {
        cache.get_with(1, || {
            cache.invalidate(&1);
            // Another key's load in between makes no difference.
            cache.get_with(other, || load(cache, other + 1))
        })
    }
    must_end(|| {
        let cache = Cache::new(1000);
        assert!(text_of(|| _ = load(&cache, 100)).contains("runs inside itself"));
        assert_eq!(cache.entry_count(), 0);
        validate(&cache);
    });
}

#[test]
fn a_recursion_of_tasks_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> std::pin::Pin<Box<dyn Future<Output = u64> + '_>> {
        Box::pin(cache.get_with_async(1, async { load(cache).await + 1 }))
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert!(text_of(|| _ = block_on(load(&cache))).contains("runs inside itself"));
        validate(&cache);
    });
}

#[test]
fn a_recursion_of_batches_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> Vec<(u64, u64)> {
        let values = cache.get_many_with(&[1, 2, 3], |_| load(cache));
        values.into_iter().flatten().map(|value| (value, value)).collect()
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert!(text_of(|| _ = load(&cache)).contains("runs inside itself"));
        validate(&cache);
    });
}

/// The limit is for one key inside itself. Different keys may go as deep as the stack allows, also
/// where they have one hash.
#[test]
fn recursion_over_different_keys_goes_deeper_than_the_limit_for_one() {
    fn sum<S: TestHasher>(cache: &Cache<u64, u64, S>, n: u64) -> u64 {
        cache.get_with(n, || if n == 0 { 0 } else { n + sum(cache, n - 1) })
    }
    fn test<S: TestHasher>(depth: u64) {
        let cache = Cache::builder().build_with_hasher(S::default());
        assert_eq!(sum::<S>(&cache, depth), depth * (depth + 1) / 2);
        assert_eq!(cache.entry_count(), depth + 1);
        validate(&cache);
    }
    let deep = thread::Builder::new().stack_size(256 << 20).spawn(|| {
        test::<RandomState>(5000);
        test::<Constant>(300);
    });
    deep.unwrap().join().unwrap();
}

#[test]
fn a_computation_inside_one_of_the_same_key_says_that_it_cannot_wait() {
    must_end(|| {
        let cache: Cache<u64, u64> = Cache::builder().name("sums").build();
        let compute_inside = || {
            cache.entry(1).and_upsert_with(|_| {
                cache.entry(1).and_compute_with(|_| Op::Nop);
                2
            });
        };
        assert!(
            text_of(compute_inside).starts_with("cache `sums`: an entry is computed from inside")
        );
        let load_inside = || {
            cache.get_with(1, || cache.entry(1).and_upsert_with(|_| 2).into_value());
        };
        assert!(text_of(load_inside).contains("is computed from inside a load"));
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(cache.entry(1).and_upsert_with(|_| 3).into_value(), 3, "the cache is whole");
        // Another key is another matter.
        let value = cache.entry(2).and_upsert_with(|_| {
            cache.entry(3).and_upsert_with(|_| 4).into_value() + cache.get_with(4, || 1)
        });
        assert_eq!(value.into_value(), 5);
        validate(&cache);
    });
}

/// A load can run beside the computation that it is inside of; but what it brings is not stored,
/// because the computation has read that there is nothing.
#[test]
fn a_load_inside_a_computation_of_the_same_key_is_not_stored() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let result = cache.entry(1).and_compute_with(|_| {
            assert_eq!(cache.get_with(1, || 5), 5);
            assert_eq!(cache.get(&1), None);
            Op::Nop
        });
        assert_eq!(result, cache_core::CompResult::StillNone(1));
        assert_eq!(cache.entry_count(), 0);
        validate(&cache);
    });
}

#[test]
fn of_two_computations_that_would_wait_for_each_other_one_says_so() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let begun = Barrier::new(2);
        let panics: Vec<bool> = thread::scope(|scope| {
            let compute = |own: u64| {
                let (cache, begun) = (&cache, &begun);
                scope.spawn(move || {
                    panics(|| {
                        cache.entry(own).and_upsert_with(|_| {
                            begun.wait();
                            cache.entry(1 - own).and_upsert_with(|_| 1).into_value()
                        })
                    })
                })
            };
            let threads = [compute(0), compute(1)];
            threads.map(|thread| thread.join().unwrap()).into()
        });
        assert_eq!(panics.iter().filter(|&&panicked| panicked).count(), 1);
        validate(&cache);
    });
}

/// A ring that the cache cannot see: a load waits for a pool of threads which wait for the load.
#[test]
fn rayon_jobs_that_load_and_loaders_that_use_rayon_end() {
    use rayon::prelude::*;

    must_end(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        for round in 0..100 {
            let cache: Cache<u64, u64> =
                Cache::builder().coalesce_timeout(Duration::from_millis(5)).build();
            pool.install(|| {
                (0..64_u64).into_par_iter().for_each(|job| {
                    let key = job % 4;
                    let load = || (0..200_u64).into_par_iter().map(|n| n + key + round).sum();
                    let expected = 199 * 200 / 2 + 200 * (key + round);
                    assert_eq!(cache.get_with(key, load), expected);
                });
            });
            validate(&cache);
        }
    });
}

/// A ring through a channel: the load waits for a thread that waits for the load.
#[test]
fn a_ring_through_a_channel_ends_when_patience_does() {
    must_end(|| {
        let patience = Duration::from_millis(5);
        let cache: Cache<u64, u64> = Cache::builder().coalesce_timeout(patience).build();
        let value = cache.get_with(1, || {
            let asks = cache.clone();
            thread::spawn(move || asks.get_with(1, || 5)).join().unwrap() + 1
        });
        assert_eq!((value, cache.get(&1)), (6, Some(5)));
        validate(&cache);
    });
}

/// Each of them begins although all before it are stuck.
#[test]
fn who_loses_patience_takes_the_place_of_the_stuck_load() {
    must_end(|| {
        let patience = Duration::from_millis(5);
        let cache: Cache<u64, u64> = Cache::builder().coalesce_timeout(patience).build();
        let stuck = Arc::new(Barrier::new(3));
        let begin_stuck = |name| {
            let (cache, stuck) = (cache.clone(), Arc::clone(&stuck));
            let (begun, begins) = std::sync::mpsc::channel();
            let thread = thread::spawn(move || {
                cache.get_with(1, || {
                    begun.send(()).unwrap();
                    stuck.wait();
                    name
                })
            });
            begins.recv().unwrap();
            thread
        };
        let threads = [begin_stuck(1), begin_stuck(2)];
        assert_eq!(cache.get_with(1, || 3), 3);
        stuck.wait();
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [1, 2]);
        assert_eq!(cache.get(&1), Some(3), "the first to be stored stays");
        validate(&cache);
    });
}

#[test]
fn a_computation_that_waits_too_long_for_another_says_so() {
    must_end(|| {
        let cache: Cache<u64, u64> =
            Cache::builder().name("slow").coalesce_timeout(Duration::from_millis(5)).build();
        let gate = Gate::default();
        let compute = |_| async {
            gate.passed().await;
            Op::Put(1)
        };
        let stuck = Polled::pending(cache.entry(1).and_compute_with_async(compute));
        let waits = cache.clone();
        let other = thread::spawn(move || text_of(|| _ = waits.entry(1).and_upsert_with(|_| 2)));
        assert!(other.join().unwrap().contains("has not ended within `coalesce_timeout`"));
        // A load does not panic: it can run beside it. What it brings is not stored.
        let waits = cache.clone();
        let other = thread::spawn(move || waits.get_with(1, || 7));
        assert_eq!((other.join().unwrap(), cache.get(&1)), (7, None));
        gate.open();
        stuck.finish();
        assert_eq!(cache.get(&1), Some(1));
        validate(&cache);
    });
}

/// Two computations cannot run at once, so the thread waits, as for any other; but not for ever.
#[test]
fn a_thread_that_computes_what_only_it_could_poll_says_so() {
    must_end(|| {
        let cache: Cache<u64, u64> =
            Cache::builder().coalesce_timeout(Duration::from_millis(5)).build();
        let gate = Gate::default();
        let stuck = Polled::pending(cache.entry(1).and_compute_with_async(|_| async {
            gate.passed().await;
            Op::Put(1)
        }));
        let text = text_of(|| _ = cache.entry(1).and_upsert_with(|_| 2));
        assert!(text.contains("use the `_async` method"), "{text}");
        gate.open();
        stuck.finish();
        assert_eq!(cache.get(&1), Some(1));
        validate(&cache);
    });
}
