//! Callers that reach their wait limit, `coalesce_timeout`: the first to time out starts another
//! load in the place of the stuck one, and the others join it. A caller that times out twice loads
//! unshared. Computations cannot run beside each other, so there it is an error.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, CompResult, Op, Status};
use rayon::prelude::*;

use super::entry::plus_one;
use super::nesting::text_of;
use super::tasks::on_every_runtime;
use super::wait_limit::with_wait_limit;
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;
use cache_core::__private::{CacheValue, View, Whole, key_of};

/// A cache whose callers time out soon. No test says how long that takes.
fn short_wait() -> CacheBuilder<u64, u64> {
    Cache::builder().coalesce_timeout(Duration::from_millis(5))
}

/// A cycle that the cache cannot see: a load waits for a pool of threads that wait for the load.
#[test]
fn rayon_jobs_that_load_and_loaders_that_use_rayon_end() {
    must_end(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        for round in 0..100 {
            let cache = short_wait().build();
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

/// The load waits for a thread that waits for the load.
#[test]
fn a_cycle_through_a_channel_ends_with_the_wait_limit() {
    must_end(|| {
        let cache = short_wait().build();
        let value = cache.get_with(1, || {
            let asks = cache.clone();
            thread::spawn(move || asks.get_with(1, || 5)).join().unwrap() + 1
        });
        assert_eq!((value, cache.get(&1)), (6, Some(5)));
        validate(&cache);
    });
}

/// Each load begins although all before it are stuck.
#[test]
fn a_caller_that_times_out_takes_the_place_of_the_stuck_load() {
    must_end(|| {
        let cache = short_wait().build();
        let stuck = Arc::new(Barrier::new(3));
        let begin_stuck = |name| {
            let (cache, stuck) = (cache.clone(), Arc::clone(&stuck));
            let (begun, begins) = mpsc::channel();
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
fn a_leader_that_is_never_polled_again_is_replaced() {
    on_every_runtime(|runtime| {
        let cache: Cache<u64, u64> =
            Cache::builder().coalesce_timeout(Duration::from_millis(20)).build();
        let _never_polled_again = Polled::pending(cache.get_with_async(1, pending()));
        let loads = Arc::new(AtomicUsize::new(0));
        let call = || {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            async move {
                let load = async { loads.fetch_add(1, SeqCst) as u64 + 1 };
                cache.get_with_async(1, load).await
            }
        };
        let given = runtime.run_all((0..4).map(|_| call()).collect());
        // One load, unless the machine is so busy that callers time out on that one too.
        let stored = cache.get(&1).expect("a load has ended");
        assert!(given.contains(&stored), "{given:?}");
        assert!(given.iter().all(|given| (1..=loads.load(SeqCst) as u64).contains(given)));
        let blocking = cache.clone();
        assert_eq!(thread::spawn(move || blocking.get_with(1, || 0)).join().unwrap(), stored);
        validate(&cache);
    });
}

#[test]
fn a_thread_times_out_on_a_leader_that_is_never_polled_again() {
    must_end(|| {
        let cache = short_wait().build();
        let stuck = Polled::pending(cache.get_with_async(1, pending()));
        let waiting = cache.clone();
        let waits = thread::spawn(move || waiting.get_with_status(1, || 5));
        assert_eq!(waits.join().unwrap(), (5, Status::Loaded));
        drop(stuck);
        assert_eq!(cache.get(&1), Some(5));
        validate(&cache);
    });
}

#[test]
fn later_callers_join_the_load_of_the_first_to_time_out() {
    with_wait_limit(|it| {
        let cache = it.builder().build();
        let gate = Gate::default();
        let stuck = Polled::pending(cache.get_with_async(1, pending()));
        let mut waits = it.step(|| Polled::pending(cache.get_with_async(1, gate.then(2))));
        wait_until(|| waits.wakes.count() == 1);
        assert!(waits.poll().is_none(), "leads now");
        let later = it.step(|| Polled::pending(cache.get_with_async(1, async { unreachable!() })));
        gate.open();
        assert_eq!((waits.finish(), later.finish()), (2, 2));
        drop(stuck);
        assert_eq!(cache.get(&1), Some(2));
    });
}

#[test]
fn a_caller_that_times_out_twice_loads_unshared() {
    with_wait_limit(|it| {
        let cache = it.builder().build();
        let stuck = || cache.get_with_async(1, pending());
        let _first = Polled::pending(stuck());
        let (mut second, mut third) = it.step(|| {
            (Polled::pending(stuck()), Polled::pending(cache.get_with_async(1, async { 3 })))
        });
        wait_until(|| second.wakes.count() == 1 && third.wakes.count() == 1);
        assert!(second.poll().is_none(), "leads, and is stuck too");
        assert!(it.step(|| third.poll()).is_none(), "joins the second");
        wait_until(|| third.wakes.count() == 2);
        let mut joins_the_second =
            it.step(|| Polled::pending(cache.get_with_async(1, async { 4 })));
        assert_eq!(third.poll(), Some(3));
        assert_eq!(cache.get(&1), Some(3));
        // It waits for the second, or has timed out on it by now.
        drop(second);
        assert_eq!(joins_the_second.poll(), Some(3), "looks again, and finds it");
        validate(&cache);
    });
}

/// Each poll may come with another waker: the last one is woken.
#[test]
fn a_task_that_moves_times_out_where_it_is() {
    with_wait_limit(|it| {
        let cache = it.builder().build();
        let _stuck = Polled::pending(cache.get_with_async(1, pending()));
        let (mut waits, old) = it.step(|| {
            let mut waits = Polled::pending(cache.get_with_async(1, async { 2 }));
            let old = std::mem::take(&mut waits.wakes);
            assert_eq!(waits.poll(), None);
            (waits, old)
        });
        wait_until(|| waits.wakes.count() == 1);
        assert_eq!((waits.poll(), old.count()), (Some(2), 0));
    });
}

/// The load that takes the place of a stuck one may be stuck too.
#[test]
fn a_load_that_took_a_stuck_one_s_place_is_replaced_if_it_is_stuck() {
    with_wait_limit(|it| {
        let cache = it.builder().build();
        let gate = Gate::default();
        let stuck = || cache.get_with_async(1, pending());
        let _first = Polled::pending(stuck());
        let mut second = it.step(|| Polled::pending(stuck()));
        wait_until(|| second.wakes.count() == 1);
        assert!(second.poll().is_none(), "leads, and is stuck too");
        let mut third = it.step(|| Polled::pending(cache.get_with_async(1, gate.then(3))));
        wait_until(|| third.wakes.count() == 1);
        assert!(third.poll().is_none(), "leads");
        let later = it.step(|| Polled::pending(cache.get_with_async(1, async { unreachable!() })));
        gate.open();
        assert_eq!((third.finish(), later.finish()), (3, 3));
        assert_eq!(cache.get(&1), Some(3));
    });
}

/// Nobody joins an unshared load, so a later caller waits for the load that is stuck.
fn times_out_twice<T: 'static>(
    load: impl AsyncFn(&Cache<u64, u64>, &Gate) -> T + Send + 'static,
    check: fn(T),
) {
    with_wait_limit(move |it| {
        let cache = it.builder().record_stats().build();
        let gate = Gate::default();
        let stuck = || cache.get_with_async(1, pending());
        let _first = Polled::pending(stuck());
        let (mut second, mut third) =
            it.step(|| (Polled::pending(stuck()), Polled::pending(load(&cache, &gate))));
        wait_until(|| second.wakes.count() == 1 && third.wakes.count() == 1);
        assert!(second.poll().is_none(), "leads, and is stuck too");
        assert!(it.step(|| third.poll()).is_none(), "joins the second");
        wait_until(|| third.wakes.count() == 2);
        assert!(third.poll().is_none(), "loads unshared");
        let later = it.step(|| Polled::pending(cache.get_with_async(1, async { 4 })));
        gate.open();
        check(third.finish());
        drop(second);
        assert_eq!(later.finish(), 3, "looks again, and finds it");
        assert_eq!(cache.stats().coalesced, 0, "no call was given the value of another");
    });
}

#[test]
fn a_caller_that_times_out_twice_is_not_joined() {
    let load =
        async |cache: &Cache<u64, u64>, gate: &Gate| cache.get_with_async(1, gate.then(3)).await;
    times_out_twice(load, |value| assert_eq!(value, 3));
}

#[test]
fn a_batch_that_times_out_twice_is_not_joined() {
    let load = async |cache: &Cache<u64, u64>, gate: &Gate| {
        cache.get_many_with_async(&[1], |_| gate.then(vec![(1, 3)])).await
    };
    times_out_twice(load, |values| assert_eq!(values, [Some(3)]));
}

#[test]
fn a_computation_that_waits_too_long_for_another_says_so() {
    must_end(|| {
        let cache = short_wait().name("slow").build();
        let gate = Gate::default();
        let compute = |_| gate.then(Op::Put(1));
        let stuck = Polled::pending(cache.entry(1).and_compute_with_async(compute));
        let waits = cache.clone();
        let other = thread::spawn(move || text_of(|| _ = waits.entry(1).and_upsert_with(|_| 2)));
        assert!(other.join().unwrap().contains("has not ended within `coalesce_timeout`"));
        // A load does not panic: it can run beside a computation. Its value is not stored.
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
        let cache = short_wait().build();
        let gate = Gate::default();
        let compute = |_| gate.then(Op::Put(1));
        let stuck = Polled::pending(cache.entry(1).and_compute_with_async(compute));
        let text = text_of(|| _ = cache.entry(1).and_upsert_with(|_| 2));
        assert!(text.contains("use the `_async` method"), "{text}");
        gate.open();
        stuck.finish();
        assert_eq!(cache.get(&1), Some(1));
        validate(&cache);
    });
}

/// The computation waits for the hanging load up to the wait limit. The load is then not stored
/// over its value.
#[test]
fn a_computation_goes_ahead_of_a_load_that_hangs() {
    must_end(|| {
        let cache = short_wait().build();
        let gate = Gate::default();
        let stuck = Polled::pending(cache.get_with_async(1, gate.then(7)));
        let computes = cache.clone();
        let compute = thread::spawn(move || computes.entry(1).and_upsert_with(plus_one));
        assert_eq!(compute.join().unwrap().into_value(), 1);
        gate.open();
        assert_eq!(stuck.finish(), 7);
        assert_eq!(cache.get(&1), Some(1));
        validate(&cache);
    });
}

/// A refresh of key 1 on another thread, which hangs until it is sent its value.
fn hanging_refresh(cache: &Cache<u64, u64>) -> (thread::JoinHandle<u64>, mpsc::Sender<u64>) {
    let (begun, begins) = mpsc::channel();
    let (end, ends) = mpsc::channel();
    let cache = cache.clone();
    let refresh = thread::spawn(move || {
        let load = || {
            begun.send(()).unwrap();
            ends.recv().unwrap()
        };
        <u64 as CacheValue<_>>::refresh(&cache, key_of(View(&1)), load, Whole)
    });
    begins.recv().unwrap();
    (refresh, end)
}

#[test]
fn a_refresh_that_hangs_does_not_undo_the_removal_by_a_computation() {
    must_end(|| {
        let cache = short_wait().build();
        cache.insert(1, 3);
        let (refresh, end) = hanging_refresh(&cache);
        let removed = cache.entry(1).and_compute_with(|_| Op::Remove);
        assert!(matches!(removed, CompResult::Removed(entry) if *entry.value() == 3));
        end.send(4).unwrap();
        assert_eq!(refresh.join().unwrap(), 4);
        assert_eq!(cache.get(&1), None);
        validate(&cache);
    });
}

/// A caller that timed out on a refresh has loaded something newer.
#[test]
fn a_refresh_that_a_caller_timed_out_on_does_not_undo_a_newer_load() {
    must_end(|| {
        let cache = short_wait().build();
        let (refresh, end) = hanging_refresh(&cache);
        assert_eq!(cache.get_with(1, || 2), 2, "has waited, and begun after the refresh");
        end.send(1).unwrap();
        assert_eq!(refresh.join().unwrap(), 1);
        assert_eq!(cache.get(&1), Some(2), "the newer stays");
    });
}
