//! Deadlines to the nanosecond, and the removal of expired entries in small steps.

use std::time::Duration;

use cache_core::RemovalCause::{Expired, Explicit, Replaced};
use cache_core::{Cache, CacheBuilder, Clock, Entry, FakeClock, Op, Tick};

use super::support::NANO;
use crate::common::configurations::Log;
use crate::common::numbers::Numbers;
use crate::common::tasks::block_on;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

struct Timed {
    cache: Cache<u64, u64>,
    clock: FakeClock,
    log: Log<u64, u64>,
}

fn timed(ttl: Option<Duration>) -> Timed {
    let (clock, log) = (FakeClock::new(), Log::default());
    let builder = Cache::builder().clock(clock.clone()).eviction_listener(log.listener());
    let builder = match ttl {
        Some(ttl) => builder.time_to_live(ttl),
        None => builder,
    };
    Timed { cache: builder.build(), clock, log }
}

#[test]
fn get_one_nanosecond_before_the_deadline_hits_and_at_it_misses() {
    let Timed { cache, clock, .. } = timed(None);
    let lives = [1, 2, 63, 64, 65, 4095, 4096, 999_999_999, 1_000_000_001, 3_600_000_000_001];
    for (n, ttl) in lives.into_iter().map(Duration::from_nanos).enumerate() {
        for key in 0..5 {
            cache.insert_with_ttl(key, key, ttl);
        }
        clock.advance(ttl - NANO);
        assert!((0..5).all(|key| cache.get(&key) == Some(key)), "life {n}");
        cache.run_pending_tasks();
        assert!((0..5).all(|key| cache.contains_key(&key)), "freed too early: life {n}");
        clock.advance(NANO);
        assert!((0..5).all(|key| cache.get(&key).is_none()), "life {n}");
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 0, "freed at the deadline: life {n}");
        validate(&cache);
    }
}

#[test]
fn insert_over_an_entry_restarts_its_ttl() {
    let Timed { cache, clock, log } = timed(Some(10 * SECOND));
    cache.insert(1, 0);
    for n in 1..20 {
        clock.advance(9 * SECOND);
        cache.insert(1, n);
        cache.run_pending_tasks();
        assert_eq!(cache.get(&1), Some(n));
    }
    assert!(log.take().iter().all(|notice| notice.2 == Replaced));
    clock.advance(10 * SECOND - NANO);
    assert_eq!(cache.get(&1), Some(19));
    clock.advance(NANO);
    assert_eq!(cache.get(&1), None);
    validate(&cache);
}

#[test]
fn an_insert_with_another_ttl_replaces_the_old_deadline() {
    let Timed { cache, clock, .. } = timed(Some(10 * SECOND));
    cache.insert(1, 1);
    cache.insert_with_ttl(1, 2, SECOND);
    clock.advance(SECOND);
    assert_eq!(cache.get(&1), None);
    cache.insert_with_ttl(1, 3, SECOND);
    cache.insert(1, 4);
    clock.advance(SECOND);
    cache.run_pending_tasks();
    assert_eq!(cache.get(&1), Some(4), "the timer of the value replaced does not end the new one");
    cache.insert_with_ttl(1, 5, Duration::MAX);
    clock.advance(10 * SECOND - NANO);
    cache.run_pending_tasks();
    assert_eq!(cache.get(&1), Some(5));
    clock.advance(NANO);
    assert_eq!(cache.get(&1), None, "no longer than the cache's own");
    validate(&cache);
}

#[test]
fn a_mass_expiry_is_freed_by_bounded_steps_of_later_writes() {
    const MANY: u64 = 100_000;
    let Timed { cache, clock, log } = timed(Some(10 * SECOND));
    (0..MANY).for_each(|key| cache.insert(key, key));
    clock.advance(10 * SECOND);
    assert_eq!(cache.get(&77), None);
    assert_eq!(cache.iter().next(), None);
    assert_eq!(cache.entry_count(), MANY);
    let mut before = MANY;
    for write in 0..200 {
        cache.insert(MANY + write, 0);
        let after = cache.entry_count();
        let freed = before + 1 - after;
        assert!((1..=100).contains(&freed), "write {write} freed {freed}");
        assert_eq!(log.take().len() as u64, freed);
        before = after;
    }
    assert!(before > MANY / 2 && before < MANY - 1000, "{before} left");
    cache.run_pending_tasks();
    assert_eq!(cache.entry_count(), 200, "all that has expired is gone, and nothing else");
    assert!((0..200).all(|write| cache.contains_key(&(MANY + write))));
    assert!(log.take().iter().all(|notice| notice.2 == Expired));
    validate(&cache);
}

type Load = fn(&Cache<u64, u64>, u64);

/// A source that is down, or has nothing, does not keep expired entries in memory.
#[test]
fn loads_without_a_value_free_what_expired_in_bounded_steps() {
    const MANY: u64 = 10_000;
    let loads: [(&str, Load); 5] = [
        ("failure", |cache, key| assert!(cache.try_get_with(key, || Err(())).is_err())),
        ("absence", |cache, key| assert_eq!(cache.optionally_get_with(key, || None), None)),
        ("batch", |cache, key| assert_eq!(cache.get_many_with(&[key], |_| Vec::new()), [None])),
        ("task", |cache, key| {
            assert!(block_on(cache.try_get_with_async(key, async { Err(()) })).is_err());
        }),
        ("entry", |cache, key| assert!(cache.entry(key).or_try_insert_with(|| Err(())).is_err())),
    ];
    for stale in [Duration::ZERO, SECOND] {
        for (name, load) in loads {
            let clock = FakeClock::new();
            let builder = Cache::builder().clock(clock.clone()).time_to_live(SECOND);
            let cache = match stale {
                Duration::ZERO => builder.build(),
                stale => builder.stale_if_error(stale).build(),
            };
            (0..MANY).for_each(|key| cache.insert(key, key));
            clock.advance(SECOND + stale);
            let mut before = MANY;
            for call in 0..100 {
                load(&cache, MANY + call);
                let freed = before - cache.entry_count();
                assert!((1..=100).contains(&freed), "{name} {call} freed {freed}");
                before -= freed;
            }
            validate(&cache);
        }
    }
}

#[test]
fn later_writes_free_everything_that_expired() {
    let (clock, log) = (FakeClock::new(), Log::default());
    let cache = Cache::<u64, u64>::builder()
        .max_capacity(5000)
        .time_to_live(SECOND)
        .clock(clock.clone())
        .eviction_listener(log.listener())
        .build();
    (0..5000).for_each(|key| cache.insert(key, 0));
    clock.advance(SECOND);
    for write in 0..5000 {
        cache.insert(5000 + write % 500, 0);
    }
    assert_eq!(cache.entry_count(), 500);
    let expired = log.take().into_iter().filter(|notice| notice.2 == Expired).count();
    assert_eq!(expired, 5000);
    validate(&cache);
}

#[test]
fn expired_entries_are_notified_once_whichever_call_meets_them() {
    let Timed { cache, clock, log } = timed(None);
    for key in 0..6 {
        cache.insert_with_ttl(key, key, SECOND);
    }
    cache.insert(100, 0);
    clock.advance(SECOND);
    assert_eq!(cache.invalidate_entries_if(|_, _| true), 1, "the one that lives");
    assert_eq!(cache.remove(&0), None);
    cache.invalidate(&1);
    cache.insert(2, 22);
    assert_eq!(cache.get_with(3, || 33), 33);
    cache.invalidate_all();
    cache.run_pending_tasks();
    let mut notices = log.take();
    notices.sort_by_key(|notice| (notice.0, notice.1));
    let mut expected: Vec<_> = (0..6).map(|key| (key, key, Expired)).collect();
    expected.extend([(2, 22, Explicit), (3, 33, Explicit), (100, 0, Explicit)]);
    expected.sort_by_key(|notice| (notice.0, notice.1));
    assert_eq!(notices, expected);
    assert_eq!(cache.entry_count(), 0);
    validate(&cache);
}

#[test]
fn far_jumps_of_the_clock_lose_nothing() {
    let Timed { cache, clock, .. } = timed(None);
    let mut numbers = Numbers::seeded(7);
    let mut deadlines = vec![None; 300];
    for _ in 0..40 {
        for _ in 0..50 {
            let key = numbers.below(300);
            let ttl = Duration::from_nanos(1 << numbers.below(58)).saturating_add(NANO);
            cache.insert_with_ttl(key, key, ttl);
            deadlines[key as usize] = Some(clock.now().saturating_add(ttl));
        }
        clock.advance(Duration::from_nanos(1 << numbers.below(56)));
        validate(&cache);
        for (key, deadline) in deadlines.iter_mut().enumerate() {
            *deadline = deadline.filter(|&deadline| deadline > clock.now());
            assert_eq!(cache.get(&(key as u64)).is_some(), deadline.is_some());
        }
        cache.run_pending_tasks();
        validate(&cache);
        assert_eq!(cache.entry_count(), deadlines.iter().flatten().count() as u64);
    }
}

/// The clock stops at its end. What never expires is present even then.
#[test]
fn insert_at_the_end_of_time_stores_what_never_expires() {
    let Timed { cache, clock, log } = timed(None);
    cache.insert(1, 1);
    cache.insert_with_ttl(2, 2, SECOND);
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Tick::MAX);
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), None));
    cache.insert(3, 3);
    assert_eq!(cache.get(&3), Some(3));
    assert_eq!(cache.get_with(4, || 4), 4);
    assert_eq!(cache.remove(&1), Some(1));
    cache.run_pending_tasks();
    validate(&cache);
    let notices = log.take();
    assert!(
        notices.contains(&(1, 1, Explicit)) && notices.contains(&(2, 2, Expired)),
        "{notices:?}"
    );
}

/// A clock that breaks its promise costs exactness, nothing else.
#[test]
fn a_clock_that_runs_wild_breaks_nothing() {
    struct Wild(std::sync::Mutex<Numbers>);
    impl Clock for Wild {
        fn now(&self) -> Tick {
            let mut numbers = self.0.lock().unwrap();
            let bits = numbers.below(64);
            Tick::from_nanos(numbers.next() << 16 >> bits)
        }
    }
    must_end(|| {
        let cache = Cache::<u64, u64>::builder()
            .max_capacity(200)
            .time_to_live(SECOND)
            .clock(Wild(std::sync::Mutex::new(Numbers::seeded(3))))
            .build();
        let mut numbers = Numbers::seeded(11);
        for step in 0..20_000 {
            let key = numbers.below(300);
            match numbers.below(8) {
                0..=3 => cache.insert(key, key),
                4 => cache.invalidate(&key),
                5 => cache.insert_with_ttl(key, key, Duration::from_nanos(numbers.next())),
                6 => assert_eq!(cache.get_with(key, || key), key),
                _ => assert!(cache.get(&key).is_none_or(|value| value == key)),
            }
            if step % 64 == 0 {
                validate(&cache);
            }
            if step % 1000 == 0 {
                cache.run_pending_tasks();
            }
        }
        cache.invalidate_all();
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn ttl_with_the_clock_of_the_system_hits_at_once() {
    let cache = Cache::<u64, u64>::builder().time_to_live(YEAR).build();
    cache.insert(1, 1);
    assert_eq!(cache.get(&1), Some(1));
    cache.run_pending_tasks();
    assert_eq!(cache.entry_count(), 1);
}

/// A platform that has no clock.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Tick {
        panic!("there is no clock")
    }
}

/// Bare WebAssembly has no clock, and a cache without times is of use there.
#[test]
fn a_cache_without_times_reads_no_clock() {
    type Build = fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>;
    let builds: [Build; 4] = [
        |builder| builder,
        |builder| builder.max_capacity(0),
        |builder| builder.max_capacity(10).record_stats(),
        |builder| builder.max_capacity(1000).weigher(|_, _| 3).eviction_listener(|_, _, _| ()),
    ];
    for build in builds {
        let cache = build(Cache::builder().clock(NoClock)).build();
        for key in 0..100 {
            cache.insert(key, key);
            let _ = (cache.get(&key), cache.peek(&key), cache.contains_key(&key));
            let _ = (cache.view(&key, |_| ()), cache.entry_info(&key), cache.remove(&key));
            assert_eq!(cache.get_with(key, || 7), 7);
            assert!(cache.try_get_with(1000, || Err::<u64, _>("no")).is_err());
            cache.optionally_get_with(1000, || None);
            cache.entry(key).and_upsert_with(|old| old.map_or(0, Entry::into_value) + 1);
            cache.entry(key).and_compute_with(|_| Op::Remove);
            cache.get_many_with(&[key, key + 1], |missing| {
                missing.iter().map(|n| (*n, 7)).collect()
            });
        }
        assert_eq!(block_on(cache.get_with_async(1000, async { 5 })), 5);
        let _ = (cache.iter().count(), cache.next_expiry(), cache.stats(), cache.policy());
        cache.invalidate(&1);
        cache.invalidate_entries_if(|key, _| key % 2 == 0);
        cache.run_pending_tasks();
        cache.invalidate_all();
        validate(&cache);
    }
}
