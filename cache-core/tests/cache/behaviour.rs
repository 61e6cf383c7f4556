//! What each operation does, in every configuration: bounds, ways to expire, with and without a
//! listener and statistics, good and bad hashers.

use std::sync::Arc;
use std::time::Duration;

use cache_core::RemovalCause::{Expired, Explicit, Replaced, Size as Evicted};

use super::support::NANO;
use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::hashers::TestHasher;

type Numbers<S> = Subject<u64, u64, S>;

/// Fills the cache, but with no more entries than the constant hasher can bear.
fn fill<S: TestHasher>(subject: &Numbers<S>) -> u64 {
    let count = subject.room().min(24);
    for key in 0..count {
        subject.put(key, key + 100);
    }
    subject.check_holds(count);
    subject.check_notified(vec![]);
    count
}

/// What the last handle drops is not notified, as the documentation says.
fn dropped_with_the_last_handle<S: TestHasher>(subject: &Subject<u64, Arc<u64>, S>) {
    let mut lone = Subject::<u64, Arc<u64>, S>::new(subject.setup);
    let (value, room) = (Arc::new(7), lone.room().min(10));
    for key in 0..room {
        lone.put(key, Arc::clone(&value));
    }
    lone.log.take();
    let handle = lone.cache.clone();
    lone.cache = Subject::new(lone.setup).cache;
    assert_eq!(handle.entry_count(), room);
    drop(handle);
    assert_eq!(lone.log.take(), []);
    assert_eq!(Arc::strong_count(&value), 1, "all are dropped");
}

#[test]
fn entries_dropped_with_the_last_handle_are_not_notified() {
    in_every_configuration!(dropped_with_the_last_handle);
}

#[test]
fn lookups_after_insert() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        for key in 0..count {
            assert_eq!(subject.get(&key), Some(key + 100));
            assert_eq!(subject.view(&key, |value| value * 2), Some(2 * key + 200));
            assert_eq!(subject.peek(&key), Some(key + 100));
            assert!(subject.contains_key(&key));
        }
        for absent in [count, 777, u64::MAX] {
            assert_eq!(subject.get(&absent), None);
            assert_eq!(subject.view(&absent, |_| panic!("nothing to see")), None::<()>);
            assert_eq!(subject.peek(&absent), None);
            assert!(!subject.contains_key(&absent));
        }
        subject.check_holds(count);
        subject.check_notified(vec![]);
    }
    in_every_configuration!(test);
}

#[test]
fn insert_over_an_entry_replaces_it() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        subject.put(1, 10);
        subject.put(1, 11);
        subject.check_notified(vec![(1, 10, Replaced)]);
        subject.put(1, 12);
        assert_eq!(subject.get(&1), Some(12));
        subject.check_holds(1);
        subject.check_notified(vec![(1, 11, Replaced)]);
    }
    in_every_configuration!(test);
}

#[test]
fn insert_over_entries_of_a_full_cache_evicts_nothing() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        for round in 1..4 {
            for key in 0..count {
                subject.put(key, key + 100 + round);
                subject.check_notified(vec![(key, key + 100 + round - 1, Replaced)]);
            }
            subject.check_holds(count);
        }
    }
    in_every_configuration!(test);
}

#[test]
fn remove_returns_the_value_once() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        for key in 0..count {
            assert_eq!(subject.remove(&key), Some(key + 100));
            assert_eq!(subject.remove(&key), None);
            assert_eq!(subject.get(&key), None);
            subject.check_notified(vec![(key, key + 100, Explicit)]);
            subject.check_holds(count - key - 1);
        }
        assert_eq!(subject.remove(&777), None);
        subject.put(0, 5);
        assert_eq!(subject.get(&0), Some(5));
        subject.check_notified(vec![]);
    }
    in_every_configuration!(test);
}

#[test]
fn invalidate_removes_one_key() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        subject.invalidate(&0);
        subject.invalidate(&0);
        subject.invalidate(&777);
        subject.check_holds(count - 1);
        subject.check_notified(vec![(0, 100, Explicit)]);
        assert!(!subject.contains_key(&0));
        assert!((1..count).all(|key| subject.contains_key(&key)));
    }
    in_every_configuration!(test);
}

#[test]
fn invalidate_all_empties_a_cache_that_stays_usable() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        for _ in 0..3 {
            let count = fill(subject);
            subject.invalidate_all();
            subject.check_holds(0);
            assert!((0..count).all(|key| subject.get(&key).is_none()));
            assert_eq!(subject.iter().next(), None);
            subject.check_notified((0..count).map(|key| (key, key + 100, Explicit)).collect());
        }
        subject.invalidate_all();
        subject.check_notified(vec![]);
    }
    in_every_configuration!(test);
}

#[test]
fn invalidate_entries_if_counts_what_it_removes() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        let odd = (0..count).filter(|key| key % 2 == 1);
        let removed = subject.invalidate_entries_if(|key, value| {
            assert_eq!(*value, key + 100);
            key % 2 == 1
        });
        assert_eq!(removed, odd.clone().count() as u64);
        subject.check_notified(odd.map(|key| (key, key + 100, Explicit)).collect());
        subject.check_holds(count - removed);
        assert!((0..count).all(|key| subject.contains_key(&key) == (key % 2 == 0)));
        assert_eq!(subject.invalidate_entries_if(|_, _| false), 0);
        assert_eq!(subject.invalidate_entries_if(|_, _| true), count - removed);
        assert_eq!(subject.invalidate_entries_if(|_, _| panic!("it is empty")), 0);
        subject.check_holds(0);
    }
    in_every_configuration!(test);
}

#[test]
fn invalidate_entries_if_neither_sees_nor_counts_expired_entries() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        subject.clock.advance(TTL);
        let mut seen = 0;
        let removed = subject.invalidate_entries_if(|_, _| {
            seen += 1;
            true
        });
        let expected = if subject.expires() { 0 } else { count };
        assert_eq!((seen, removed), (expected, expected));
    }
    in_every_configuration!(test);
}

#[test]
fn iter_yields_each_entry_once() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        assert_eq!(subject.iter().next(), None);
        let count = fill(subject);
        subject.put(0, 100);
        let mut entries: Vec<_> = subject.iter().collect();
        entries.sort_unstable();
        assert_eq!(entries, (0..count).map(|key| (key, key + 100)).collect::<Vec<_>>());
        subject.remove(&0);
        assert_eq!(subject.iter().count() as u64, count - 1);
        let mut iter = subject.iter();
        assert_eq!(iter.by_ref().count() as u64, count - 1);
        assert_eq!(iter.next(), None, "an iterator that has ended stays so");
    }
    in_every_configuration!(test);
}

#[test]
fn inserts_beyond_the_bound_evict_one_for_one() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        // With the constant hasher, a large bound is not reached in reasonable time.
        if subject.room() > 10 {
            return;
        }
        let inserted = 3 * subject.room() + 5;
        for key in 0..inserted {
            subject.put(key, key);
            assert_eq!(subject.get(&key), Some(key), "what was stored last is there");
            subject.check_holds(subject.room().min(key + 1));
        }
        let left: Vec<u64> = subject.iter().map(|(key, _)| key).collect();
        let evicted = (0..inserted).filter(|key| !left.contains(key));
        assert_eq!(left.len() as u64, subject.room());
        subject.check_notified(evicted.map(|key| (key, key, Evicted)).collect());
    }
    in_every_configuration!(test);
}

#[test]
fn lookups_after_the_deadline_miss() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let count = fill(subject);
        subject.clock.advance(TTL - NANO);
        assert!((0..count).all(|key| subject.get(&key) == Some(key + 100)));
        assert_eq!(subject.iter().count() as u64, count);
        subject.clock.advance(NANO);
        let alive = !subject.expires();
        for key in 0..count {
            assert_eq!(subject.get(&key).is_some(), alive);
            assert_eq!(subject.view(&key, |_| ()).is_some(), alive);
            assert_eq!(subject.peek(&key).is_some(), alive);
            assert_eq!(subject.contains_key(&key), alive);
        }
        assert_eq!(subject.iter().count() as u64, if alive { count } else { 0 });
        // Reading frees nothing.
        subject.check_holds(count);
        subject.check_notified(vec![]);
        subject.run_pending_tasks();
        subject.check_holds(if alive { count } else { 0 });
        let freed = if alive { 0 } else { count };
        subject.check_notified((0..freed).map(|key| (key, key + 100, Expired)).collect());
    }
    in_every_configuration!(test);
}

#[test]
fn writes_over_an_expired_entry_notify_of_its_expiry() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let cause = |otherwise| if subject.expires() { Expired } else { otherwise };
        let alive = !subject.expires();
        subject.put(1, 10);
        subject.clock.advance(TTL);
        assert_eq!(subject.remove(&1), alive.then_some(10));
        subject.check_notified(vec![(1, 10, cause(Explicit))]);
        subject.put(1, 11);
        subject.clock.advance(TTL);
        subject.invalidate(&1);
        subject.check_notified(vec![(1, 11, cause(Explicit))]);
        subject.put(1, 12);
        subject.clock.advance(TTL);
        subject.put(1, 13);
        subject.check_notified(vec![(1, 12, cause(Replaced))]);
        subject.clock.advance(TTL);
        subject.invalidate_all();
        subject.check_notified(vec![(1, 13, cause(Explicit))]);
        subject.check_holds(0);
    }
    in_every_configuration!(test);
}

#[test]
fn insert_with_ttl_zero_expires_at_once() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        subject.insert_with_ttl(1, 10, Duration::ZERO);
        assert_eq!(subject.get(&1), None);
        subject.check_holds(0);
        subject.check_notified(vec![(1, 10, Expired)]);
        subject.put(1, 11);
        subject.insert_with_ttl(1, 12, Duration::ZERO);
        assert_eq!(subject.get(&1), None);
        subject.check_holds(0);
        subject.check_notified(vec![(1, 11, Replaced), (1, 12, Expired)]);
    }
    in_every_configuration!(test);
}

#[test]
fn the_shorter_of_entry_ttl_and_cache_ttl_wins() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        subject.insert_with_ttl(1, 10, TTL / 2);
        subject.clock.advance(TTL / 2);
        assert_eq!(subject.get(&1), None, "a shorter one");
        subject.insert_with_ttl(1, 11, TTL * 3);
        subject.clock.advance(TTL - NANO);
        assert_eq!(subject.get(&1), Some(11));
        subject.clock.advance(NANO);
        let limited = subject.limits_lives();
        assert_eq!(subject.get(&1), (!limited).then_some(11), "a longer one");
        subject.clock.advance(TTL * 2);
        assert_eq!(subject.get(&1), None);
        for ttl in [Duration::MAX, Duration::from_nanos(u64::MAX)] {
            subject.insert_with_ttl(1, 12, ttl);
            subject.clock.advance(Duration::from_secs(100 * 365 * 86_400));
            subject.run_pending_tasks();
            assert_eq!(subject.get(&1), (!limited).then_some(12), "for ever");
        }
        subject.check_holds(u64::from(!limited));
    }
    in_every_configuration!(test);
}

#[test]
fn a_clone_is_another_handle_to_the_same_cache() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        let other = subject.cache.clone();
        subject.put(1, 10);
        assert_eq!(other.get(&1), Some(10));
        other.invalidate(&1);
        assert_eq!(subject.get(&1), None);
        drop(other);
        subject.put(1, 11);
        assert_eq!(subject.get(&1), Some(11));
    }
    in_every_configuration!(test);
}

#[test]
fn get_with_loads_once_and_stores() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        fn not_called<T>() -> T {
            unreachable!("the key is there")
        }
        assert_eq!(subject.get_with(1, || 10), 10);
        assert_eq!(subject.get_with(1, not_called), 10);
        assert_eq!(subject.get_with_by_ref(&1, not_called), 10);
        assert_eq!(subject.try_get_with(1, not_called::<Result<_, ()>>), Ok(10));
        assert_eq!(subject.try_get_with_by_ref(&1, not_called::<Result<_, ()>>), Ok(10));
        assert_eq!(subject.optionally_get_with(1, not_called), Some(10));
        assert_eq!(subject.optionally_get_with_by_ref(&1, not_called), Some(10));
        subject.check_holds(1);
        subject.check_notified(vec![]);
    }
    in_every_configuration!(test);
}

#[test]
fn loads_without_a_value_store_nothing() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        assert_eq!(subject.try_get_with(1, || Err("no")).unwrap_err().to_string(), "no");
        assert_eq!(*subject.try_get_with_by_ref(&1, || Err(7)).unwrap_err(), 7);
        assert_eq!(subject.optionally_get_with(1, || None), None);
        assert_eq!(subject.optionally_get_with_by_ref(&1, || None), None);
        subject.check_holds(0);
        assert_eq!(subject.try_get_with(1, || Ok::<_, ()>(3)), Ok(3));
        assert_eq!(subject.optionally_get_with(1, || None), Some(3));
        subject.check_holds(1);
        subject.check_notified(vec![]);
    }
    in_every_configuration!(test);
}

#[test]
fn a_loaded_value_lives_for_the_ttl_of_the_cache() {
    fn test<S: TestHasher>(subject: &Numbers<S>) {
        // Only `insert_with_ttl` gives an entry a TTL of its own: a load stores for ever.
        let dies = subject.limits_lives();
        subject.get_with(1, || {
            subject.clock.advance(TTL * 5);
            10
        });
        subject.clock.advance(TTL - NANO);
        assert_eq!(subject.get(&1), Some(10), "its time begins when it is stored");
        subject.clock.advance(NANO);
        assert_eq!(subject.get(&1).is_none(), dies);
        assert_eq!(subject.get_with(1, || 11), if dies { 11 } else { 10 });
        subject.check_holds(1);
        subject.check_notified(if dies { vec![(1, 10, Expired)] } else { vec![] });
    }
    in_every_configuration!(test);
}
