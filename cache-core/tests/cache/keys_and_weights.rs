//! Borrowed and foreign forms of keys, values that must not move, and weighers of every kind.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use cache_core::RemovalCause::{Expired, Explicit, Replaced, Size as Evicted};
use cache_core::{Cache, Equivalent, FakeClock};

use super::support::NANO;
use crate::common::census::{Census, Token};
use crate::common::configurations::{Log, TTL};
use cache_core::__private::testing::validate;

/// A key in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair(String, u32);

/// The same key, borrowed: hashes as the owned one does.
struct PairRef<'a>(&'a str, u32);

impl Hash for PairRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Pair> for PairRef<'_> {
    fn equivalent(&self, key: &Pair) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

#[test]
fn lookups_by_a_borrowed_form_of_the_key() {
    let cache: Cache<String, u32> = Cache::new(100);
    cache.insert("a".to_owned(), 1);
    assert_eq!(cache.get("a"), Some(1));
    assert_eq!(cache.get(&"a".to_owned()), Some(1));
    assert_eq!(cache.view("a", |n| n + 1), Some(2));
    assert_eq!(cache.peek("a"), Some(1));
    assert!(cache.contains_key("a") && !cache.contains_key("b"));
    assert_eq!(cache.get_with_by_ref("b", || 2), 2);
    assert_eq!(cache.try_get_with_by_ref("c", || Ok::<_, ()>(3)), Ok(3));
    assert_eq!(cache.optionally_get_with_by_ref("d", || Some(4)), Some(4));
    cache.invalidate("a");
    assert_eq!(cache.remove("a"), None);
    assert_eq!(cache.remove("b"), Some(2));
    assert_eq!((cache.get("c"), cache.get("d")), (Some(3), Some(4)));
    validate(&cache);
}

#[test]
fn lookups_by_an_equivalent_type() {
    let cache: Cache<Pair, u32> = Cache::new(100);
    for n in 0..50 {
        cache.insert(Pair(format!("k{}", n % 5), n), n);
    }
    for n in 0..50 {
        let key = format!("k{}", n % 5);
        assert_eq!(cache.get(&PairRef(&key, n)), Some(n));
        assert_eq!(cache.peek(&PairRef(&key, n)), Some(n));
        assert!(cache.contains_key(&PairRef(&key, n)));
        assert!(!cache.contains_key(&PairRef(&key, n + 1)));
    }
    assert_eq!(cache.remove(&PairRef("k3", 3)), Some(3));
    cache.invalidate(&PairRef("k4", 4));
    assert_eq!(cache.entry_count(), 48);
    validate(&cache);
}

static OWNED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Name(String);

impl Clone for Name {
    fn clone(&self) -> Self {
        OWNED.fetch_add(1, SeqCst);
        Name(self.0.clone())
    }
}

#[test]
fn by_ref_loads_clone_the_key_only_on_a_miss() {
    let cache: Cache<Name, u32> = Cache::new(100);
    let name = Name("n".to_owned());
    assert_eq!(cache.get_with_by_ref(&name, || 1), 1);
    assert_eq!(OWNED.load(SeqCst), 1);
    assert_eq!(cache.get_with_by_ref(&name, || 2), 1);
    assert_eq!(cache.try_get_with_by_ref(&name, || Ok::<_, ()>(2)), Ok(1));
    assert_eq!(cache.optionally_get_with_by_ref(&name, || None), Some(1));
    let _ = (cache.get(&name), cache.view(&name, |_| ()), cache.remove(&name));
    assert_eq!(OWNED.load(SeqCst), 1);
}

#[test]
fn view_and_contains_key_clone_nothing() {
    let census = Census::default();
    let cache: Cache<u64, Token> = Cache::new(100);
    cache.insert(1, census.token());
    for _ in 0..10 {
        cache.view(&1, Token::look).expect("it is there");
        assert!(cache.contains_key(&1));
    }
    cache.invalidate(&1);
    assert_eq!(census.made(), 1);
}

#[test]
fn values_with_interior_mutability_keep_what_is_written_while_the_table_grows() {
    let cache: Cache<u64, Arc<Mutex<Vec<u64>>>> = Cache::builder().build();
    let inline: Cache<u64, Inline> = Cache::builder().build();
    cache.insert(0, Arc::default());
    inline.insert(0, Inline(Mutex::new(Vec::new())));
    for n in 1..20_000 {
        cache.insert(n, Arc::default());
        inline.insert(n, Inline(Mutex::new(Vec::new())));
        cache.view(&0, |log| log.lock().unwrap().push(n)).unwrap();
        inline.view(&0, |log| log.0.lock().unwrap().push(n)).unwrap();
    }
    let expected: Vec<u64> = (1..20_000).collect();
    assert_eq!(cache.view(&0, |log| log.lock().unwrap().clone()), Some(expected.clone()));
    assert_eq!(inline.view(&0, |log| log.0.lock().unwrap().clone()), Some(expected));
}

/// A lock inside the cache. A clone would be useless.
struct Inline(Mutex<Vec<u64>>);

impl Clone for Inline {
    fn clone(&self) -> Self {
        unreachable!("no call clones it")
    }
}

type Weighed = Cache<u64, u32>;

fn weighed(max: u64, log: &Log<u64, u32>) -> Weighed {
    Cache::builder()
        .max_capacity(max)
        .weigher(|_, weight: &u32| *weight)
        .eviction_listener(log.listener())
        .build()
}

#[track_caller]
fn check_holds(cache: &Weighed, entries: u64, weight: u64) {
    validate(cache);
    assert_eq!((cache.entry_count(), cache.weighted_size()), (entries, weight));
}

#[test]
fn insert_of_a_value_too_heavy_removes_the_old_one_and_stores_nothing() {
    let log = Log::default();
    let cache = weighed(100, &log);
    cache.insert(1, 101);
    check_holds(&cache, 0, 0);
    assert_eq!(log.take(), [(1, 101, Evicted)]);
    cache.insert(1, 60);
    cache.insert(2, 40);
    cache.insert(1, u32::MAX);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(40)));
    check_holds(&cache, 1, 40);
    assert_eq!(log.take(), [(1, 60, Replaced), (1, u32::MAX, Evicted)]);
    cache.insert(3, 100);
    assert_eq!(cache.get(&3), Some(100), "as heavy as the cache is not too heavy");
    check_holds(&cache, 1, 100);
    assert_eq!(log.take(), [(2, 40, Evicted)]);
}

#[test]
fn insert_heavier_than_the_quota_of_a_shard_is_stored() {
    let log = Log::default();
    let cache = weighed(100_000, &log);
    assert!(cache.policy().num_segments() > 1, "else this tests nothing");
    for key in 0..100 {
        cache.insert(key, 1000);
    }
    check_holds(&cache, 100, 100_000);
    cache.insert(500, 99_500);
    assert_eq!(cache.get(&500), Some(99_500));
    check_holds(&cache, 1, 99_500);
    assert_eq!(log.take().len(), 100);
    cache.insert(501, 500);
    check_holds(&cache, 2, 100_000);
}

#[test]
fn insert_of_a_heavier_value_for_the_same_key_makes_room_for_the_difference() {
    let log = Log::default();
    let cache = weighed(100, &log);
    for key in 0..10 {
        cache.insert(key, 10);
    }
    cache.insert(0, 30);
    assert_eq!(cache.get(&0), Some(30));
    check_holds(&cache, 8, 100);
    cache.insert(0, 100);
    assert_eq!(cache.get(&0), Some(100));
    check_holds(&cache, 1, 100);
    cache.insert(0, 1);
    check_holds(&cache, 1, 1);
    let notices = log.take();
    // The old value may also be what is evicted to make room for the new one.
    let of_key_0: Vec<u32> =
        notices.iter().filter(|notice| notice.0 == 0).map(|notice| notice.1).collect();
    assert_eq!(of_key_0, [10, 30, 100]);
    assert_eq!(notices.iter().filter(|notice| notice.0 != 0 && notice.2 == Evicted).count(), 9);
    assert_eq!(notices.len(), 12);
    assert_eq!(notices.last(), Some(&(0, 100, Replaced)), "a lighter one needs no room");
}

#[test]
fn entries_of_weight_zero_take_no_room() {
    let log = Log::default();
    let cache = weighed(10, &log);
    for key in 0..1000 {
        cache.insert(key, 0);
    }
    check_holds(&cache, 1000, 0);
    cache.insert(5000, 10);
    assert_eq!(cache.get(&5000), Some(10));
    assert_eq!(log.take(), [], "there was room");
    cache.insert(5001, 10);
    validate(&cache);
    assert_eq!(cache.get(&5001), Some(10));
    assert_eq!(cache.weighted_size(), 10);
    cache.invalidate_all();
    check_holds(&cache, 0, 0);
}

#[test]
fn weights_of_u32_max_do_not_overflow() {
    let log = Log::default();
    let cache = weighed(10 * u64::from(u32::MAX), &log);
    for key in 0..1000 {
        cache.insert(key, u32::MAX);
        assert!(cache.weighted_size() <= 10 * u64::from(u32::MAX));
    }
    check_holds(&cache, 10, 10 * u64::from(u32::MAX));
    let unbounded = Weighed::builder().weigher(|_, _| u32::MAX).build();
    for key in 0..1000 {
        unbounded.insert(key, 1);
    }
    check_holds(&unbounded, 1000, 1000 * u64::from(u32::MAX));
}

#[test]
fn an_inconsistent_weigher_breaks_nothing() {
    let weight = Arc::new(AtomicU32::new(1));
    let says = Arc::clone(&weight);
    let cache = Weighed::builder().max_capacity(50).weigher(move |_, _| says.load(SeqCst)).build();
    for round in 0..3000u64 {
        weight.store([0, 1, 7, 50, 51, u32::MAX][(round % 6) as usize], SeqCst);
        match round % 7 {
            6 => cache.invalidate(&(round % 11)),
            _ => cache.insert(round % 11, 0),
        }
        validate(&cache);
        assert!(cache.weighted_size() <= 50);
    }
    cache.invalidate_all();
    check_holds(&cache, 0, 0);
    weight.store(5, SeqCst);
    (0..10).for_each(|key| cache.insert(key, 0));
    check_holds(&cache, 10, 50);
}

#[test]
fn weigher_sees_key_and_value_once_per_store() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let cache = Cache::<u64, u32>::builder()
        .weigher(move |key, value| {
            counted.fetch_add(1, SeqCst);
            *key as u32 * *value
        })
        .build();
    cache.insert(3, 5);
    cache.insert(4, 5);
    let _ = (cache.get(&3), cache.contains_key(&4));
    assert_eq!((cache.weighted_size(), calls.load(SeqCst)), (35, 2));
    cache.get_with(10, || 1);
    assert_eq!((cache.weighted_size(), calls.load(SeqCst)), (45, 3));
}

/// Each entry is notified once, whatever removes it, and the values of a key in the order of their
/// removal.
#[test]
fn listener_is_notified_of_one_key_in_order() {
    let (log, clock) = (Log::default(), FakeClock::new());
    let cache = Cache::<u64, u32>::builder()
        .max_capacity(1)
        .time_to_live(TTL)
        .clock(clock.clone())
        .eviction_listener(log.listener())
        .build();
    cache.insert(1, 1);
    cache.insert(1, 2);
    cache.invalidate(&1);
    cache.insert(1, 3);
    clock.advance(TTL - NANO);
    cache.insert(1, 4);
    clock.advance(TTL);
    cache.insert(1, 5);
    cache.insert(2, 0);
    cache.insert(1, 6);
    assert_eq!(cache.remove(&1), Some(6));
    let notices: Vec<_> = log.take().into_iter().filter(|notice| notice.0 == 1).collect();
    let causes = [Replaced, Explicit, Replaced, Expired, Evicted, Explicit];
    let expected: Vec<_> = (1..).zip(causes).map(|(value, cause)| (1, value, cause)).collect();
    assert_eq!(notices, expected);
    assert!(causes.map(|cause| cause.was_evicted()) == [false, false, false, true, true, false]);
}
