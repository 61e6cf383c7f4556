//! Many threads: keys that stay are never missed, the bound is never exceeded, no writer waits for
//! ever, and the listener is notified of each entry once.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use cache_core::{Cache, CacheBuilder, FakeClock, RandomState};

use super::support::{NANO, occurrences};
use crate::common::hashers::{Constant, Identity, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// Counts a thread of a group as ended when it is dropped, even by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

const STABLE: u64 = 32;

/// Returns a value that holds its key and its version.
fn version(key: u64, version: u64) -> u64 {
    key << 32 | version
}

/// Reads the stable keys until the writers are done.
fn read_stable<S: TestHasher>(cache: &Cache<u64, u64, S>, writers: &AtomicUsize, seed: u64) {
    let mut numbers = Numbers::seeded(seed);
    let mut seen = [0; STABLE as usize];
    let mut look = |key: u64, value: Option<u64>| {
        let value = value.unwrap_or_else(|| panic!("key {key} was missed"));
        assert_eq!(value >> 32, key);
        assert!(value >= seen[key as usize], "key {key} went back in time");
        seen[key as usize] = value;
    };
    let mut rounds = 0;
    while rounds < 100 || writers.load(SeqCst) > 0 {
        rounds += 1;
        for _ in 0..50 {
            let key = numbers.below(STABLE);
            match numbers.below(8) {
                0 => look(key, cache.view(&key, |value| *value)),
                1 => look(key, cache.peek(&key)),
                2 => assert!(cache.contains_key(&key)),
                3 => look(key, Some(cache.get_with(key, || panic!("key {key} was missed")))),
                _ => look(key, cache.get(&key)),
            }
        }
        if rounds % 64 == 0 {
            let stable = cache.iter().filter(|entry| entry.0 < STABLE);
            let stable: Vec<_> = stable.inspect(|&(key, value)| look(key, Some(value))).collect();
            let times = occurrences(stable.iter().map(|entry| entry.0));
            assert!((0..STABLE).all(|key| times.get(&key) == Some(&1)), "each once: {times:?}");
        }
    }
}

/// Readers of keys that stay, writers that update these, writers that insert and remove others and
/// make the table grow.
fn keys_that_stay<S: TestHasher>(max: u64, others: u64, writes: u64) {
    let cache: Cache<u64, u64, S> =
        Cache::builder().max_capacity(max).build_with_hasher(S::default());
    (0..STABLE).for_each(|key| cache.insert(key, version(key, 0)));
    let writers = AtomicUsize::new(4);
    thread::scope(|scope| {
        for seed in 0..3 {
            let (cache, writers) = (&cache, &writers);
            scope.spawn(move || read_stable(cache, writers, seed + 1));
        }
        for half in 0..2 {
            let (cache, writers) = (&cache, &writers);
            scope.spawn(move || {
                let _done = Done(writers);
                for n in 1..=writes {
                    let key = n % (STABLE / 2) * 2 + half;
                    cache.insert(key, version(key, n));
                }
            });
            scope.spawn(move || {
                let _done = Done(writers);
                let mut numbers = Numbers::seeded(half + 100);
                for n in 1..=writes {
                    let key = STABLE + numbers.below(others) * 2 + half;
                    match numbers.below(4) {
                        0 => cache.invalidate(&key),
                        _ => cache.insert(key, n),
                    }
                    if n % (writes / 2) == 0 {
                        cache.invalidate_entries_if(|key, _| *key >= STABLE);
                    }
                }
            });
        }
    });
    validate(&cache);
}

#[test]
fn keys_that_stay_are_never_missed_while_the_table_grows() {
    must_end(|| {
        for _ in 0..8 {
            keys_that_stay::<RandomState>(60_000, 10_000, 10_000);
            keys_that_stay::<Identity>(60_000, 10_000, 10_000);
        }
    });
}

#[test]
fn keys_that_stay_are_never_missed_if_few_lanes_are_reused() {
    must_end(|| {
        for _ in 0..8 {
            keys_that_stay::<RandomState>(100, 30, 10_000);
        }
    });
}

#[test]
fn keys_that_stay_are_never_missed_if_all_hashes_collide() {
    must_end(|| {
        for _ in 0..4 {
            keys_that_stay::<Constant>(60, 10, 2000);
        }
    });
}

fn any_operation<S: TestHasher>(
    cache: &Cache<u64, u64, S>,
    numbers: &mut Numbers,
    clock: &FakeClock,
    keys: u64,
) {
    let key = numbers.below(keys);
    let right = |value: Option<u64>| assert!(value.is_none_or(|value| value % keys == key));
    let value = key + keys * numbers.below(200);
    match numbers.below(40) {
        0..=13 => cache.insert(key, value),
        14..=16 => cache.insert_with_ttl(key, value, NANO * (numbers.below(50) as u32)),
        17..=22 => right(Some(cache.get_with(key, || value))),
        23 => right(cache.try_get_with(key, || Ok::<_, ()>(value)).ok()),
        24 => right(cache.optionally_get_with(key, || None)),
        25..=29 => right(cache.get(&key)),
        30 => right(cache.view(&key, |value| *value)),
        31 => right(cache.remove(&key)),
        32 => cache.invalidate(&key),
        33 => assert!(cache.iter().all(|(key, value)| value % keys == key)),
        34 => cache.run_pending_tasks(),
        35 => clock.advance(NANO),
        36 => assert!(cache.invalidate_entries_if(|other, _| *other == key) <= 1 + keys),
        37 if numbers.below(20) == 0 => cache.invalidate_all(),
        _ => drop(cache.contains_key(&key)),
    }
}

/// Sixteen threads do everything; one more watches that the bound holds at every instant.
fn bound_holds<S: TestHasher>(max: u64, weigher: Option<fn(&u64, &u64) -> u32>, operations: u64) {
    const KEYS: u64 = 50;
    let clock = FakeClock::new();
    let mut builder = Cache::<u64, u64>::builder().max_capacity(max).clock(clock.clone());
    if let Some(weigher) = weigher {
        builder = builder.weigher(weigher);
    }
    let cache = builder.build_with_hasher(S::default());
    for phase in 0..4 {
        let workers = AtomicUsize::new(16);
        thread::scope(|scope| {
            for thread in 0..16 {
                let (cache, clock, workers) = (&cache, &clock, &workers);
                scope.spawn(move || {
                    let _done = Done(workers);
                    let mut numbers = Numbers::seeded(phase * 16 + thread + 1);
                    for _ in 0..operations {
                        any_operation(cache, &mut numbers, clock, KEYS);
                    }
                });
            }
            while workers.load(SeqCst) > 0 {
                let (size, count) = (cache.weighted_size(), cache.entry_count());
                assert!(size <= max, "{size} > {max}");
                assert!(weigher.is_some() || count <= max, "{count} > {max}");
            }
        });
        validate(&cache);
        assert!(weigher.is_some() || cache.iter().count() as u64 <= max);
        assert!(cache.iter().count() as u64 <= cache.entry_count());
    }
    cache.invalidate_all();
    assert_eq!((cache.entry_count(), cache.weighted_size()), (0, 0));
    // Nothing of the budget was lost on the way.
    (1000..1000 + max).for_each(|key| cache.insert(key, 0));
    assert!(weigher.is_some() || cache.entry_count() == max);
    validate(&cache);
}

#[test]
fn the_bound_on_entries_holds_at_every_instant() {
    must_end(|| {
        bound_holds::<RandomState>(10, None, 1500);
        bound_holds::<RandomState>(1, None, 500);
        bound_holds::<Constant>(10, None, 500);
        bound_holds::<RandomState>(200, None, 500);
    });
}

#[test]
fn the_bound_on_weight_holds_at_every_instant() {
    must_end(|| {
        bound_holds::<RandomState>(10, Some(|_, _| 1), 800);
        bound_holds::<RandomState>(100, Some(|_, value| (value % 130) as u32), 800);
        bound_holds::<Constant>(100, Some(|_, value| (value % 130) as u32), 300);
    });
}

/// Each value takes a large part of the cache, which has several shards: calls that each hold a
/// part of the room they need must not wait for each other.
#[test]
fn inserts_of_heavy_values_by_many_threads_end() {
    must_end(|| {
        let cache: Cache<u64, u32> =
            Cache::builder().max_capacity(8192).weigher(|_, weight: &u32| *weight).build();
        assert!(cache.policy().num_segments() > 1, "else this tests nothing");
        thread::scope(|scope| {
            for thread in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..10_000 {
                        let weight = if n % 2 == 0 { 8192 } else { 4096 };
                        cache.insert(thread * 3 + n % 3, weight);
                    }
                });
            }
        });
        validate(&cache);
    });
}

/// Inserts values that are all different, and counts them in `next`.
fn unique_values(cache: &Cache<u64, u64>, next: &AtomicU64, clock: &FakeClock, seed: u64) {
    let mut numbers = Numbers::seeded(seed);
    for _ in 0..3000 {
        let key = numbers.below(120);
        let fresh = || next.fetch_add(1, SeqCst);
        match numbers.below(16) {
            0..=8 => cache.insert(key, fresh()),
            9 => cache.insert_with_ttl(key, fresh(), NANO * 20),
            10 => drop(cache.remove(&key)),
            11 => cache.invalidate(&key),
            12 => clock.advance(NANO),
            13 => cache.run_pending_tasks(),
            14 if numbers.below(30) == 0 => cache.invalidate_all(),
            _ => drop(cache.invalidate_entries_if(|other, _| *other == key)),
        }
    }
}

fn each_entry_is_notified_once(configure: fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&notices);
    let clock = FakeClock::new();
    let builder = Cache::builder()
        .clock(clock.clone())
        .record_stats()
        .eviction_listener(move |_, value, _| listener.lock().unwrap().push(*value));
    let cache = configure(builder).build();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, next, clock) = (&cache, &next, &clock);
            scope.spawn(move || unique_values(cache, next, clock, seed + 1));
        }
    });
    validate(&cache);
    cache.run_pending_tasks();
    let notices = notices.lock().unwrap();
    let stats = cache.stats();
    let removed = stats.removed_expired + stats.removed_explicit;
    assert_eq!(notices.len() as u64, removed + stats.removed_replaced + stats.removed_size);
    let live: Vec<u64> = cache.iter().map(|(_, value)| value).collect();
    assert_eq!(live.len() as u64, cache.entry_count());
    let times = occurrences(notices.iter().copied().chain(live));
    let inserted = next.load(SeqCst);
    assert!((0..inserted).all(|value| times.get(&value) == Some(&1)), "notified or live, once");
    assert_eq!(times.len() as u64, inserted);
}

#[test]
fn listener_is_notified_of_each_entry_exactly_once() {
    must_end(|| {
        each_entry_is_notified_once(|builder| builder);
        each_entry_is_notified_once(|builder| builder.max_capacity(40));
        each_entry_is_notified_once(|builder| builder.max_capacity(1000).time_to_live(NANO * 100));
    });
}

#[test]
fn listener_is_notified_of_each_entry_exactly_once_if_entries_have_weights() {
    must_end(|| {
        each_entry_is_notified_once(|builder| {
            builder.max_capacity(90).weigher(|_, value| (value % 100) as u32)
        });
    });
}

/// One key for all, so that its updates, removals and loads meet on one lane.
#[test]
fn a_contended_key_stays_consistent() {
    must_end(|| {
        for max in [1, 1000] {
            let cache = Cache::<u64, u64>::new(max);
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                let (cache, stop) = (&cache, &stop);
                let workers: Vec<_> = (0..4)
                    .map(|seed| {
                        scope.spawn(move || {
                            let mut numbers = Numbers::seeded(seed + 9);
                            for n in 0..5000 {
                                match numbers.below(6) {
                                    0 => cache.invalidate(&7),
                                    1 => drop(cache.remove(&7)),
                                    2 => assert!(cache.get_with(7, || n) < 5000),
                                    _ => cache.insert(7, n),
                                }
                            }
                        })
                    })
                    .collect();
                scope.spawn(move || {
                    while !stop.load(SeqCst) {
                        let count = cache.entry_count();
                        assert!(count <= 1, "entry_count {count}");
                        let seen = cache.iter().count();
                        assert!(seen <= 1, "iter {seen}");
                        assert!(cache.get(&7).is_none_or(|value| value < 5000));
                    }
                });
                let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
                stop.store(true, SeqCst);
                assert!(outcomes.iter().all(Result::is_ok));
            });
            validate(&cache);
        }
    });
}
