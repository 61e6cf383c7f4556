//! Panics in the user's code, one at a time and at every point of every operation: the panic
//! reaches its caller, and the cache stays whole, keeps its capacity and leaks nothing.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{Cache, Clock, LoadingCache, Op, RandomState, Tick};

use crate::common::census::{Census, Token};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::block_on;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// What may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Hash,
    Eq,
    CloneKey,
    CloneValue,
    DropKey,
    DropValue,
    Weigher,
    Listener,
    Clock,
}

const SPOTS: [Spot; 9] = [
    Spot::Hash,
    Spot::Eq,
    Spot::CloneKey,
    Spot::CloneValue,
    Spot::DropKey,
    Spot::DropValue,
    Spot::Weigher,
    Spot::Listener,
    Spot::Clock,
];

thread_local! {
    /// The spot that is to panic and how many times it is passed before. Each case runs on one
    /// thread.
    static FUSE: Cell<Option<(Spot, u32)>> = const { Cell::new(None) };
}

/// Called when user code at this spot runs.
fn pass(spot: Spot) {
    match FUSE.get() {
        Some((armed, 0)) if armed == spot => {
            FUSE.set(None);
            panic!("on purpose: {spot:?}");
        }
        Some((armed, left)) if armed == spot => FUSE.set(Some((spot, left - 1))),
        _ => {}
    }
}

struct Key(u32, Token);

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

struct Value(u32, Token);

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
struct FragileClock(Arc<AtomicU64>);

impl Clock for FragileClock {
    fn now(&self) -> Tick {
        pass(Spot::Clock);
        Tick::from_nanos(self.0.load(SeqCst))
    }
}

const ROOM: u32 = 10;
const FILLED: u32 = 8;

struct Fragile<S> {
    cache: Cache<Key, Value, S>,
    census: Census,
    time: FragileClock,
}

impl<S: TestHasher> Fragile<S> {
    /// A cache with keys 0 to 7, and room for two more.
    fn new() -> Self {
        let (census, time) = (Census::default(), FragileClock::default());
        time.0.store(5, SeqCst);
        let cache = Cache::builder()
            .max_capacity(u64::from(3 * ROOM))
            .weigher(|_, _| {
                pass(Spot::Weigher);
                3
            })
            .time_to_live(Duration::from_nanos(1000))
            .clock(time.clone())
            .eviction_listener(|_, value: &Value, _| {
                value.1.look();
                pass(Spot::Listener);
            })
            .record_stats()
            .build_with_hasher(S::default());
        let fragile = Fragile { cache, census, time };
        (0..FILLED).for_each(|n| fragile.insert(n));
        fragile
    }

    fn key(&self, n: u32) -> Key {
        Key(n, self.census.token())
    }

    fn value(&self, n: u32) -> Value {
        Value(n, self.census.token())
    }

    fn insert(&self, n: u32) {
        self.cache.insert(self.key(n), self.value(n));
    }

    fn loading(&self) -> LoadingCache<Key, Value, (), S> {
        let census = self.census.clone();
        LoadingCache::new(self.cache.clone(), move |key: &Key| Ok(Value(key.0, census.token())))
    }

    /// The key of a look-up outlives it, and dropping the key is no part of the test.
    fn borrowed<R>(&self, n: u32, call: impl FnOnce(&Key) -> R) -> R {
        let key = std::mem::ManuallyDrop::new(self.key(n));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&key)));
        let fuse = FUSE.replace(None);
        drop(std::mem::ManuallyDrop::into_inner(key));
        FUSE.set(fuse);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn check_whole(&self) {
        validate(&self.cache);
        self.cache.iter().for_each(|(key, value)| assert_eq!(key.0, value.0));
        self.cache.run_pending_tasks();
        assert_eq!(self.cache.entry_count(), self.cache.iter().count() as u64);
    }

    /// Fails unless the cache works, and holds as much as before.
    fn check_works(&self) {
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

type Operation<S> = (&'static str, fn(&Fragile<S>));

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
            f.cache.invalidate_entries_if(|key, _| key.0 % 2 == 0);
        }),
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
        ("get_with, a hit", |f| drop(f.cache.get_with(f.key(3), || unreachable!()))),
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
            drop(f.cache.entry(f.key(3)).or_insert_with(|| unreachable!()));
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

/// Lets one operation panic at one spot. Returns `false` if it did not pass there so often.
fn one_case<S: TestHasher>(operation: Operation<S>, spot: Spot, passes: u32) -> bool {
    let fragile = Fragile::<S>::new();
    let before = fragile.cache.stats().listener_panics;
    FUSE.set(Some((spot, passes)));
    let panicked = panics(|| operation.1(&fragile));
    let burnt = FUSE.replace(None).is_none();
    let case = format!("{}, {spot:?} after {passes}", operation.0);
    // A panic of the listener is caught and counted; any other reaches the caller.
    assert_eq!(panicked, burnt && spot != Spot::Listener, "{case}");
    let counted = u64::from(burnt && spot == Spot::Listener);
    assert_eq!(fragile.cache.stats().listener_panics - before, counted, "{case}");
    fragile.check_works();
    let Fragile { cache, census, .. } = fragile;
    drop(cache);
    assert_eq!(census.alive(), lost_by_the_language(&case), "leaked: {case}");
    burnt
}

/// How many tokens are lost with a function's result, which is leaked if dropping one of its
/// arguments or locals panics (rust-lang/rust#47949).
fn lost_by_the_language(case: &str) -> usize {
    match case {
        "get_with, a hit, DropKey after 0"
        | "get_async, DropKey after 0"
        | "and_upsert_with, over another, DropKey after 0"
        | "and_upsert_with, over another, DropValue after 0"
        | "a computation that is superseded, DropKey after 1"
        | "a computation that is superseded, DropValue after 1" => 1,
        // A key and a value.
        "and_upsert_with, over another, DropValue after 2"
        | "and_upsert_with_async, DropValue after 2"
        | "a computation that is superseded, DropValue after 3"
        | "get_many_with_async, without one, DropKey after 1"
        | "get_many_with_async, without one, DropKey after 2" => 2,
        _ => 0,
    }
}

fn every_case<S: TestHasher>() {
    let mut burnt = 0;
    let operations =
        [operations::<S>(), wide_operations(), loads(), loads_of_tasks_and_batches(), entries()]
            .concat();
    for operation in operations {
        for spot in SPOTS {
            for passes in 0.. {
                if !one_case(operation, spot, passes) {
                    break;
                }
                burnt += 1;
            }
        }
    }
    assert!(burnt > 300, "most operations pass many spots: {burnt}");
}

#[test]
fn a_panic_anywhere_leaves_the_cache_whole() {
    must_end(every_case::<RandomState>);
}

/// All keys have one hash, so that keys are compared in every operation.
#[test]
fn a_panic_anywhere_leaves_the_cache_whole_if_all_hashes_collide() {
    must_end(every_case::<Constant>);
}

#[test]
fn view_that_panics_leaves_the_entry() {
    let cache = Cache::<u32, String>::new(10);
    cache.insert(1, "one".to_owned());
    for _ in 0..1000 {
        assert!(panics(|| cache.view(&1, |_| panic!("on purpose"))));
    }
    assert_eq!(cache.get(&1).as_deref(), Some("one"));
    cache.insert(1, "two".to_owned());
    validate(&cache);
}

#[test]
fn a_condition_that_panics_removes_only_what_it_has_chosen() {
    for at in 0..50 {
        let census = Census::default();
        let cache = Cache::<u32, Token>::builder().max_capacity(5000).build();
        (0..50).for_each(|n| cache.insert(n, census.token()));
        let mut seen = Vec::new();
        assert!(panics(|| cache.invalidate_entries_if(|key, _| {
            assert!(seen.len() < at, "on purpose");
            seen.push(*key);
            true
        })));
        assert!((0..50).all(|n| cache.contains_key(&n) || seen.contains(&n)));
        validate(&cache);
        let left = cache.entry_count();
        assert!(left >= 50 - at as u64);
        assert_eq!(cache.invalidate_entries_if(|_, _| true), left);
        cache.run_pending_tasks();
        assert_eq!(census.alive(), 0);
    }
}

/// One hash for each thousand of keys.
#[derive(Clone, Default)]
struct ByThousand(u64);

impl BuildHasher for ByThousand {
    type Hasher = ByThousand;
    fn build_hasher(&self) -> ByThousand {
        ByThousand(0)
    }
}

impl Hasher for ByThousand {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u32(&mut self, n: u32) {
        self.0 = u64::from(n / 1000);
    }
}

/// A shard that holds little makes room in another one, without its own lock, and then compares
/// keys again. If that panics, the room is released.
#[test]
fn insert_that_panics_after_it_made_room_elsewhere_releases_the_room() {
    let mut panicked_with_room = 0;
    // Some of these thousands stand in another shard than the first does.
    for other in 1..8 {
        for passes in 0.. {
            let cache = Cache::<Key, u32, _>::builder()
                .max_capacity(8192)
                .weigher(|_, weight| *weight)
                .build_with_hasher(ByThousand(0));
            let census = Census::default();
            let fill = || {
                (0..4).for_each(|n| cache.insert(Key(n, census.token()), 512));
                (0..12).for_each(|n| cache.insert(Key(other * 1000 + n, census.token()), 512));
            };
            fill();
            FUSE.set(Some((Spot::Eq, passes)));
            let panicked = panics(|| cache.insert(Key(100, census.token()), 2048));
            let burnt = FUSE.replace(None).is_none();
            assert_eq!(panicked, burnt);
            validate(&cache);
            panicked_with_room += u32::from(burnt && cache.entry_count() < 16);
            cache.invalidate_all();
            assert_eq!(cache.weighted_size(), 0);
            fill();
            assert_eq!((cache.entry_count(), cache.weighted_size()), (16, 8192));
            if !burnt {
                break;
            }
        }
    }
    assert!(panicked_with_room > 0, "no shard made room in another");
}
