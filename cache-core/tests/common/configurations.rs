//! Every configuration in which a behaviour has to hold, and a cache in one of them.

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cache_core::{Cache, CacheBuilder, Expiry, FakeClock, RemovalCause};

use super::hashers::TestHasher;
use cache_core::__private::testing::{general_writes, validate};

/// How long an entry lives where a configuration lets entries die.
pub(crate) const TTL: Duration = Duration::from_secs(60);
/// What each entry weighs in a configuration with a weigher.
pub(crate) const WEIGHT: u32 = 3;

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
    /// The user's [`Expiry`] decides.
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

/// The way that writes go. To users it makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The short one where there is one; in place while one thread is alone.
    InPlace,
    /// The short one where there is one; another thread has used the cache.
    Shared,
    /// The general one.
    General,
}

impl Way {
    #[allow(dead_code, reason = "not all binaries use it")]
    pub(crate) const ALL: [Way; 3] = [Way::InPlace, Way::Shared, Way::General];

    pub(crate) fn prepare<K, V>(self, builder: CacheBuilder<K, V>) -> CacheBuilder<K, V>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        if self == Way::General { general_writes(builder) } else { builder }
    }

    /// Brings a new cache to where its writes go this way.
    pub(crate) fn begin<K, V, S>(self, cache: &Cache<K, V, S>)
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: TestHasher,
    {
        if self == Way::Shared {
            cache.invalidate_all();
            thread::scope(|scope| _ = scope.spawn(|| cache.invalidate_all()).join());
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) size: Size,
    pub(crate) life: Life,
    pub(crate) listening: bool,
    pub(crate) stats: bool,
    pub(crate) way: Way,
}

pub(crate) type Notice<K, V> = (K, V, RemovalCause);

/// The notices that a listener was given, in order.
#[derive(Clone)]
pub(crate) struct Log<K, V>(Arc<Mutex<Vec<Notice<K, V>>>>);

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
        let notices = Arc::clone(&self.0);
        move |key, value, cause| notices.lock().unwrap().push((key.clone(), value.clone(), cause))
    }

    /// Returns the notices since the last call.
    pub(crate) fn take(&self) -> Vec<Notice<K, V>> {
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
        let cache = build(setup.way.prepare(builder)).build_with_hasher(S::default());
        setup.way.begin(&cache);
        Subject { cache, clock, log, setup }
    }

    /// Inserts, so that the entry lives for [`TTL`] unless this is a configuration without expiry.
    pub(crate) fn put(&self, key: K, value: V) {
        match self.setup.life {
            Life::PerEntry => self.cache.insert_with_ttl(key, value, TTL),
            _ => self.cache.insert(key, value),
        }
    }

    /// Returns how many entries there is room for.
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

    /// Returns `true` if no entry lives longer than [`TTL`], whatever a call asks for.
    pub(crate) fn limits_lives(&self) -> bool {
        matches!(self.setup.life, Life::Ttl | Life::TtlAndIdle | Life::Expiry)
    }

    /// Fails unless the cache is whole and holds this many entries.
    #[track_caller]
    pub(crate) fn check_holds(&self, entries: u64) {
        validate(&self.cache);
        assert_eq!(self.cache.entry_count(), entries, "entry_count");
        assert_eq!(self.cache.weighted_size(), entries * self.weight(), "weighted_size");
        assert!(entries <= self.room());
    }

    /// Fails unless the listener, if there is one, was given just these notices since the last
    /// time, in any order.
    #[track_caller]
    pub(crate) fn check_notified(&self, mut expected: Vec<Notice<K, V>>) {
        let mut notices = self.log.take();
        let order = |a: &Notice<K, V>, b: &Notice<K, V>| {
            (&a.0, &a.1, cause_number(a.2)).cmp(&(&b.0, &b.1, cause_number(b.2)))
        };
        notices.sort_by(order);
        expected.sort_by(order);
        assert_eq!(notices, if self.setup.listening { expected } else { Vec::new() });
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
            for (listening, stats, way) in [
                (false, false, Way::InPlace),
                (false, true, Way::Shared),
                (false, true, Way::General),
                (true, false, Way::InPlace),
                (true, true, Way::Shared),
            ] {
                let setup = Setup { size, life, listening, stats, way };
                let _report = Report(setup, std::any::type_name::<S>());
                let subject = Subject::new(setup);
                test(&subject);
                validate(&subject.cache);
            }
        }
    }
}

/// Prints the configuration in which a test failed.
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
        $crate::common::configurations::every($test::<cache_core::RandomState>);
        $crate::common::configurations::every($test::<$crate::common::hashers::Identity>);
        $crate::common::configurations::every($test::<$crate::common::hashers::Constant>);
    };
}
pub(crate) use in_every_configuration;
