//! The caches under test, and the truth that their values are copies of.
//!
//! Each key of each cache has a *truth*, a number that only rises. A loader reads it first, and the
//! value carries it. A writer raises the truth, then calls the cache, and raises the *floor* of the
//! key to that number after the call has returned. A call that begins after that must not be given
//! a loaded value below the floor: its load would have begun before the write.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock, Job, LoadingCache, RandomState};

use crate::kinds::{Kind, Tally};
use crate::random::Random;
use crate::tracked::{Failure, Key, Origin, SHELVES, Value};

/// No load takes longer than the wait limit, and no task blocks the thread that polls it. Then no
/// wait times out, and the limit is so long that a lost wake-up shows as a stuck operation.
static CALM: AtomicBool = AtomicBool::new(false);

/// Sets the calm mode. To be called before the caches are made.
pub(crate) fn set_calm(calm: bool) {
    CALM.store(calm, SeqCst);
}

pub(crate) fn is_calm() -> bool {
    CALM.load(SeqCst)
}

/// The wait limit: how long a caller waits for the load of another.
pub(crate) fn wait_limit() -> Duration {
    if is_calm() { Duration::from_secs(600) } else { Duration::from_millis(200) }
}
/// The time to live of the caches that have one, by the fake clock.
pub(crate) const TTL: Duration = Duration::from_millis(20);
/// The longest time to live of a single entry.
pub(crate) const LONGEST_TTL: Duration = Duration::from_millis(60);
/// Keys that are asked for most of the time.
const HOT: u64 = 8;
/// Keys of each cache.
pub(crate) const KEYS: u32 = 200;
/// Keys of the counters.
pub(crate) const COUNTERS: u32 = 6;

/// ahash; for one cache all but a few bits are masked out, so that different keys share hashes.
#[derive(Clone)]
pub(crate) struct Hashing {
    state: RandomState,
    kept: u64,
}

pub(crate) struct Masked<H> {
    hasher: H,
    kept: u64,
}

impl BuildHasher for Hashing {
    type Hasher = Masked<<RandomState as BuildHasher>::Hasher>;

    fn build_hasher(&self) -> Self::Hasher {
        Masked { hasher: self.state.build_hasher(), kept: self.kept }
    }
}

impl<H: Hasher> Hasher for Masked<H> {
    fn finish(&self) -> u64 {
        self.hasher.finish() & self.kept
    }

    fn write(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
    }
}

pub(crate) type Shelved = Cache<Key, Value, Hashing>;

/// What a cache's values are copies of.
pub(crate) struct Truth {
    now: Vec<AtomicU64>,
    floors: Vec<AtomicU64>,
    /// What raised the floor last: the number of its kind.
    raised_by: Vec<AtomicU64>,
    /// Notifications of the listener.
    pub(crate) notifications: AtomicU64,
}

impl Truth {
    fn new() -> Truth {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        Truth {
            now: zeros(),
            floors: zeros(),
            raised_by: zeros(),
            notifications: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self, key: u32) -> u64 {
        self.now[key as usize].load(SeqCst)
    }

    /// Returns the least version that a call beginning now may be given.
    pub(crate) fn floor(&self, key: u32) -> u64 {
        self.floors[key as usize].load(SeqCst)
    }

    pub(crate) fn floors(&self) -> Vec<u64> {
        (0..KEYS).map(|key| self.floor(key)).collect()
    }

    /// Raises the truth of a key that is about to be written; returns the new version.
    pub(crate) fn raise(&self, key: u32) -> u64 {
        self.now[key as usize].fetch_add(1, SeqCst) + 1
    }

    /// Raises the floor of a key that has been written.
    pub(crate) fn settle(&self, key: u32, version: u64, by: Kind) {
        if self.floors[key as usize].fetch_max(version, SeqCst) < version {
            self.raised_by[key as usize].store(by as u64, SeqCst);
        }
    }

    /// Returns what raised the floor last; approximate, since it is stored after the floor.
    pub(crate) fn raised_by(&self, key: u32) -> Option<Kind> {
        Kind::named(self.raised_by[key as usize].load(SeqCst) as usize)
    }

    /// Raises the truth of the keys, calls the cache, raises the floors.
    pub(crate) fn flush(&self, by: Kind, keys: impl Iterator<Item = u32>, call: impl FnOnce()) {
        let raised: Vec<(u32, u64)> = keys.map(|key| (key, self.raise(key))).collect();
        call();
        raised.into_iter().for_each(|(key, version)| self.settle(key, version, by));
    }
}

/// A cache and its truth.
pub(crate) struct Shelf {
    pub(crate) name: &'static str,
    pub(crate) number: usize,
    pub(crate) cache: Shelved,
    pub(crate) truth: Arc<Truth>,
    pub(crate) most: u64,
    pub(crate) expires: bool,
}

/// Everything that the workers share.
pub(crate) struct World {
    pub(crate) shelves: Vec<Shelf>,
    /// The first shelf's cache with a loader.
    pub(crate) loading: LoadingCache<Key, Value, Failure, Hashing>,
    /// Unbounded and never written but by increments.
    pub(crate) counters: Cache<u32, u64>,
    /// What the counters should say.
    pub(crate) counted: Vec<AtomicU64>,
    pub(crate) clock: FakeClock,
    pub(crate) tally: Tally,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let clock = FakeClock::new();
        // The bounds: two of them so small that each arrival evicts, or nearly so.
        let plans = [
            ("count", 64, true, u64::MAX),
            ("weight", 1_000, false, u64::MAX),
            ("ttl", 48, true, u64::MAX),
            ("two", 2, false, u64::MAX),
            ("colliding", 16, false, 0x3000_0000_0000_0003),
        ];
        let shelf = |(number, (name, most, expires, kept))| {
            shelf(number, name, most, expires, kept, &clock)
        };
        let shelves: [Shelf; SHELVES] =
            plans.into_iter().enumerate().map(shelf).collect::<Vec<_>>().try_into().ok().unwrap();
        let loading = loading(&shelves[0], seed);
        let counters = Cache::builder().coalesce_timeout(wait_limit()).build();
        let counted = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        World {
            shelves: shelves.into(),
            loading,
            counters,
            counted,
            clock,
            tally: Tally::default(),
        }
    }
}

fn shelf(
    number: usize,
    name: &'static str,
    most: u64,
    expires: bool,
    kept: u64,
    clock: &FakeClock,
) -> Shelf {
    let truth = Arc::new(Truth::new());
    let counted = Arc::clone(&truth);
    let mut builder: CacheBuilder<Key, Value> = Cache::builder()
        .name(name)
        .max_capacity(most)
        .clock(clock.clone())
        .coalesce_timeout(wait_limit())
        .record_stats()
        .eviction_listener(move |key: &Key, value: &Value, _| {
            counted.notifications.fetch_add(1, SeqCst);
            crate::faults::expect(key.id == value.key, || {
                format!("the listener is notified of key {} with {}", key.id, value.describe())
            });
            value.notify();
        });
    if name == "weight" {
        builder = builder.weigher(|_: &Key, value: &Value| value.weight);
    }
    if expires {
        // Every option of time. Each takes effect: entries are short-lived, and asked for often.
        builder = builder
            .time_to_live(TTL)
            .time_to_idle(TTL / 2)
            .ttl_jitter(0.3)
            .refresh_after(TTL / 5)
            .stale_while_revalidate(TTL / 4)
            .stale_if_error(TTL / 2)
            .executor(|job: Job| job());
    }
    let cache = builder.build_with_hasher(Hashing { state: RandomState::new(), kept });
    Shelf { name, number, cache, truth, most, expires }
}

fn loading(shelf: &Shelf, seed: u64) -> LoadingCache<Key, Value, Failure, Hashing> {
    let (number, truth) = (shelf.number, Arc::clone(&shelf.truth));
    let seeds = AtomicU64::new(seed);
    LoadingCache::new(shelf.cache.clone(), move |key: &Key| {
        let version = truth.now(key.id);
        let mut random = Random::seeded(seeds.fetch_add(1, SeqCst));
        crate::loaders::linger(&mut random);
        crate::loaders::trip(&mut random);
        if random.one_in(8) {
            return Err(Failure::new());
        }
        Ok(Value::new((number, key.id), version, Origin::Loaded))
    })
}

/// Draws a key: mostly one of the few hot ones.
pub(crate) fn draw_key(random: &mut Random) -> u32 {
    if random.below(10) < 7 {
        random.below(HOT) as u32
    } else {
        random.below(u64::from(KEYS)) as u32
    }
}

/// Draws a weight: now and then zero, now and then more than the whole cache.
pub(crate) fn draw_weight(random: &mut Random) -> u32 {
    match random.below(64) {
        0 => 1_500,
        1..4 => 0,
        _ => random.below(60) as u32,
    }
}
