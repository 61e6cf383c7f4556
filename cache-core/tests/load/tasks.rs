//! Loads by tasks: they share flights with threads, run on any runtime, and may be dropped at any
//! moment.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cache_core::{Cache, Entry, Op, RandomState, Status};

use super::runtimes::{RUNTIMES, Runtime};
use crate::common::crowd::{Crowd, Key, Running};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled, block_on, yield_once};
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;

/// Runs a test on each runtime, and says which one it is.
pub(crate) fn on_every_runtime(test: fn(Runtime)) {
    for runtime in RUNTIMES {
        eprintln!("on {runtime:?}");
        must_end(move || test(runtime));
    }
}

fn cache() -> Cache<u64, u64> {
    Cache::builder().max_capacity(100).record_stats().build()
}

#[test]
fn tasks_that_want_one_key_load_it_once() {
    on_every_runtime(|runtime| {
        for round in 0..20 {
            let (cache, loads) = (cache(), Arc::new(AtomicUsize::new(0)));
            let call = || {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                async move {
                    let load = async {
                        loads.fetch_add(1, SeqCst);
                        yield_once().await;
                        round
                    };
                    cache.get_with_async(1, load).await
                }
            };
            assert_eq!(runtime.run_all((0..8).map(|_| call()).collect()), [round; 8]);
            assert_eq!(loads.load(SeqCst), 1);
            let stats = cache.stats();
            assert_eq!((stats.loads, stats.load_failures), (1, 0));
            assert!(stats.coalesced <= 7);
            validate(&cache);
        }
    });
}

/// Callers of all kinds, which must not load.
fn join_in_every_way<'s, S: TestHasher>(
    scope: &'s thread::Scope<'s, '_>,
    cache: &'s Cache<Key, u32, S>,
    key: &'s Key,
) {
    let never = || -> u32 { unreachable!("a load is running") };
    scope.spawn(move || assert_eq!(cache.get_with(key.clone(), never), 7));
    scope.spawn(move || {
        assert_eq!(cache.try_get_with(key.clone(), || Ok::<_, u8>(never())), Ok(7));
    });
    scope.spawn(move || {
        assert_eq!(cache.optionally_get_with(key.clone(), || Some(never())), Some(7));
    });
    scope.spawn(move || {
        let waits = cache.get_with_by_ref_async(key, async { never() });
        assert_eq!(block_on(waits), 7);
    });
    scope.spawn(move || {
        let waits = cache.try_get_with_async(key.clone(), async { Err::<u32, u8>(0) });
        assert_eq!(block_on(waits), Ok(7));
    });
    scope.spawn(move || {
        let waits = cache.optionally_get_with_by_ref_async(key, async { None });
        assert_eq!(block_on(waits), Some(7));
    });
    scope.spawn(move || {
        let never = |_| async { unreachable!("a load is running") };
        let waits = cache.get_many_with_async(std::slice::from_ref(key), never);
        assert_eq!(block_on(waits), [Some(7)]);
    });
}

/// A leader that waits until the seven others have joined it.
fn kinds_share_a_flight<S: TestHasher>(leader_is_a_task: bool) {
    let cache: Cache<Key, u32, S> = Cache::builder().build_with_hasher(S::default());
    let (crowd, loads) = (Crowd::default(), AtomicUsize::new(0));
    let init = || {
        loads.fetch_add(1, SeqCst);
        crowd.wait_for(7);
        7
    };
    let key = crowd.key(1);
    thread::scope(|scope| {
        if leader_is_a_task {
            scope.spawn(|| {
                let load = async {
                    yield_once().await;
                    init()
                };
                assert_eq!(block_on(cache.get_with_async(key.clone(), load)), 7);
            });
        } else {
            scope.spawn(|| assert_eq!(cache.get_with(key.clone(), init), 7));
        }
        wait_until(|| loads.load(SeqCst) == 1);
        join_in_every_way(scope, &cache, &key);
    });
    assert_eq!(loads.load(SeqCst), 1);
    validate(&cache);
}

#[test]
fn threads_and_tasks_share_one_flight() {
    must_end(|| {
        for leader_is_a_task in [true, false] {
            kinds_share_a_flight::<RandomState>(leader_is_a_task);
            kinds_share_a_flight::<Constant>(leader_is_a_task);
        }
    });
}

#[test]
fn try_get_with_async_shares_one_error_with_all_waiters() {
    let (cache, gate) = (cache(), Gate::default());
    let call = |n: usize| {
        let gate = &gate;
        cache.try_get_with_async(1, async move {
            gate.passed().await;
            Err::<u64, String>(format!("failure {n}"))
        })
    };
    let calls: Vec<_> = (0..5).map(|n| Polled::pending(call(n))).collect();
    gate.open();
    let errors: Vec<Arc<String>> =
        calls.into_iter().map(|call| call.finish().unwrap_err()).collect();
    assert_eq!(*errors[0], "failure 0");
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])), "one and the same");
}

/// Waiters with another error type run their own loaders, all at once.
#[test]
fn a_task_that_cannot_be_given_the_error_runs_its_own_loader() {
    let (cache, first, second) = (cache(), Gate::default(), Gate::default());
    let fails = first.then(Err::<u64, &str>("no"));
    let leader = Polled::pending(cache.try_get_with_async(1, fails));
    let loads = AtomicUsize::new(0);
    let call = || {
        cache.get_with_async(1, async {
            loads.fetch_add(1, SeqCst);
            second.passed().await;
            5
        })
    };
    let mut others: Vec<_> = (0..3).map(|_| Polled::pending(call())).collect();
    first.open();
    assert_eq!(leader.finish(), Err(Arc::new("no")));
    for other in &mut others {
        assert!(other.poll().is_none());
    }
    assert_eq!(loads.load(SeqCst), 3, "in parallel, not one after another");
    second.open();
    others.into_iter().for_each(|other| assert_eq!(other.finish(), 5));
    assert_eq!(cache.get(&1), Some(5));
    validate(&cache);
}

#[test]
fn a_load_begins_when_its_future_is_first_polled() {
    let cache = cache();
    let unpolled = cache.get_with_async(1, async { 1 });
    assert_eq!(cache.get_with(1, || 2), 2, "there is no flight to join");
    assert_eq!(block_on(unpolled), 2);
    drop(cache.get_with_async(3, async { unreachable!("never polled") }));
    assert_eq!(cache.get(&3), None);
    validate(&cache);
}

#[test]
fn a_leader_that_is_dropped_hands_over_to_a_waiter() {
    let (cache, gate) = (cache(), Gate::default());
    let loads = AtomicUsize::new(0);
    let call = |value| {
        let (gate, loads) = (&gate, &loads);
        cache.get_with_async(1, async move {
            loads.fetch_add(1, SeqCst);
            gate.passed().await;
            value
        })
    };
    let leader = Polled::pending(call(0));
    let mut waiting: Vec<_> = (1..4).map(|value| Polled::pending(call(value))).collect();
    assert_eq!(loads.load(SeqCst), 1);
    drop(leader);
    for call in &mut waiting {
        assert_eq!(call.wakes.count(), 1);
        assert!(call.poll().is_none());
    }
    assert_eq!(loads.load(SeqCst), 2, "the first to look again leads, the others join it");
    gate.open();
    waiting.into_iter().for_each(|call| assert_eq!(call.finish(), 1));
    assert_eq!((cache.get(&1), loads.load(SeqCst)), (Some(1), 2));
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (1, 1));
    validate(&cache);
}

#[test]
fn when_leader_and_waiters_are_dropped_no_flight_is_left() {
    for leader_first in [true, false] {
        let (cache, gate) = (cache(), Gate::default());
        let call = || cache.get_with_async(1, gate.then(7));
        let leader = Polled::pending(call());
        let waiting: Vec<_> = (0..3).map(|_| Polled::pending(call())).collect();
        let wakes: Vec<_> = waiting.iter().map(|call| Arc::clone(&call.wakes)).collect();
        if leader_first {
            drop((leader, waiting));
        } else {
            drop(waiting);
            assert!(wakes.iter().all(|wakes| Arc::strong_count(wakes) == 1), "no waker is kept");
            drop(leader);
        }
        assert!(wakes.iter().all(|wakes| Arc::strong_count(wakes) == 1));
        assert_eq!(cache.entry_count(), 0);
        cache.run_pending_tasks();
        validate(&cache);
        assert_eq!(cache.get_with(1, || 8), 8, "there is no flight to wait for");
    }
}

/// Each poll may come with another waker: the last one counts.
#[test]
fn a_task_that_moves_is_woken_where_it_is() {
    let (cache, gate) = (cache(), Gate::default());
    let leader = Polled::pending(cache.get_with_async(1, gate.then(1)));
    let mut waits = Polled::pending(cache.get_with_async(1, async { unreachable!() }));
    let old = std::mem::take(&mut waits.wakes);
    assert!(waits.poll().is_none());
    gate.open();
    assert_eq!(leader.finish(), 1);
    assert_eq!((old.count(), waits.wakes.count()), (0, 1));
    assert_eq!(waits.finish(), 1);
}

#[test]
fn a_panic_of_an_async_loader_goes_to_its_own_caller() {
    let (cache, gate) = (cache(), Gate::default());
    let mut leader = Polled::pending(cache.get_with_async(1, async {
        gate.passed().await;
        panic!("on purpose")
    }));
    let waits = Polled::pending(cache.get_with_async(1, async { 2 }));
    gate.open();
    assert!(panics(|| leader.poll()));
    assert_eq!(waits.finish(), 2, "a waiter leads the next flight");
    assert_eq!(cache.get(&1), Some(2));
    validate(&cache);
}

#[test]
fn a_write_during_an_async_load_supersedes_it() {
    let writes: [fn(&Cache<u64, u64>); 5] = [
        |cache| cache.invalidate(&1),
        |cache| assert_eq!(cache.remove(&1), None),
        |cache| cache.invalidate_all(),
        |cache| assert_eq!(cache.invalidate_entries_if(|_, _| true), 0),
        |cache| cache.insert_with_ttl(1, 9, Duration::ZERO),
    ];
    for write in writes {
        let (cache, gate) = (cache(), Gate::default());
        let leader = Polled::pending(cache.get_with_async(1, gate.then(1)));
        let joined = Polled::pending(cache.get_with_async(1, async { unreachable!() }));
        write(&cache);
        let later = Polled::new(cache.get_with_async(1, async { 2 }));
        assert_eq!(later.finish(), 2, "a call after the write starts a new load");
        gate.open();
        assert_eq!(
            (leader.finish(), joined.finish()),
            (1, 1),
            "a caller that joined before is served"
        );
        assert_eq!(cache.get(&1), Some(2), "but it is not stored");
        validate(&cache);
    }
}

/// A thread that blocked here would keep the runtime from ever polling the load that it waits for.
#[test]
fn a_thread_does_not_wait_for_a_future_that_only_it_could_poll() {
    must_end(|| {
        let (cache, gate) = (cache(), Gate::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (loading, opened) = (cache.clone(), gate.clone());
            let task = tokio::spawn(async move { loading.get_with_async(1, opened.then(1)).await });
            tokio::task::yield_now().await;
            assert_eq!(cache.get_with_status(1, || 2), (2, Status::Loaded), "runs at once");
            gate.open();
            assert_eq!(task.await.unwrap(), 1, "each is given what its own loader made");
        });
        assert_eq!(cache.get(&1), Some(2), "the first to be stored stays");
    });
}

/// The same for the keys of a batch, of which the first is not the innermost.
#[test]
fn a_thread_does_not_wait_for_a_batch_that_only_it_could_poll() {
    must_end(|| {
        let (cache, gate) = (cache(), Gate::default());
        let batch = Polled::pending(cache.get_many_with_async(&[1, 2, 3], |missing| {
            gate.then(missing.into_iter().map(|key| (key, key)).collect())
        }));
        for key in 1..=3 {
            assert_eq!(cache.get_with(key, || 10 * key), 10 * key);
        }
        gate.open();
        assert_eq!(batch.finish(), [Some(1), Some(2), Some(3)]);
    });
}

#[test]
fn a_thread_waits_for_a_future_that_another_thread_polls() {
    must_end(|| {
        let crowd = Crowd::default();
        let cache: Cache<Key, u32> = Cache::new(10);
        let (gate, (begun, begins)) = (Gate::default(), mpsc::channel());
        thread::scope(|scope| {
            scope.spawn(|| {
                block_on(cache.get_with_async(crowd.key(1), async {
                    yield_once().await;
                    begun.send(()).unwrap();
                    gate.passed().await;
                    1
                }))
            });
            begins.recv().unwrap();
            let waits = scope.spawn(|| cache.get_with(crowd.key(1), || unreachable!()));
            crowd.wait_for(1);
            gate.open();
            assert_eq!(waits.join().unwrap(), 1);
        });
    });
}

/// An executor that parks its thread must find the token that a waker has left, although a load
/// blocked that thread meanwhile.
#[test]
fn blocking_does_not_take_the_tokens_of_an_executor_below() {
    must_end(|| {
        let crowd = Crowd::default();
        let cache: Cache<Key, u32> = Cache::new(10);
        for round in 0..20 {
            let running = Running::begin(&cache, &crowd.key(round), 7, 0);
            let (gate, before) = (Gate::default(), crowd.joined());
            let (opened, key, waiting) = (gate.clone(), crowd.key(round), cache.clone());
            let executor = thread::spawn(move || {
                let mut passed = Box::pin(opened.passed());
                block_on(poll_fn(|context| {
                    if passed.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                    assert_eq!(waiting.get_with(key.clone(), || unreachable!()), 7);
                    Poll::Pending
                }));
            });
            crowd.wait_for(before + 1);
            gate.open();
            assert_eq!(running.end(), [7]);
            executor.join().unwrap();
        }
    });
}

#[test]
fn a_task_may_load_a_key_from_inside_its_own_load() {
    let cache = cache();
    let outer = cache.get_with_async(1, async {
        let inner = cache.get_with_async(1, async {
            yield_once().await;
            2
        });
        10 * inner.await
    });
    let mut outer = Polled::pending(outer);
    assert_eq!(outer.poll(), Some(20));
    assert_eq!(cache.get(&1), Some(2), "the first to be made stays");
    validate(&cache);
}

/// Two futures of one task are no cycle: the second is polled while the first waits.
#[test]
fn two_futures_of_one_task_share_a_flight() {
    let (cache, gate) = (cache(), Gate::default());
    let both = cache.get_with_async(0, async {
        let mut first = Polled::pending(cache.get_with_async(1, gate.then(1)));
        let second = Polled::pending(cache.get_with_async(1, async { unreachable!() }));
        gate.open();
        first.poll().unwrap() + second.finish()
    });
    assert_eq!(block_on(both), 2);
    assert_eq!(cache.stats().loads, 2);
}

#[test]
fn statuses_of_async_loads_say_how_the_value_came_about() {
    let (cache, gate) = (cache(), Gate::default());
    let leader = Polled::pending(cache.get_with_status_async(1, gate.then(1)));
    let waits = Polled::pending(cache.get_with_status_async(1, async { unreachable!() }));
    gate.open();
    assert_eq!(leader.finish(), (1, Status::Loaded));
    assert_eq!(waits.finish(), (1, Status::Coalesced));
    assert_eq!(block_on(cache.get_with_status_async(1, async { 2 })), (1, Status::Hit));
    assert_eq!(cache.stats().coalesced, 1);
}

/// That it compiles is the proof. The value and the key are `Send`; the borrowed key is `Sync`.
#[test]
fn futures_are_send_where_what_they_hold_is() {
    fn send<F: Future + Send>(_: F) {}
    let cache = &Cache::<String, u64>::new(10);
    let key = || String::from("a");
    send(cache.get_with_async(key(), async { 1 }));
    send(cache.get_with_by_ref_async("a", async { 1 }));
    send(cache.get_with_status_async(key(), async { 1 }));
    send(cache.try_get_with_async(key(), async { Err(1_u8) }));
    send(cache.try_get_with_by_ref_async("a", async { Err(1_u8) }));
    send(cache.optionally_get_with_async(key(), async { None }));
    send(cache.optionally_get_with_by_ref_async("a", async { None }));
    send(cache.get_many_with_async(&[key()], |_| async { Vec::new() }));
    send(cache.entry(key()).or_insert_with_async(async { 1 }));
    send(cache.entry(key()).or_try_insert_with_async(async { Err(1_u8) }));
    send(cache.entry(key()).or_optionally_insert_with_async(async { None }));
    send(cache.entry(key()).and_upsert_with_async(|_: Option<Entry<_, _>>| async { 1 }));
    send(cache.entry(key()).and_compute_with_async(|_: Option<Entry<_, _>>| async { Op::Nop }));
    send(cache.entry(key()).and_try_compute_with_async(|_| async { Err::<Op<u64>, _>(1_u8) }));
    let loading = Cache::builder().build_with_loader(|key: &String| Ok::<_, u8>(key.len()));
    send(loading.get_async("a"));
}

/// Neither the loader's future nor its error need be `Send` where the caller's task is not.
#[test]
fn futures_that_are_not_send_may_be_awaited_where_they_are() {
    let cache = cache();
    let here = std::rc::Rc::new(4);
    assert_eq!(block_on(cache.get_with_async(1, async { *here })), 4);
}
