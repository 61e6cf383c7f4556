//! The waiters of a load: each keeps its own place, and is woken at the right time, on the right
//! thread.

use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use cache_core::{Cache, Op, Status};

use super::wait_limit::with_wait_limit;
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

#[test]
fn a_waiter_that_is_dropped_frees_only_its_own_place() {
    for leaves in 0..3 {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let leader = Polled::pending(cache.get_with_async(1, gate.then(1)));
        let wait = || Polled::pending(cache.get_with_async(1, async { unreachable!() }));
        let mut waiting: Vec<_> = (0..3).map(|_| wait()).collect();
        drop(waiting.remove(leaves));
        gate.open();
        assert_eq!(leader.finish(), 1);
        for call in waiting {
            assert_eq!(call.wakes.count(), 1);
            assert_eq!(call.finish(), 1);
        }
    }
}

#[test]
fn moving_a_waiting_task_replaces_only_its_own_waker() {
    for moves in 0..3 {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let leader = Polled::pending(cache.get_with_async(1, gate.then(1)));
        let wait = || Polled::pending(cache.get_with_async(1, async { unreachable!() }));
        let mut waiting: Vec<_> = (0..3).map(|_| wait()).collect();
        let old = std::mem::take(&mut waiting[moves].wakes);
        assert!(waiting[moves].poll().is_none());
        gate.open();
        assert_eq!(leader.finish(), 1);
        assert!(waiting.iter().all(|call| call.wakes.count() == 1));
        assert_eq!(old.count(), 0);
    }
}

type SendFuture<'f> = Pin<Box<dyn Future<Output = u64> + Send + 'f>>;

fn poll_on_another_thread(future: &mut SendFuture<'_>) {
    thread::scope(|scope| {
        let poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(scope.spawn(poll).join().unwrap());
    });
}

/// The thread that was the last to poll is the one that must not block.
#[test]
fn a_load_that_has_moved_to_this_thread_is_not_waited_for_here() {
    must_end(|| {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let mut load: SendFuture<'_> = Box::pin(cache.get_with_async(1, gate.then(1)));
        poll_on_another_thread(&mut load);
        assert!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(cache.get_with_status(1, || 2), (2, Status::Loaded));
    });
}

#[test]
fn a_load_that_has_moved_to_another_thread_is_waited_for_here() {
    with_wait_limit(|it| {
        let cache = it.builder().build();
        let mut load: SendFuture<'_> = Box::pin(cache.get_with_async(1, std::future::pending()));
        assert!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        poll_on_another_thread(&mut load);
        let value = cache.get_with(1, || {
            // A caller that has waited takes the stuck load's place, so that others join this one.
            // One that had not waited would load unshared.
            let joins = || drop(Polled::pending(cache.get_with_async(1, async { 3 })));
            let joined = thread::scope(|scope| scope.spawn(|| it.step(joins)).join());
            joined.unwrap_or_else(|panic| resume_unwind(panic));
            2
        });
        assert_eq!(value, 2);
    });
}

/// A load below on the stack cannot go on before this call returns, whichever began first.
#[test]
fn a_load_polled_inside_another_does_not_wait_for_it_although_it_began_outside() {
    must_end(|| {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let mut began_outside = Polled::pending(cache.get_with_async(2, async {
            gate.passed().await;
            cache.get_with_async(1, async { 7 }).await
        }));
        let value = cache.get_with(1, || {
            gate.open();
            began_outside.poll().expect("would wait for the load that polls it")
        });
        assert_eq!(value, 7);
    });
}

/// A key that can be counted.
#[derive(Clone)]
struct Counted(u64, #[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Counted {}

/// Not even while the cache lives.
#[test]
fn loads_that_store_nothing_keep_no_key() {
    type Load = fn(&Cache<Counted, u64>, Counted);
    let loads: [Load; 6] = [
        |cache, key| assert_eq!(cache.optionally_get_with(key, || None), None),
        |cache, key| assert!(panics(|| cache.get_with(key, || panic!("on purpose")))),
        |cache, key| {
            assert_eq!(
                cache.get_with(key.clone(), || {
                    cache.invalidate(&key);
                    1
                }),
                1
            )
        },
        |cache, key| drop(Polled::pending(cache.get_with_async(key, std::future::pending()))),
        |cache, key| assert_eq!(cache.get_many_with(&[key], |_| Vec::new()), [None]),
        |cache, key| assert!(cache.entry(key).and_compute_with(|_| Op::Nop).into_entry().is_none()),
    ];
    for load in loads {
        let (cache, alive) = (Cache::new(100), Arc::new(()));
        (0..200).for_each(|key| load(&cache, Counted(key, Arc::clone(&alive))));
        cache.run_pending_tasks();
        assert_eq!(Arc::strong_count(&alive), 1);
        validate(&cache);
    }
}

/// In a cache of one shard, so that both keys share an in-flight table.
#[test]
fn a_write_of_another_key_does_not_supersede_a_load_that_runs_beside_another() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        cache.get_with(1, || {
            cache.get_with(1, || {
                cache.invalidate(&2);
                5
            });
            6
        });
        assert_eq!(cache.get(&1), Some(5), "the first to be made");
    });
}
