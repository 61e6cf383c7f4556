//! What a call does: which tier it looks into, what it stores, and for how long.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::tier::{FakeTier, Raw};
use cache_core::{FakeClock, cached, macro_caches};

use super::{SECOND, fake, items, keys, tier};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::runs::{run, runs};

tier!(SHARED);

mod here {
    #[cache_core::cached(tier = &*super::SHARED, ttl = 60, name = "shared", codec = super::Raw)]
    pub(super) fn price(sku: &str, qty: u64) -> String {
        crate::common::runs::run();
        format!("{qty} of {sku}")
    }

    #[cache_core::cached(tier = &*super::SHARED, ttl = 60, name = "other", codec = super::Raw)]
    pub(super) fn other(sku: &str, qty: u64) -> String {
        crate::common::runs::run();
        format!("{sku}, {qty} times")
    }
}

/// Another process: the same tier, the same name.
mod there {
    #[cache_core::cached(
        tier = &*super::SHARED,
        ttl = 60,
        name = "shared",
        codec = cache_core::tier::Raw,
    )]
    pub(super) fn price(sku: &str, qty: u64) -> String {
        crate::common::runs::run();
        format!("{qty} of {sku}, elsewhere")
    }
}

#[test]
fn call_is_loaded_once_for_all_processes() {
    assert_eq!(here::price("tea", 2), "2 of tea");
    assert_eq!(here::price("tea", 2), "2 of tea");
    assert_eq!(runs(), 1);
    // It starts warm.
    assert_eq!(there::price("tea", 2), "2 of tea");
    assert_eq!(runs(), 1);
    assert_eq!(here::price::stats().hits, 1);
    assert_eq!(there::price::tiered().stats().remote.hits, 1);
    // The key is the tuple of the arguments, as `RemoteKey` writes it.
    assert_eq!(keys(&SHARED, "shared"), ["0:3:tea1:2"]);
    // A function of another name has values of its own.
    assert_eq!(here::other("tea", 2), "tea, 2 times");
    assert_eq!(runs(), 2);
    assert_eq!(keys(&SHARED, "other"), ["0:3:tea1:2"]);
}

#[test]
fn schema_of_a_new_version_is_another_name() {
    tier!(TIER);
    #[cached(tier = &*TIER, schema = 1, name = "price", codec = Raw)]
    fn old(sku: &str) -> String {
        format!("old {sku}")
    }
    #[cached(tier = &*TIER, schema = 1 + 1, name = "price", codec = Raw)]
    fn price(sku: &str) -> String {
        format!("new {sku}")
    }
    // Programs of both versions run side by side.
    for _ in 0..2 {
        assert_eq!(old("tea"), "old tea");
        assert_eq!(price("tea"), "new tea");
    }
    assert_eq!(keys(&TIER, "price"), ["1:3:tea", "2:3:tea"]);
}

#[test]
fn ttl_is_the_life_in_the_tier_and_l1_ttl_in_memory() {
    static WORLD: LazyLock<(FakeClock, FakeTier)> = LazyLock::new(fake);
    #[cached(tier = &WORLD.1, ttl = "1h", l1_ttl = 20, name = "both", codec = Raw)]
    fn both(n: u64) -> String {
        n.to_string()
    }
    #[cached(tier = &WORLD.1, ttl = 40, name = "tenth", codec = Raw)]
    fn tenth(n: u64) -> String {
        n.to_string()
    }
    #[cached(tier = &WORLD.1, name = "endless", codec = Raw)]
    fn endless(n: u64) -> String {
        n.to_string()
    }
    _ = (both(1), tenth(1), endless(1));
    let life =
        |name| items(&WORLD.1, name).into_iter().map(|(_, item)| item.life).collect::<Vec<_>>();
    assert_eq!(life("both"), [Some(3600 * SECOND)]);
    assert_eq!(life("tenth"), [Some(40 * SECOND)]);
    assert_eq!(life("endless"), [None]);
    let memory = |life: Option<Duration>| life.expect("it has a life");
    assert_eq!(memory(both::cache().policy().time_to_live()), 20 * SECOND);
    assert_eq!(memory(tenth::cache().policy().time_to_live()), 4 * SECOND);
    assert_eq!(memory(endless::cache().policy().time_to_live()), 5 * SECOND);
    let info = both::cache().entry_info(&(1,)).expect("it is in memory");
    assert!(info.time_left() <= Some(20 * SECOND));
    // At its end, it is gone from the tier.
    WORLD.0.advance(40 * SECOND);
    assert_eq!((keys(&WORLD.1, "tenth").len(), keys(&WORLD.1, "both").len()), (0, 1));
}

#[test]
fn options_of_the_memory_are_its_own() {
    tier!(TIER);
    #[cached(
        tier = &*TIER,
        name = "small",
        codec = Raw,
        max_capacity = 10,
        weigher = |_, text: &String| text.len() as u32,
        jitter = 0.5,
        l1_ttl = 60,
        refresh_after = 30,
    )]
    fn small(n: u64) -> String {
        n.to_string()
    }
    for n in 0..100 {
        small(n);
    }
    assert!(small::cache().weighted_size() <= 10);
    assert_eq!(keys(&TIER, "small").len(), 100, "the tier has them all");
    #[cached(tier = &*TIER, name = "default", codec = Raw)]
    fn by_default(n: u64) -> String {
        n.to_string()
    }
    by_default(1);
    assert_eq!(by_default::cache().policy().max_capacity(), Some(10_000));
}

#[test]
fn tier_is_evaluated_once_at_the_first_call() {
    static MADE: AtomicU64 = AtomicU64::new(0);
    fn made() -> &'static FakeTier {
        MADE.fetch_add(1, SeqCst);
        Box::leak(Box::new(fake().1))
    }
    #[cached(tier = made(), name = "made", codec = Raw)]
    fn next(n: u64) -> String {
        n.to_string()
    }
    assert_eq!(MADE.load(SeqCst), 0);
    for n in [1, 1, 2] {
        next(n);
    }
    next::invalidate(1).expect("removed");
    next::clear().expect("flushed");
    next(1);
    assert_eq!(MADE.load(SeqCst), 1);
}

#[test]
fn result_is_cached_if_it_is_ok() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "parse", codec = Raw, ttl = 60, stale_if_error = 60)]
    fn parse(text: &str) -> Result<String, std::num::ParseIntError> {
        run();
        text.parse::<u64>().map(|n| n.to_string())
    }
    for _ in 0..2 {
        assert!(parse("x").is_err());
        assert_eq!(parse("07"), Ok("7".to_owned()));
    }
    assert_eq!(runs(), 3);
    assert_eq!(keys(&TIER, "parse"), ["0:2:07"]);
}

#[test]
fn old_value_is_served_if_the_body_fails() {
    static WORLD: LazyLock<(FakeClock, FakeTier)> = LazyLock::new(fake);
    #[cached(tier = &WORLD.1, name = "old", codec = Raw, ttl = 60, stale_if_error = "1h")]
    fn rate(_town: &str) -> Result<String, String> {
        if run() == 1 { Ok("fine".to_owned()) } else { Err("not now".to_owned()) }
    }
    assert_eq!(rate("Bergen").as_deref(), Ok("fine"));
    // The tier keeps it an hour longer. Past its life by the wall clock it is old; here the memory
    // forgets it, and the tier gives it out as one that is to be refreshed.
    WORLD.0.advance(3000 * SECOND);
    rate::cache().invalidate_all();
    assert_eq!(rate("Bergen").as_deref(), Ok("fine"));
    assert_eq!(runs(), 2);
    assert_eq!(rate::tiered().stats().remote.stale, 1);
}

#[test]
fn absence_is_kept_in_the_tier_alone() {
    tier!(TIER);
    /// Text in an envelope, which says that there is none.
    #[cached(tier = &*TIER, name = "absent", codec = super::codecs::Text, negative_ttl = 10)]
    fn user(id: u64) -> Option<String> {
        run();
        (id < 100).then(|| format!("user {id}"))
    }
    for _ in 0..2 {
        assert_eq!(user(100), None);
        assert_eq!(user(1).as_deref(), Some("user 1"));
    }
    assert_eq!(runs(), 2);
    assert_eq!(user::get(100), None);
    assert_eq!(user::cache().entry_count(), 1);
    let lives: Vec<_> = items(&TIER, "absent").into_iter().map(|(_, item)| item.life).collect();
    assert_eq!(lives, [None, Some(10 * SECOND)]);
    // Without `negative_ttl` it is asked for again.
    #[cached(tier = &*TIER, name = "forgotten", codec = super::codecs::Text)]
    fn forgotten(_id: u64) -> Option<String> {
        run();
        None
    }
    assert_eq!((forgotten(1), forgotten(1), runs()), (None, None, 4));
}

#[test]
fn whole_option_is_a_value_with_cache_none() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "whole", codec = super::codecs::Text, cache_none)]
    fn vowel(text: &str) -> Option<String> {
        run();
        text.chars().find(|c| "aeiou".contains(*c)).map(String::from)
    }
    assert_eq!((vowel("xyz"), vowel("xyz"), runs()), (None, None, 1));
    assert_eq!(vowel::get("xyz"), Some(None));
    assert_eq!(keys(&TIER, "whole"), ["0:3:xyz"]);
}

#[test]
fn value_that_is_not_to_be_cached_is_in_neither_tier() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "chosen", codec = Raw, cache_if = |text: &String| text != "0")]
    fn chosen(n: u64) -> String {
        run();
        n.to_string()
    }
    for _ in 0..2 {
        assert_eq!((chosen(0), chosen(1)), ("0".to_owned(), "1".to_owned()));
    }
    assert_eq!(runs(), 3);
    assert_eq!(keys(&TIER, "chosen"), ["0:1:1"]);
    assert_eq!(chosen::cache().entry_count(), 1);
}

#[test]
fn bypass_asks_and_stores_nothing() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "bypassed", codec = Raw, skip(fresh), bypass = fresh)]
    fn report(day: u64, fresh: bool) -> String {
        run();
        format!("{day} {fresh}")
    }
    assert_eq!(report(1, true), "1 true");
    {
        let _guard = macro_caches::bypass();
        assert_eq!(report(1, false), "1 false");
    }
    assert_eq!((report::get(1, false), keys(&TIER, "bypassed").len()), (None, 0));
    assert_eq!(
        (report(1, false), report(1, false), runs()),
        ("1 false".into(), "1 false".into(), 3)
    );
}

#[test]
fn tier_that_is_down_is_a_miss_and_a_counter() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "down", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        run();
        n.to_string()
    }
    TIER.go_down();
    for n in [1, 2, 1] {
        assert_eq!(price(n), n.to_string());
    }
    assert_eq!(runs(), 2, "the memory has what was loaded");
    assert!(price::tiered().stats().remote.errors > 0);
    TIER.come_back();
    assert_eq!((price(3), keys(&TIER, "down").len()), ("3".to_owned(), 1));
}

#[test]
fn body_that_panics_leaves_nothing_behind() {
    silence_panics_on_purpose();
    tier!(TIER);
    #[cached(tier = &*TIER, name = "panicking", codec = Raw, ttl = 60)]
    fn price(n: u64) -> String {
        if run() == 1 {
            panic!("on purpose");
        }
        n.to_string()
    }
    assert!(panics(|| price(1)));
    assert_eq!((price::get(1), keys(&TIER, "panicking").len()), (None, 0));
    assert_eq!((price(1), price(1), runs()), ("1".to_owned(), "1".to_owned(), 2));
}

#[test]
fn recursion_through_the_tier_ends() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "sum", codec = Raw)]
    fn sum(n: u64) -> String {
        let rest: u64 = if n == 0 { 0 } else { sum(n - 1).parse().expect("a number") };
        (n + rest).to_string()
    }
    assert_eq!(sum(10), "55");
    assert_eq!(keys(&TIER, "sum").len(), 11);
}
