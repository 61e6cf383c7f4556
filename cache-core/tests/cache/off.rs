//! A cache that is off stores nothing, and one load serves all concurrent callers, however it was
//! turned off and whatever else is configured.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{
    Cache, CacheBuilder, CompResult, Expiry, FakeClock, LoadError, LoadTimeouts, Op, RandomState,
    RemovalCause, Stats, Status,
};

use crate::common::census::{Census, Token};
use crate::common::configurations::{Log, TTL};
use crate::common::crowd::{Crowd, Key, Running};
use crate::common::hashers::{Constant, Identity, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::block_on;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::{memory, validate};

/// Must not be called.
struct Uncalled;

impl<K, V> Expiry<K, V> for Uncalled {
    fn expire_after_create(&self, _: &K, _: &V, _: std::time::Instant) -> Option<Duration> {
        unreachable!("nothing is stored")
    }
}

type Configure<K, V> = fn(CacheBuilder<K, V>) -> CacheBuilder<K, V>;

/// The ways to turn a cache off, with the cause that a listener is given; each by itself and beside
/// others.
fn ways<K, V>() -> Vec<(&'static str, Configure<K, V>, RemovalCause)>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let (size, expired) = (RemovalCause::Size, RemovalCause::Expired);
    vec![
        ("capacity", |builder| builder.max_capacity(0), size),
        ("capacity and weights", |builder| builder.max_capacity(0).weigher(|_, _| 0), size),
        (
            "capacity and times",
            |builder| all_times(builder.max_capacity(0).time_to_live(TTL)),
            size,
        ),
        ("capacity and room", |builder| builder.max_capacity(0).initial_capacity(100_000), size),
        ("life", |builder| builder.time_to_live(Duration::ZERO), expired),
        ("life and capacity", |builder| off_by_life(builder).max_capacity(1_000_000), expired),
        ("life and weights", |builder| off_by_life(builder).weigher(|_, _| panic!()), expired),
        ("life and times", |builder| all_times(off_by_life(builder)), expired),
        ("life and expiry", |builder| off_by_life(builder).expire_after(Uncalled), expired),
        ("both", |builder| off_by_life(builder).max_capacity(0).expire_after(Uncalled), expired),
    ]
}

fn off_by_life<K, V: 'static>(builder: CacheBuilder<K, V>) -> CacheBuilder<K, V> {
    builder.time_to_live(Duration::ZERO)
}

fn all_times<K, V: 'static>(builder: CacheBuilder<K, V>) -> CacheBuilder<K, V> {
    let builder = builder.time_to_idle(TTL).refresh_after(TTL / 2).refresh_early(1.0);
    builder.ttl_jitter(0.5).stale_while_revalidate(TTL).stale_if_error(TTL)
}

/// A cache that is off.
struct Off<K, V, S> {
    cache: Cache<K, V, S>,
    clock: FakeClock,
    log: Log<K, V>,
    cause: RemovalCause,
}

/// Runs a test for each way, with and without a listener and statistics.
fn every_way<K, V, S>(test: fn(&Off<K, V, S>))
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: TestHasher,
{
    for (way, build, cause) in ways::<K, V>() {
        let (clock, log) = (FakeClock::new(), Log::default());
        clock.advance(Duration::from_secs(1));
        let builder = build(Cache::builder().clock(clock.clone()));
        let builder = builder.eviction_listener(log.listener()).record_stats();
        let cache = builder.build_with_hasher(S::default());
        let off = Off { cache, clock, log, cause };
        test(&off);
        off.check_empty(way);
        let plain = build(Cache::builder()).build_with_hasher(S::default());
        let off = Off { cache: plain, clock: FakeClock::new(), log: Log::default(), cause };
        test(&off);
        off.check_empty(way);
    }
}

macro_rules! in_every_way {
    ($test:ident) => {
        every_way($test::<RandomState>);
        every_way($test::<Identity>);
        every_way($test::<Constant>);
    };
}

impl<K, V, S> Off<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: TestHasher,
{
    #[track_caller]
    fn check_empty(&self, way: &str) {
        validate(&self.cache);
        assert_eq!((self.cache.entry_count(), self.cache.weighted_size()), (0, 0), "{way}");
        assert_eq!(self.cache.iter().count(), 0, "{way}");
        assert_eq!(self.cache.next_expiry(), None, "{way}");
        self.cache.run_pending_tasks();
        self.clock.advance(TTL);
        self.cache.run_pending_tasks();
        validate(&self.cache);
    }
}

fn forgets<S: TestHasher>(off: &Off<u64, u64, S>) {
    let cache = &off.cache;
    for n in 0..200 {
        cache.insert(n, n);
        cache.insert_with_ttl(n, n, TTL);
        assert_eq!((cache.get(&n), cache.peek(&n), cache.view(&n, |_| ())), (None, None, None));
        assert!(!cache.contains_key(&n) && cache.entry_info(&n).is_none());
        assert!(!cache.set_ttl(&n, TTL));
        assert_eq!(cache.remove(&n), None);
        cache.invalidate(&n);
    }
    assert_eq!(cache.get_many(&[1, 2]), [None, None]);
    assert_eq!(cache.invalidate_entries_if(|_, _| unreachable!("there is nothing")), 0);
    cache.invalidate_all();
}

#[test]
fn nothing_is_stored() {
    in_every_way!(forgets);
}

fn loads_each_time<S: TestHasher>(off: &Off<u64, u64, S>) {
    let cache = &off.cache;
    for n in 0..3 {
        assert_eq!(cache.get_with(1, || n), n);
        assert_eq!(cache.get_with_by_ref(&1, || n), n);
        assert_eq!(cache.get_with_status(1, || n), (n, Status::Loaded));
        assert_eq!(cache.try_get_with(1, || Ok::<_, ()>(n)), Ok(n));
        assert!(cache.try_get_with(1, || Err("no")).is_err_and(|error| *error == "no"));
        assert_eq!(cache.optionally_get_with(1, || Some(n)), Some(n));
        assert_eq!(cache.optionally_get_with(1, || None), None);
        assert!(panics(|| cache.get_with(1, || panic!("on purpose"))));
        assert_eq!(block_on(cache.get_with_async(1, async { n })), n);
        let keys = [1, 2, 1, 3];
        let values = cache.get_many_with(&keys, |missing| {
            assert_eq!(missing, [1, 2, 3]);
            vec![(2, n + 2), (1, n + 1)]
        });
        assert_eq!(values, [Some(n + 1), Some(n + 2), Some(n + 1), None]);
        let load = async |missing: Vec<u64>| missing.into_iter().map(|key| (key, n)).collect();
        assert_eq!(block_on(cache.get_many_with_async(&keys, load)), [Some(n); 4]);
        let timeouts = LoadTimeouts::new(|_| std::future::pending()).soft(TTL).hard(TTL * 2);
        let loaded = cache.try_get_within_async(1, async move { Ok::<_, ()>(n) }, &timeouts);
        assert_eq!(block_on(loaded), Ok((n, Status::Loaded)));
        let nested = cache.get_with(1, || cache.get_with(2, || cache.get_with(1, || n)));
        assert_eq!(nested, n);
    }
}

#[test]
fn each_load_runs() {
    silence_panics_on_purpose();
    in_every_way!(loads_each_time);
}

fn computes_from_nothing<S: TestHasher>(off: &Off<u64, u64, S>) {
    let cache = &off.cache;
    for n in 0..3 {
        assert!(cache.entry(1).or_insert(n).is_fresh());
        assert_eq!(cache.entry(1).or_insert_with(|| n).into_value(), n);
        let entry = cache.entry(1).and_upsert_with(|old| {
            assert!(old.is_none());
            n
        });
        assert_eq!((*entry.value(), entry.is_old_value_replaced()), (n, false));
        let put = cache.entry(1).and_compute_with(|_| Op::Put(n));
        assert!(matches!(put, CompResult::Inserted(_)));
        let removed = cache.entry(1).and_compute_with(|_| Op::Remove);
        assert_eq!(removed, CompResult::StillNone(1));
        assert_eq!(cache.entry(1).and_compute_with(|_| Op::Nop), CompResult::StillNone(1));
    }
}

#[test]
fn entries_are_computed_from_nothing() {
    in_every_way!(computes_from_nothing);
}

fn is_notified_and_counted<S: TestHasher>(off: &Off<u64, u64, S>) {
    let (cache, cause) = (&off.cache, off.cause);
    cache.insert(1, 10);
    cache.insert(1, 11);
    cache.get_with(2, || 20);
    cache.entry(3).and_upsert_with(|_| 30);
    cache.get_many_with(&[4, 5], |_| vec![(4, 40)]);
    assert_eq!(cache.optionally_get_with(6, || None), None);
    let _ = cache.get(&1);
    let stats = cache.stats();
    if stats == Stats::default() {
        return;
    }
    let notices = off.log.take();
    assert_eq!(notices, [(1, 10), (1, 11), (2, 20), (3, 30), (4, 40)].map(|(k, v)| (k, v, cause)));
    let by_cause = match cause {
        RemovalCause::Size => stats.removed_size,
        _ => stats.removed_expired,
    };
    assert_eq!((by_cause, stats.removed_size + stats.removed_expired), (5, 5));
    assert_eq!((stats.removed_explicit, stats.removed_replaced), (0, 0));
    assert_eq!((stats.hits, stats.misses), (0, 6));
    assert_eq!((stats.loads, stats.load_failures, stats.refreshes), (2, 1, 0));
}

#[test]
fn the_listener_is_notified_once_of_each_rejected_value() {
    in_every_way!(is_notified_and_counted);
}

fn one_flight<S: TestHasher>(off: &Off<Key, u32, S>) {
    let (cache, key) = (&off.cache, Crowd::default().key(1));
    for round in 0..2 {
        let running = Running::begin(cache, &key, 10 + round, 3);
        assert_eq!(running.end(), [10 + round; 4]);
    }
    type Supersede<S> = fn(&Cache<Key, u32, S>, &Key);
    let supersede: [Supersede<S>; 3] = [
        |cache, key| cache.invalidate(key),
        |cache, key| cache.insert(key.clone(), 99),
        |cache, _| cache.invalidate_all(),
    ];
    for supersede in supersede {
        let first = Running::begin(cache, &key, 10, 2);
        supersede(cache, &key);
        let second = Running::begin(cache, &key, 20, 2);
        assert_eq!(second.end(), [20; 3], "a call after a write is not given an older value");
        assert_eq!(first.end(), [10; 3]);
    }
}

#[test]
fn callers_of_a_key_share_one_flight_and_a_write_supersedes_it() {
    must_end(|| {
        in_every_way!(one_flight);
    });
}

#[test]
fn a_loading_cache_that_is_off_loads_each_time() {
    for (way, build, _) in ways::<u32, usize>() {
        let loads = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&loads);
        let builder = build(Cache::builder().clock(FakeClock::new()));
        let loader = move |key: &u32| {
            let number = counts.fetch_add(1, SeqCst);
            if *key == 9 { Err("nine") } else { Ok(number) }
        };
        let cache = builder.executor(|_| unreachable!("no refresh")).build_with_loader(loader);
        assert_eq!((cache.get(&1), cache.get(&1)), (Ok(0), Ok(1)), "{way}");
        assert_eq!(cache.refresh(&1), Ok(2), "{way}");
        assert_eq!(cache.get_all(&[1, 1]), [Ok(3), Ok(4)], "{way}");
        assert_eq!(cache.get(&9), Err(LoadError::Failed("nine".into())), "{way}");
        assert_eq!(cache.get_with_status(&1), Ok((6, Status::Loaded)), "{way}");
        assert_eq!(block_on(cache.get_async(&1)), Ok(7), "{way}");
        assert_eq!(cache.cache().entry_count(), 0, "{way}");
        validate(cache.cache());
    }
}

#[test]
fn policy_returns_what_was_configured() {
    assert_eq!(Cache::<u32, u32>::disabled().policy().max_capacity(), Some(0));
    let off = Cache::<u32, u32>::builder().max_capacity(500).time_to_live(Duration::ZERO).build();
    assert_eq!(off.policy().max_capacity(), Some(500));
    assert_eq!(off.policy().time_to_live(), Some(Duration::ZERO));
    let off = Cache::<u32, u32>::builder().max_capacity(0).time_to_idle(TTL).build();
    assert_eq!(off.policy().time_to_idle(), Some(TTL));
    assert_eq!((off.policy().max_capacity(), off.policy().num_segments()), (Some(0), 1));
}

/// Turning a cache off for a while must not hide a mistake in other options.
#[test]
fn other_options_are_still_checked() {
    type Build = fn(CacheBuilder<u32, u32>) -> CacheBuilder<u32, u32>;
    let wrong: [(&str, Build); 6] = [
        ("time_to_idle", |builder| builder.time_to_idle(Duration::ZERO)),
        ("refresh_after", |builder| builder.refresh_after(Duration::ZERO)),
        ("stale_if_error", |builder| builder.stale_if_error(Duration::ZERO)),
        ("ttl_jitter", |builder| builder.ttl_jitter(2.0)),
        ("janitor", |builder| builder.janitor(Duration::ZERO)),
        ("coalesce_timeout", |builder| builder.coalesce_timeout(Duration::ZERO)),
    ];
    for (option, build) in wrong {
        for off in [Cache::builder().max_capacity(0), Cache::builder().time_to_live(Duration::ZERO)]
        {
            assert_eq!(build(off).try_build().unwrap_err().option(), option);
        }
    }
}

#[test]
fn a_cache_that_is_off_takes_little_memory() {
    let bytes = |cache: &Cache<u64, [u8; 1000]>| -> usize {
        memory(cache).into_iter().map(|(_, bytes)| bytes).sum()
    };
    let room = Cache::builder().max_capacity(0).initial_capacity(1_000_000).build();
    assert!(bytes(&room) < 10_000, "{}", bytes(&room));
    let cache = Cache::disabled();
    for n in 0..10_000 {
        cache.insert(n, [0; 1000]);
        cache.get_with(n, || [0; 1000]);
    }
    cache.run_pending_tasks();
    assert!(bytes(&cache) < 10_000, "{}", bytes(&cache));
}

/// A key that has to be dropped.
#[derive(Clone)]
struct Held(u32, #[expect(dead_code, reason = "only its drop matters")] Arc<Token>);

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.0 == other.0
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The keys of loads are retired, as removed entries are.
#[test]
fn a_janitor_drops_the_keys_of_loads() {
    let census = Census::default();
    let cache = Cache::builder().max_capacity(0).janitor(Duration::from_millis(1)).build();
    for n in 0..10 {
        let key = || Held(n, Arc::new(census.token()));
        cache.insert(key(), 0);
        // Two threads, or nothing would have to wait.
        std::thread::scope(|scope| _ = scope.spawn(|| cache.get_with(key(), || 0)));
    }
    wait_until(|| census.alive() == 0);
    drop(cache);
}
