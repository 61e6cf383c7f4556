//! What becomes of a load whose caller has been served an old value at its soft limit: the tasks
//! that wait for it go on with it, or the executor does, or it is abandoned.

use std::future::pending;

use cache_core::{Cache, Entry, FutureJob, Job, Spawn, Status};

use super::limits::{
    HARD, Loaded, MINUTE, OLD, Queue, SECOND, SOFT, setting, with_refusing_executors,
};
use crate::common::census::Token;
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled};
use cache_core::__private::testing::validate;

#[test]
fn the_rest_of_a_load_is_polled_by_the_task_that_waits_for_it() {
    for queue in [None, Some(Queue::default())] {
        let it = match &queue {
            None => setting(|builder| builder),
            Some(queue) => setting(|builder| builder.executor(queue.clone())),
        };
        let load = it.begun();
        let mut waits = it.waiting();
        it.serve_old(load);
        assert_eq!(waits.wakes.count(), 1, "it is to poll the rest");
        assert_eq!(waits.poll(), None);
        it.gate.open();
        assert_eq!(waits.wakes.count(), 2);
        assert_eq!(waits.poll(), Some((2, Status::Coalesced)));
        it.check_loaded();
        assert!(queue.is_none_or(|queue| queue.take().is_empty()), "the executor is not asked");
    }
}

/// Each kind of call that waits for loads.
#[test]
fn every_kind_of_task_that_waits_polls_the_rest() {
    fn polls<T>(wait: impl AsyncFn(&Cache<u32, u32>) -> T, value: impl Fn(&T) -> u32) {
        let it = setting(|builder| builder);
        let load = it.begun();
        let mut waits = Polled::pending(wait(&it.cache));
        it.serve_old(load);
        assert!(waits.poll().is_none());
        it.gate.open();
        let given = waits.poll().expect("the load has ended");
        assert_eq!(value(&given), 2);
        assert_eq!(it.census.alive(), 0);
        validate(&it.cache);
    }
    polls(async |cache| cache.get_with_async(7, pending()).await, |&value| value);
    polls(
        async |cache| cache.try_get_with_async(7, pending::<Result<_, &str>>()).await,
        |given| given.clone().unwrap(),
    );
    polls(
        async |cache| cache.optionally_get_with_async(7, pending()).await,
        |value| value.unwrap(),
    );
    polls(
        async |cache| cache.get_many_with_async(&[7], |_| pending()).await,
        |values| values[0].unwrap(),
    );
    polls(
        async |cache| cache.entry(7).or_insert_with_async(pending()).await.into_value(),
        |&value| value,
    );
    polls(
        async |cache| {
            let same = |old: Option<Entry<_, _>>| async { old.unwrap().into_value() };
            cache.entry(7).and_upsert_with_async(same).await.into_value()
        },
        |&value| value,
    );
}

/// The youngest is asked first: it probably waits the longest.
#[test]
fn when_the_task_that_polls_goes_another_takes_its_place() {
    let it = setting(|builder| builder);
    let load = it.begun();
    let (mut first, second, mut third) = (it.waiting(), it.waiting(), it.waiting());
    it.serve_old(load);
    let wakes = |all: [&Polled<'_, _>; 3]| all.map(|task| task.wakes.count());
    assert_eq!(wakes([&first, &second, &third]), [0, 0, 1]);
    assert_eq!(third.poll(), None);
    drop(second);
    assert_eq!(first.wakes.count(), 0, "it was not its turn");
    drop(third);
    assert_eq!(first.wakes.count(), 1);
    it.gate.open();
    assert_eq!(first.poll(), Some((2, Status::Coalesced)));
    it.check_loaded();
}

/// It need not have been polled in between.
#[test]
fn a_task_that_goes_before_it_has_polled_passes_the_rest_on() {
    let it = setting(|builder| builder);
    let load = it.begun();
    let (mut first, second) = (it.waiting(), it.waiting());
    it.serve_old(load);
    drop(second);
    it.gate.open();
    assert_eq!(first.poll(), Some((2, Status::Coalesced)));
    it.check_loaded();
}

#[test]
fn without_waiters_the_executor_goes_on_with_the_rest() {
    let queue = Queue::default();
    for waiters in [0, 1, 3] {
        let it = setting(|builder| builder.executor(queue.clone()));
        let load = it.begun();
        let waiting: Vec<_> = (0..waiters).map(|_| it.waiting()).collect();
        it.serve_old(load);
        assert_eq!(queue.0.lock().unwrap().is_empty(), waiters > 0);
        drop(waiting);
        let mut rest = queue.take_only();
        assert_eq!(rest.poll(), None);
        let mut late = it.waiting();
        it.gate.open();
        assert_eq!(rest.wakes.count(), 1);
        assert_eq!(rest.poll(), Some(()));
        assert_eq!(late.poll(), Some((2, Status::Coalesced)));
        it.check_loaded();
    }
}

#[test]
fn without_a_task_or_an_executor_the_load_is_abandoned_and_has_failed() {
    for waiters in [0, 1, 3] {
        with_refusing_executors(|it| {
            let load = it.begun();
            let waiting: Vec<_> = (0..waiters).map(|_| it.waiting()).collect();
            it.serve_old(load);
            drop(waiting);
            it.check_abandoned();
        });
    }
}

#[test]
fn a_refresh_that_is_abandoned_is_retried_a_second_later() {
    let it = setting(|builder| builder.stale_while_revalidate(MINUTE));
    let mut load = it.begun();
    it.timer.ring();
    const STALE: Loaded = Ok((1, Status::Stale));
    assert_eq!(load.poll(), Some(STALE));
    drop(load);
    assert_eq!(it.census.alive(), 0);
    assert_eq!(it.load(async { unreachable!() }).finish(), STALE);
    it.clock.advance(SECOND);
    assert_eq!(it.load(async { Ok(4) }).finish(), Ok((4, Status::Loaded)));
}

#[test]
fn an_executor_that_drops_the_rest_abandons_the_load() {
    let queue = Queue::default();
    let it = setting(|builder| builder.executor(queue.clone()));
    let load = it.begun();
    it.serve_old(load);
    let mut rest = queue.take_only();
    assert_eq!(rest.poll(), None);
    let mut waits = it.waiting();
    drop(rest);
    assert_eq!(waits.poll(), Some((1, Status::Fallback)));
    drop(waits);
    it.check_abandoned();
}

/// Of two callers with a soft limit the second goes on with the load of the first, until its own.
#[test]
fn two_callers_with_a_soft_limit_are_both_served() {
    let queue = Queue::default();
    let it = setting(|builder| builder.executor(queue.clone()));
    let (first, mut second) = (it.begun(), it.load(async { unreachable!("it waits") }));
    assert_eq!(second.poll(), None);
    let limits = std::mem::take(&mut *it.timer.0.lock().unwrap());
    limits[0].1.open();
    let mut first = first;
    assert_eq!(first.poll(), Some(OLD));
    assert_eq!(second.poll(), None);
    assert!(queue.take().is_empty());
    limits[1].1.open();
    assert_eq!(second.poll(), Some(OLD));
    it.gate.open();
    assert_eq!(queue.take_only().poll(), Some(()));
    it.check_loaded();

    with_refusing_executors(|it| {
        let (first, mut second) = (it.begun(), it.load(async { unreachable!("it waits") }));
        assert_eq!(second.poll(), None);
        it.serve_old(first);
        assert_eq!(second.poll(), Some(OLD));
        drop(second);
        it.check_abandoned();
    });
}

#[test]
fn a_rest_that_panics_panics_no_waiter_and_has_failed() {
    silence_panics_on_purpose();
    let queue = Queue::default();
    for by_executor in [false, true] {
        let it = setting(|builder| builder.executor(queue.clone()));
        let (gate, token) = (it.gate.clone(), it.census.token());
        let mut load = it.load(async move {
            let _token: Token = token;
            gate.passed().await;
            panic!("on purpose")
        });
        assert_eq!(load.poll(), None);
        let mut waits = (!by_executor).then(|| it.waiting());
        it.serve_old(load);
        let rest = by_executor.then(|| queue.take_only());
        it.gate.open();
        if let Some(mut rest) = rest {
            assert_eq!(rest.poll(), Some(()));
        }
        if let Some(waits) = &mut waits {
            // It has failed a moment ago.
            assert_eq!(waits.poll(), Some((1, Status::Fallback)));
        }
        drop(waits);
        it.check_abandoned();
    }
}

#[test]
fn a_rest_that_fails_is_a_failed_load() {
    let it = setting(|builder| builder);
    let gate = it.gate.clone();
    let mut load = it.load(async move {
        gate.passed().await;
        Err("no")
    });
    assert_eq!(load.poll(), None);
    let task = it.cache.try_get_with_async(7, pending::<Result<u32, &str>>());
    let mut waits = Polled::pending(task);
    it.serve_old(load);
    it.gate.open();
    assert_eq!(waits.poll(), Some(Ok(1)));
    drop(waits);
    it.check_abandoned();
}

#[test]
fn the_hard_limit_ends_the_rest_too() {
    let queue = Queue::default();
    for by_executor in [false, true] {
        let mut it = setting(|builder| builder.executor(queue.clone()));
        it.timeouts = it.timeouts.hard(HARD);
        let load = it.begun();
        let mut waits = (!by_executor).then(|| it.waiting());
        it.serve_old(load);
        let mut rest = by_executor.then(|| queue.take_only());
        let mut poll = || match (&mut waits, &mut rest) {
            (Some(waits), _) => waits.poll(),
            (_, rest) => rest.as_mut().unwrap().poll().map(|()| (1, Status::Fallback)),
        };
        assert_eq!(poll(), None);
        assert_eq!(it.timer.ring(), [HARD - SOFT]);
        assert_eq!(poll(), Some((1, Status::Fallback)));
        drop((waits, rest));
        it.timeouts = it.timer.timeouts().soft(SOFT);
        it.check_abandoned();
    }
}

/// A write while others poll the rest is not overwritten by it.
#[test]
fn a_write_supersedes_the_rest() {
    let it = setting(|builder| builder);
    let load = it.begun();
    let mut waits = it.waiting();
    it.serve_old(load);
    it.cache.insert(7, 9);
    it.gate.open();
    assert_eq!(waits.poll(), Some((2, Status::Coalesced)));
    assert_eq!(it.cache.get(&7), Some(9));

    // An abandoned load is no failure of what was written.
    let it = setting(|builder| builder);
    let load = it.begun();
    let waits = it.waiting();
    it.serve_old(load);
    it.cache.insert(7, 9);
    it.clock.advance(MINUTE);
    drop(waits);
    assert_eq!(it.load(async { Ok(10) }).finish(), Ok((10, Status::Loaded)));
}

/// The call that began the load has returned, so the load around that call does not wait for the
/// rest.
#[test]
fn the_rest_is_not_nested_in_the_load_around_its_caller() {
    let queue = Queue::default();
    let it = setting(|builder| builder.executor(queue.clone()));
    let (outer, cache) = (Gate::default(), it.cache.clone());
    let (gate, passed, timeouts) = (it.gate.clone(), outer.clone(), it.timeouts.clone());
    let mut around = Polled::pending(it.cache.get_with_async(8, async {
        let inner = cache.clone();
        let load = async move {
            gate.passed().await;
            Ok::<_, &str>(inner.get_with_async(8, pending()).await)
        };
        let served = cache.try_get_within_async(7, load, &timeouts).await;
        assert_eq!(served, Ok((1, Status::Fallback)));
        passed.passed().await;
        80
    }));
    it.timer.ring();
    assert_eq!(around.poll(), None);
    let mut rest = queue.take_only();
    it.gate.open();
    assert_eq!(rest.poll(), None, "it waits for the load that it is not nested in");
    outer.open();
    assert_eq!(around.poll(), Some(80));
    assert_eq!(rest.poll(), Some(()));
    assert_eq!(it.cache.get(&7), Some(80));
}

#[test]
fn an_executor_that_panics_panics_the_caller_that_was_served_and_no_waiter() {
    struct Panics;
    impl Spawn for Panics {
        fn spawn(&self, _: Job) {}
        fn spawn_future(&self, _: FutureJob) -> Result<(), FutureJob> {
            panic!("on purpose")
        }
    }
    silence_panics_on_purpose();
    let it = setting(|builder| builder.executor(Panics));
    let mut load = it.begun();
    it.timer.ring();
    assert!(panics(|| load.poll()));
    drop(load);
    it.check_abandoned();

    let it = setting(|builder| builder.executor(Panics));
    let load = it.begun();
    let waits = it.waiting();
    it.serve_old(load);
    drop(waits);
    it.check_abandoned();
}
