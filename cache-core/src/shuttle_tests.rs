//! Models of the loads: the real cache, its threads under a scheduler that tries many orders.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release -p cache-core --lib \
//!     --target-dir target/shuttle shuttle_tests
//! ```
//! shuttle chooses at each lock, and wherever a model yields, which thread runs next: at random, or
//! by priorities that change a few times in a run (Burckhardt and others, "A randomized scheduler
//! with probabilistic guarantees of finding bugs", ASPLOS 2010). A run in which all threads wait is
//! reported as a deadlock. A failure prints a schedule that `shuttle::replay` repeats.
//!
//! Histories are checked by the code that the integration tests use.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::__private::testing::validate;
use crate::{Cache, CacheBuilder, FakeClock, FutureJob, Job, LoadTimeouts, Op, Spawn, Status};

mod guards;
mod histories;
#[path = "../tests/common/history.rs"]
mod history;

const RUNS: usize = 3_000;

/// Tries a model in many orders.
fn model(body: fn()) {
    shuttle::check_random(body, RUNS);
    for depth in [2, 4] {
        shuttle::check_pct(body, RUNS, depth);
    }
}

/// Without a bound, so that nothing is evicted; and without a wait limit, because models have no
/// time.
fn cache() -> Cache<u64, u64> {
    Cache::builder().max_capacity(u64::MAX).coalesce_timeout(Duration::MAX).build()
}

fn together<const N: usize>(bodies: [Box<dyn FnOnce() + Send>; N]) {
    let threads = bodies.map(|body| thread::spawn(body));
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A number that only rises. A load returns the number as it was when the load began.
#[derive(Clone, Default)]
struct Source(Arc<AtomicU64>);

impl Source {
    fn read(&self) -> u64 {
        let value = self.0.fetch_add(1, SeqCst);
        thread::yield_now();
        value
    }

    fn now(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// A leader, two waiters, and a thread that invalidates and then asks.
#[test]
fn a_call_after_an_invalidation_is_served_nothing_older() {
    model(|| {
        let (cache, source) = (cache(), Source::default());
        let load = || -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            Box::new(move || _ = cache.get_with(1, || source.read()))
        };
        let (flushed, flushing) = (source.clone(), cache.clone());
        let invalidate = Box::new(move || {
            // Loads that have read less began before the invalidation.
            let floor = flushed.now();
            if thread_rng().gen_bool(0.5) {
                flushing.invalidate(&1);
            } else {
                flushing.invalidate_all();
            }
            assert!(flushing.get(&1).is_none_or(|value| value >= floor));
            assert!(flushing.get_with(1, || flushed.read()) >= floor);
        });
        together([load(), load(), load(), invalidate]);
        validate(&cache);
    });
}

/// An old entry: one whose refresh is due, one that may be served while it is loaded, or one that
/// may be served if that fails.
fn old(clock: &FakeClock, ages: &[u64]) -> Cache<u64, u64> {
    let cache = old_builder(clock).build();
    cache.insert(1, 0);
    clock.advance(Duration::from_secs(ages[thread_rng().gen_range(0..ages.len())]));
    cache
}

fn old_builder(clock: &FakeClock) -> CacheBuilder<u64, u64> {
    let seconds = Duration::from_secs;
    Cache::builder()
        .max_capacity(u64::MAX)
        .coalesce_timeout(Duration::MAX)
        .time_to_live(seconds(10))
        .refresh_after(seconds(5))
        .stale_while_revalidate(seconds(10))
        .stale_if_error(seconds(20))
        .clock(clock.clone())
}

/// Callers of an old entry, whose loads may fail, and a thread that writes or invalidates: calls
/// after that are served nothing older, be it stale, a fallback or a refresh.
#[test]
fn nothing_stale_is_served_after_an_invalidation() {
    model(|| {
        let (clock, source) = (FakeClock::new(), Source::default());
        let cache = old(&clock, &[5, 15, 25]);
        source.read();
        let load = || -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            let fails = thread_rng().gen_bool(0.5);
            Box::new(move || {
                let load = || {
                    let value = source.read();
                    if fails { Err(()) } else { Ok(value) }
                };
                // An error may be that of the load it waited for.
                _ = cache.try_get_with(1, load);
            })
        };
        let (flushed, flushing) = (source.clone(), cache.clone());
        let invalidate = Box::new(move || {
            let floor = flushed.now();
            match thread_rng().gen_range(0..4) {
                0 => flushing.invalidate(&1),
                1 => flushing.invalidate_all(),
                2 => _ = flushing.invalidate_entries_if(|_, _| true),
                _ => flushing.insert(1, flushed.read()),
            }
            assert!(flushing.get(&1).is_none_or(|value| value >= floor));
            let served = flushing.try_get_with(1, || Err(()));
            assert!(served.is_err() || served.is_ok_and(|value| value >= floor));
        });
        together([load(), load(), invalidate]);
        validate(&cache);
    });
}

/// Of several calls for an old entry one refreshes it; the others are served, and do not wait.
#[test]
fn an_old_entry_is_refreshed_once() {
    model(|| {
        let (clock, loads) = (FakeClock::new(), Arc::new(AtomicUsize::new(0)));
        let cache = old(&clock, &[5, 15]);
        let load = |as_task: bool| -> Box<dyn FnOnce() + Send> {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            let init = move || {
                thread::yield_now();
                loads.fetch_add(1, SeqCst) as u64 + 1
            };
            Box::new(move || {
                let (value, status) = match as_task {
                    true => block_on(cache.get_with_status_async(1, async {
                        shuttle::future::yield_now().await;
                        init()
                    })),
                    false => cache.get_with_status(1, init),
                };
                assert!(value == 1 || status != Status::Loaded);
                assert_ne!(status, Status::Coalesced);
            })
        };
        together([load(false), load(true), load(false)]);
        assert_eq!(loads.load(SeqCst), 1);
        assert_eq!(cache.get(&1), Some(1));
    });
}

#[test]
fn callers_of_one_key_load_it_once() {
    model(|| {
        let (cache, loads) = (cache(), Arc::new(AtomicUsize::new(0)));
        let load = |as_task: bool| -> Box<dyn FnOnce() + Send> {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            let init = move || {
                thread::yield_now();
                loads.fetch_add(1, SeqCst) as u64
            };
            Box::new(move || {
                let value = match as_task {
                    true => block_on(cache.get_with_async(1, async {
                        shuttle::future::yield_now().await;
                        init()
                    })),
                    false => cache.get_with(1, init),
                };
                assert_eq!(value, 0);
            })
        };
        together([load(false), load(true), load(false), load(true)]);
        assert_eq!(loads.load(SeqCst), 1);
    });
}

/// A leader that is cancelled (dropped while it waits) or panics, two waiters, and an invalidation.
#[test]
fn waiters_are_served_also_if_the_leader_is_cancelled_or_panics() {
    model(|| {
        let cache = cache();
        let cancelled = cache.clone();
        let leader: Box<dyn FnOnce() + Send> = if thread_rng().gen_bool(0.5) {
            Box::new(move || {
                block_on(async move {
                    let mut load = Box::pin(cancelled.get_with_async(1, std::future::pending()));
                    let once = std::future::poll_fn(|context| {
                        let _ = load.as_mut().poll(context);
                        std::task::Poll::Ready(())
                    });
                    once.await;
                    shuttle::future::yield_now().await;
                });
            })
        } else {
            Box::new(move || {
                let call = || cancelled.get_with(1, || std::panic::resume_unwind(Box::new(())));
                // It panics, unless another call has led.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
            })
        };
        let wait = |value| -> Box<dyn FnOnce() + Send> {
            let cache = cache.clone();
            Box::new(move || assert!([1, 2].contains(&cache.get_with(1, || value))))
        };
        let invalidated = cache.clone();
        let invalidate = Box::new(move || invalidated.invalidate(&1));
        together([leader, wait(1), wait(2), invalidate]);
        cache.run_pending_tasks();
        validate(&cache);
    });
}

/// An executor that accepts about half of the futures.
#[derive(Clone, Default)]
struct Sometimes(Arc<Mutex<Vec<thread::JoinHandle<()>>>>);

impl Spawn for Sometimes {
    fn spawn(&self, _: Job) {
        unreachable!("no loader is a function of its own")
    }

    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        if thread_rng().gen_bool(0.5) {
            return Err(future);
        }
        let task = thread::spawn(|| block_on(future));
        self.0.lock().unwrap().push(task);
        Ok(())
    }
}

/// A load whose caller is served at its soft limit, if that comes first, and which ends with a
/// value, an error or a panic.
fn soft_limited(cache: Cache<u64, u64>) {
    let (ends, yields) = (thread_rng().gen_range(0..3), thread_rng().gen_range(0..4));
    let load = async move {
        for _ in 0..yields {
            shuttle::future::yield_now().await;
        }
        match ends {
            0 => Ok(1),
            1 => Err(()),
            _ => std::panic::resume_unwind(Box::new(())),
        }
    };
    let timeouts = LoadTimeouts::new(|_| shuttle::future::yield_now());
    let mut timeouts = timeouts.soft(Duration::from_secs(1));
    if thread_rng().gen_bool(0.5) {
        timeouts = timeouts.hard(Duration::from_secs(2));
    }
    let call = || block_on(cache.try_get_within_async(1, load, &timeouts));
    // It panics if the load does, unless it is served before.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
}

/// Tasks that wait for such a load, one of which is dropped before it has ended, and a thread.
#[test]
fn waiters_of_a_load_that_its_caller_has_left_are_served() {
    model(|| {
        let (clock, executor) = (FakeClock::new(), Sometimes::default());
        let cache = old_builder(&clock).executor(executor.clone()).build();
        cache.insert(1, 0);
        clock.advance(Duration::from_secs(25));
        let led = cache.clone();
        let (waiting, going, blocking) = (cache.clone(), cache.clone(), cache.clone());
        together([
            Box::new(move || soft_limited(led)),
            Box::new(move || {
                let value = block_on(waiting.get_with_async(1, async { 2 }));
                assert!([0, 1, 2, 3].contains(&value));
            }),
            Box::new(move || {
                let mut polls = thread_rng().gen_range(0..3);
                let mut load = Box::pin(going.get_with_async(1, std::future::pending()));
                block_on(std::future::poll_fn(move |context| {
                    let polled = load.as_mut().poll(context);
                    polls -= 1;
                    if polls < 0 || polled.is_ready() {
                        return std::task::Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                }));
            }),
            Box::new(move || assert!([0, 1, 2, 3].contains(&blocking.get_with(1, || 3)))),
        ]);
        let tasks = std::mem::take(&mut *executor.0.lock().unwrap());
        for task in tasks {
            task.join().unwrap();
        }
        cache.run_pending_tasks();
        validate(&cache);
        assert!(cache.get_with(1, || 4) <= 4);
    });
}

/// shuttle would report a deadlock.
#[test]
fn loads_that_need_each_other_end() {
    model(|| {
        let cache = cache();
        let load = |own: u64, others: [u64; 2]| -> Box<dyn FnOnce() + Send> {
            let cache = cache.clone();
            Box::new(move || {
                cache.get_with(own, || {
                    let asked = others.map(|other| cache.get_with(other, || other));
                    asked.into_iter().sum()
                });
            })
        };
        together([load(1, [2, 3]), load(2, [3, 1]), load(3, [1, 2])]);
        validate(&cache);
    });
}

#[test]
fn batches_and_loads_that_need_each_other_end() {
    model(|| {
        let cache = cache();
        let batch = |keys: [u64; 3], inner: u64| -> Box<dyn FnOnce() + Send> {
            let cache = cache.clone();
            Box::new(move || {
                let values = cache.get_many_with(&keys, |missing| {
                    cache.get_with(inner, || inner);
                    missing.iter().map(|&key| (key, key)).collect()
                });
                assert!(values.iter().all(Option::is_some));
            })
        };
        together([batch([1, 2, 3], 4), batch([4, 3, 2], 1)]);
        validate(&cache);
    });
}

/// A waiter for a batch that fails receives its error, or runs its own load; what others loaded is
/// in the cache.
#[test]
fn a_batch_that_fails_leaves_no_caller_waiting() {
    use crate::__private::CloneError;
    use crate::__private::{CacheValue, OkOnly, Pairs, View};
    model(|| {
        let builder = Cache::builder().max_capacity(u64::MAX);
        let cache: Cache<(u64,), u64> = builder.coalesce_timeout(Duration::MAX).build();
        let batch = |keys: [u64; 2], fails: bool| -> Box<dyn FnOnce() + Send> {
            let cache = cache.clone();
            Box::new(move || {
                let views = keys.iter().map(|key| View((key,)));
                let found = <u64 as CacheValue<_>>::find_many(false, &cache, views);
                let body = |asked: &[u64]| {
                    thread::yield_now();
                    let pairs = asked.iter().map(|&key| (key, key)).collect::<Vec<_>>();
                    if fails { Err("no") } else { Ok(pairs) }
                };
                let how = (OkOnly(CloneError), <Vec<(u64, u64)> as Pairs<_, u64, _>>::pairing());
                let loaded = <u64 as CacheValue<_>>::load_many(&cache, found, &keys, body, how);
                assert!(loaded == Err("no") || loaded == Ok(keys.map(|key| (key, key)).to_vec()));
            })
        };
        let flush = cache.clone();
        let flush = Box::new(move || flush.invalidate_all());
        together([batch([1, 2], true), batch([2, 3], false), batch([3, 1], false), flush]);
        assert_eq!(cache.get_with((1,), || 1), 1);
        validate(&cache);
    });
}

/// Batches that return a key which they were not asked for, and a thread that invalidates it and
/// then asks.
#[test]
fn a_value_not_asked_for_is_no_older_than_an_invalidation() {
    model(|| {
        let (cache, source) = (cache(), Source::default());
        let batch = |asked: u64| -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            Box::new(move || {
                cache.get_many_with(&[asked], |_| {
                    let value = source.read();
                    vec![(1, value), (asked, value)]
                });
            })
        };
        let (flushed, flushing) = (source.clone(), cache.clone());
        let invalidate = Box::new(move || {
            let floor = flushed.now();
            match thread_rng().gen_range(0..3) {
                0 => flushing.invalidate(&1),
                1 => flushing.invalidate_all(),
                _ => _ = flushing.invalidate_entries_if(|key, _| *key == 1),
            }
            assert!(flushing.get(&1).is_none_or(|value| value >= floor));
            assert!(flushing.get_with(1, || flushed.read()) >= floor);
        });
        together([batch(2), batch(3), invalidate]);
        validate(&cache);
    });
}

#[test]
fn computations_lose_nothing() {
    model(|| {
        let cache = cache();
        let upsert = || -> Box<dyn FnOnce() + Send> {
            let cache = cache.clone();
            Box::new(move || {
                for _ in 0..2 {
                    cache.entry(1).and_upsert_with(|old| {
                        thread::yield_now();
                        old.map_or(1, |old| old.value() + 1)
                    });
                }
            })
        };
        let loading = cache.clone();
        let load = Box::new(move || _ = loading.get_with(1, || 0));
        together([upsert(), upsert(), load]);
        assert!(cache.get(&1).is_some_and(|count| count == 4));
        validate(&cache);
    });
}

#[test]
fn no_two_computations_of_a_key_run_at_once() {
    model(|| {
        let (cache, inside) = (cache(), Arc::new(AtomicUsize::new(0)));
        let compute = || -> Box<dyn FnOnce() + Send> {
            let (cache, inside) = (cache.clone(), Arc::clone(&inside));
            Box::new(move || {
                cache.entry(1).and_compute_with(|old| {
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                    if old.is_some() { Op::Remove } else { Op::Put(1) }
                });
            })
        };
        together([compute(), compute(), compute()]);
        assert_eq!(cache.get(&1), Some(1));
        validate(&cache);
    });
}
