//! Evictions that ask the user what to keep, and evictions on demand.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use cache_core::{Cache, RandomState, RemovalCause};

use crate::common::configurations::{Size, Subject, TTL, in_every_configuration};
use crate::common::hashers::TestHasher;
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

fn what_is_to_be_kept_stays<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let room = subject.room();
    if room > 100 {
        return;
    }
    let asking = Subject::<u64, u64, S>::built(subject.setup, |builder| {
        builder.keep_if(|key, value| {
            assert_eq!(*value, key + 100);
            *key == 0
        })
    });
    for key in 0..50 {
        match key % 3 {
            0 => asking.put(key, key + 100),
            1 => _ = asking.get_with(key, || key + 100),
            _ => _ = asking.entry(key).or_insert(key + 100),
        }
        asking.check_holds(room.min(key + 1));
        assert!(asking.contains_key(&key), "a new value is stored");
        assert_eq!(asking.contains_key(&0), room > 1 || key == 0, "{key}");
    }
    let mut evicted: Vec<_> = asking.log.take();
    evicted.retain(|(_, _, cause)| *cause != RemovalCause::Size);
    assert!(evicted.is_empty(), "{evicted:?}");
    // What has expired is not asked about, and goes.
    if asking.expires() {
        asking.clock.advance(TTL);
        (50..70).for_each(|key| asking.put(key, key + 100));
        assert!(!asking.contains_key(&0));
        asking.check_holds(room);
    }
}

#[test]
fn an_entry_that_is_to_be_kept_is_not_evicted_while_others_can_be() {
    in_every_configuration!(what_is_to_be_kept_stays);
}

/// If everything is to be kept, the first candidate goes, after 16 questions.
#[test]
fn an_eviction_asks_about_sixteen_candidates_at_most() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let cache: Cache<u64, u64> = Cache::builder()
        .max_capacity(60)
        .keep_if(move |key, _| {
            notes.lock().unwrap().push(*key);
            true
        })
        .build();
    (0..60).for_each(|key| cache.insert(key, key));
    assert!(asked.lock().unwrap().is_empty());
    for key in 60..200 {
        cache.insert(key, key);
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked.len(), 16, "{asked:?}");
        let gone: Vec<_> = asked.iter().filter(|key| !cache.contains_key(*key)).collect();
        assert_eq!(gone, [&asked[0]]);
        assert_eq!(cache.entry_count(), 60);
    }
    validate(&cache);
}

#[test]
fn a_panic_of_keep_if_counts_as_no() {
    silence_panics_on_purpose();
    let cache: Cache<u64, u64> =
        Cache::builder().max_capacity(10).keep_if(|_, _| panic!("on purpose")).build();
    (0..100).for_each(|key| cache.insert(key, key));
    assert_eq!(cache.entry_count(), 10);
    assert_eq!(cache.evict(3), 3);
    validate(&cache);
}

/// Keeps a cache's handle to itself, as long as the test lasts.
type Own = Arc<OnceLock<Cache<u64, u64>>>;

/// A cache whose `keep_if` has a handle to it.
fn asking_itself(
    capacity: u64,
    keep: impl Fn(&Cache<u64, u64>, u64, u64) -> bool + Send + Sync + 'static,
) -> (Cache<u64, u64>, Own) {
    let own = Own::default();
    // Weak, so that the cache does not hold itself.
    let asked = Arc::downgrade(&own);
    let keep = move |key: &u64, value: &u64| {
        asked.upgrade().is_some_and(|own| own.get().is_some_and(|own| keep(own, *key, *value)))
    };
    let cache = Cache::builder().max_capacity(capacity).keep_if(keep).build();
    own.set(cache.clone()).unwrap();
    (cache, own)
}

#[test]
fn keep_if_may_call_the_cache_in_any_way() {
    must_end(|| {
        for capacity in [1, 2, 10] {
            let (cache, _own) = asking_itself(capacity, |cache, key, _| {
                // More keys than there is room for.
                cache.insert(1000 + key, 0);
                cache.get_with(2000 + key, || 0);
                cache.entry(key).and_upsert_with(|old| old.map_or(0, |old| old.into_value() + 1));
                cache.set_ttl(&key, TTL);
                cache.evict(1);
                cache.invalidate(&(key + 1));
                cache.run_pending_tasks();
                key % 2 == 0
            });
            for key in 0..100 {
                cache.insert(key, key);
                assert!(cache.entry_count() <= capacity);
            }
            cache.invalidate_all();
            validate(&cache);
        }
    });
}

/// What it says of a value says nothing of the one that has replaced it.
#[test]
fn an_answer_counts_for_the_value_that_was_shown() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&shown);
    let (cache, _own) = asking_itself(2, move |cache, key, value| {
        notes.lock().unwrap().push((key, value));
        if value == 0 {
            cache.insert(key, 1);
            return false;
        }
        // The new value is to be kept.
        true
    });
    cache.insert(1, 0);
    cache.insert(2, 7);
    cache.insert(3, 7);
    let shown = shown.lock().unwrap();
    assert!(shown.contains(&(1, 0)) && shown.contains(&(1, 1)), "{shown:?}");
    assert_eq!(cache.entry_count(), 2);
    validate(&cache);
}

/// Heavy values need the room of many, each of which is asked about.
#[test]
fn a_heavy_value_takes_the_room_of_those_that_need_not_be_kept() {
    let cache: Cache<u64, u32> = Cache::builder()
        .max_capacity(100)
        .weigher(|_, weight: &u32| *weight)
        .keep_if(|key, _| *key < 5)
        .build();
    (0..20).for_each(|key| cache.insert(key, 5));
    cache.insert(100, 75);
    assert_eq!((0..5).filter(|key| cache.contains_key(key)).count(), 5);
    assert_eq!((cache.weighted_size(), cache.entry_count()), (100, 6));
    cache.insert(101, 90);
    assert!(cache.contains_key(&101) && cache.weighted_size() <= 100);
    validate(&cache);
}

#[test]
fn the_bound_holds_for_threads_that_ask_and_are_asked() {
    must_end(|| {
        let most = Arc::new(AtomicUsize::new(0));
        let (cache, _own) = asking_itself(100, {
            let most = Arc::clone(&most);
            move |cache, key, _| {
                most.fetch_max(cache.entry_count() as usize, SeqCst);
                key % 3 == 0
            }
        });
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        let key = (n * 7 + thread * 13) % 1_000;
                        match n % 5 {
                            0 => cache.invalidate(&key),
                            1 => assert_eq!(cache.get_with(key, || key), key),
                            _ => cache.insert(key, key),
                        }
                        assert!(cache.entry_count() <= 100);
                    }
                });
            }
        });
        assert!(most.load(SeqCst) <= 100);
        validate(&cache);
    });
}

fn evicts_on_demand<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let entries = subject.room().min(60);
    (0..entries).for_each(|key| subject.put(key, key));
    subject.log.take();
    let weight = subject.weight();
    assert_eq!(subject.evict(0), 0);
    let half = entries / 2 * weight;
    assert_eq!(subject.evict(half), half);
    subject.check_holds(entries - entries / 2);
    if weight > 1 && entries > 1 {
        assert_eq!(subject.evict(1), weight, "at least so much");
        subject.put(1000, 1000);
    }
    let left = subject.entry_count();
    let live: Vec<_> = subject.iter().collect();
    subject.log.take();
    assert_eq!(subject.evict(u64::MAX), left * weight);
    subject.check_holds(0);
    let evicted = live.into_iter().map(|(key, value)| (key, value, RemovalCause::Size));
    subject.check_notified(evicted.collect());
    assert_eq!(subject.evict(1), 0);
    if subject.setup.size == Size::Count(10) && subject.setup.stats {
        assert_eq!(subject.stats().removed_size, 10);
    }
}

#[test]
fn evict_removes_so_much_by_the_policys_choice() {
    in_every_configuration!(evicts_on_demand);
}

#[test]
fn evict_takes_from_all_parts_of_a_large_cache_and_spares_what_is_to_be_kept() {
    let cache: Cache<u64, u64> =
        Cache::builder().max_capacity(10_000).keep_if(|key, _| *key < 100).build();
    (0..5_000).for_each(|key| cache.insert(key, key));
    assert_eq!((cache.evict(4_000), cache.entry_count()), (4_000, 1_000));
    let kept = (0..100).filter(|key| cache.contains_key(key)).count();
    assert!(kept >= 95, "{kept} of 100");
    // What was used is evicted last.
    let cache: Cache<u64, u64> = Cache::new(10_000);
    (0..5_000).for_each(|key| cache.insert(key, key));
    (0..3).for_each(|_| (0..500).for_each(|key| _ = cache.get(&key)));
    assert_eq!(cache.evict(4_000), 4_000);
    let kept = (0..500).filter(|key| cache.contains_key(key)).count();
    assert!(kept >= 450, "{kept} of 500");
    validate(&cache);
}

/// A load that runs while its cache is emptied by evictions is stored.
#[test]
fn evict_supersedes_no_load_and_goes_on_after_a_panic() {
    silence_panics_on_purpose();
    let cache: Cache<u64, u64, RandomState> = Cache::new(10);
    cache.insert(1, 1);
    assert_eq!(cache.get_with(2, || cache.evict(10)), 1);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(1)));
    /// Panics when it is dropped.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let cache: Cache<u64, Bomb> = Cache::new(10);
    (0..2).for_each(|key| cache.insert(key, Bomb));
    assert!(panics(|| cache.evict(2)));
    assert_eq!(cache.entry_count(), 0);
    validate(&cache);
}
