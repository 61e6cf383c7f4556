//! The functions beside a function with a tier.

use std::sync::LazyLock;

use cache_core::tier::{FakeTier, Raw, TierError, TieredCache};
use cache_core::{Cache, cached, macro_caches};

use super::{items, keys, tier};
use crate::common::panics::panics;
use crate::common::runs::{run, runs};

/// What a second process finds.
macro_rules! elsewhere {
    ($tier:ident, $name:literal) => {
        #[cached(tier = &*$tier, name = $name, codec = Raw, ttl = 60)]
        fn elsewhere(_n: u64) -> String {
            "elsewhere".to_owned()
        }
    };
}

#[test]
fn insert_get_and_invalidate_are_of_both_tiers() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "both", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        run();
        n.to_string()
    }
    elsewhere!(TIER, "both");
    price::insert(1, "one".to_owned()).expect("stored");
    assert_eq!((price(1), elsewhere::get(1)), ("one".to_owned(), Some("one".to_owned())));
    assert_eq!(elsewhere(1), "one");
    assert_eq!(price::invalidate(1), Ok(true));
    assert_eq!(price::invalidate(1), Ok(false));
    assert_eq!((price::get(1), keys(&TIER, "both").len(), runs()), (None, 0, 0));
    // In the tier alone it is found, too.
    assert_eq!(elsewhere(2), "elsewhere");
    assert_eq!(price::get(2).as_deref(), Some("elsewhere"));
    assert_eq!(price::invalidate(2), Ok(true));
    // In memory alone.
    price::cache().insert((3,), "three".to_owned());
    assert_eq!(price::invalidate(3), Ok(true));
}

#[test]
fn what_could_not_be_told_to_the_tier_is_an_error() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "errors", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        n.to_string()
    }
    price(1);
    TIER.go_down();
    let down: [Result<(), TierError>; 3] = [
        price::insert(1, "one".to_owned()),
        price::invalidate(1).map(|found| assert!(found)),
        price::clear(),
    ];
    for told in down {
        assert!(matches!(told, Err(TierError::Unreachable(_))), "{told:?}");
    }
    // From memory it is gone in any case.
    assert_eq!((price::get(1), price::cache().entry_count()), (None, 0));
    TIER.come_back();
    price::insert(1, "one".to_owned()).expect("stored");
    assert_eq!(price(1), "one");
}

#[test]
fn clear_is_a_flush_for_all_processes() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "flushed", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        format!("{n}, run {}", run())
    }
    price(1);
    price::clear().expect("flushed");
    assert_eq!((price::get(1), price::cache().entry_count()), (None, 0));
    assert_eq!(price(1), "1, run 2");
}

#[test]
fn cache_is_the_memory_and_tiered_is_both() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "memory", codec = Raw, ttl = 60)]
    fn price(sku: &str, qty: u64) -> String {
        format!("{qty} of {sku}, run {}", run())
    }
    price("tea", 1);
    let memory: &'static Cache<(String, u64), String> = price::cache();
    let both: &'static TieredCache<(String, u64), String> = price::tiered();
    assert_eq!((memory.entry_count(), memory.name()), (1, Some("memory")));
    assert!(std::ptr::eq(memory, both.memory()));
    memory.invalidate_all();
    assert_eq!(both.get(&("tea".to_owned(), 1)).as_deref(), Some("1 of tea, run 1"));
    assert_eq!(price::stats(), memory.stats());
    // What empties the caches of functions is about this process.
    price("tea", 1);
    assert_eq!((macro_caches::clear("memory"), memory.entry_count()), (1, 0));
    assert_eq!((price("tea", 1), runs()), ("1 of tea, run 1".to_owned(), 1));
}

#[test]
fn refresh_replaces_the_value_in_both_tiers() {
    for endless in [false, true] {
        static TIERS: [LazyLock<FakeTier>; 2] = [const { LazyLock::new(|| super::fake().1) }; 2];
        #[cached(tier = &*TIERS[0], name = "again", codec = Raw, ttl = 60)]
        fn mortal(_n: u64) -> String {
            run().to_string()
        }
        #[cached(tier = &*TIERS[1], name = "again", codec = Raw)]
        fn immortal(_n: u64) -> String {
            run().to_string()
        }
        type Function = fn(u64) -> String;
        let (call, refresh, tier): (Function, Function, _) = match endless {
            false => (mortal, mortal::refresh, &*TIERS[0]),
            true => (immortal, immortal::refresh, &*TIERS[1]),
        };
        let first = call(1);
        let again = refresh(1);
        assert_ne!(first, again);
        assert_eq!(call(1), again);
        let stored: Vec<_> = items(tier, "again").into_iter().map(|(_, item)| item.value).collect();
        assert_eq!(stored, [again.as_bytes()]);
        // Nothing was there to be replaced.
        let other = refresh(2);
        assert_eq!((call(2), keys(tier, "again").len()), (other, 2));
    }
}

#[test]
fn refresh_that_fails_leaves_both_tiers_as_they_are() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "left", codec = Raw, ttl = 60)]
    fn price(_n: u64) -> Result<String, String> {
        if run() == 1 { Ok("first".to_owned()) } else { Err("on purpose".to_owned()) }
    }
    #[cached(tier = &*TIER, name = "left.endless", codec = Raw)]
    fn endless(_n: u64) -> Option<String> {
        (run() == 3).then(|| "third".to_owned())
    }
    assert_eq!(price(1).as_deref(), Ok("first"));
    let before = items(&TIER, "left");
    assert!(price::refresh(1).is_err());
    assert_eq!(price(1).as_deref(), Ok("first"));
    assert_eq!(items(&TIER, "left"), before);
    assert_eq!(endless(1).as_deref(), Some("third"));
    let before = items(&TIER, "left.endless");
    assert_eq!(endless::refresh(1), None);
    assert_eq!((endless(1).as_deref(), runs()), (Some("third"), 4));
    assert_eq!(items(&TIER, "left.endless"), before);
    // A key without a value still has none, and nobody waits for a lease.
    assert_eq!(endless::refresh(2), None);
    assert_eq!((endless(2), endless::tiered().stats().remote.leases_lost), (None, 0));
}

#[test]
fn refresh_that_is_overtaken_stores_nothing() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "overtaken", codec = Raw, ttl = 60)]
    fn elsewhere(n: u64) -> String {
        format!("elsewhere {n}")
    }
    #[cached(tier = &*TIER, name = "overtaken", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        // Another process says what it is meanwhile, or that it is something else.
        match n {
            1 => elsewhere::insert(n, "newer".to_owned()).expect("stored"),
            2 => assert!(elsewhere::invalidate(n).is_ok()),
            _ => assert!(price::invalidate(n).is_ok()),
        }
        format!("older {}", run())
    }
    for n in [1, 2, 3] {
        price::insert(n, "old".to_owned()).expect("stored");
        assert!(price::refresh(n).starts_with("older"));
        let newer = (n == 1).then(|| "newer".to_owned());
        assert_eq!((price::cache().get(&(n,)), price::get(n)), (None, newer));
    }
    assert_eq!(price(1), "newer");
    // It stands in for another process above.
    assert_eq!(elsewhere(4), "elsewhere 4");
}

#[test]
fn refresh_without_a_tier_is_kept_in_memory() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "alone", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        format!("{n}, run {}", run())
    }
    price(1);
    TIER.go_down();
    assert_eq!(price::refresh(1), "1, run 2");
    assert_eq!(price(1), "1, run 2");
}

#[test]
fn two_functions_are_not_taken_for_each_other() {
    fn tea() -> String {
        tier!(TIER);
        #[cached(tier = &*TIER, codec = Raw)]
        fn twice(n: u64) -> String {
            format!("tea {n}")
        }
        twice(1)
    }
    fn coffee() -> String {
        tier!(TIER);
        #[cached(tier = &*TIER, codec = Raw)]
        fn twice(n: u64) -> String {
            format!("coffee {n}")
        }
        twice(1)
    }
    // They have one path; a tier would give each the other's values.
    assert_eq!((tea(), tea()), ("tea 1".to_owned(), "tea 1".to_owned()));
    assert!(panics(coffee) && panics(coffee));
    assert_eq!(tea(), "tea 1");
}
