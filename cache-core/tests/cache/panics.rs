//! Panics in the user's code, one at a time and at every point of every operation: the panic
//! reaches its caller, and the cache stays whole, keeps its capacity and leaks nothing.

use std::hash::{BuildHasher, Hasher};

use cache_core::{Cache, RandomState};

use crate::common::census::{Census, Token};
use crate::common::configurations::Way;
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::threads::must_end;
use crate::spots::{Fragile, Key, Operation, SPOTS, Spot, all, arm, disarm};
use cache_core::__private::testing::validate;

/// Lets one operation panic at one spot. Returns `false` if it did not pass there so often.
fn one_case<S: TestHasher>(operation: Operation<S>, spot: Spot, passes: u32, way: Way) -> bool {
    let fragile = Fragile::<S>::new(way);
    let before = fragile.cache.stats().listener_panics;
    arm(spot, passes);
    let panicked = panics(|| operation.1(&fragile));
    let burnt = disarm();
    let case = format!("{}, {spot:?} after {passes}", operation.0);
    // A panic of the listener is caught and counted, one of `keep_if` caught; any other reaches the
    // caller.
    let is_caught = matches!(spot, Spot::Listener | Spot::KeepIf);
    assert_eq!(panicked, burnt && !is_caught, "{case}");
    let counted = u64::from(burnt && spot == Spot::Listener);
    assert_eq!(fragile.cache.stats().listener_panics - before, counted, "{case}");
    fragile.check_works();
    let Fragile { cache, census, .. } = fragile;
    drop(cache);
    assert_eq!(census.alive(), lost_by_the_language(&case, way), "leaked: {case}");
    burnt
}

/// How many tokens are lost with a function's result, which is leaked if dropping one of its
/// arguments or locals panics (rust-lang/rust#47949).
///
/// Where threads share the cache, what a write has removed is dropped by a later call, so that one
/// drop fewer comes before.
fn lost_by_the_language(case: &str, way: Way) -> usize {
    let (call, spot) = case.split_once(", Drop").unwrap_or((case, ""));
    let spot = spot.replacen(" after ", " ", 1);
    match (call, spot.as_str(), way == Way::Shared) {
        ("get_with, a hit" | "get_async", "Key 0", _)
        | ("and_upsert_with, over another", "Key 0" | "Value 0", _)
        | ("a computation that is superseded", "Key 1" | "Value 1", false)
        | ("a computation that is superseded", "Key 0" | "Value 0", true) => 1,
        // A key and a value.
        ("and_upsert_with, over another" | "and_upsert_with_async", "Value 2", false)
        | ("and_upsert_with, over another" | "and_upsert_with_async", "Value 1", true)
        | ("a computation that is superseded", "Value 3", false)
        | ("a computation that is superseded", "Value 2", true)
        | ("get_many_with_async, without one", "Key 1" | "Key 2", _) => 2,
        _ => 0,
    }
}

fn every_case<S: TestHasher>(way: Way) {
    let mut burnt = 0;
    for operation in all::<S>() {
        for spot in SPOTS {
            for passes in 0.. {
                if !one_case(operation, spot, passes, way) {
                    break;
                }
                burnt += 1;
            }
        }
    }
    assert!(burnt > 300, "most operations pass many spots: {burnt}");
}

fn every_way<S: TestHasher>() {
    Way::ALL.into_iter().for_each(every_case::<S>);
}

#[test]
fn a_panic_anywhere_leaves_the_cache_whole() {
    must_end(every_way::<RandomState>);
}

/// All keys have one hash, so that keys are compared in every operation.
#[test]
fn a_panic_anywhere_leaves_the_cache_whole_if_all_hashes_collide() {
    must_end(every_way::<Constant>);
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
            arm(Spot::Eq, passes);
            let panicked = panics(|| cache.insert(Key(100, census.token()), 2048));
            let burnt = disarm();
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
