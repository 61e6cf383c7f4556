//! Statistics, policy and name of a cache, and the errors of a wrong configuration.

use std::time::Duration;

use cache_core::{BuildError, Cache, CacheBuilder, FakeClock, RandomState, RemovalCause, Stats};

use crate::common::configurations::{
    Life, Log, Setup, Size, Subject, TTL, Way, in_every_configuration,
};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use cache_core::__private::testing::{most_entries, validate};

/// Returns the statistics without the load time, which is real time.
fn counted<S: TestHasher>(subject: &Subject<u64, u64, S>) -> Stats {
    let mut stats = subject.stats();
    stats.load_time = Duration::ZERO;
    stats
}

#[test]
fn stats_count_each_event_once() {
    fn test<S: TestHasher>(subject: &Subject<u64, u64, S>) {
        subject.put(1, 10);
        subject.put(1, 11);
        let _ = (subject.get(&1), subject.get(&2));
        let _ = (subject.view(&1, |_| ()), subject.view(&2, |_| ()), subject.view(&3, |_| ()));
        let _ = (subject.peek(&1), subject.peek(&2));
        let _ = (subject.contains_key(&1), subject.contains_key(&2));
        subject.get_with(1, || unreachable!());
        subject.remove(&1);
        subject.remove(&1);
        subject.get_with(1, || 12);
        assert!(subject.try_get_with(2, || Err::<u64, _>("no")).is_err());
        assert!(subject.optionally_get_with(2, || None).is_none());
        assert!(panics(|| subject.get_with(2, || panic!("on purpose"))));
        subject.invalidate(&1);
        subject.put(1, 13);
        subject.clock.advance(TTL);
        subject.run_pending_tasks();
        subject.invalidate_all();

        let mut expected = Stats::default();
        if subject.setup.stats {
            let expired = u64::from(subject.expires());
            (expected.hits, expected.misses) = (3, 7);
            (expected.loads, expected.load_failures) = (1, 3);
            (expected.removed_replaced, expected.removed_size) = (1, 0);
            expected.removed_expired = expired;
            expected.removed_explicit = 2 + (1 - expired);
        }
        assert_eq!(counted(subject), expected);
        assert_eq!(subject.stats().load_time > Duration::ZERO, subject.setup.stats);
    }
    in_every_configuration!(test);
}

#[test]
fn stats_count_evictions() {
    Way::ALL.into_iter().for_each(check_evictions);
}

fn check_evictions(way: Way) {
    let setup =
        Setup { size: Size::Count(10), life: Life::Forever, listening: false, stats: true, way };
    let subject = Subject::<u64, u64, Constant>::new(setup);
    for key in 0..35 {
        subject.put(key, key);
    }
    assert_eq!(subject.invalidate_entries_if(|_, _| true), 10);
    let stats = subject.stats();
    assert_eq!((stats.removed_size, stats.removed_explicit), (25, 10));
    assert_eq!((stats.removed_replaced, stats.removed_expired), (0, 0));
    assert_eq!(stats.listener_panics, 0);
}

#[test]
fn stats_sum_over_threads() {
    let cache = Cache::<u64, u64>::builder().max_capacity(100).record_stats().build();
    cache.insert(1, 1);
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..500 {
                        let _ = cache.get(&(key % 2));
                    }
                });
            }
        });
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (10_000, 10_000));
    assert_eq!((stats.requests(), stats.hit_ratio()), (20_000, 0.5));
}

#[test]
fn policy_and_name_return_what_was_configured() {
    let plain = Cache::<u64, u64>::builder().build();
    assert_eq!(plain.policy().max_capacity(), None);
    assert_eq!(plain.policy().time_to_live(), None);
    assert_eq!(plain.name(), None);
    let full = Cache::<u64, u64>::builder()
        .name("prices")
        .max_capacity(500)
        .time_to_live(Duration::from_millis(1500))
        .build();
    assert_eq!(full.policy().max_capacity(), Some(500));
    assert_eq!(full.policy().time_to_live(), Some(Duration::from_millis(1500)));
    assert!((1..=500).contains(&full.policy().num_segments()));
    assert_eq!(full.name(), Some("prices"));
    assert!(format!("{full:?}").contains("prices"));
    assert_eq!(Cache::<u64, u64>::new(77).policy().max_capacity(), Some(77));
    let weighted = Cache::<u64, u64>::builder().max_capacity(9).weigher(|_, _| 2).build();
    assert_eq!(weighted.policy().max_capacity(), Some(9));
}

#[test]
fn num_segments_is_one_for_tiny_caches() {
    for max in [1, 2, 10, 63, 64] {
        assert_eq!(Cache::<u64, u64>::new(max).policy().num_segments(), 1);
    }
}

#[track_caller]
fn cannot_be_built(builder: fn() -> CacheBuilder<u64, u64>, option: &str) {
    let error: BuildError = builder().try_build().expect_err("this cannot be built");
    assert_eq!(error.option(), option);
    let text = error.to_string();
    assert!(text.starts_with(&format!("{option}: ")), "{text}");
    let with_hasher =
        builder().try_build_with_hasher(Constant).err().map(|error| error.to_string());
    assert_eq!(with_hasher.as_ref(), Some(&text));
    for panic in [
        std::panic::catch_unwind(move || drop(builder().build())),
        std::panic::catch_unwind(move || drop(builder().build_with_hasher(Constant))),
    ] {
        let message = panic.expect_err("build panics too").downcast::<String>().unwrap();
        assert_eq!(*message, text);
    }
}

#[test]
fn build_error_names_the_option() {
    cannot_be_built(|| Cache::builder().time_to_idle(Duration::ZERO), "time_to_idle");
    cannot_be_built(|| Cache::builder().initial_capacity(usize::MAX), "initial_capacity");
}

#[test]
fn build_with_extreme_but_sound_options_succeeds() {
    Cache::<u64, u64>::builder().max_capacity(u64::MAX).build().insert(1, 1);
    let clock = FakeClock::new();
    let cache = Cache::<u64, u64>::builder()
        .max_capacity(u64::MAX)
        .weigher(|_, _| u32::MAX)
        .time_to_live(Duration::MAX)
        .clock(clock.clone())
        .initial_capacity(1000)
        .build();
    for key in 0..100 {
        cache.insert(key, key);
    }
    clock.advance(Duration::from_secs(200 * 365 * 86_400));
    cache.run_pending_tasks();
    assert_eq!(cache.weighted_size(), 100 * u64::from(u32::MAX));
    assert!((0..100).all(|key| cache.get(&key) == Some(key)));
    validate(&cache);
    let shortest = Cache::<u64, u64>::builder().time_to_live(Duration::from_nanos(1)).build();
    shortest.insert(1, 1);
    validate(&shortest);
}

/// Users write the maximum of a type, or some large number, for "no bound".
#[test]
fn a_capacity_beyond_the_maximum_of_entries_is_accepted() {
    for max in [
        2_000_000_000,
        2_000_000_001,
        u64::from(u32::MAX),
        1 << 40,
        i64::MAX as u64,
        u64::MAX - 1,
        u64::MAX,
    ] {
        let builder = || Cache::<u64, u64>::builder().max_capacity(max);
        for cache in [builder().build(), builder().weigher(|_, _| 1).build()] {
            assert_eq!(cache.policy().max_capacity(), Some(max));
            (0..1000).for_each(|n| cache.insert(n, n));
            assert_eq!((cache.entry_count(), cache.weighted_size()), (1000, 1000));
            validate(&cache);
        }
        assert!(
            builder().build().policy().num_segments() < 4096,
            "laid out as one without a bound"
        );
    }
}

fn evicts_at_the_most<S: TestHasher>(build: fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>) {
    for most in [1, 100, 1000] {
        let log = Log::default();
        let builder = most_entries(build(Cache::builder()), most);
        let cache = builder.eviction_listener(log.listener()).build_with_hasher(S::default());
        // Each shard of a cache with weights has a quota of the number, rounded up.
        let shards = cache.policy().num_segments() as u64;
        let most = most.next_multiple_of(shards);
        for key in 0..3 * most {
            match key % 3 {
                0 => cache.insert(key, 1),
                1 => assert_eq!(cache.get_with(key, || 1), 1),
                _ => _ = cache.entry(key).and_upsert_with(|_| 1),
            }
            // Updates need no room.
            cache.insert(key, 2);
            assert!(cache.entry_count() <= most);
        }
        validate(&cache);
        let (notices, left) = (log.take(), cache.entry_count());
        let evicted = notices.iter().filter(|(.., cause)| *cause == RemovalCause::Size).count();
        assert_eq!(evicted as u64 + left, 3 * most, "each of the others was evicted");
        // The keys are spread at random, unless all have one hash.
        assert!(left > 0 && cache.get(&(3 * most - 1)) == Some(2));
    }
}

/// What happens at two thousand million entries, shown with few.
#[test]
fn a_cache_with_the_maximum_of_entries_evicts() {
    type Build = fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>;
    let builds: [Build; 5] = [
        |builder| builder,
        |builder| builder.max_capacity(1 << 40),
        |builder| builder.weigher(|_, _| 0),
        |builder| builder.max_capacity(i64::MAX as u64).weigher(|key, _| *key as u32),
        |builder| builder.max_capacity(u64::MAX).weigher(|_, _| 3).time_to_live(TTL),
    ];
    for build in builds {
        evicts_at_the_most::<RandomState>(build);
        evicts_at_the_most::<Constant>(build);
    }
}
