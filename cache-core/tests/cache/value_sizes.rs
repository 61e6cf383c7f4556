//! Keys and values of all sizes, from none to more than a page: the size decides how many slots
//! make a block, and so what one timer and one step of growth cover.

use std::time::Duration;

use cache_core::{Cache, FakeClock};

use crate::common::configurations::{Subject, TTL, every};
use crate::common::hashers::{Constant, Identity, TestHasher};
use cache_core::__private::testing::validate;

type Words<const N: usize> = [u64; N];

/// Returns words that all differ from those of other numbers.
fn words<const N: usize>(number: u64) -> Words<N> {
    std::array::from_fn(|place| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place as u64)
}

fn entries_come_and_go<const N: usize, S: TestHasher>(it: &Subject<u64, Words<N>, S>) {
    for round in 0..3 {
        (0..40).for_each(|n| it.put(n, words(100 * round + n)));
        (0..20).for_each(|n| it.put(n, words(100 * round + n)));
        let there = (0..40).filter(|n| match it.get(n) {
            Some(value) => value == words(100 * round + n),
            None => false,
        });
        let there = there.count() as u64;
        assert_eq!(there, it.entry_count());
        assert!(there == 40 || it.room() < 40 && there > 0);
        it.check_holds(there);
        match round {
            0 => (0..40).for_each(|n| it.invalidate(&n)),
            1 => it.invalidate_all(),
            _ => it.clock.advance(TTL),
        }
        it.run_pending_tasks();
        if round < 2 || it.expires() {
            it.check_holds(0);
        }
    }
}

#[test]
fn entries_of_any_size_come_and_go() {
    every(entries_come_and_go::<1, cache_core::RandomState>);
    every(entries_come_and_go::<20, cache_core::RandomState>);
    every(entries_come_and_go::<100, Identity>);
    every(entries_come_and_go::<200, cache_core::RandomState>);
    every(entries_come_and_go::<300, Constant>);
}

fn what_expired_is_freed_by_some_writes<const N: usize>() {
    let clock = FakeClock::new();
    let cache: Cache<u64, Words<N>> =
        Cache::builder().max_capacity(60).time_to_live(TTL).clock(clock.clone()).build();
    for n in 0..50 {
        cache.insert(n, words(n));
        clock.advance(Duration::from_millis(1));
    }
    clock.advance(TTL);
    for n in 0..8 {
        let before = cache.entry_count();
        cache.insert(100 + n, words(n));
        let freed = before + 1 - cache.entry_count();
        assert!(freed <= 16, "{freed} at once");
        validate(&cache);
    }
    assert_eq!(cache.entry_count(), 8, "what expired has gone");
}

/// A write frees as many, whether they share a timer or each has its own.
#[test]
fn what_expired_is_freed_by_a_few_writes_whatever_its_size() {
    what_expired_is_freed_by_some_writes::<1>();
    what_expired_is_freed_by_some_writes::<50>();
    what_expired_is_freed_by_some_writes::<200>();
    what_expired_is_freed_by_some_writes::<600>();
}

fn a_cache_grows_past_its_plan<const N: usize>() {
    let cache: Cache<u64, Words<N>> = Cache::new(4);
    cache.insert(0, words(0));
    let seen = cache.view(&0, |value| {
        for n in 1..600 {
            cache.insert(n % 8, words(n));
            assert_eq!(cache.get(&(n % 8)), Some(words(n)));
        }
        validate(&cache);
        *value
    });
    assert_eq!(seen, Some(words(0)), "what is viewed does not change");
    cache.run_pending_tasks();
    validate(&cache);
    assert_eq!(cache.iter().count() as u64, cache.entry_count());
    assert!(cache.iter().all(|(key, value)| (592..600).any(|n| n % 8 == key && value == words(n))));
}

/// While a reader looks at one value, all that are replaced wait beside the few that were planned
/// for.
#[test]
fn a_cache_of_values_of_any_size_grows_past_its_plan() {
    a_cache_grows_past_its_plan::<0>();
    a_cache_grows_past_its_plan::<100>();
    a_cache_grows_past_its_plan::<200>();
    a_cache_grows_past_its_plan::<600>();
}

#[test]
fn keys_and_values_may_have_no_size() {
    let none: Cache<(), ()> = Cache::new(3);
    assert_eq!(none.get(&()), None);
    none.insert((), ());
    none.insert((), ());
    assert_eq!((none.get(&()), none.entry_count()), (Some(()), 1));
    validate(&none);
    none.invalidate(&());
    assert_eq!(none.get(&()), None);

    let set: Cache<u64, ()> = Cache::new(1000);
    (0..500).for_each(|n| set.insert(n, ()));
    assert!((0..500).all(|n| set.contains_key(&n)) && !set.contains_key(&500));
    validate(&set);

    let one: Cache<(), Words<1000>> = Cache::builder().time_to_live(TTL).build();
    (0..100).for_each(|n| one.insert((), words(n)));
    assert_eq!((one.get(&()), one.entry_count()), (Some(words(99)), 1));
    one.run_pending_tasks();
    validate(&one);
}
