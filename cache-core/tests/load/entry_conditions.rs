//! Computations and loads during writes to other keys, and during `invalidate_entries_if`, which
//! may or may not be a write to theirs.

use cache_core::{Cache, CompResult, Op, RandomState};

use super::entry::plus_one;
use crate::common::hashers::{Constant, TestHasher};
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// Nothing was written to the key, so nothing may be lost: not for a condition that its entry does
/// not meet, nor for a key that merely has the same hash.
fn what_is_no_write_to_the_key<S: TestHasher>() {
    type Other = fn(&dyn Fn(u64), &dyn Fn(u64));
    let others: [Other; 2] = [|invalidate_if, _| invalidate_if(2), |_, write| write(2)];
    for other in others {
        let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
        cache.insert(1, 1);
        cache.insert(2, 2);
        let meanwhile = || {
            let invalidate_if = |n| _ = cache.invalidate_entries_if(|key, _| *key == n);
            let write = |n| {
                cache.insert(n, 20);
                cache.invalidate(&n);
                assert_eq!(cache.get_with(n, || 21), 21);
                cache.entry(n).and_upsert_with(plus_one);
                cache.remove(&n);
            };
            other(&invalidate_if, &write);
        };
        let entry = cache.entry(1).and_upsert_with(|old| {
            meanwhile();
            plus_one(old)
        });
        assert_eq!((*entry.value(), cache.get(&1)), (2, Some(2)));
        let removed = cache.entry(1).and_compute_with(|_| {
            meanwhile();
            Op::Remove
        });
        assert!(matches!(removed, CompResult::Removed(_)));
        assert_eq!(cache.get(&1), None);
        validate(&cache);
    }
}

#[test]
fn a_write_to_another_key_loses_no_computation() {
    must_end(|| {
        what_is_no_write_to_the_key::<RandomState>();
        what_is_no_write_to_the_key::<Constant>();
    });
}

/// Nor does a load lose its value, even if all hashes are the same.
#[test]
fn a_load_is_not_superseded_by_a_write_to_a_key_of_the_same_hash() {
    must_end(|| {
        let cache: Cache<u64, u64, Constant> = Cache::builder().build_with_hasher(Constant);
        cache.get_with(1, || {
            cache.insert(2, 2);
            cache.invalidate(&3);
            cache.remove(&2);
            1
        });
        assert_eq!(cache.get(&1), Some(1), "stored");
        cache.get_with(4, || {
            cache.invalidate(&4);
            4
        });
        assert_eq!(cache.get(&4), None, "superseded by a write to its own key");
        validate(&cache);
    });
}

#[test]
fn a_condition_that_the_entry_meets_supersedes_its_computation() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        cache.insert(1, 1);
        let entry = cache.entry(1).and_upsert_with(|old| {
            assert_eq!(cache.invalidate_entries_if(|key, _| *key == 1), 1);
            plus_one(old)
        });
        assert_eq!((*entry.value(), cache.get(&1)), (2, None), "it came before");
        // A computation that was shown no entry may be about to store one that meets the condition.
        let entry = cache.entry(2).and_upsert_with(|_| {
            assert_eq!(cache.invalidate_entries_if(|_, _| true), 0);
            5
        });
        assert_eq!((*entry.value(), cache.get(&2)), (5, None));
        validate(&cache);
    });
}

/// What was computed from an entry that is to be removed is removed with it, even if it is stored
/// after the condition has seen that entry and before the removal.
#[test]
fn a_condition_is_asked_again_about_what_was_computed_meanwhile() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    cache.insert(1, 3);
    let mut compute =
        Some(Polled::pending(cache.entry(1).and_upsert_with_async(|old| gate.then(plus_one(old)))));
    let mut seen = Vec::new();
    let removed = cache.invalidate_entries_if(|_, value| {
        seen.push(*value);
        gate.open();
        if let Some(compute) = compute.take() {
            assert_eq!(compute.finish().into_value(), 4);
        }
        true
    });
    assert_eq!((removed, cache.get(&1), seen), (1, None, vec![3, 4]));
    validate(&cache);
}

/// The same if the entry was evicted, so that there is nothing to be removed.
#[test]
fn a_condition_supersedes_what_is_computed_from_an_evicted_entry() {
    for gone_before in [true, false] {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        cache.insert(1, 3);
        let compute =
            Polled::pending(cache.entry(1).and_upsert_with_async(|old| gate.then(plus_one(old))));
        let evict = || (100..200).for_each(|other| cache.insert(other, other));
        let mut there = !gone_before;
        if gone_before {
            evict();
        }
        cache.invalidate_entries_if(|key, _| {
            if std::mem::replace(&mut there, false) {
                evict();
            }
            *key == 1
        });
        gate.open();
        assert_eq!(compute.finish().into_value(), 4);
        assert_eq!(cache.get(&1), None);
        validate(&cache);
    }
}
