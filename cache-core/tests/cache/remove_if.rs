//! Removing a key on a condition.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock, RandomState, RemovalCause};

use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

fn removes_what_is_picked<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    assert_eq!(subject.remove_if(&1, |_| unreachable!("there is none")), None);
    subject.put(1, 10);
    assert_eq!((subject.remove_if(&1, |value| *value != 10), subject.get(&1)), (None, Some(10)));
    subject.check_notified(vec![]);
    assert_eq!((subject.remove_if(&1, |value| *value == 10), subject.get(&1)), (Some(10), None));
    subject.check_notified(vec![(1, 10, RemovalCause::Explicit)]);
    if subject.expires() {
        subject.put(1, 11);
        subject.clock.advance(TTL);
        assert_eq!(subject.remove_if(&1, |_| unreachable!("it has expired")), None);
        subject.run_pending_tasks();
        subject.log.take();
    }
    // It is asked about the value that has replaced the one it saw.
    subject.put(1, 1);
    let replaces = |value: &u64| {
        if *value == 1 {
            subject.put(1, 2);
        }
        true
    };
    assert_eq!((subject.remove_if(&1, replaces), subject.get(&1)), (Some(2), None));
    subject.put(1, 1);
    let spares_the_second = |value: &u64| {
        subject.put(1, 2);
        *value == 1
    };
    assert_eq!((subject.remove_if(&1, spares_the_second), subject.get(&1)), (None, Some(2)));
    let removes_itself = |_: &u64| {
        subject.invalidate(&1);
        true
    };
    assert_eq!(subject.remove_if(&1, removes_itself), None, "it is not there any more");
    let asked = Cell::new(0_u64);
    let always_replaces = |value: &u64| {
        asked.set(asked.get() + 1);
        subject.put(1, value + 1);
        true
    };
    subject.put(1, 0);
    assert_eq!((subject.remove_if(&1, always_replaces), asked.take()), (None, 16));
    subject.check_holds(1);
}

#[test]
fn remove_if_removes_the_value_that_it_was_shown() {
    must_end(|| {
        in_every_configuration!(removes_what_is_picked);
    });
}

fn panics_in_the_predicate<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 1);
    assert!(panics(|| subject.remove_if(&1, |_| panic!("on purpose"))));
    let at_the_second = |value: &u64| {
        subject.put(1, 2);
        *value == 1 || panic!("on purpose")
    };
    assert!(panics(|| subject.remove_if(&1, at_the_second)));
    assert_eq!(subject.remove_if(&1, |_| true), Some(2));
    subject.check_holds(0);
}

#[test]
fn a_panic_of_the_predicate_removes_nothing() {
    silence_panics_on_purpose();
    in_every_configuration!(panics_in_the_predicate);
}

/// A load that replaces an entry, and a computation of it: superseded if the entry is removed.
fn supersedes_if_it_removes<S: TestHasher>() {
    for removes in [false, true] {
        let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
        let gate = Gate::default();
        cache.insert(1, 1);
        let load = Polled::pending(cache.get_or_revalidate_async(1, |_| false, gate.then(2)));
        assert_eq!(cache.remove_if(&1, |_| removes), removes.then_some(1));
        gate.open();
        assert_eq!((load.finish(), cache.get(&1)), (2, (!removes).then_some(2)));
        validate(&cache);
    }
}

#[test]
fn remove_if_supersedes_a_load_only_if_it_removes() {
    supersedes_if_it_removes::<RandomState>();
    supersedes_if_it_removes::<Constant>();
}

#[test]
fn a_value_that_may_be_served_stale_is_shown_too() {
    let clock = FakeClock::new();
    let cache: Cache<u64, u64> =
        Cache::builder().time_to_live(TTL).stale_if_error(TTL).clock(clock.clone()).build();
    cache.insert(1, 1);
    clock.advance(TTL);
    let fail = || cache.try_get_with(1, || Err::<u64, _>("no"));
    assert_eq!((cache.remove_if(&1, |_| false), fail()), (None, Ok(1)));
    assert_eq!(cache.remove_if(&1, |value| *value == 1), None, "it had expired");
    assert!(fail().is_err(), "and is gone");
    cache.insert(1, 1);
    clock.advance(TTL + Duration::from_secs(TTL.as_secs()));
    assert_eq!(cache.remove_if(&1, |_| unreachable!("over")), None);
    validate(&cache);
}

/// Each value is removed once: what is removed is what was shown, whatever other threads write.
#[test]
fn values_that_threads_replace_are_removed_once() {
    must_end(|| {
        let cache: Cache<u64, u64> = Cache::new(10);
        let removed: Vec<u64> = thread::scope(|scope| {
            scope.spawn(|| (0..20_000).for_each(|n| cache.insert(1, n)));
            let remove = || {
                let even = |_| cache.remove_if(&1, |value| value % 2 == 0);
                (0..20_000).filter_map(even).collect::<Vec<u64>>()
            };
            let removers = [scope.spawn(remove), scope.spawn(remove)];
            removers.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(removed.iter().all(|value| value % 2 == 0));
        let mut once = removed.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), removed.len());
        validate(&cache);
    });
}
