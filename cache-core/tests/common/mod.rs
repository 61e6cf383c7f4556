//! What the tests of the cache share: every configuration a behaviour has to hold in, the log of
//! what a listener was told, odd hashers, a watchdog, a generator of numbers.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses a part of this")]

pub(crate) mod crowd;
pub(crate) mod ending;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod patience;
pub(crate) mod tasks;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cache_core::{Cache, CacheBuilder, Expiry, FakeClock, RandomState, RemovalCause};

/// How long an entry lives where a configuration lets entries die.
pub(crate) const TTL: Duration = Duration::from_secs(60);
/// What each entry weighs in a configuration with a weigher.
pub(crate) const WEIGHT: u32 = 3;
pub(crate) const NANO: Duration = Duration::from_nanos(1);

pub(crate) trait TestHasher: BuildHasher + Clone + Default + Send + Sync + 'static {}
impl<S: BuildHasher + Clone + Default + Send + Sync + 'static> TestHasher for S {}

/// Hands integers through as they are.
#[derive(Clone, Default)]
pub(crate) struct Identity;
pub(crate) struct IdentityHasher(u64);

impl BuildHasher for Identity {
    type Hasher = IdentityHasher;
    fn build_hasher(&self) -> IdentityHasher {
        IdentityHasher(0)
    }
}

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, &byte| (hash << 8) ^ (hash >> 56) ^ u64::from(byte));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// One hash for all keys.
#[derive(Clone, Default)]
pub(crate) struct Constant;
pub(crate) struct ConstantHasher;

impl BuildHasher for Constant {
    type Hasher = ConstantHasher;
    fn build_hasher(&self) -> ConstantHasher {
        ConstantHasher
    }
}

impl Hasher for ConstantHasher {
    fn finish(&self) -> u64 {
        42
    }
    fn write(&mut self, _: &[u8]) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Unbounded,
    Count(u64),
    /// Each entry weighs [`WEIGHT`].
    Weighted(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Forever,
    Ttl,
    /// Also expires when idle for longer than that.
    TtlAndIdle,
    /// The user's code says so.
    Expiry,
    /// [`Subject::put`] gives each entry its own.
    PerEntry,
}

/// An [`Expiry`] that does what a time to live does.
struct LikeTtl;

impl<K, V> Expiry<K, V> for LikeTtl {
    fn expire_after_create(&self, _: &K, _: &V, _: Instant) -> Option<Duration> {
        Some(TTL)
    }

    fn expire_after_update(
        &self,
        _: &K,
        _: &V,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        assert!(left.is_some_and(|left| left <= TTL));
        Some(TTL)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) size: Size,
    pub(crate) life: Life,
    pub(crate) listening: bool,
    pub(crate) stats: bool,
}

pub(crate) type Told<K, V> = (K, V, RemovalCause);

/// What a listener was told, in order.
#[derive(Clone)]
pub(crate) struct Log<K, V>(Arc<Mutex<Vec<Told<K, V>>>>);

impl<K, V> Default for Log<K, V> {
    fn default() -> Self {
        Log(Arc::default())
    }
}

impl<K, V> Log<K, V>
where
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    pub(crate) fn listener(&self) -> impl Fn(&K, &V, RemovalCause) + Send + Sync + 'static {
        let told = Arc::clone(&self.0);
        move |key, value, cause| told.lock().unwrap().push((key.clone(), value.clone(), cause))
    }

    /// What came since the last time.
    pub(crate) fn take(&self) -> Vec<Told<K, V>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A cache in one of the configurations.
pub(crate) struct Subject<K, V, S> {
    pub(crate) cache: Cache<K, V, S>,
    pub(crate) clock: FakeClock,
    pub(crate) log: Log<K, V>,
    pub(crate) setup: Setup,
}

impl<K, V, S> Deref for Subject<K, V, S> {
    type Target = Cache<K, V, S>;
    fn deref(&self) -> &Cache<K, V, S> {
        &self.cache
    }
}

impl<K, V, S> Subject<K, V, S>
where
    K: Hash + Eq + Ord + Clone + Debug + Send + Sync + 'static,
    V: Clone + Ord + Debug + Send + Sync + 'static,
    S: TestHasher,
{
    pub(crate) fn new(setup: Setup) -> Self {
        Self::built(setup, |builder| builder)
    }

    /// As `new`, with what `build` adds.
    pub(crate) fn built(
        setup: Setup,
        build: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    ) -> Self {
        let (clock, log) = (FakeClock::new(), Log::default());
        // So that the clock's zero is not taken for "no clock".
        clock.advance(Duration::from_secs(1));
        let mut builder = Cache::builder().clock(clock.clone());
        builder = match setup.size {
            Size::Unbounded => builder,
            Size::Count(max) => builder.max_capacity(max),
            Size::Weighted(max) => builder.max_capacity(max).weigher(|_, _| WEIGHT),
        };
        builder = match setup.life {
            Life::Ttl => builder.time_to_live(TTL),
            Life::TtlAndIdle => builder.time_to_live(TTL).time_to_idle(TTL * 2),
            Life::Expiry => builder.expire_after(LikeTtl),
            Life::Forever | Life::PerEntry => builder,
        };
        if setup.listening {
            builder = builder.eviction_listener(log.listener());
        }
        if setup.stats {
            builder = builder.record_stats();
        }
        Subject { cache: build(builder).build_with_hasher(S::default()), clock, log, setup }
    }

    /// Inserts, so that the entry lives for [`TTL`] unless this is a configuration without expiry.
    pub(crate) fn put(&self, key: K, value: V) {
        match self.setup.life {
            Life::PerEntry => self.cache.insert_with_ttl(key, value, TTL),
            _ => self.cache.insert(key, value),
        }
    }

    /// How many entries there is room for.
    pub(crate) fn room(&self) -> u64 {
        match self.setup.size {
            Size::Unbounded => u64::MAX,
            Size::Count(max) => max,
            Size::Weighted(max) => max / u64::from(WEIGHT),
        }
    }

    pub(crate) fn weight(&self) -> u64 {
        if matches!(self.setup.size, Size::Weighted(_)) { u64::from(WEIGHT) } else { 1 }
    }

    pub(crate) fn expires(&self) -> bool {
        self.setup.life != Life::Forever
    }

    /// Does no entry live longer than [`TTL`], whatever is asked for?
    pub(crate) fn limits_lives(&self) -> bool {
        matches!(self.setup.life, Life::Ttl | Life::TtlAndIdle | Life::Expiry)
    }

    /// The cache is whole and holds so many entries.
    #[track_caller]
    pub(crate) fn check_holds(&self, entries: u64) {
        self.cache.__validate();
        assert_eq!(self.cache.entry_count(), entries, "entry_count");
        assert_eq!(self.cache.weighted_size(), entries * self.weight(), "weighted_size");
        assert!(entries <= self.room());
    }

    /// The listener, if there is one, was told just this since it was last asked. In any order.
    #[track_caller]
    pub(crate) fn check_told(&self, mut expected: Vec<Told<K, V>>) {
        let mut told = self.log.take();
        let order = |a: &Told<K, V>, b: &Told<K, V>| {
            (&a.0, &a.1, cause_number(a.2)).cmp(&(&b.0, &b.1, cause_number(b.2)))
        };
        told.sort_by(order);
        expected.sort_by(order);
        assert_eq!(told, if self.setup.listening { expected } else { Vec::new() });
    }
}

fn cause_number(cause: RemovalCause) -> u8 {
    cause as u8
}

/// Runs a test on a cache of every configuration, with one hasher.
pub(crate) fn every<K, V, S>(test: fn(&Subject<K, V, S>))
where
    K: Hash + Eq + Ord + Clone + Debug + Send + Sync + 'static,
    V: Clone + Ord + Debug + Send + Sync + 'static,
    S: TestHasher,
{
    let sizes = [
        Size::Unbounded,
        Size::Count(1),
        Size::Count(10),
        Size::Count(20_000),
        Size::Weighted(7),
        Size::Weighted(30_000),
    ];
    for size in sizes {
        for life in [Life::Forever, Life::Ttl, Life::TtlAndIdle, Life::Expiry, Life::PerEntry] {
            for (listening, stats) in [(false, false), (false, true), (true, false), (true, true)] {
                let setup = Setup { size, life, listening, stats };
                let _report = Report(setup, std::any::type_name::<S>());
                let subject = Subject::new(setup);
                test(&subject);
                subject.cache.__validate();
            }
        }
    }
}

/// Says in which configuration a test failed.
struct Report(Setup, &'static str);

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed with {:?}, hasher {}", self.0, self.1);
        }
    }
}

/// Runs a generic test function in every configuration, with every hasher.
macro_rules! in_every_configuration {
    ($test:ident) => {
        crate::common::every($test::<cache_core::RandomState>);
        crate::common::every($test::<crate::common::Identity>);
        crate::common::every($test::<crate::common::Constant>);
    };
}
pub(crate) use in_every_configuration;

/// Runs `body` on a thread of its own and fails if it has not ended after 50 seconds, which only a
/// deadlock takes (and less than `coalesce_timeout`, which would end some). The time is no part of
/// any test's outcome otherwise. Seconds are counted in which this thread had its turn: a process
/// that is stopped for an hour has had none.
#[track_caller]
pub(crate) fn must_end(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        let _ = done.send(());
        outcome
    });
    let second = Duration::from_secs(1);
    let timed_out = |_| matches!(ended.recv_timeout(second), Err(RecvTimeoutError::Timeout));
    assert!(!(0..50).all(timed_out), "still running: a deadlock or a livelock");
    thread.join().unwrap().unwrap_or_else(|panic| resume_unwind(panic));
}

/// Did this panic? What it panicked with is dropped.
pub(crate) fn panics<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// Panics of which the text says that they are "on purpose" are not told of any more.
pub(crate) fn silence_panics_on_purpose() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some("on purpose") {
                tell(panic);
            }
        }));
    });
}

/// Waits, without sleeping, for what another thread is sure to bring about.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// xorshift64*: numbers that are the same in each run.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn seeded(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Counts how many of its tokens are alive, and notices one that is dropped twice.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<CensusInner>);

#[derive(Default)]
struct CensusInner {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Census {
    pub(crate) fn token(&self) -> Token {
        self.0.made.fetch_add(1, SeqCst);
        Token { census: self.clone(), alive: Box::new(ALIVE) }
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.made.load(SeqCst) - self.0.dropped.load(SeqCst)
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(SeqCst)
    }
}

const ALIVE: u64 = 0xa11e_a11e_a11e_a11e;

/// Something that has to be dropped, once.
pub(crate) struct Token {
    census: Census,
    /// On the heap, so that a use after free or a second drop is seen by an allocator that checks.
    alive: Box<u64>,
}

impl Token {
    /// Fails if this token was dropped before.
    pub(crate) fn look(&self) {
        assert_eq!(*self.alive, ALIVE, "a token is used after its drop");
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        self.look();
        self.census.token()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.look();
        *self.alive = 0;
        self.census.0.dropped.fetch_add(1, SeqCst);
    }
}

/// How often each key occurs.
pub(crate) fn occurrences<K: Hash + Eq>(keys: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// A cache of numbers, and the clock that it goes by.
pub(crate) struct Timed {
    pub(crate) cache: Cache<u32, u32>,
    pub(crate) clock: FakeClock,
}

impl Timed {
    /// The clock has passed its zero, which might be taken for "no clock".
    pub(crate) fn new(
        build: impl FnOnce(CacheBuilder<u32, u32>) -> CacheBuilder<u32, u32>,
    ) -> Timed {
        let clock = FakeClock::new();
        clock.advance(Duration::from_secs(1));
        Timed { cache: build(Cache::builder().clock(clock.clone())).build(), clock }
    }

    /// Exactly so long from now, and no longer, does this key live, if nobody uses it.
    #[track_caller]
    pub(crate) fn check_lives(&self, key: u32, life: Duration) {
        assert_eq!(self.cache.entry_info(&key).unwrap().time_left(), Some(life));
        self.clock.advance(life - NANO);
        assert!(self.cache.contains_key(&key));
        self.clock.advance(NANO);
        assert!(!self.cache.contains_key(&key));
        self.cache.run_pending_tasks();
        self.cache.__validate();
        assert_eq!(self.cache.entry_info(&key), None);
    }
}
