//! A load during which its key is written, or the cache flushed: callers that joined before are
//! given the loaded value, it is not stored, and later callers start a new load.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;

use cache_core::{Cache, RandomState};

use crate::common::configurations::Log;
use crate::common::crowd::{Crowd, Key, Running};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

type Keyed<S> = Cache<Key, u32, S>;
type Write<S> = fn(&Keyed<S>, &Key);

const KEY: u32 = 1;

/// Runs `supersede` during a load of the key with two callers waiting.
fn during_a_load<S: TestHasher>(
    supersede: impl Fn(&Keyed<S>, &Key),
    check: impl Fn(&Keyed<S>, &Key, Running),
) {
    for max in [1, 100, u64::MAX] {
        let cache: Keyed<S> = Cache::builder().max_capacity(max).build_with_hasher(S::default());
        let key = Crowd::default().key(KEY);
        let running = Running::begin(&cache, &key, 10, 2);
        supersede(&cache, &key);
        check(&cache, &key, running);
        validate(&cache);
    }
}

/// Writes that supersede a load and leave no entry.
fn removals<S: TestHasher>() -> [Write<S>; 5] {
    [
        |cache, key| cache.invalidate(key),
        |cache, key| assert_eq!(cache.remove(key), None),
        |cache, _| cache.invalidate_all(),
        |cache, _| assert_eq!(cache.invalidate_entries_if(|_, _| false), 0),
        |cache, key| {
            cache.insert(key.clone(), 99);
            cache.invalidate(key);
        },
    ]
}

fn removal_during_a_load<S: TestHasher>() {
    for supersede in removals::<S>() {
        during_a_load(supersede, |cache, key, running| {
            assert_eq!(running.end(), [10; 3]);
            assert_eq!(cache.get(key), None, "not stored");
            assert_eq!(cache.entry_count(), 0);
        });
        during_a_load(supersede, |cache, key, running| {
            // Does not wait for the first load, which cannot end before this call has.
            assert_eq!(cache.get_with(key.clone(), || 20), 20, "a later caller starts a new load");
            assert_eq!(running.end(), [10; 3]);
            assert_eq!(cache.get(key), Some(20), "the older load does not overwrite it");
        });
        during_a_load(supersede, |cache, key, first| {
            let second = Running::begin(cache, key, 20, 2);
            assert_eq!(first.end(), [10; 3]);
            assert_eq!(cache.get(key), None);
            assert_eq!(second.end(), [20; 3], "nor does its end disturb a newer load");
            assert_eq!(cache.get(key), Some(20));
        });
    }
}

#[test]
fn removals_during_a_load_keep_it_from_being_stored() {
    must_end(|| {
        removal_during_a_load::<RandomState>();
        removal_during_a_load::<Constant>();
    });
}

fn insert_during_a_load<S: TestHasher>() {
    let insert = |cache: &Keyed<S>, key: &Key| cache.insert(key.clone(), 99);
    during_a_load(insert, |cache, key, running| {
        assert_eq!(cache.get(key), Some(99));
        assert_eq!(cache.get_with(key.clone(), || unreachable!("it was inserted")), 99);
        assert_eq!(running.end(), [10; 3]);
        assert_eq!(cache.get(key), Some(99));
    });
}

#[test]
fn an_insert_during_a_load_stays() {
    must_end(|| {
        insert_during_a_load::<RandomState>();
        insert_during_a_load::<Constant>();
    });
}

#[test]
fn writes_to_other_keys_during_a_load_do_not_disturb_it() {
    must_end(|| {
        during_a_load::<RandomState>(
            |cache, key| {
                // One may be evicted by the next, or by the load's own value.
                for other in 100..150 {
                    let other = key.sibling(other);
                    cache.insert(other.clone(), 1);
                    cache.invalidate(&other);
                }
            },
            |cache, key, running| {
                assert_eq!(running.end(), [10; 3]);
                assert_eq!(cache.get(key), Some(10), "stored");
            },
        );
    });
}

/// What happens during a load of a caller that waited for another's, whose error it cannot be
/// given; and the value that is stored when the load has ended.
fn beside<S: TestHasher>() -> Vec<(Write<S>, Option<u32>)> {
    let loaded_by_another = |cache: &Keyed<S>, key: &Key| {
        assert_eq!(cache.get_with(key.clone(), || 20), 20);
    };
    let removals = removals::<S>().map(|removal| (removal, None));
    let others: [(Write<S>, Option<u32>); 3] = [
        (|_, _| {}, Some(10)),
        (|cache, key| cache.insert(key.clone(), 99), Some(99)),
        (loaded_by_another, Some(20)),
    ];
    removals.into_iter().chain(others).collect()
}

fn a_load_alone<S: TestHasher>() {
    for (happens, stored) in beside::<S>() {
        let cache: Keyed<S> = Cache::builder().max_capacity(100).build_with_hasher(S::default());
        let crowd = Crowd::default();
        let key = crowd.key(KEY);
        let (begun, begins) = channel();
        let (end, ends) = channel::<()>();
        thread::scope(|scope| {
            let (cache, key, crowd) = (&cache, &key, &crowd);
            let first = scope.spawn(move || {
                cache.try_get_with(key.clone(), || {
                    begun.send(()).unwrap();
                    crowd.wait_for(1);
                    Err::<u32, _>("no")
                })
            });
            begins.recv().unwrap();
            let (begun, begins) = channel();
            let second = scope.spawn(move || {
                cache.try_get_with(key.clone(), || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                    Ok::<_, u8>(10)
                })
            });
            begins.recv().unwrap();
            assert_eq!(*first.join().unwrap().unwrap_err(), "no");
            happens(cache, key);
            end.send(()).unwrap();
            assert_eq!(second.join().unwrap(), Ok(10), "its caller is given what it has loaded");
        });
        assert_eq!(cache.get(&key), stored);
        validate(&cache);
    }
}

#[test]
fn a_load_after_an_error_that_is_not_shared_is_stored_if_nothing_came_between() {
    must_end(|| {
        a_load_alone::<RandomState>();
        a_load_alone::<Constant>();
    });
}

#[test]
fn a_superseded_load_is_not_notified() {
    must_end(|| {
        let (log, key) = (Log::<u32, u32>::default(), Crowd::default().key(KEY));
        let tell = log.listener();
        let cache: Cache<Key, u32> = Cache::builder()
            .max_capacity(10)
            .eviction_listener(move |key: &Key, value, cause| tell(&key.name, value, cause))
            .build();
        let running = Running::begin(&cache, &key, 10, 1);
        cache.invalidate(&key);
        assert_eq!(running.end(), [10; 2]);
        assert_eq!(log.take(), [], "it was never stored");
    });
}

/// A value that is not stored needs no room.
#[test]
fn a_superseded_load_evicts_nothing() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(5);
        (0..5).for_each(|key| cache.insert(key, key));
        cache.get_with(77, || {
            cache.invalidate(&77);
            1
        });
        assert!(!cache.contains_key(&77));
        assert_eq!(cache.entry_count(), 5);
    });
}

const KEYS: u64 = 4;

/// Each load reads a number that only rises; each invalidation reads it too. A call that began
/// after an invalidation must not be given an older value.
fn storm<S: TestHasher>(max: u64, flush: fn(&Cache<u64, u64, S>, u64)) {
    let cache: Cache<u64, u64, S> =
        Cache::builder().max_capacity(max).build_with_hasher(S::default());
    let time = AtomicU64::new(1);
    // For each key: loads that began before this were superseded.
    let valid_from: [AtomicU64; KEYS as usize] = Default::default();
    let step = |numbers: &mut Numbers| {
        let key = numbers.below(KEYS);
        let oldest = valid_from[key as usize].load(SeqCst);
        let value = match numbers.below(8) {
            0 => {
                let now = time.fetch_add(1, SeqCst);
                flush(&cache, key);
                valid_from[key as usize].fetch_max(now, SeqCst);
                None
            }
            1 => cache.get(&key),
            2 => cache.peek(&key),
            _ => Some(cache.get_with(key, || {
                let began = time.fetch_add(1, SeqCst);
                thread::yield_now();
                began
            })),
        };
        assert!(value.is_none_or(|value| value >= oldest), "{value:?} < {oldest}");
    };
    thread::scope(|scope| {
        for seed in 0..6 {
            let step = &step;
            scope.spawn(move || {
                let mut numbers = Numbers::seeded(seed + 1);
                (0..3000).for_each(|_| step(&mut numbers));
            });
        }
    });
    validate(&cache);
}

fn storms<S: TestHasher>() {
    for max in [2, 100] {
        storm::<S>(max, |cache, key| cache.invalidate(&key));
        storm::<S>(max, |cache, key| _ = cache.remove(&key));
        storm::<S>(max, |cache, _| cache.invalidate_all());
        storm::<S>(max, |cache, key| {
            cache.invalidate_entries_if(|&other, _| other == key);
        });
    }
}

#[test]
fn no_call_is_given_a_value_whose_load_began_before_an_earlier_invalidation() {
    must_end(|| {
        storms::<RandomState>();
        storms::<Constant>();
    });
}
