//! Refreshes and stale values among threads and tasks: which caller loads, which are served, and
//! what a write does to a running refresh.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock, Job, LoadingCache, Status};

use super::timed::NANO;
use crate::common::census::{Census, Token};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn builder<V: Clone + Send + Sync + 'static>(clock: &FakeClock) -> CacheBuilder<u32, V> {
    Cache::builder()
        .time_to_live(MINUTE)
        .refresh_after(30 * SECOND)
        .stale_while_revalidate(MINUTE)
        .stale_if_error(3 * MINUTE)
        .record_stats()
        .clock(clock.clone())
}

/// A cache whose entry 7, with value 1, was stored so long ago.
fn aged(age: Duration) -> (Cache<u32, u32>, FakeClock) {
    let clock = FakeClock::new();
    let cache = builder(&clock).build();
    cache.insert(7, 1);
    clock.advance(age);
    (cache, clock)
}

async fn fails_after(gate: &Gate) -> Result<u32, &'static str> {
    gate.passed().await;
    Err("on purpose")
}

/// An executor that keeps its jobs until the test runs them.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<Job>>>);

impl Jobs {
    fn executor(&self) -> impl Fn(Job) + Send + Sync + 'static {
        let jobs = Arc::clone(&self.0);
        move |job| jobs.lock().unwrap().push(job)
    }

    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Runs the jobs that wait, and returns how many they were.
    fn run(&self) -> usize {
        self.take().into_iter().map(|job| job()).count()
    }
}

/// A cache whose refreshes wait for the test. Its loader counts: the nth load of all gives n.
struct Background {
    cache: LoadingCache<u32, u32, &'static str>,
    clock: FakeClock,
    jobs: Jobs,
    loads: Arc<AtomicUsize>,
}

impl Background {
    /// `fails` says by the number of a load whether it fails.
    fn new(fails: fn(u32) -> bool) -> Self {
        let (clock, jobs) = (FakeClock::new(), Jobs::default());
        let loads = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&loads);
        let cache = builder(&clock).executor(jobs.executor()).build_with_loader(move |_| {
            let number = count.fetch_add(1, SeqCst) as u32 + 1;
            if fails(number) { Err("on purpose") } else { Ok(number) }
        });
        Background { cache, clock, jobs, loads }
    }

    fn get(&self) -> (u32, Status) {
        self.cache.get_with_status(&7).unwrap()
    }

    fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }
}

#[test]
fn a_background_refresh_runs_once_and_all_callers_are_served_meanwhile() {
    let it = Background::new(|_| false);
    assert_eq!(it.get(), (1, Status::Loaded));
    it.clock.advance(30 * SECOND);
    for _ in 0..5 {
        assert_eq!(it.get(), (1, Status::Hit));
    }
    assert_eq!((it.loads(), it.jobs.run(), it.loads()), (1, 1, 2));
    assert_eq!(it.get(), (2, Status::Hit));
    it.clock.advance(MINUTE);
    for _ in 0..5 {
        assert_eq!(it.get(), (2, Status::Stale));
    }
    assert_eq!(it.cache.cache().get(&7), None, "look-ups never see what is stale");
    assert_eq!(it.jobs.run(), 1);
    assert_eq!(it.get(), (3, Status::Hit));
    let stats = it.cache.cache().stats();
    assert_eq!((stats.loads, stats.refreshes, stats.stale), (3, 2, 5));
}

#[test]
fn all_getters_of_a_loading_cache_refresh_in_the_background() {
    type Ask = fn(&LoadingCache<u32, u32, &'static str>) -> u32;
    let ways: [Ask; 3] = [
        |cache| cache.get(&7).unwrap(),
        |cache| block_on(cache.get_async(&7)).unwrap(),
        |cache| *cache.get_all(&[7])[0].as_ref().unwrap(),
    ];
    for ask in ways {
        let it = Background::new(|_| false);
        assert_eq!(ask(&it.cache), 1);
        it.clock.advance(MINUTE);
        assert_eq!((ask(&it.cache), ask(&it.cache)), (1, 1));
        assert_eq!((it.jobs.run(), ask(&it.cache)), (1, 2));
    }
}

#[test]
fn a_refresh_that_takes_long_is_still_the_only_one() {
    let it = Background::new(|_| false);
    it.get();
    for step in [30, 5, 5, 15, 30] {
        it.clock.advance(step * SECOND);
        assert_eq!(it.get().0, 1);
    }
    assert_eq!(it.jobs.run(), 1, "the one of the first second");
    assert_eq!(it.get(), (2, Status::Hit));
}

#[test]
fn a_write_during_a_background_refresh_is_not_overwritten() {
    let it = Background::new(|_| false);
    it.get();
    it.clock.advance(30 * SECOND);
    assert_eq!(it.get(), (1, Status::Hit));
    it.cache.cache().insert(7, 100);
    assert_eq!(it.jobs.run(), 1);
    assert_eq!(it.get(), (100, Status::Hit));
}

#[test]
fn no_stale_value_and_no_refresh_of_it_survives_an_invalidation() {
    let ways: [fn(&Cache<u32, u32>); 5] = [
        |cache| cache.invalidate(&7),
        |cache| _ = cache.remove(&7),
        |cache| cache.invalidate_all(),
        |cache| assert_eq!(cache.invalidate_entries_if(|_, &value| value == 1), 1),
        |cache| _ = cache.entry(7).and_compute_with(|_| cache_core::Op::Remove),
    ];
    for (way, invalidate) in ways.into_iter().enumerate() {
        for age in [30 * SECOND, MINUTE, 2 * MINUTE] {
            let it = Background::new(|_| false);
            it.get();
            // Before the grace ends: the entry is old, but still present.
            it.clock.advance(age);
            let jobs = if age < 2 * MINUTE {
                it.get();
                it.jobs.take()
            } else {
                Vec::new()
            };
            if way == 4 {
                // A computation waits for the refresh to end, whatever becomes of it.
                jobs.into_iter().for_each(drop);
                invalidate(it.cache.cache());
            } else {
                invalidate(it.cache.cache());
                jobs.into_iter().for_each(|job| job());
            }
            let cache = it.cache.cache();
            assert_eq!(cache.get(&7), None, "way {way} at {age:?}");
            assert!(cache.try_get_with(7, || Err("no fallback")).is_err());
            assert_eq!(cache.entry_count(), 0);
            assert_eq!(it.get().1, Status::Loaded);
            validate(cache);
        }
    }
}

#[test]
fn a_failing_source_is_asked_once_a_second_and_staleness_still_ends() {
    let it = Background::new(|number| number > 1);
    it.get();
    it.clock.advance(MINUTE);
    for _ in 0..60 {
        for _ in 0..3 {
            assert_eq!(it.get(), (1, Status::Stale));
            it.jobs.run();
        }
        it.clock.advance(SECOND);
    }
    assert_eq!(it.loads(), 1 + 60);
    for _ in 0..120 {
        for _ in 0..3 {
            assert_eq!(it.get(), (1, Status::Fallback));
        }
        it.clock.advance(SECOND);
    }
    assert_eq!(it.loads(), 1 + 60 + 120);
    assert!(it.cache.get(&7).is_err(), "three minutes, and no longer");
    assert!(it.cache.get(&7).is_err());
    assert_eq!(it.loads(), 1 + 60 + 120 + 2);
    let stats = it.cache.cache().stats();
    assert_eq!((stats.load_failures, stats.stale), (182, 3 * 180));
}

/// A second after the failure, not after the beginning of the load that failed.
#[test]
fn a_load_that_takes_long_to_fail_is_not_retried_at_once() {
    let clock = FakeClock::new();
    let cache: Cache<u32, u32> = builder(&clock).build();
    let slowly = || {
        clock.advance(5 * SECOND);
        Err("on purpose")
    };
    let never = || -> Result<u32, &str> { unreachable!("it has just failed") };
    for age in [30 * SECOND, MINUTE, 2 * MINUTE] {
        cache.insert(7, 1);
        clock.advance(age);
        assert_eq!(cache.try_get_with(7, slowly), Ok(1));
        clock.advance(SECOND - Duration::from_nanos(1));
        assert_eq!(cache.try_get_with(7, never), Ok(1));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(cache.try_get_with(7, || Ok::<_, &str>(2)), Ok(2));
    }
}

#[test]
fn a_job_that_is_dropped_delays_no_caller() {
    let it = Background::new(|_| false);
    it.get();
    it.clock.advance(30 * SECOND);
    assert_eq!(it.get(), (1, Status::Hit));
    drop(it.jobs.take());
    for almost in [Duration::ZERO, SECOND - NANO] {
        it.clock.advance(almost);
        assert_eq!(it.get(), (1, Status::Hit));
        assert!(it.jobs.take().is_empty(), "not again within a second");
    }
    it.clock.advance(NANO);
    it.get();
    assert_eq!((it.jobs.run(), it.get()), (1, (2, Status::Hit)));
    // No caller waits for one that is dropped.
    it.clock.advance(30 * SECOND);
    it.get();
    it.clock.advance(10 * MINUTE);
    let waiting = it.cache.clone();
    must_end(move || {
        let mut asks = Polled::pending(waiting.get_async(&7));
        drop(it.jobs.take());
        assert_eq!(asks.poll(), Some(Ok(3)));
    });
}

#[test]
fn a_caller_that_misses_the_key_waits_for_the_background_refresh() {
    let it = Background::new(|_| false);
    it.get();
    it.clock.advance(30 * SECOND);
    it.get();
    it.clock.advance(10 * MINUTE);
    let cache = it.cache.cache().clone();
    let mut asks = Polled::pending(cache.get_with_async(7, async { unreachable!("it waits") }));
    assert_eq!(it.jobs.run(), 1);
    assert_eq!(asks.poll(), Some(2));
}

#[test]
fn a_panic_in_a_background_refresh_reaches_no_executor_and_is_retried() {
    silence_panics_on_purpose();
    let (clock, jobs) = (FakeClock::new(), Jobs::default());
    let calm = Arc::new(AtomicUsize::new(0));
    let is_calm = Arc::clone(&calm);
    let cache = builder(&clock).executor(jobs.executor()).build_with_loader(move |_| {
        assert_ne!(is_calm.load(SeqCst), 0, "on purpose");
        Ok::<_, ()>(2)
    });
    cache.cache().insert(7, 1);
    clock.advance(30 * SECOND);
    assert_eq!((cache.get(&7), jobs.run()), (Ok(1), 1));
    assert_eq!(cache.cache().stats().load_failures, 1);
    calm.store(1, SeqCst);
    assert_eq!((cache.get(&7), jobs.run()), (Ok(1), 0));
    clock.advance(SECOND);
    assert_eq!((cache.get(&7), jobs.run(), cache.get(&7)), (Ok(1), 1, Ok(2)));
    validate(cache.cache());
}

#[test]
fn an_executor_that_panics_panics_its_caller_and_leaves_no_flight() {
    silence_panics_on_purpose();
    let clock = FakeClock::new();
    let cache = builder(&clock)
        .executor(|_: Job| panic!("on purpose"))
        .build_with_loader(|_| Ok::<_, ()>(2));
    cache.cache().insert(7, 1);
    clock.advance(30 * SECOND);
    assert!(panics(|| cache.get(&7)));
    assert_eq!(cache.get(&7), Ok(1));
    clock.advance(10 * MINUTE);
    must_end(move || assert_eq!(cache.get(&7), Ok(2)));
}

#[test]
fn by_default_a_thread_runs_the_refresh_and_releases_the_cache() {
    let (clock, census) = (FakeClock::new(), Census::default());
    let made = census.clone();
    let cache = builder::<Arc<Token>>(&clock)
        .build_with_loader(move |_| Ok::<_, ()>(Arc::new(made.token())));
    let old = cache.get(&7).unwrap();
    clock.advance(30 * SECOND);
    assert!(Arc::ptr_eq(&cache.get(&7).unwrap(), &old));
    wait_until(|| !Arc::ptr_eq(&cache.cache().peek(&7).unwrap(), &old));
    assert_eq!(census.made(), 2);
    clock.advance(30 * SECOND);
    cache.get(&7).unwrap();
    drop((cache, old));
    // Perhaps a refresh is still running; it holds a handle.
    wait_until(|| census.alive() == 0);
}

#[test]
fn of_many_threads_one_refreshes_and_the_others_do_not_wait() {
    for age in [30 * SECOND, MINUTE] {
        let clock = FakeClock::new();
        let cache: Cache<u32, u32> = builder(&clock).build();
        cache.insert(7, 1);
        clock.advance(age);
        let old = if age < MINUTE { (1, Status::Hit) } else { (1, Status::Stale) };
        let (served, others) = channel();
        let start = Arc::new(Barrier::new(8));
        let others = Arc::new(Mutex::new(others));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (cache, served, others, start) =
                    (cache.clone(), served.clone(), Arc::clone(&others), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    let given = cache.get_with_status(7, || {
                        // Until the seven others have been served.
                        let others = others.lock().unwrap();
                        (0..7).for_each(|_| assert_eq!(others.recv().unwrap(), old));
                        2
                    });
                    if given.1 != Status::Loaded {
                        served.send(given).unwrap();
                    }
                    given
                })
            })
            .collect();
        let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.iter().filter(|given| **given == (2, Status::Loaded)).count(), 1);
        assert_eq!(all.iter().filter(|given| **given == old).count(), 7);
        assert_eq!(cache.get(&7), Some(2));
        assert_eq!((cache.stats().refreshes, cache.stats().loads), (1, 1));
    }
}

#[test]
fn waiters_for_a_load_that_fails_are_served_the_old_value() {
    let (cache, _) = aged(2 * MINUTE);
    let gate = Gate::default();
    let mut leader = Polled::pending(cache.try_get_with_async(7, fails_after(&gate)));
    let never = async { unreachable!("it waits") };
    let mut same = Polled::pending(cache.try_get_with_async::<&str>(7, never));
    let never = async { unreachable!("it is served without") };
    let mut other = Polled::pending(cache.try_get_with_async::<String>(7, never));
    let mut plain = Polled::pending(cache.get_with_status_async(7, async { unreachable!() }));
    gate.open();
    assert_eq!(leader.poll(), Some(Ok(1)));
    assert_eq!(same.poll(), Some(Ok(1)));
    assert_eq!(other.poll(), Some(Ok(1)), "whatever its type of error");
    assert_eq!(plain.poll(), Some((1, Status::Fallback)));
}

#[test]
fn an_invalidation_during_a_load_leaves_its_waiters_no_old_value() {
    let (cache, _) = aged(2 * MINUTE);
    let gate = Gate::default();
    let mut leader = Polled::pending(cache.try_get_with_async(7, fails_after(&gate)));
    let never = async { unreachable!("it waits") };
    let mut waits = Polled::pending(cache.try_get_with_async::<&str>(7, never));
    cache.invalidate(&7);
    gate.open();
    assert!(leader.poll().unwrap().is_err());
    assert!(waits.poll().unwrap().is_err());
}

#[test]
fn a_dropped_refresh_of_a_task_is_retried_a_second_later() {
    let (cache, clock) = aged(30 * SECOND);
    let refresh = Polled::pending(cache.get_with_status_async(7, std::future::pending()));
    assert_eq!(cache.get_with_status(7, || unreachable!()), (1, Status::Hit));
    drop(refresh);
    assert_eq!(cache.get_with_status(7, || unreachable!()), (1, Status::Hit));
    clock.advance(SECOND);
    assert_eq!(cache.get_with_status(7, || 2), (2, Status::Loaded));
    assert_eq!(cache.stats().load_failures, 1);
    validate(&cache);
}

#[test]
fn a_batch_refreshes_what_it_has_claimed_and_serves_the_rest() {
    let clock = FakeClock::new();
    let cache: Cache<u32, u32> = builder(&clock).build();
    (1..=4).for_each(|key| cache.insert(key, key));
    clock.advance(MINUTE);
    // Key 1 is being refreshed by another task.
    let other = Polled::pending(cache.get_with_async(1, std::future::pending()));
    let mut asked = Vec::new();
    let values = cache.get_many_with(&[1, 2, 2, 3, 4, 9], |missing| {
        asked = missing.to_vec();
        vec![(2, 20), (3, 30), (9, 90)]
    });
    asked.sort_unstable();
    assert_eq!(asked, [2, 3, 4, 9]);
    // The second look at key 2 came after the first had claimed it.
    assert_eq!(values, [Some(1), Some(20), Some(2), Some(30), None, Some(90)]);
    assert_eq!(cache.entry_info(&4), None);
    assert_eq!(cache.get_with(4, || 44), 44, "what the loader does not know is gone");
    drop(other);
}

#[test]
fn early_refreshes_follow_the_time_of_the_load() {
    let clock = FakeClock::new();
    let cache: Cache<u32, u32> = Cache::builder()
        .time_to_live(MINUTE)
        // So large a factor that the last second of the minute is sure to be early.
        .refresh_early(1e12)
        .clock(clock.clone())
        .record_stats()
        .build();
    let slow = || {
        clock.advance(Duration::from_millis(10));
        1
    };
    assert_eq!(cache.get_with(1, slow), 1);
    assert_eq!(cache.entry_info(&1).unwrap().load_time(), Some(Duration::from_millis(10)));
    cache.insert(2, 1);
    clock.advance(MINUTE - Duration::from_nanos(1));
    assert_eq!(cache.get_with_status(1, || 2), (2, Status::Loaded));
    assert_eq!(cache.get_with_status(2, || 2), (1, Status::Hit), "it was not loaded");
    // One that loads in no time is never early.
    assert_eq!(cache.entry_info(&1).unwrap().load_time(), None);
    clock.advance(MINUTE - Duration::from_nanos(1));
    assert_eq!(cache.get_with_status(1, || 3), (2, Status::Hit));
    assert_eq!(cache.stats().refreshes, 1);
}

#[test]
fn a_computation_and_a_refresh_do_not_run_at_once() {
    let it = Background::new(|_| false);
    it.get();
    it.clock.advance(30 * SECOND);
    let cache = it.cache.cache();
    let gate = Gate::default();
    let mut computes = Polled::pending(cache.entry(7).and_upsert_with_async(|old| {
        let (old, gate) = (old.unwrap().into_value(), gate.clone());
        async move {
            gate.passed().await;
            old + 10
        }
    }));
    assert_eq!(it.get(), (1, Status::Hit));
    assert!(it.jobs.take().is_empty(), "the computation is running");
    gate.open();
    assert_eq!(computes.poll().map(cache_core::Entry::into_value), Some(11));
    assert_eq!(it.get(), (11, Status::Hit));
}
