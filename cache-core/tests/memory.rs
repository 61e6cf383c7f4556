//! What a cache holds when its entries have gone: about what an empty one does. And it never holds
//! far more than its entries need, however large they are.
//!
//! A binary of its own, because it counts the bytes that the process holds. For the same reason it
//! has one test: nothing else must allocate meanwhile.

mod common {
    pub(crate) mod bytes;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod census;
    pub(crate) mod numbers;
}

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock};

use cache_core::__private::testing::{memory, validate};
use common::bytes::held;
use common::census::{Census, Token};
use common::numbers::Numbers;

const TTL: Duration = Duration::from_secs(60);
const MANY: u64 = 100_000;

/// Runs `work`, and returns how many bytes more are held afterwards.
fn held_by(work: impl FnOnce()) -> isize {
    let before = held();
    work();
    held() - before
}

/// Fills and empties a cache a few times; each time, it then holds about as much as an empty one.
fn comes_back<K, V>(
    name: &str,
    build: fn(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
    key: fn(u64) -> K,
    value: fn(u64) -> V,
) where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
{
    let clock = FakeClock::new();
    let mut cache = None;
    let empty = held_by(|| {
        let built = build(Cache::builder().clock(clock.clone())).build();
        // The calling thread is known to the cache from here on.
        built.run_pending_tasks();
        cache = Some(built);
    });
    let cache = cache.unwrap();
    for way in ["expired", "removed", "flushed"] {
        let base = held();
        let full = held_by(|| (0..MANY).for_each(|n| cache.insert_with_ttl(key(n), value(n), TTL)));
        assert!(full > 10 * MANY as isize, "{name}: {full} bytes are not worth freeing");
        assert_eq!(cache.get(&key(MANY - 1)), Some(value(MANY - 1)));
        match way {
            "expired" => clock.advance(TTL),
            "removed" => (0..MANY).for_each(|n| cache.invalidate(&key(n))),
            _ => cache.invalidate_all(),
        }
        cache.run_pending_tasks();
        validate(&cache);
        let left = held() - base;
        let allowed = empty / 4 + full / 200;
        assert!(left < allowed, "{name}, {way}: {left} of {full} bytes are left, empty: {empty}");
        assert_eq!(cache.entry_count(), 0);
    }
}

/// A value for which blocks have a single slot.
#[derive(Clone, PartialEq, Debug)]
struct Wide([u8; 2100]);

/// Some entries stay: they are there, and what can be freed is.
fn partly() {
    let clock = FakeClock::new();
    let cache: Cache<u64, u64> = Cache::builder().max_capacity(MANY).clock(clock.clone()).build();
    for n in 0..MANY {
        let life = if n % 1000 == 0 { 2 * TTL } else { TTL };
        cache.insert_with_ttl(n, n, life);
    }
    clock.advance(TTL);
    for _ in 0..2 {
        cache.run_pending_tasks();
        validate(&cache);
        let there = (0..MANY).filter(|n| cache.get(n) == Some(*n)).count() as u64;
        assert_eq!((there, cache.entry_count()), (MANY / 1000, MANY / 1000));
        // Blocks that are given out again have other owners.
        (0..MANY / 2).for_each(|n| cache.insert_with_ttl(MANY + n, n, TTL / 2));
        assert!((0..MANY / 2).all(|n| cache.get(&(MANY + n)) == Some(n)));
        validate(&cache);
        clock.advance(TTL / 2 - Duration::from_nanos(1));
        (0..MANY / 2).for_each(|n| cache.invalidate(&(MANY + n)));
    }
}

/// Bytes that the process has in memory.
#[cfg(target_os = "linux")]
fn resident() -> isize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: isize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    // SAFETY: it only reads.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as isize
}

/// Has the C library's allocator return what the process has freed: how much of that it keeps is no
/// matter of the cache's.
#[cfg(target_os = "linux")]
fn give_back_what_is_free() {
    #[cfg(target_env = "gnu")]
    // SAFETY: any thread may call it at any time.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Inserts keys, each with itself as its value.
#[cfg(target_os = "linux")]
fn insert(cache: &Cache<u64, u64>, keys: std::ops::Range<u64>) {
    keys.for_each(|n| cache.insert(n, n));
}

#[cfg(target_os = "linux")]
fn bytes(cache: &Cache<u64, u64>) -> usize {
    memory(cache).into_iter().map(|part| part.1).sum()
}

/// Inserts new keys after, before or while what is in the cache expires.
#[cfg(target_os = "linux")]
fn new_ones_come(way: &str, cache: &Cache<u64, u64>, clock: &FakeClock, new: std::ops::Range<u64>) {
    match way {
        "after" => {
            clock.advance(TTL);
            insert(cache, new);
        }
        "before" => {
            clock.advance(TTL / 2);
            insert(cache, new);
            clock.advance(TTL / 2);
        }
        _ => {
            let part = (new.end - new.start) / 100;
            (0..100).for_each(|n| {
                insert(cache, new.start + n * part..new.start + (n + 1) * part);
                clock.advance(TTL / 101);
            });
        }
    }
}

/// Of many entries all but a few new ones expire. Then the cache holds at most twice what a new one
/// with these few would, also if they stand among what has expired; and the process has given back
/// most.
#[cfg(target_os = "linux")]
fn most_expire_among_new_ones(way: &str, max: Option<u64>) {
    const OLD: u64 = 4 * MANY;
    const NEW: u64 = OLD / 20;
    let clock = FakeClock::new();
    let build = || {
        let builder = Cache::<u64, u64>::builder().time_to_live(TTL).clock(clock.clone());
        match max {
            Some(max) => builder.max_capacity(max).build(),
            None => builder.build(),
        }
    };
    let few = build();
    insert(&few, 0..NEW);
    let few = bytes(&few);
    give_back_what_is_free();
    let empty = resident();
    let cache = build();
    for part in 0..100 {
        insert(&cache, part * OLD / 100..(part + 1) * OLD / 100);
        if way == "as they came" {
            clock.advance(TTL / 100);
        }
    }
    let full = resident() - empty;
    new_ones_come(way, &cache, &clock, OLD..OLD + NEW);
    // A new one each time, which must find its way.
    for period in 0..2 {
        cache.run_pending_tasks();
        cache.insert(period, period);
        validate(&cache);
    }
    give_back_what_is_free();
    let (held, left) = (bytes(&cache), resident() - empty);
    assert!(cache.entry_count() > NEW * 9 / 10, "{way}, {max:?}: {}", cache.entry_count());
    assert!(held < 2 * few, "{way}, {max:?}: {held} bytes are held, by a new one {few}");
    assert!(left < full / 3, "{way}, {max:?}: {left} of {full} bytes are in memory");
    insert(&cache, OLD + NEW..2 * OLD);
    let found = (OLD + NEW..2 * OLD).filter(|n| cache.get(n) == Some(*n)).count();
    assert!(found as u64 > max.unwrap_or(OLD).min(OLD) * 9 / 10, "{way}, {max:?}: {found}");
    validate(&cache);
}

/// Elsewhere memory goes by whole segments.
#[cfg(not(target_os = "linux"))]
fn most_expire_among_new_ones(_: &str, _: Option<u64>) {}

/// What a reader looks at stays, and is reclaimed when it has left.
fn under_a_reader() {
    let census = Census::default();
    let cache: Cache<u64, Arc<Token>> = Cache::new(MANY);
    let base = held();
    (0..MANY / 10).for_each(|n| cache.insert(n, Arc::new(census.token())));
    cache.view(&7, |token| {
        cache.invalidate_all();
        cache.run_pending_tasks();
        validate(&cache);
        token.look();
        // New entries come meanwhile.
        (0..1000).for_each(|n| cache.insert(n, Arc::new(census.token())));
        token.look();
    });
    cache.invalidate_all();
    (0..2).for_each(|_| cache.run_pending_tasks());
    assert_eq!(census.alive(), 0);
    let left = held() - base;
    assert!(left < 100_000, "{left} bytes are left");
}

/// Memory comes and goes while threads read and write. Values check themselves when they are used
/// and dropped.
fn among_threads() {
    let census = Census::default();
    let cache: Cache<u64, Arc<Token>> = Cache::new(20_000);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let (cache, census) = (&cache, &census);
                scope.spawn(move || {
                    let mut numbers = Numbers::seeded(thread);
                    for round in 0..30 {
                        for _ in 0..5_000 {
                            let key = numbers.below(10_000);
                            match numbers.below(4) {
                                0 => cache.insert(key, Arc::new(census.token())),
                                1 => cache.invalidate(&key),
                                _ => _ = cache.view(&key, |token| token.look()),
                            }
                        }
                        if round % 5 == thread {
                            cache.invalidate_all();
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(SeqCst) {
                cache.run_pending_tasks();
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, SeqCst);
    });
    validate(&cache);
    cache.invalidate_all();
    cache.run_pending_tasks();
    assert_eq!(census.alive(), 0);
}

/// With values of `SIZE` bytes: beyond twice what the entries need, and a value that was replaced,
/// a cache holds no more than a few pages. (It is used by a single thread, so that nothing waits
/// for readers.)
fn as_much_as_entries_need<const SIZE: usize>(max: Option<u64>) {
    const FIXED: isize = 16 * 1024;
    let value = |n: u64| [n as u8; SIZE];
    let builder = Cache::builder();
    let cache: Cache<u64, [u8; SIZE]> = match max {
        Some(max) => builder.max_capacity(max).build(),
        None => builder.build(),
    };
    let empty = held();
    let most = max.unwrap_or(300);
    let check = |entries: u64, when: &str| {
        let more = held() - empty;
        let needed = (SIZE as isize + 64) * entries as isize;
        assert!(
            more < 2 * needed + FIXED,
            "{entries} entries of {SIZE} bytes, {max:?} at most, {when}: {more} bytes"
        );
    };
    for n in 0..most {
        cache.insert(n, value(n));
        check(n + 1, "filling");
    }
    // Where there is no bound, batches of what was replaced are as large as they get.
    for n in 0..max.map_or(0, |max| 3 * max) {
        cache.insert(n % (2 * most).min(1000), value(n));
        check(cache.entry_count() + 1, "churned");
    }
    validate(&cache);
    cache.invalidate_all();
    cache.run_pending_tasks();
    check(0, "emptied");
}

/// A cache without entries has what must stand ready for threads and writers, and no more: also
/// when it had some, and timers for them.
fn an_empty_one_has_neither_slots_nor_tables_nor_timers() {
    let threads = thread::available_parallelism().map_or(8, usize::from);
    let lines = 128 * (2 * threads).max(8).next_power_of_two();
    for max in [1, 100, 1000, 1_000_000] {
        let before = held();
        let cache: Cache<u64, u64> = Cache::builder().max_capacity(max).time_to_live(TTL).build();
        for way in ["made", "emptied", "removed"] {
            let more = (held() - before) as usize;
            let part = |name| {
                let parts = memory(&cache);
                let found = parts.into_iter().find(|part| part.0 == name);
                found.expect("a part of this name").1
            };
            // The rest of a table are the words by which it is found, one for each shard.
            let shards = part("table") / size_of::<usize>();
            assert!(shards as u64 <= (max / 64).max(1), "{max}, {way}: {shards} shards");
            assert_eq!((part("slots"), part("timers"), part("ghosts")), (0, 0, 0), "{max}, {way}");
            assert!(
                more < 5000 + lines + 700 * shards,
                "{max}, {way}: {more}, {shards} shards, {:?}",
                memory(&cache)
            );
            (0..2 * max.min(10_000)).for_each(|n| cache.insert(n, n));
            match way {
                "made" => cache.invalidate_all(),
                _ => (0..2 * max.min(10_000)).for_each(|n| cache.invalidate(&n)),
            }
            cache.run_pending_tasks();
        }
    }
}

fn however_large_they_are() {
    as_much_as_entries_need::<65_536>(Some(4));
    as_much_as_entries_need::<{ 1 << 20 }>(Some(2));
    as_much_as_entries_need::<{ 1 << 20 }>(Some(1));
    as_much_as_entries_need::<4096>(Some(1000));
    as_much_as_entries_need::<4096>(Some(40));
    as_much_as_entries_need::<1000>(Some(60));
    as_much_as_entries_need::<100>(Some(60));
    as_much_as_entries_need::<10_000>(None);
}

#[test]
fn memory_comes_back_when_entries_have_gone() {
    // Here some were evicted, and have left ghosts.
    most_expire_among_new_ones("after", Some(3 * MANY));
    for way in ["after", "before", "as they came"] {
        most_expire_among_new_ones(way, None);
        // Nothing was evicted, so there are no ghosts.
        most_expire_among_new_ones(way, Some(5 * MANY));
    }
    let number = |n| n;
    comes_back("plain", |builder| builder, number, number);
    comes_back("bounded", |builder| builder.max_capacity(MANY), number, number);
    comes_back("too small", |builder| builder.max_capacity(MANY / 2), number, number);
    comes_back("initial", |builder| builder.initial_capacity(1000), number, number);
    comes_back("ttl", |builder| builder.time_to_live(TTL), number, number);
    comes_back("ttl and tti", |b| b.time_to_live(TTL).time_to_idle(TTL), number, number);
    comes_back("weighed", |b| b.weigher(|_, _| 2).max_capacity(3 * MANY), number, number);
    comes_back("strings", |builder| builder, |n| n.to_string(), |n| vec![n; 3]);
    comes_back("large slots", |b| b.max_capacity(MANY / 4), number, |n| [n; 60]);
    let wide = |n| Wide([n as u8; 2100]);
    comes_back("slots one by one", |b| b.max_capacity(MANY / 20), number, wide);
    an_empty_one_has_neither_slots_nor_tables_nor_timers();
    partly();
    under_a_reader();
    among_threads();
    // Arrays of a mebibyte are moved over the stack, unoptimised more than once.
    let large = thread::Builder::new().stack_size(64 << 20).spawn(however_large_they_are);
    large.unwrap().join().unwrap();
}
