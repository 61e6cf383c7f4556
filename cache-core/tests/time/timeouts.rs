//! Async loads with a soft and a hard limit, by a timer that the test drives.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{Cache, FakeClock, Job, LoadError, LoadTimeouts, Status};

use super::timer::Timer;
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const SOFT: Duration = Duration::from_millis(10);
const HARD: Duration = Duration::from_millis(100);

type Jobs = Arc<Mutex<Vec<Job>>>;

struct Setting {
    cache: Cache<u32, u32>,
    clock: FakeClock,
    jobs: Jobs,
    timer: Timer,
    timeouts: LoadTimeouts,
}

/// A cache whose entry 7, with value 1, was stored so long ago.
fn setting(age: Duration) -> Setting {
    let (clock, jobs, timer) = (FakeClock::new(), Jobs::default(), Timer::default());
    let queue = Arc::clone(&jobs);
    let cache = Cache::builder()
        .time_to_live(MINUTE)
        .stale_while_revalidate(MINUTE)
        .stale_if_error(2 * MINUTE)
        .clock(clock.clone())
        .executor(move |job| queue.lock().unwrap().push(job))
        .build();
    cache.insert(7, 1);
    clock.advance(age);
    let timeouts = timer.timeouts().soft(SOFT).hard(HARD);
    Setting { cache, clock, jobs, timer, timeouts }
}

impl Setting {
    fn load<'s>(
        &'s self,
        init: impl Future<Output = Result<u32, &'static str>> + Send + 'static,
    ) -> Polled<'s, Result<(u32, Status), LoadError<&'static str>>> {
        Polled::new(self.cache.try_get_within_async(7, init, &self.timeouts))
    }

    fn run_jobs(&self) -> usize {
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap());
        jobs.into_iter().map(|job| job()).count()
    }
}

#[test]
fn a_load_in_time_is_a_load_like_any_other() {
    let it = setting(Duration::ZERO);
    assert_eq!(it.load(async { unreachable!() }).finish(), Ok((1, Status::Hit)));
    it.cache.invalidate(&7);
    assert_eq!(it.load(async { Err("no") }).finish().unwrap_err().failure(), Some(&"no"));
    assert_eq!(it.load(async { Ok(2) }).finish(), Ok((2, Status::Loaded)));
    assert_eq!(it.cache.get(&7), Some(2));
}

#[test]
fn at_the_soft_limit_an_old_value_is_served_and_the_load_goes_on() {
    for (age, status) in [(MINUTE, Status::Stale), (2 * MINUTE, Status::Fallback)] {
        let it = setting(age);
        let gate = Gate::default();
        let passed = gate.clone();
        let load = async move {
            passed.passed().await;
            Ok(2)
        };
        let mut first = it.load(load);
        assert_eq!(first.poll(), None);
        assert_eq!(it.timer.ring(), [SOFT]);
        assert_eq!(first.poll(), Some(Ok((1, status))));
        assert_eq!(it.cache.get(&7), None);
        gate.open();
        assert_eq!(it.run_jobs(), 1);
        assert_eq!(it.cache.get(&7), Some(2));
    }
}

#[test]
fn a_waiter_is_served_at_its_own_soft_limit() {
    let it = setting(2 * MINUTE);
    let mut leader = Polled::pending(it.cache.get_with_async(7, pending()));
    let mut waits = it.load(async { unreachable!("it waits") });
    assert_eq!(waits.poll(), None);
    assert_eq!(it.timer.ring(), [SOFT]);
    assert_eq!(waits.poll(), Some(Ok((1, Status::Fallback))));
    assert_eq!(it.run_jobs(), 0, "nothing is left to be done");
    assert_eq!(leader.poll(), None);
}

#[test]
fn without_an_old_value_the_soft_limit_is_none_and_the_hard_one_an_error() {
    let it = setting(Duration::ZERO);
    it.cache.invalidate(&7);
    let mut load = it.load(pending());
    assert_eq!(load.poll(), None);
    assert_eq!(it.timer.ring(), [SOFT]);
    assert_eq!(load.poll(), None);
    assert_eq!(it.timer.ring(), [HARD - SOFT], "the rest");
    let error = load.poll().unwrap().unwrap_err();
    assert_eq!(error, LoadError::TimedOut);
    assert_eq!((error.failure(), error.to_string().contains("hard limit")), (None, true));
    assert_eq!(it.cache.get_with(7, || 3), 3, "no flight is left");
    validate(&it.cache);
}

#[test]
fn the_hard_limit_of_one_call_lets_another_load() {
    let it = setting(Duration::ZERO);
    it.cache.invalidate(&7);
    let mut first = it.load(pending());
    assert_eq!(first.poll(), None);
    let mut second = it.load(async { Ok(2) });
    assert_eq!(second.poll(), None, "it waits");
    it.timer.ring();
    assert_eq!((first.poll(), second.poll()), (None, None));
    it.timer.0.lock().unwrap()[0].1.open();
    assert_eq!(first.poll(), Some(Err(LoadError::TimedOut)));
    assert_eq!(second.poll(), Some(Ok((2, Status::Loaded))));
}

#[test]
fn a_load_that_times_out_has_failed() {
    let it = setting(2 * MINUTE);
    let only_hard = it.timer.timeouts().hard(HARD);
    let mut load = Polled::pending(it.cache.try_get_within_async(
        7,
        pending::<Result<u32, &str>>(),
        &only_hard,
    ));
    assert_eq!(it.timer.ring(), [HARD]);
    assert_eq!(load.poll(), Some(Ok((1, Status::Fallback))));
    // Not again within a second.
    assert_eq!(it.load(async { unreachable!() }).finish(), Ok((1, Status::Fallback)));
    it.clock.advance(SECOND);
    assert_eq!(it.load(async { Ok(2) }).finish(), Ok((2, Status::Loaded)));
}

#[test]
fn a_soft_limit_after_the_hard_one_is_none() {
    let it = setting(2 * MINUTE);
    let timeouts = it.timer.timeouts().soft(HARD).hard(SOFT);
    let load = it.cache.try_get_within_async(7, pending::<Result<u32, &str>>(), &timeouts);
    let mut load = Polled::pending(load);
    assert_eq!(it.timer.ring(), [SOFT]);
    assert_eq!(load.poll(), Some(Ok((1, Status::Fallback))));
}

#[test]
fn without_limits_it_waits() {
    let it = setting(Duration::ZERO);
    let (gate, timeouts) = (Gate::default(), it.timer.timeouts());
    let passed = gate.clone();
    let load = async move {
        passed.passed().await;
        Ok::<_, &str>(2)
    };
    let mut load = Polled::pending(it.cache.try_get_within_async(8, load, &timeouts));
    assert_eq!(it.timer.ring(), []);
    gate.open();
    assert_eq!(load.poll(), Some(Ok((2, Status::Loaded))));
}

/// On a runtime, with its timer and its blocking threads.
#[test]
fn on_tokio_the_load_goes_on_after_the_soft_limit() {
    must_end(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let clock = FakeClock::new();
            let handle = tokio::runtime::Handle::current();
            let cache: Cache<u32, u32> = Cache::builder()
                .time_to_live(MINUTE)
                .stale_if_error(MINUTE)
                .clock(clock.clone())
                .executor(move |job| drop(handle.spawn_blocking(job)))
                .build();
            cache.insert(7, 1);
            clock.advance(MINUTE);
            let (open, gate) = tokio::sync::oneshot::channel::<()>();
            let load = async move {
                gate.await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, String>(2)
            };
            let timeouts = LoadTimeouts::new(tokio::time::sleep).soft(Duration::from_millis(1));
            let served = cache.try_get_within_async(7, load, &timeouts).await;
            assert_eq!(served, Ok((1, Status::Fallback)));
            open.send(()).unwrap();
            while cache.get(&7).is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(cache.get(&7), Some(2));
        });
    });
}
