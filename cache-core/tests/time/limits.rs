//! Loads with a soft limit, and the executors that may go on with them.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{
    Cache, CacheBuilder, FakeClock, FutureJob, Job, LoadError, LoadTimeouts, Spawn, Status,
};

use super::timer::Timer;
use crate::common::census::Census;
use crate::common::tasks::{Gate, Polled};
use cache_core::__private::testing::validate;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const SOFT: Duration = Duration::from_millis(10);
pub(crate) const HARD: Duration = Duration::from_millis(100);

pub(crate) type Loaded = Result<(u32, Status), LoadError<&'static str>>;
pub(crate) const OLD: Loaded = Ok((1, Status::Fallback));

/// An executor that queues the futures that it is given until the test polls them.
#[derive(Clone, Default)]
pub(crate) struct Queue(pub(crate) Arc<Mutex<Vec<FutureJob>>>);

impl Queue {
    pub(crate) fn take(&self) -> Vec<FutureJob> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    #[track_caller]
    pub(crate) fn take_only(&self) -> Polled<'static, ()> {
        let mut all = self.take();
        assert_eq!(all.len(), 1);
        Polled::new(all.remove(0))
    }
}

impl Spawn for Queue {
    fn spawn(&self, _: Job) {
        unreachable!("no loader is a function here")
    }

    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        self.0.lock().unwrap().push(future);
        Ok(())
    }
}

/// The executor that a cache has unless it is given another, and every one that takes no futures.
pub(crate) struct TakesNone;

impl Spawn for TakesNone {
    fn spawn(&self, _: Job) {
        unreachable!("no loader is a function here")
    }
}

pub(crate) struct Setting {
    pub(crate) cache: Cache<u32, u32>,
    pub(crate) clock: FakeClock,
    pub(crate) timer: Timer,
    pub(crate) timeouts: LoadTimeouts,
    pub(crate) census: Census,
    pub(crate) gate: Gate,
}

/// A cache whose entry 7, with value 1, has expired, and is served while loads fail.
pub(crate) fn setting(
    build: impl FnOnce(CacheBuilder<u32, u32>) -> CacheBuilder<u32, u32>,
) -> Setting {
    let (clock, timer) = (FakeClock::new(), Timer::default());
    let builder = Cache::builder().time_to_live(MINUTE).stale_if_error(MINUTE).record_stats();
    let cache = build(builder.clock(clock.clone()).coalesce_timeout(Duration::MAX)).build();
    cache.insert(7, 1);
    clock.advance(MINUTE);
    let timeouts = timer.timeouts().soft(SOFT);
    Setting { cache, clock, timer, timeouts, census: Census::default(), gate: Gate::default() }
}

/// Runs a test with each of the executors that take no future.
pub(crate) fn with_refusing_executors(test: impl Fn(&Setting)) {
    test(&setting(|builder| builder));
    test(&setting(|builder| builder.executor(TakesNone)));
    test(&setting(|builder| builder.executor(|job: Job| job())));
    test(&setting(|builder| builder.executor(drop::<Job>)));
}

impl Setting {
    pub(crate) fn load<'s>(
        &'s self,
        init: impl Future<Output = Result<u32, &'static str>> + Send + 'static,
    ) -> Polled<'s, Loaded> {
        Polled::new(self.cache.try_get_within_async(7, init, &self.timeouts))
    }

    /// A loader that ends when the gate is open, with 2. Its token dies with it.
    pub(crate) fn slow(&self) -> impl Future<Output = Result<u32, &'static str>> + Send + use<> {
        let (gate, token) = (self.gate.clone(), self.census.token());
        async move {
            gate.passed().await;
            token.look();
            Ok(2)
        }
    }

    /// A load that has begun, and whose caller has a soft limit.
    #[track_caller]
    pub(crate) fn begun(&self) -> Polled<'_, Loaded> {
        let mut load = self.load(self.slow());
        assert_eq!(load.poll(), None);
        load
    }

    /// Lets a call reach its soft limit, at which it is served the old value.
    #[track_caller]
    pub(crate) fn serve_old(&self, mut load: Polled<'_, Loaded>) {
        assert_eq!(self.timer.ring().first(), Some(&SOFT));
        assert_eq!(load.poll(), Some(OLD));
    }

    /// A task that waits for the load.
    #[track_caller]
    pub(crate) fn waiting(&self) -> Polled<'_, (u32, Status)> {
        Polled::pending(self.cache.get_with_status_async(7, async { 3 }))
    }

    /// Fails unless nothing is left of the load, and it counts as failed: the old value is served
    /// for a second without another attempt.
    #[track_caller]
    pub(crate) fn check_abandoned(&self) {
        assert_eq!(self.census.alive(), 0, "the loader is dropped");
        assert_eq!(self.load(async { unreachable!() }).finish(), OLD);
        assert_eq!(self.cache.get_with_status(7, || unreachable!()), (1, Status::Fallback));
        validate(&self.cache);
        self.clock.advance(SECOND);
        assert_eq!(self.load(async { Ok(4) }).finish(), Ok((4, Status::Loaded)));
        assert_eq!(self.cache.stats().load_failures, 1);
    }

    #[track_caller]
    pub(crate) fn check_loaded(&self) {
        assert_eq!(self.census.alive(), 0, "the loader has ended");
        assert_eq!(self.cache.get(&7), Some(2));
        assert_eq!((self.cache.stats().loads, self.cache.stats().load_failures), (1, 0));
        validate(&self.cache);
    }
}
