//! Which functions can have a tier, and under which keys their values are there.

use std::borrow::Cow;

use cache_core::cached;
use cache_core::tier::{Raw, RemoteKey};

use super::{items, keys, tier};
use crate::common::runs::{run, runs};

tier!(TIER);

#[cached(tier = &*TIER, codec = Raw)]
fn by_its_path(n: u64) -> String {
    n.to_string()
}

#[test]
fn name_by_default_is_the_path() {
    by_its_path(1);
    assert_eq!(keys(&TIER, "macros.tiers.keys.by_its_path"), ["0:1:1"]);
    assert_eq!(by_its_path::cache().name(), Some("macros::tiers::keys::by_its_path"));
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Seat(String, u8);

impl RemoteKey for Seat {
    fn write(&self, out: &mut Vec<u8>) {
        (&self.0, self.1).write(out);
    }
}

#[test]
fn key_of_a_call_and_key_in_memory_are_one_in_the_tier() {
    tier!(TIER);
    #[cached(tier = &*TIER, codec = Raw, name = "parts", skip(skipped))]
    fn parts(
        text: &str,
        seat: &Seat,
        tag: Option<&str>,
        cow: Cow<'_, str>,
        pair: (u8, &str),
        skipped: f64,
    ) -> String {
        format!("{text} {} {tag:?} {cow} {pair:?} {skipped} {}", seat.0, run())
    }
    let call = || parts("a", &Seat("x".to_owned(), 7), Some("t"), "c".into(), (1, "p"), 0.5);
    let first = call();
    // Out of memory: it is looked up under the key that it was stored under.
    parts::cache().invalidate_all();
    assert_eq!((call(), runs()), (first.clone(), 1));
    let seat = Seat("x".to_owned(), 7);
    let got = parts::get("a", &seat, Some("t"), "c".into(), (1, "p"), 0.7);
    assert_eq!(got, Some(first));
    assert_eq!(keys(&TIER, "parts"), ["0:1:a6:1:x1:72:+t1:c6:1:11:p"]);
    assert_eq!(parts::invalidate("a", &seat, Some("t"), "c".into(), (1, "p"), 0.0), Ok(true));
    assert_eq!(keys(&TIER, "parts").len(), 0);
}

#[test]
fn key_without_parts_is_empty() {
    tier!(TIER);
    #[cached(tier = &*TIER, codec = Raw, name = "none")]
    fn none() -> String {
        run().to_string()
    }
    none();
    none::cache().invalidate_all();
    assert_eq!((none(), keys(&TIER, "none")), ("1".to_owned(), vec!["0:".to_owned()]));
}

#[test]
fn methods_are_told_apart_by_their_types() {
    tier!(TIER);
    struct Shop<T> {
        region: String,
        goods: std::marker::PhantomData<T>,
    }
    impl<T> Shop<T> {
        fn new(region: &str) -> Self {
            Shop { region: region.to_owned(), goods: std::marker::PhantomData }
        }

        #[cached(tier = &*TIER, codec = Raw, name = "price", key(self.region, sku))]
        fn price(&self, sku: &str) -> String {
            run();
            format!("{sku} in {} of {}", self.region, std::any::type_name::<T>())
        }

        #[cached(tier = &*TIER, codec = Raw, companion = true, skip(self))]
        fn count(&self, n: u64) -> String {
            format!("{n}, run {}", run())
        }
    }
    let (tea, coffee) = (Shop::<u8>::new("north"), Shop::<u16>::new("north"));
    for _ in 0..2 {
        assert_eq!(tea.price("pot"), "pot in north of u8");
        assert_eq!(coffee.price("pot"), "pot in north of u16");
    }
    assert_eq!(runs(), 2);
    assert_eq!((tea.count(1), coffee.count(1)), ("1, run 3".to_owned(), "1, run 4".to_owned()));
    assert_eq!(tea.count_invalidate(1), Ok(true));
    assert_eq!(Shop::<u8>::count_tiered().stats().memory.misses, 1);
    assert_eq!((tea.count(1), coffee.count(1)), ("1, run 5".to_owned(), "1, run 4".to_owned()));
    Shop::<u8>::count_clear().expect("flushed");
    assert_eq!((tea.count(1), coffee.count(1)), ("1, run 6".to_owned(), "1, run 4".to_owned()));
    assert_eq!(TIER.keys().len(), 5, "{:?}", TIER.keys());
}

#[test]
fn trait_methods_are_told_apart_by_their_types() {
    tier!(TIER);
    trait Named {
        const NAME: &'static str;

        #[cached(tier = &*TIER, codec = Raw, skip(self))]
        fn named(&self, n: u64) -> String {
            format!("{} {n}", Self::NAME)
        }
    }
    struct Tea;
    struct Coffee;
    impl Named for Tea {
        const NAME: &'static str = "tea";
    }
    impl Named for Coffee {
        const NAME: &'static str = "coffee";
    }
    for _ in 0..2 {
        assert_eq!((Tea.named(1), Coffee.named(1)), ("tea 1".to_owned(), "coffee 1".to_owned()));
    }
    assert_eq!(TIER.keys().len(), 2);
}

#[test]
fn companion_of_another_name_is_no_part_of_the_key() {
    tier!(TIER);
    #[cached(tier = &*TIER, codec = Raw, name = "area", companion = Areas)]
    fn area(width: u64, height: u64) -> String {
        (width * height).to_string()
    }
    assert_eq!(area(2, 3), "6");
    assert_eq!(Areas::get(2, 3).as_deref(), Some("6"));
    assert_eq!(items(&TIER, "area").len(), 1);
}
