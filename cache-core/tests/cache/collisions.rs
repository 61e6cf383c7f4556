//! Keys with one hash, or with a broken `Hash` or `Eq`: answers may be slow or wrong, but nothing
//! else breaks.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use cache_core::{Cache, RandomState};

use crate::common::hashers::{Constant, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

#[derive(Clone)]
struct Counted(u64);

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        COMPARED.set(COMPARED.get() + 1);
        self.0 == other.0
    }
}

impl Eq for Counted {}

/// Returns how often a call compares keys.
fn compared(call: impl FnOnce()) -> u64 {
    COMPARED.set(0);
    call();
    COMPARED.get()
}

/// A writer compares a key with each other key once. It releases the lock to compare, so a second
/// time would cost another release and acquisition. (Except for the first: the short way of a write
/// looks at one key before it gives up.)
#[test]
fn writes_compare_each_key_of_the_same_hash_once() {
    const KEYS: u64 = 100;
    let cache = Cache::<Counted, u64>::builder().max_capacity(1000).build_with_hasher(Constant);
    for n in 0..KEYS {
        let times = compared(|| cache.insert(Counted(n), n));
        assert!(times <= n + 1, "insert: {times} comparisons with {n} keys");
    }
    let absent = Counted(KEYS);
    for (name, times) in [
        ("get", compared(|| assert!(cache.get(&absent).is_none()))),
        ("remove", compared(|| assert!(cache.remove(&absent).is_none()))),
        ("invalidate", compared(|| cache.invalidate(&absent))),
        ("update", compared(|| cache.insert(Counted(7), 8))),
    ] {
        assert!(times <= KEYS + 1, "{name}: {times} comparisons with {KEYS} keys");
    }
    validate(&cache);
}

#[test]
fn keys_of_one_hash_are_distinguished() {
    let cache = Cache::<u64, u64>::builder().max_capacity(80).build_with_hasher(Constant);
    let mut numbers = Numbers::seeded(3);
    for _ in 0..1500 {
        let key = numbers.below(120);
        match numbers.below(4) {
            0 => assert!(cache.remove(&key).is_none_or(|value| value == key)),
            1 => assert!(cache.get(&key).is_none_or(|value| value == key)),
            _ => cache.insert(key, key),
        }
        validate(&cache);
    }
}

thread_local! {
    static BROKEN: Cell<u64> = const { Cell::new(1) };
}

/// Hashes and compares at random.
#[derive(Clone)]
struct Broken(u64);

fn chance(of: u64) -> bool {
    let mut numbers = Numbers::seeded(BROKEN.get());
    BROKEN.set(numbers.next());
    numbers.below(of) == 0
}

impl Hash for Broken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if !chance(3) {
            (self.0 % 5).hash(state);
        }
    }
}

impl PartialEq for Broken {
    fn eq(&self, other: &Self) -> bool {
        if chance(3) { chance(2) } else { self.0 == other.0 }
    }
}

impl Eq for Broken {}

fn broken_keys<S: TestHasher>(max: u64) {
    let cache =
        Cache::<Broken, String>::builder().max_capacity(max).build_with_hasher(S::default());
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let cache = &cache;
            scope.spawn(move || {
                BROKEN.set(seed + 1);
                let mut numbers = Numbers::seeded(seed + 1);
                for _ in 0..3000 {
                    let key = Broken(numbers.below(30));
                    match numbers.below(10) {
                        0..=4 => cache.insert(key, "inserted".to_owned()),
                        5 => assert_eq!(cache.get_with(key, || "inserted".to_owned()), "inserted"),
                        6 => cache.invalidate(&key),
                        7 => assert!(cache.remove(&key).is_none_or(|value| value == "inserted")),
                        8 if numbers.below(50) == 0 => cache.invalidate_all(),
                        _ => assert!(cache.get(&key).is_none_or(|value| value == "inserted")),
                    }
                    assert!(cache.entry_count() <= max);
                }
            });
        }
    });
    validate(&cache);
    cache.invalidate_all();
    assert_eq!(cache.entry_count(), 0);
    validate(&cache);
}

#[test]
fn keys_with_broken_hash_and_eq_break_nothing_else() {
    must_end(|| {
        broken_keys::<RandomState>(10);
        broken_keys::<RandomState>(100);
        broken_keys::<Constant>(20);
    });
}
