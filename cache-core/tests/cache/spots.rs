//! A cache whose user code may do something at any point of any operation: panic, or block.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{Cache, Clock, Expiry, LoadingCache, Op, Tick};

use crate::common::census::{Census, Token};
use crate::common::configurations::Way;
use crate::common::hashers::TestHasher;
use crate::common::tasks::block_on;
use cache_core::__private::testing::validate;

/// Where user code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Hash,
    Eq,
    CloneKey,
    CloneValue,
    DropKey,
    DropValue,
    Weigher,
    Listener,
    Clock,
    Expiry,
    KeepIf,
    Predicate,
}

pub(super) const SPOTS: [Spot; 12] = [
    Spot::Hash,
    Spot::Eq,
    Spot::CloneKey,
    Spot::CloneValue,
    Spot::DropKey,
    Spot::DropValue,
    Spot::Weigher,
    Spot::Listener,
    Spot::Clock,
    Spot::Expiry,
    Spot::KeepIf,
    Spot::Predicate,
];

thread_local! {
    /// The spot where something is to happen, and how many times it is passed before.
    static FUSE: Cell<Option<(Spot, u32)>> = const { Cell::new(None) };
    /// What is to happen there, if not a panic.
    static ACTION: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// From now on this thread panics at this spot, once it has passed it so often.
pub(super) fn arm(spot: Spot, passes: u32) {
    FUSE.set(Some((spot, passes)));
}

/// As [`arm`], with something else than a panic.
pub(super) fn arm_with(spot: Spot, passes: u32, action: impl FnOnce() + 'static) {
    ACTION.set(Some(Box::new(action)));
    arm(spot, passes);
}

/// Returns `true` if it has happened. If it has not, it will not.
pub(super) fn disarm() -> bool {
    ACTION.set(None);
    FUSE.replace(None).is_none()
}

/// Called when user code at this spot runs.
pub(super) fn pass(spot: Spot) {
    match FUSE.get() {
        Some((armed, 0)) if armed == spot => {
            FUSE.set(None);
            match ACTION.take() {
                Some(action) => action(),
                None => panic!("on purpose: {spot:?}"),
            }
        }
        Some((armed, left)) if armed == spot => FUSE.set(Some((spot, left - 1))),
        _ => {}
    }
}

pub(super) struct Key(pub(super) u32, pub(super) Token);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        pass(Spot::Hash);
        self.0.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.look();
        other.1.look();
        pass(Spot::Eq);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        pass(Spot::CloneKey);
        Key(self.0, self.1.clone())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        pass(Spot::DropKey);
    }
}

pub(super) struct Value(u32, Token);

impl Clone for Value {
    fn clone(&self) -> Self {
        pass(Spot::CloneValue);
        Value(self.0, self.1.clone())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        pass(Spot::DropValue);
    }
}

#[derive(Clone, Default)]
pub(super) struct FragileClock(Arc<AtomicU64>);

impl Clock for FragileClock {
    fn now(&self) -> Tick {
        pass(Spot::Clock);
        Tick::from_nanos(self.0.load(SeqCst))
    }
}

/// Changes no deadline.
struct FragileExpiry;

impl Expiry<Key, Value> for FragileExpiry {
    fn expire_after_create(&self, _: &Key, _: &Value, _: Instant) -> Option<Duration> {
        pass(Spot::Expiry);
        None
    }

    fn expire_after_read(
        &self,
        _: &Key,
        _: &Value,
        _: Instant,
        left: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        pass(Spot::Expiry);
        left
    }

    fn expire_after_update(
        &self,
        _: &Key,
        _: &Value,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        pass(Spot::Expiry);
        left
    }
}

pub(super) const ROOM: u32 = 10;
pub(super) const FILLED: u32 = 8;

pub(super) struct Fragile<S> {
    pub(super) cache: Cache<Key, Value, S>,
    pub(super) census: Census,
    time: FragileClock,
}

impl<S: TestHasher> Fragile<S> {
    /// A cache with keys 0 to 7, and room for two more. It has a weigher, a listener, an `Expiry`
    /// and a `keep_if` if its writes go the general way.
    pub(super) fn new(way: Way) -> Self {
        let (census, time) = (Census::default(), FragileClock::default());
        time.0.store(5, SeqCst);
        let builder = Cache::builder()
            .time_to_live(Duration::from_nanos(1000))
            .clock(time.clone())
            .record_stats();
        let builder = match way {
            Way::General => builder
                .max_capacity(u64::from(3 * ROOM))
                .weigher(|_, _| {
                    pass(Spot::Weigher);
                    3
                })
                .expire_after(FragileExpiry)
                .keep_if(|key, value| {
                    assert_eq!(key.0, value.0);
                    pass(Spot::KeepIf);
                    key.0 % 2 == 0
                })
                .eviction_listener(|_, value: &Value, _| {
                    value.1.look();
                    pass(Spot::Listener);
                }),
            Way::InPlace | Way::Shared => builder.max_capacity(u64::from(ROOM)),
        };
        let cache = builder.build_with_hasher(S::default());
        way.begin(&cache);
        let fragile = Fragile { cache, census, time };
        (0..FILLED).for_each(|n| fragile.insert(n));
        fragile
    }

    pub(super) fn key(&self, n: u32) -> Key {
        Key(n, self.census.token())
    }

    pub(super) fn value(&self, n: u32) -> Value {
        Value(n, self.census.token())
    }

    pub(super) fn insert(&self, n: u32) {
        self.cache.insert(self.key(n), self.value(n));
    }

    pub(super) fn loading(&self) -> LoadingCache<Key, Value, (), S> {
        let census = self.census.clone();
        LoadingCache::new(self.cache.clone(), move |key: &Key| Ok(Value(key.0, census.token())))
    }

    /// The key of a look-up outlives it, and dropping the key is no part of the test.
    pub(super) fn borrowed<R>(&self, n: u32, call: impl FnOnce(&Key) -> R) -> R {
        let key = std::mem::ManuallyDrop::new(self.key(n));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&key)));
        let fuse = FUSE.replace(None);
        drop(std::mem::ManuallyDrop::into_inner(key));
        FUSE.set(fuse);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(super) fn check_whole(&self) {
        validate(&self.cache);
        self.cache.iter().for_each(|(key, value)| assert_eq!(key.0, value.0));
        self.cache.run_pending_tasks();
        assert_eq!(self.cache.entry_count(), self.cache.iter().count() as u64);
    }

    /// Fails unless the cache works, and holds as much as before.
    pub(super) fn check_works(&self) {
        self.check_whole();
        for n in 100..100 + 2 * ROOM {
            self.insert(n);
            assert_eq!(self.cache.view(&self.key(n), |value| value.0), Some(n));
        }
        assert_eq!(self.cache.entry_count(), u64::from(ROOM), "no capacity is lost");
        for n in 0..ROOM {
            // No flight is left that this would wait for.
            assert_eq!(self.cache.get_with(self.key(n), || self.value(n)).0, n);
        }
        self.cache.invalidate_all();
        assert_eq!((self.cache.entry_count(), self.cache.weighted_size()), (0, 0));
        self.check_whole();
    }
}

pub(super) type Operation<S> = (&'static str, fn(&Fragile<S>));

fn operations<S: TestHasher>() -> Vec<Operation<S>> {
    vec![
        ("get", |f| f.borrowed(3, |key| drop(f.cache.get(key)))),
        ("get nothing", |f| f.borrowed(50, |key| drop(f.cache.get(key)))),
        ("view", |f| f.borrowed(3, |key| _ = f.cache.view(key, |value| value.0))),
        ("contains_key", |f| f.borrowed(3, |key| _ = f.cache.contains_key(key))),
        ("peek", |f| f.borrowed(3, |key| drop(f.cache.peek(key)))),
        ("insert anew", |f| f.insert(50)),
        ("update", |f| f.insert(3)),
        ("insert until full", |f| (50..60).for_each(|n| f.insert(n))),
        ("insert dead on arrival", |f| {
            f.cache.insert_with_ttl(f.key(3), f.value(3), Duration::ZERO);
        }),
        ("remove", |f| f.borrowed(3, |key| drop(f.cache.remove(key)))),
        ("remove nothing", |f| f.borrowed(50, |key| drop(f.cache.remove(key)))),
        ("invalidate", |f| f.borrowed(3, |key| f.cache.invalidate(key))),
    ]
}

fn wide_operations<S: TestHasher>() -> Vec<Operation<S>> {
    vec![
        ("invalidate_all", |f| f.cache.invalidate_all()),
        ("invalidate_entries_if", |f| {
            f.cache.invalidate_entries_if(|key, _| {
                pass(Spot::Predicate);
                key.0 % 2 == 0
            });
        }),
        ("remove_if", |f| {
            let is_three = |value: &Value| {
                pass(Spot::Predicate);
                value.0 == 3
            };
            f.borrowed(3, |key| drop(f.cache.remove_if(key, is_three)));
        }),
        ("evict", |f| _ = f.cache.evict(9)),
        ("iter", |f| f.cache.iter().for_each(drop)),
        ("run_pending_tasks", |f| f.cache.run_pending_tasks()),
        ("expiry", |f| {
            f.time.0.store(1005, SeqCst);
            f.cache.run_pending_tasks();
        }),
        ("update of what has expired", |f| {
            f.time.0.store(1005, SeqCst);
            f.insert(3);
        }),
        ("load of what has expired", |f| {
            f.time.0.store(1005, SeqCst);
            drop(f.cache.get_with(f.key(3), || f.value(3)));
        }),
    ]
}

fn loads<S: TestHasher>() -> Vec<Operation<S>> {
    vec![
        ("get_with, a hit", |f| drop(f.cache.get_with(f.key(3), || f.value(3)))),
        ("get_with, a load", |f| drop(f.cache.get_with(f.key(50), || f.value(50)))),
        ("get_with_by_ref", |f| {
            f.borrowed(50, |key| drop(f.cache.get_with_by_ref(key, || f.value(50))));
        }),
        ("try_get_with, a failure", |f| {
            assert!(f.cache.try_get_with(f.key(50), || Err(())).is_err());
        }),
        ("optionally_get_with, nothing", |f| {
            assert!(f.cache.optionally_get_with(f.key(50), || None).is_none());
        }),
        ("get_or_guard", |f| {
            f.borrowed(50, |key| match f.cache.get_or_guard(key) {
                Ok(value) => drop(value),
                Err(guard) => drop(guard.insert(f.value(50))),
            });
        }),
        ("get_or_guard, dropped", |f| f.borrowed(50, |key| drop(f.cache.get_or_guard(key)))),
        ("get_or_revalidate", |f| {
            let is_four = |value: &Value| {
                pass(Spot::Predicate);
                value.0 == 4
            };
            drop(f.cache.get_or_revalidate(f.key(3), is_four, || f.value(3)));
        }),
        ("a load within the load", |f| {
            f.cache.get_with(f.key(50), || f.cache.get_with(f.key(50), || f.value(50)));
        }),
        ("a load that is superseded", |f| {
            drop(f.cache.get_with(f.key(50), || {
                f.insert(50);
                f.value(50)
            }));
        }),
    ]
}

fn loads_of_tasks_and_batches<S: TestHasher>() -> Vec<Operation<S>> {
    vec![
        ("get_with_async", |f| {
            drop(block_on(f.cache.get_with_async(f.key(50), async { f.value(50) })));
        }),
        ("try_get_with_async, a failure", |f| {
            let load = f.cache.try_get_with_async(f.key(50), async { Err(()) });
            assert!(block_on(load).is_err());
        }),
        ("get_many_with", |f| {
            let keys = [3, 50, 51, 50].map(|n| f.key(n));
            let load =
                |missing: &[Key]| missing.iter().map(|key| (key.clone(), f.value(key.0))).collect();
            assert!(f.cache.get_many_with(&keys, load).iter().all(Option::is_some));
        }),
        ("get_many_with_async, without one", |f| {
            let keys = [50, 51, 52].map(|n| f.key(n));
            let load = |mut missing: Vec<Key>| async {
                missing.pop();
                missing.into_iter().map(|key| (key.clone(), f.value(key.0))).collect()
            };
            drop(block_on(f.cache.get_many_with_async(&keys, load)));
        }),
        ("refresh", |f| drop(f.loading().refresh(&f.key(3)))),
        ("get_all", |f| drop(f.loading().get_all(&[3, 50, 50].map(|n| f.key(n))))),
        ("get_async", |f| drop(block_on(f.loading().get_async(&f.key(50))))),
    ]
}

fn entries<S: TestHasher>() -> Vec<Operation<S>> {
    vec![
        ("or_insert_with, a hit", |f| {
            drop(f.cache.entry(f.key(3)).or_insert_with(|| f.value(3)));
        }),
        ("or_insert_with, a load", |f| {
            drop(f.cache.entry(f.key(50)).or_insert_with(|| f.value(50)));
        }),
        ("and_upsert_with, anew", |f| {
            drop(f.cache.entry(f.key(50)).and_upsert_with(|_| f.value(50)));
        }),
        ("and_upsert_with, over another", |f| {
            drop(f.cache.entry(f.key(3)).and_upsert_with(|_| f.value(3)));
        }),
        ("and_upsert_with_async", |f| {
            let upsert = f.cache.entry(f.key(3)).and_upsert_with_async(|_| async { f.value(3) });
            drop(block_on(upsert));
        }),
        ("and_compute_with, removing", |f| {
            drop(f.cache.entry(f.key(3)).and_compute_with(|_| Op::Remove));
        }),
        ("and_compute_with, nothing", |f| {
            drop(f.cache.entry(f.key(3)).and_compute_with(|_| Op::Nop));
        }),
        ("and_try_compute_with, a failure", |f| {
            drop(f.cache.entry(f.key(3)).and_try_compute_with(|_| Err(())));
        }),
        ("a computation that is superseded", |f| {
            drop(f.cache.entry(f.key(3)).and_upsert_with(|_| {
                f.insert(3);
                f.value(3)
            }));
        }),
    ]
}

/// All operations.
pub(super) fn all<S: TestHasher>() -> Vec<Operation<S>> {
    [operations::<S>(), wide_operations(), loads(), loads_of_tasks_and_batches(), entries()]
        .concat()
}
