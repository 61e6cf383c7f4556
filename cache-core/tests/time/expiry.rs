//! Every kind of deadline: idle entries, `Expiry`, jitter, negative values; which of them wins; and
//! how far away they may be.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_core::{Cache, CacheBuilder, Clock, Expiry, FakeClock, Tick};

use super::timed::{NANO, Timed};
use crate::common::hashers::Identity;
use crate::common::panics::{panics, silence_panics_on_purpose};
use cache_core::__private::testing::validate;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

#[test]
fn an_idle_entry_lives_from_use_to_use() {
    let it = Timed::new(|builder| builder.time_to_idle(MINUTE));
    type Use = fn(&Cache<u32, u32>);
    let uses: [Use; 8] = [
        |cache| _ = cache.get(&1),
        |cache| _ = cache.view(&1, |_| ()),
        |cache| _ = cache.get_many(&[1]),
        |cache| _ = cache.get_with(1, || unreachable!()),
        |cache| _ = cache.entry(1).or_insert(5),
        |cache| _ = cache.entry(1).and_compute_with(|_| cache_core::Op::Nop),
        |cache| _ = cache.get_many_with(&[1], |_| unreachable!()),
        |cache| cache.insert(1, 1),
    ];
    it.cache.insert(1, 1);
    for (number, used) in uses.into_iter().enumerate() {
        it.clock.advance(MINUTE - NANO);
        used(&it.cache);
        it.cache.run_pending_tasks();
        validate(&it.cache);
        assert_eq!(it.cache.entry_count(), 1, "after use {number}");
    }
    it.clock.advance(MINUTE / 2);
    // None of these is a use.
    assert_eq!(it.cache.peek(&1), Some(1));
    assert!(it.cache.contains_key(&1));
    assert!(it.cache.entry_info(&1).is_some());
    assert_eq!(it.cache.iter().count(), 1);
    assert!(it.cache.set_ttl(&1, YEAR));
    it.check_lives(1, MINUTE / 2);
    assert_eq!(it.cache.entry_count(), 0);
}

#[test]
fn the_earliest_deadline_wins() {
    let it = Timed::new(|builder| builder.time_to_live(10 * SECOND).time_to_idle(4 * SECOND));
    it.cache.insert(1, 1);
    it.check_lives(1, 4 * SECOND);
    it.cache.insert(1, 1);
    for _ in 0..3 {
        it.clock.advance(3 * SECOND);
        assert_eq!(it.cache.get(&1), Some(1));
    }
    it.check_lives(1, SECOND);
    it.cache.insert_with_ttl(1, 1, 2 * SECOND);
    it.check_lives(1, 2 * SECOND);
    it.cache.insert_with_ttl(1, 1, YEAR);
    it.check_lives(1, 4 * SECOND);
}

#[test]
fn set_ttl_counts_from_now_and_keeps_the_ttl_of_the_cache() {
    let it = Timed::new(|builder| builder);
    it.cache.insert(1, 1);
    assert!(it.cache.set_ttl(&1, 5 * SECOND), "even if nothing had a deadline before");
    it.check_lives(1, 5 * SECOND);
    it.cache.insert_with_ttl(1, 1, 5 * SECOND);
    it.clock.advance(4 * SECOND);
    assert!(it.cache.set_ttl(&1, 5 * SECOND));
    it.check_lives(1, 5 * SECOND);
    assert!(!it.cache.set_ttl(&1, SECOND), "it is dead");
    it.cache.insert_with_ttl(1, 1, 5 * SECOND);
    assert!(it.cache.set_ttl(&1, Duration::MAX));
    it.clock.advance(100 * YEAR);
    assert_eq!(it.cache.get(&1), Some(1));
    assert_eq!(it.cache.entry_info(&1).unwrap().time_left(), None);
    assert!(it.cache.set_ttl(&1, Duration::ZERO));
    assert_eq!(it.cache.get(&1), None);

    let it = Timed::new(|builder| builder.time_to_live(10 * SECOND));
    it.cache.insert(1, 1);
    it.clock.advance(4 * SECOND);
    assert!(it.cache.set_ttl(&1, MINUTE));
    it.check_lives(1, 6 * SECOND);
    it.cache.insert(1, 1);
    it.cache.set_ttl(&1, SECOND);
    it.cache.set_ttl(&1, 3 * SECOND);
    it.check_lives(1, 3 * SECOND);
}

#[test]
fn set_ttl_is_no_write() {
    let it = Timed::new(|builder| builder);
    it.cache.insert(1, 1);
    let value = it.cache.entry(2).or_insert_with(|| {
        assert!(!it.cache.set_ttl(&2, SECOND));
        2
    });
    assert_eq!((value.into_value(), it.cache.get(&2)), (2, Some(2)));
}

/// Answers what the test says, and records what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    create: Arc<Mutex<Option<Duration>>>,
    read: Arc<Mutex<Option<Option<Duration>>>>,
    update: Arc<Mutex<Option<Option<Duration>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Which method was called, and with which time left. The age is that between the two `Instant`s.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Create,
    Read { left: Option<Duration>, age: Duration },
    Update { left: Option<Duration> },
}

impl Expiry<u32, u32> for Scripted {
    fn expire_after_create(&self, _: &u32, _: &u32, _: Instant) -> Option<Duration> {
        self.asked.lock().unwrap().push(Asked::Create);
        *self.create.lock().unwrap()
    }

    fn expire_after_read(
        &self,
        _: &u32,
        _: &u32,
        read_at: Instant,
        left: Option<Duration>,
        written: Instant,
    ) -> Option<Duration> {
        let age = read_at - written;
        self.asked.lock().unwrap().push(Asked::Read { left, age });
        self.read.lock().unwrap().unwrap_or(left)
    }

    fn expire_after_update(
        &self,
        _: &u32,
        _: &u32,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        self.asked.lock().unwrap().push(Asked::Update { left });
        self.update.lock().unwrap().unwrap_or(left)
    }
}

impl Scripted {
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[test]
fn expiry_decides_at_creation_update_and_read() {
    let script = Scripted::default();
    let it = Timed::new(|builder| builder.expire_after(script.clone()));
    *script.create.lock().unwrap() = Some(10 * SECOND);
    it.cache.insert(1, 1);
    assert_eq!(script.take(), [Asked::Create]);
    it.check_lives(1, 10 * SECOND);

    it.cache.get_with(1, || 1);
    assert_eq!(script.take(), [Asked::Create], "a load creates as well");
    it.clock.advance(4 * SECOND);
    it.cache.insert(1, 2);
    assert_eq!(script.take(), [Asked::Update { left: Some(6 * SECOND) }]);
    it.clock.advance(SECOND);
    assert_eq!(it.cache.get(&1), Some(2));
    let read = Asked::Read { left: Some(5 * SECOND), age: SECOND };
    assert_eq!(script.take(), [read]);
    it.check_lives(1, 5 * SECOND);
    assert_eq!(script.take(), [], "look-ups that are no uses do not ask");

    *script.update.lock().unwrap() = Some(Some(20 * SECOND));
    *script.read.lock().unwrap() = Some(Some(30 * SECOND));
    it.cache.insert(1, 3);
    it.cache.insert(1, 4);
    assert_eq!(it.cache.entry_info(&1).unwrap().time_left(), Some(20 * SECOND));
    assert_eq!(it.cache.get(&1), Some(4));
    it.check_lives(1, 30 * SECOND);

    // A read may shorten the life: the memory is freed in time, too.
    *script.create.lock().unwrap() = None;
    it.cache.insert(1, 5);
    assert_eq!(it.cache.next_expiry(), None);
    *script.read.lock().unwrap() = Some(Some(3 * SECOND));
    assert_eq!(it.cache.get(&1), Some(5));
    assert_eq!(it.cache.next_expiry(), Some(3 * SECOND));
    it.check_lives(1, 3 * SECOND);
    assert_eq!(it.cache.entry_count(), 0);
    *script.read.lock().unwrap() = Some(None);
    *script.create.lock().unwrap() = Some(3 * SECOND);
    it.cache.insert(1, 5);
    assert_eq!(it.cache.get(&1), Some(5));
    assert_eq!(it.cache.entry_info(&1).unwrap().time_left(), None, "and up to for ever");
    *script.read.lock().unwrap() = Some(Some(Duration::ZERO));
    assert_eq!(it.cache.get(&1), Some(5));
    assert_eq!(it.cache.get(&1), None, "or to nothing");
}

#[test]
fn an_update_that_is_not_overridden_keeps_the_deadline_of_expiry_not_that_of_the_cache() {
    let script = Scripted::default();
    *script.create.lock().unwrap() = Some(100 * SECOND);
    let it = Timed::new(|builder| builder.expire_after(script.clone()).time_to_live(60 * SECOND));
    it.cache.insert(1, 1);
    it.clock.advance(50 * SECOND);
    it.cache.insert(1, 2);
    assert_eq!(script.take()[1], Asked::Update { left: Some(10 * SECOND) });
    // 100 seconds from the creation, by expiry; 60 from the update, by the cache.
    it.check_lives(1, 50 * SECOND);
    *script.create.lock().unwrap() = None;
    it.cache.insert(1, 1);
    it.check_lives(1, 60 * SECOND);
}

#[test]
fn a_value_that_expiry_gives_no_time_is_returned_and_not_stored() {
    let script = Scripted::default();
    *script.create.lock().unwrap() = Some(Duration::ZERO);
    *script.update.lock().unwrap() = Some(Some(Duration::ZERO));
    let it = Timed::new(|builder| builder.expire_after(script.clone()).record_stats());
    it.cache.insert(1, 1);
    assert_eq!(it.cache.get(&1), None);
    assert_eq!(it.cache.get_with(1, || 2), 2);
    assert_eq!(it.cache.entry_count(), 0);
    assert_eq!(it.cache.stats().removed_expired, 2);
    *script.create.lock().unwrap() = None;
    it.cache.insert(1, 3);
    it.cache.insert(1, 4);
    assert_eq!(it.cache.get(&1), None, "what it was to replace is out of date");
    validate(&it.cache);
}

/// Panics in the armed method, and calls the cache in the others.
#[derive(Clone)]
struct Rude {
    cache: Arc<Mutex<Option<Cache<u32, u32>>>>,
    armed: Arc<AtomicUsize>,
}

impl Rude {
    fn act(&self, method: usize) {
        assert_ne!(self.armed.load(SeqCst), method, "on purpose");
        let cache = self.cache.lock().unwrap().take();
        if let Some(cache) = cache {
            cache.insert(100, 100);
            assert_eq!(cache.get(&100), Some(100));
            cache.invalidate(&100);
        }
    }
}

impl Expiry<u32, u32> for Rude {
    fn expire_after_create(&self, _: &u32, _: &u32, _: Instant) -> Option<Duration> {
        self.act(1);
        None
    }

    fn expire_after_read(
        &self,
        _: &u32,
        _: &u32,
        _: Instant,
        left: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        self.act(2);
        left
    }

    fn expire_after_update(
        &self,
        _: &u32,
        _: &u32,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        self.act(3);
        left
    }
}

#[test]
fn expiry_may_panic_and_may_call_the_cache() {
    silence_panics_on_purpose();
    let armed = Arc::new(AtomicUsize::new(1));
    let rude = Rude { cache: Arc::default(), armed: Arc::clone(&armed) };
    let it = Timed::new(|builder| builder.expire_after(rude.clone()));
    assert!(panics(|| it.cache.insert(1, 1)));
    assert!(panics(|| it.cache.get_with(1, || 1)));
    assert_eq!(it.cache.entry_count(), 0);
    armed.store(2, SeqCst);
    it.cache.insert(1, 1);
    assert!(panics(|| it.cache.get(&1)));
    assert!(panics(|| it.cache.get_with(1, || unreachable!())));
    armed.store(3, SeqCst);
    *rude.cache.lock().unwrap() = Some(it.cache.clone());
    assert_eq!(it.cache.get(&1), Some(1));
    assert!(panics(|| it.cache.insert(1, 2)));
    assert_eq!(it.cache.get(&1), Some(1));
    armed.store(0, SeqCst);
    *rude.cache.lock().unwrap() = Some(it.cache.clone());
    it.cache.insert(1, 3);
    assert_eq!(it.cache.get(&1), Some(3));
    validate(&it.cache);
}

#[test]
fn jitter_spreads_deadlines_shortens_only_and_is_the_same_in_each_run() {
    let lives = || {
        let clock = FakeClock::new();
        let cache: Cache<u64, u64, Identity> = Cache::builder()
            .time_to_live(MINUTE)
            .ttl_jitter(0.5)
            .clock(clock.clone())
            .build_with_hasher(Identity);
        for key in 0..200 {
            cache.insert(key, key);
            cache.insert_with_ttl(1000 + key, key, MINUTE / 2);
            cache.insert_with_ttl(2000 + key, key, YEAR);
            assert!(cache.set_ttl(&(2000 + key), MINUTE / 2));
        }
        validate(&cache);
        let left = |key| cache.entry_info(&key).unwrap().time_left().unwrap();
        [0, 1000, 2000].map(|first| (first..first + 200).map(left).collect::<Vec<_>>())
    };
    let [cache_s, own, set] = lives();
    assert!(cache_s.iter().all(|life| (MINUTE / 2..=MINUTE).contains(life)));
    assert!(own.iter().all(|life| (MINUTE / 4..=MINUTE / 2).contains(life)));
    assert!(set.iter().all(|life| (MINUTE / 4..=MINUTE / 2).contains(life)));
    let mut distinct = cache_s.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 190);
    assert_eq!(lives(), [cache_s, own, set]);
}

#[test]
fn negative_values_expire_sooner() {
    let clock = FakeClock::new();
    let users: Cache<u32, Option<&str>> =
        Cache::builder().negative_ttl(SECOND).clock(clock.clone()).build();
    users.insert(1, None);
    users.insert(2, Some("b"));
    assert_eq!(users.get_with(3, || None), None);
    assert_eq!(users.entry_info(&2).unwrap().time_left(), None);
    clock.advance(SECOND - NANO);
    assert_eq!(users.get(&1), Some(None));
    clock.advance(NANO);
    assert_eq!((users.get(&1), users.get(&2), users.get(&3)), (None, Some(Some("b")), None));

    let answers: Cache<u32, Result<u32, &str>> =
        Cache::builder().time_to_live(MINUTE).negative_ttl(SECOND).clock(clock.clone()).build();
    answers.insert(1, Err("no"));
    answers.insert(2, Ok(2));
    answers.insert_with_ttl(3, Err("no"), YEAR);
    clock.advance(SECOND);
    assert_eq!((answers.get(&1), answers.get(&2), answers.get(&3)), (None, Some(Ok(2)), None));
    clock.advance(MINUTE - SECOND);
    assert_eq!(answers.get(&2), None);
}

#[test]
fn endless_durations_mean_never() {
    let it = Timed::new(|builder| {
        builder
            .time_to_live(Duration::MAX)
            .time_to_idle(Duration::MAX)
            .ttl_jitter(0.9)
            .refresh_early(1.0)
            .stale_while_revalidate(Duration::MAX)
            .stale_if_error(Duration::from_nanos(u64::MAX))
            .janitor(Duration::MAX)
    });
    it.cache.insert(1, 1);
    it.cache.insert_with_ttl(2, 2, Duration::MAX);
    it.clock.advance(500 * YEAR);
    it.cache.run_pending_tasks();
    assert_eq!((it.cache.get(&1), it.cache.get(&2)), (Some(1), Some(2)));
    assert_eq!(it.cache.next_expiry(), None);
    validate(&it.cache);

    // For ever stale: it is kept, and served to loads.
    assert!(it.cache.set_ttl(&1, SECOND));
    it.clock.advance(50 * YEAR);
    it.cache.run_pending_tasks();
    assert_eq!(it.cache.get(&1), None);
    assert_eq!(it.cache.try_get_with(1, || Err("down")), Ok(1));
}

#[test]
fn the_end_of_time_overflows_nothing() {
    let it = Timed::new(|builder| {
        builder.time_to_live(MINUTE).time_to_idle(MINUTE).ttl_jitter(0.5).stale_if_error(MINUTE)
    });
    it.clock.advance(Duration::MAX);
    assert_eq!(it.clock.now(), Tick::MAX);
    it.cache.insert(1, 1);
    it.cache.insert_with_ttl(2, 2, MINUTE);
    it.cache.run_pending_tasks();
    validate(&it.cache);
    assert_eq!((it.cache.get(&1), it.cache.get_with(3, || 3)), (Some(1), 3));
    assert!(it.cache.entry_info(&2).is_some());
    assert!(it.cache.set_ttl(&2, MINUTE));
}

#[test]
fn ages_are_known_if_time_matters() {
    let it = Timed::new(|builder| builder.time_to_idle(MINUTE));
    it.cache.insert(1, 1);
    it.clock.advance(3 * SECOND);
    assert_eq!(it.cache.get(&1), Some(1));
    assert_eq!(it.cache.entry_info(&1).unwrap().age(), Some(3 * SECOND));
    it.cache.insert(1, 2);
    assert_eq!(it.cache.entry_info(&1).unwrap().age(), Some(Duration::ZERO));
    let it = Timed::new(|builder| builder);
    it.cache.insert(1, 1);
    let info = it.cache.entry_info(&1).unwrap();
    assert_eq!((info.age(), info.time_left(), info.weight()), (None, None, 1));
    let weighed = Cache::<u32, u32>::builder().weigher(|_, value| *value).build();
    weighed.insert(1, 17);
    assert_eq!(weighed.entry_info(&1).unwrap().weight(), 17);
}

/// A cache that has only a TTL derives the write times of entries from their deadlines. From the
/// first entry TTL on it records them, and still knows those of older entries.
#[test]
fn ages_and_deadlines_are_known_before_and_after_the_first_entry_ttl() {
    let it = Timed::new(|builder| builder.time_to_live(MINUTE));
    let age = |key| it.cache.entry_info(&key).unwrap().age().unwrap();
    (0..200).for_each(|key| it.cache.insert(key, key));
    it.clock.advance(10 * SECOND);
    assert_eq!(age(7), 10 * SECOND);
    it.cache.insert_with_ttl(1000, 0, 20 * SECOND);
    it.cache.insert(1001, 0);
    assert!(it.cache.set_ttl(&8, 5 * SECOND));
    (2000..3000).for_each(|key| it.cache.insert(key, key));
    it.clock.advance(SECOND);
    assert_eq!([7, 8].map(age), [11 * SECOND; 2]);
    assert_eq!([1000, 1001, 2500].map(age), [SECOND; 3]);
    for key in [7, 8, 1000] {
        assert!(it.cache.set_ttl(&key, YEAR));
    }
    let left = |key| it.cache.entry_info(&key).unwrap().time_left().unwrap();
    assert_eq!([7, 8].map(left), [49 * SECOND; 2], "the TTL of the cache");
    assert_eq!([1000, 1001].map(left), [59 * SECOND; 2]);
    it.cache.run_pending_tasks();
    it.cache.invalidate_all();
    it.cache.run_pending_tasks();
    it.cache.insert_with_ttl(8, 0, SECOND);
    assert_eq!((age(8), left(8)), (Duration::ZERO, SECOND));
    validate(&it.cache);
}

#[test]
fn nonsense_is_refused_with_the_name_of_the_option() {
    type Build = fn(CacheBuilder<u32, Option<u32>>) -> CacheBuilder<u32, Option<u32>>;
    let zero: [(&str, Build); 6] = [
        ("time_to_idle", |builder| builder.time_to_idle(Duration::ZERO)),
        ("negative_ttl", |builder| builder.negative_ttl(Duration::ZERO)),
        ("refresh_after", |builder| builder.refresh_after(Duration::ZERO)),
        ("stale_while_revalidate", |builder| builder.stale_while_revalidate(Duration::ZERO)),
        ("stale_if_error", |builder| builder.stale_if_error(Duration::ZERO)),
        ("janitor", |builder| builder.janitor(Duration::ZERO)),
    ];
    let others: [(&str, Build); 9] = [
        ("ttl_jitter", |builder| builder.ttl_jitter(1.0)),
        ("ttl_jitter", |builder| builder.ttl_jitter(-0.1)),
        ("ttl_jitter", |builder| builder.ttl_jitter(f64::NAN)),
        ("refresh_early", |builder| builder.refresh_early(0.0)),
        ("refresh_early", |builder| builder.refresh_early(f64::INFINITY)),
        ("refresh_early", |builder| builder.refresh_early(f64::NAN)),
        ("refresh_after", |builder| builder.refresh_after(MINUTE).time_to_live(MINUTE)),
        ("refresh_after", |builder| builder.time_to_live(SECOND).refresh_after(MINUTE)),
        ("refresh_after", |builder| builder.time_to_live(SECOND).refresh_after(Duration::MAX)),
    ];
    for (option, build) in zero.into_iter().chain(others) {
        let error = build(Cache::builder()).try_build().unwrap_err();
        assert_eq!(error.option(), option);
        assert!(error.to_string().starts_with(&format!("{option}: ")), "{error}");
        assert!(error.to_string().contains("give"), "it says what to do: {error}");
    }
    let fine = Cache::<u32, u32>::builder().ttl_jitter(0.0).refresh_after(MINUTE);
    assert!(fine.try_build().is_ok());
    let policy = Timed::new(|builder| builder.time_to_idle(MINUTE)).cache.policy();
    assert_eq!((policy.time_to_idle(), policy.time_to_live()), (Some(MINUTE), None));
}
