//! The remote tier as one process sees it: its way to the ten servers, over a simulated network.
//!
//! It is a [`Tier`] and an [`AsyncTier`] over [`FakeTier`]s, with what cache-memcached has beside
//! them: a breaker for each server, errors when one cannot be reached, and distrust of what a
//! server had before the end of an outage.
//!
//! # Where the time goes
//! To tasks, each way takes the time of a message. A thread, which is the simulation itself when it
//! polls, is answered in no time. A cache waits for the holder of a lease in real time, which has
//! no meaning here; so its `lease_wait` is zero, and the wait is made here, with the pauses that
//! the cache would make: what it is told of is that the lease is lost for good.
//!
//! The thread of cache-core that polls once a second does so in real time as well. Its calls never
//! return, and the polls are made by the simulation.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use cache_core::tier::{
    AsyncTier, FakeTier, Filled, Invalidations, Lease, LeaseTerms, Leased, Tier, TierError,
    TierFuture, TierItem,
};

use crate::args::Fault;
use crate::breaker::{Admission, Breaker};
use crate::random::Dice;
use crate::servers::{ONE_WAY, Reach, SERVERS, Servers, server_of};
use crate::time::Time;
use crate::watch::Watch;

/// How long a caller waits for a server that says nothing.
const TIME_LIMIT: Duration = Duration::from_millis(50);

/// Between two questions for a key whose lease another process has; doubled up to the last.
const POLLS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(80)];

/// What the processes share.
pub(crate) struct Network {
    pub(crate) time: Time,
    pub(crate) servers: Servers,
    /// If writes are told.
    pub(crate) watch: Option<Watch>,
    pub(crate) dice: Mutex<Dice>,
    pub(crate) lease_wait: Duration,
    pub(crate) fault: Option<Fault>,
    /// The simulation's.
    pub(crate) thread: ThreadId,
    /// What the servers were asked, also in vain.
    pub(crate) requests: AtomicU64,
}

/// One process's way to the servers.
#[derive(Clone)]
pub(crate) struct Uplink(Arc<Inner>);

struct Inner {
    network: Arc<Network>,
    process: usize,
    ways: Vec<Way>,
}

struct Way {
    store: FakeTier,
    known: Mutex<Known>,
}

/// What a process knows of a server.
#[derive(Default)]
struct Known {
    breaker: Breaker,
    /// The start of the server that its connections are from.
    start: u64,
    /// An exchange has failed, and none has succeeded since.
    is_out: bool,
}

impl Network {
    /// Returns how long the next message takes.
    fn one_way(&self) -> Duration {
        self.dice().between(ONE_WAY[0], ONE_WAY[1])
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uplink {
    pub(crate) fn new(network: &Arc<Network>, process: usize) -> Self {
        let way = |server| Way {
            store: network.servers.peer(server),
            known: Mutex::new(Known { start: 1, ..Known::default() }),
        };
        let ways = (0..SERVERS).map(way).collect();
        Uplink(Arc::new(Inner { network: Arc::clone(network), process, ways }))
    }

    fn known(&self, server: usize) -> MutexGuard<'_, Known> {
        self.0.ways[server].known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation at a server, now.
    fn act<T>(
        &self,
        server: usize,
        admission: Admission,
        operation: impl FnOnce(&FakeTier) -> Result<T, TierError>,
    ) -> Result<T, TierError> {
        let Inner { network, ways, .. } = &*self.0;
        let (now, state) = (network.time.now(), network.servers.state(server));
        network.requests.fetch_add(1, Relaxed);
        let mut known = self.known(server);
        let error = match state.reach {
            Reach::Answers => None,
            Reach::IsSilent => Some(TierError::TimedOut),
            Reach::Refuses => Some(TierError::Unreachable("the server is gone".to_owned())),
        };
        if let Some(error) = error {
            known.is_out = true;
            known.breaker.failed(admission, now);
            return Err(error);
        }
        // Connections of before are found broken.
        known.is_out |= known.start != state.start;
        known.start = state.start;
        if std::mem::take(&mut known.is_out) && network.fault != Some(Fault::Trust) {
            ways[server].store.distrust_before(network.time.wall() + Duration::from_millis(1));
        }
        known.breaker.succeeded(admission);
        drop(known);
        operation(&ways[server].store)
    }

    /// As a thread: in no time.
    fn at_once<T>(
        &self,
        key: &[u8],
        operation: impl FnOnce(&FakeTier) -> Result<T, TierError>,
    ) -> Result<T, TierError> {
        let network = &self.0.network;
        while thread::current().id() != network.thread {
            // See the head of this file.
            thread::park();
        }
        let server = server_of(key);
        let admission = self.known(server).breaker.admit(network.time.now());
        match admission {
            Admission::Refused => Err(TierError::BreakerOpen),
            _ => self.act(server, admission, operation),
        }
    }

    /// As a task: with the time that the messages take.
    async fn in_time<T: Send>(
        &self,
        key: &[u8],
        operation: impl FnOnce(&FakeTier) -> Result<T, TierError> + Send,
    ) -> Result<T, TierError> {
        let (network, server) = (&self.0.network, server_of(key));
        let admission = self.known(server).breaker.admit(network.time.now());
        if admission == Admission::Refused {
            return Err(TierError::BreakerOpen);
        }
        network.time.sleep(network.one_way()).await;
        let result = self.act(server, admission, operation);
        let back = match result {
            Err(TierError::TimedOut) => TIME_LIMIT,
            _ => network.one_way(),
        };
        network.time.sleep(back).await;
        result
    }

    /// Tells the other processes of a write.
    fn tell<T>(&self, key: &[u8], result: Result<T, TierError>) -> Result<T, TierError> {
        if let (Ok(_), Some(watch)) = (&result, &self.0.network.watch) {
            watch.tell(&self.0.network.time, self.0.process, key);
        }
        result
    }

    async fn lease_in_time(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        let network = &self.0.network;
        let (began, mut pause) = (network.time.now(), POLLS[0]);
        loop {
            let leased = self.in_time(key, |store| Tier::lease(store, key, terms)).await?;
            let left = network.lease_wait.saturating_sub(network.time.now() - began);
            if leased != Leased::Lost || left.is_zero() {
                return Ok(leased);
            }
            let part = 0.5 + 0.5 * network.dice().part();
            network.time.sleep(left.min(pause.mul_f64(part))).await;
            pause = POLLS[1].min(pause * 2);
        }
    }

    /// Stores what was loaded under a lease. With the fault, also if the lease is dead.
    fn fill_in(
        &self,
        store: &FakeTier,
        (key, lease): (&[u8], Lease),
        (value, life): (&[u8], Option<Duration>),
    ) -> Result<Filled, TierError> {
        if self.0.network.fault == Some(Fault::Lease) {
            return Tier::put(store, key, value, life).map(|()| Filled::Stored);
        }
        Tier::fill(store, key, lease, value, life)
    }
}

type Answer<'a, T> = TierFuture<'a, Result<T, TierError>>;

impl AsyncTier for Uplink {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<TierItem>> {
        Box::pin(self.in_time(key, move |store| Tier::get(store, key)))
    }

    fn lease<'a>(&'a self, key: &'a [u8], terms: LeaseTerms) -> Answer<'a, Leased> {
        Box::pin(self.lease_in_time(key, terms))
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> Answer<'a, Filled> {
        let fill = move |store: &FakeTier| self.fill_in(store, (key, lease), (value, life));
        Box::pin(self.in_time(key, fill))
    }

    fn put<'a>(&'a self, key: &'a [u8], value: &'a [u8], life: Option<Duration>) -> Answer<'a, ()> {
        let put = move |store: &FakeTier| self.tell(key, Tier::put(store, key, value, life));
        Box::pin(self.in_time(key, put))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(self.in_time(key, move |store| self.tell(key, Tier::remove(store, key))))
    }

    fn mark_stale<'a>(&'a self, key: &'a [u8], life: Duration) -> Answer<'a, bool> {
        let mark = move |store: &FakeTier| self.tell(key, Tier::mark_stale(store, key, life));
        Box::pin(self.in_time(key, mark))
    }

    fn generation<'a>(&'a self, name: &'a [u8], if_absent: u64) -> Answer<'a, u64> {
        Box::pin(self.in_time(name, move |store| Tier::generation(store, name, if_absent)))
    }

    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> Answer<'a, u64> {
        Box::pin(self.in_time(name, move |store| Tier::bump(store, name, at_least)))
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        Tier::invalidations(self)
    }
}

impl Tier for Uplink {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        self.at_once(key, |store| Tier::get(store, key))
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        self.at_once(key, |store| Tier::lease(store, key, terms))
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        self.at_once(key, |store| self.fill_in(store, (key, lease), (value, life)))
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        self.at_once(key, |store| self.tell(key, Tier::put(store, key, value, life)))
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.at_once(key, |store| self.tell(key, Tier::remove(store, key)))
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        self.at_once(key, |store| self.tell(key, Tier::mark_stale(store, key, life)))
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        self.at_once(name, |store| Tier::generation(store, name, if_absent))
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        self.at_once(name, |store| Tier::bump(store, name, at_least))
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        self.0.network.watch.is_some().then_some(self)
    }
}

impl Invalidations for Uplink {
    fn subscribe(&self, sink: cache_core::tier::EventSink) -> cache_core::tier::Subscription {
        match &self.0.network.watch {
            Some(watch) => watch.subscribe(self.0.process, sink),
            None => cache_core::tier::Subscription::new(|| {}),
        }
    }
}
