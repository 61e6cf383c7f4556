//! Loads by callers that refuse what is there.

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock, RandomState, RemovalCause};

use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::crowd::Crowd;
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

fn refused_values_are_replaced<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let asked = Cell::new(0);
    let at_least = |least| {
        let asked = &asked;
        move |value: &u64| {
            asked.set(asked.get() + 1);
            *value >= least
        }
    };
    assert_eq!(subject.get_or_revalidate(1, at_least(5), || 3), 3, "what is loaded is not tested");
    assert_eq!(asked.take(), 0);
    subject.check_notified(vec![]);
    assert_eq!(subject.get_or_revalidate(1, at_least(3), || unreachable!()), 3);
    assert_eq!(subject.get_or_revalidate(1, at_least(4), || 5), 5);
    assert_eq!(asked.take(), 2, "once for each value");
    subject.check_notified(vec![(1, 3, RemovalCause::Replaced)]);
    assert_eq!(block_on(subject.get_or_revalidate_async(1, at_least(6), async { 6 })), 6);
    let pass = subject.try_get_or_revalidate(1, at_least(6), || Err::<u64, _>("no"));
    assert_eq!(pass, Ok(6));
    let failed = subject.try_get_or_revalidate(1, at_least(7), || Err::<u64, _>("no"));
    assert_eq!((*failed.unwrap_err(), subject.get(&1)), ("no", Some(6)), "it stays");
    let failed =
        block_on(subject.try_get_or_revalidate_async(1, at_least(7), async { Err::<u64, _>(0) }));
    assert_eq!((*failed.unwrap_err(), subject.get(&1)), (0, Some(6)));
    let loaded =
        block_on(subject.try_get_or_revalidate_async(1, at_least(7), async { Ok::<_, ()>(7) }));
    assert_eq!((loaded, subject.get(&1)), (Ok(7), Some(7)));
    subject.check_notified(vec![(1, 5, RemovalCause::Replaced), (1, 6, RemovalCause::Replaced)]);
    asked.set(0);
    if subject.expires() {
        subject.invalidate(&1);
        subject.put(1, 9);
        subject.clock.advance(TTL);
        assert_eq!(subject.get_or_revalidate(1, at_least(0), || 8), 8);
        assert_eq!(asked.take(), 0, "an expired value is not shown");
    }
    subject.check_holds(1);
}

#[test]
fn a_value_that_is_refused_is_replaced() {
    in_every_configuration!(refused_values_are_replaced);
}

fn entries_are_replaced_if<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let insert = |value, replace| subject.entry(1).or_insert_with_if(|| value, |_| replace);
    let entry = insert(1, true);
    assert_eq!((entry.is_fresh(), entry.is_old_value_replaced()), (true, false));
    let entry = insert(2, false);
    assert_eq!(
        (*entry.value(), entry.is_fresh(), entry.is_old_value_replaced()),
        (1, false, false)
    );
    let entry = insert(3, true);
    assert_eq!((*entry.value(), entry.is_fresh(), entry.is_old_value_replaced()), (3, true, true));
    let entry = block_on(subject.entry(1).or_insert_with_if_async(async { 4 }, |old| *old == 3));
    assert_eq!((entry.into_value(), subject.get(&1)), (4, Some(4)));
}

#[test]
fn an_entry_is_replaced_if_the_condition_holds() {
    in_every_configuration!(entries_are_replaced_if);
}

#[test]
fn of_many_callers_that_refuse_a_value_one_loads() {
    must_end(|| {
        for _ in 0..50 {
            let (crowd, loads) = (Crowd::default(), AtomicUsize::new(0));
            let cache: Cache<_, u32> = Cache::builder().coalesce_timeout(Duration::MAX).build();
            cache.insert(crowd.key(1), 0);
            let begin = Barrier::new(4);
            thread::scope(|scope| {
                for as_task in [false, true, false, true] {
                    let (cache, key, loads, begin) = (&cache, crowd.key(1), &loads, &begin);
                    scope.spawn(move || {
                        begin.wait();
                        let load = || loads.fetch_add(1, SeqCst) as u32 + 1;
                        let is_new = |value: &u32| *value > 0;
                        let value = match as_task {
                            true => block_on(
                                cache.get_or_revalidate_async(key, is_new, async { load() }),
                            ),
                            false => cache.get_or_revalidate(key, is_new, load),
                        };
                        assert_eq!(value, 1);
                    });
                }
            });
            assert_eq!(loads.into_inner(), 1);
            validate(&cache);
        }
    });
}

/// A caller that refuses everything would load for ever.
#[test]
fn the_value_of_a_load_that_a_caller_has_joined_is_not_tested() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    cache.insert(1, 1);
    let refuses = |_: &u64| false;
    let leads = Polled::pending(cache.get_or_revalidate_async(1, refuses, gate.then(2)));
    let joins =
        Polled::pending(cache.get_or_revalidate_async(1, refuses, async { unreachable!() }));
    assert_eq!(cache.get_with(1, || unreachable!()), 1, "others are served the old value");
    gate.open();
    assert_eq!((leads.finish(), joins.finish(), cache.get(&1)), (2, 2, Some(2)));
    validate(&cache);
}

fn what_the_predicate_writes<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 1);
    let replaces = |value: &u64| {
        if *value == 1 {
            subject.put(1, 2);
        }
        *value == 2
    };
    let value = subject.get_or_revalidate(1, replaces, || unreachable!("2 is accepted"));
    assert_eq!(value, 2, "the new value is tested, too");
    let asked = Cell::new(0);
    let always_replaces = |value: &u64| {
        asked.set(asked.get() + 1);
        subject.put(1, value + 1);
        false
    };
    assert_eq!(subject.get_or_revalidate(1, always_replaces, || 100), 100);
    assert!((2..40).contains(&asked.get()), "asked {} times", asked.get());
    assert_eq!(subject.get(&1), Some(100));
    let removes = |_: &u64| {
        subject.invalidate(&1);
        false
    };
    assert_eq!(subject.get_or_revalidate(1, removes, || 7), 7);
    assert_eq!(subject.get(&1), Some(7));
}

#[test]
fn a_predicate_may_write_to_the_cache() {
    must_end(|| {
        in_every_configuration!(what_the_predicate_writes);
    });
}

fn writes_supersede<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 1);
    let init = || {
        subject.put(1, 5);
        2
    };
    assert_eq!((subject.get_or_revalidate(1, |_| false, init), subject.get(&1)), (2, Some(5)));
    let init = || {
        subject.invalidate(&1);
        3
    };
    assert_eq!((subject.get_or_revalidate(1, |_| false, init), subject.get(&1)), (3, None));
    subject.put(1, 1);
    let nested = || subject.get_or_revalidate(1, |_| false, || 4) + 1;
    let value = subject.get_or_revalidate(1, |_| false, nested);
    assert_eq!(value, 5, "a load inside itself runs at once");
    subject.check_holds(1);
}

#[test]
fn a_write_during_the_load_supersedes_it() {
    must_end(|| {
        in_every_configuration!(writes_supersede);
    });
}

fn user_code_panics<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 1);
    let panic = || -> bool { panic!("on purpose") };
    assert!(panics(|| subject.get_or_revalidate(1, |_| panic(), || 2)));
    assert!(panics(|| subject.get_or_revalidate(1, |_| false, || u64::from(panic()))));
    assert!(panics(|| block_on(subject.get_or_revalidate_async(1, |_| panic(), async { 2 }))));
    assert!(panics(|| subject.entry(1).or_insert_with_if(|| 2, |_| panic())));
    assert_eq!(subject.get(&1), Some(1));
    // After a panic in the middle: the value was replaced, and the new one makes it panic.
    let panics_at_the_second = |value: &u64| {
        subject.put(1, 2);
        *value == 2 && panic()
    };
    assert!(panics(|| subject.get_or_revalidate(1, panics_at_the_second, || 3)));
    assert_eq!((subject.get(&1), subject.get_or_revalidate(1, |_| false, || 4)), (Some(2), 4));
    subject.check_holds(1);
}

#[test]
fn a_panic_of_the_predicate_or_the_load_leaves_the_old_value() {
    silence_panics_on_purpose();
    in_every_configuration!(user_code_panics);
}

/// What the caller has refused is not served to it in place of an error.
fn old_values<S: TestHasher>() {
    let clock = FakeClock::new();
    let cache: Cache<u64, u64, S> = Cache::builder()
        .time_to_live(TTL)
        .refresh_after(TTL / 2)
        .stale_if_error(TTL)
        .clock(clock.clone())
        .build_with_hasher(S::default());
    cache.insert(1, 1);
    let fail = |accepts: bool| cache.try_get_or_revalidate(1, |_| accepts, || Err::<u64, _>("no"));
    assert_eq!((fail(true), fail(false).is_err()), (Ok(1), true), "fresh");
    clock.advance(TTL / 2);
    assert!(fail(false).is_err(), "due");
    assert_eq!(fail(true), Ok(1));
    clock.advance(TTL / 2);
    assert!(fail(false).is_err(), "expired");
    assert_eq!(fail(true), Ok(1), "the fallback");
    let task = |accepts: bool| async move { accepts };
    let accepts = block_on(task(false));
    let failed =
        block_on(cache.try_get_or_revalidate_async(1, |_| accepts, async { Err::<u64, _>("no") }));
    assert!(failed.is_err());
    assert_eq!(cache.get_or_revalidate(1, |_| false, || 2), 2);
    assert_eq!(cache.get(&1), Some(2));
    validate(&cache);
}

#[test]
fn an_old_value_that_was_refused_is_not_served_in_place_of_an_error() {
    old_values::<RandomState>();
    old_values::<Constant>();
}

/// The same for a caller that has waited for the load that failed.
#[test]
fn a_waiter_that_refuses_the_old_value_is_given_the_error() {
    let (clock, gate) = (FakeClock::new(), Gate::default());
    let cache: Cache<u64, u64> = Cache::builder()
        .time_to_live(TTL)
        .stale_if_error(TTL)
        .clock(clock.clone())
        .coalesce_timeout(Duration::MAX)
        .build();
    cache.insert(1, 1);
    let init = || gate.then(Err::<u64, &str>("no"));
    let leads = Polled::pending(cache.try_get_or_revalidate_async(1, |_| false, init()));
    let refuses = Polled::pending(cache.try_get_or_revalidate_async(1, |_| false, init()));
    let accepting = Cell::new(false);
    let accepts = |_: &u64| accepting.get();
    let wavers = Polled::pending(cache.try_get_or_revalidate_async(1, accepts, init()));
    accepting.set(true);
    gate.open();
    assert_eq!((leads.finish().is_err(), refuses.finish().is_err()), (true, true));
    assert_eq!(wavers.finish(), Ok(1));
    validate(&cache);
}
