//! What a function under `#[cached]` does, as its callers see it.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Cache, cached};

use crate::common::runs::{run, runs};

#[cached]
fn price(sku: &str, qty: u64) -> Arc<str> {
    run();
    format!("{sku} x {qty}").into()
}

#[test]
fn call_same_arguments_runs_the_body_once() {
    assert_eq!(&*price("a", 1), "a x 1");
    assert_eq!(&*price("a", 1), "a x 1");
    assert_eq!(runs(), 1);
    assert_eq!(&*price("a", 2), "a x 2");
    assert_eq!(&*price("b", 1), "b x 1");
    assert_eq!(runs(), 3);
}

#[test]
fn cache_keys_are_plain_tuples_of_owned_types() {
    #[cached]
    fn two(sku: &str, qty: u64) -> u64 {
        qty + sku.len() as u64
    }
    #[cached]
    fn one(id: u64) -> u64 {
        id
    }
    #[cached]
    fn none() -> u64 {
        run()
    }
    let cache: &'static Cache<(String, u64), u64> = two::cache();
    let single: &'static Cache<(u64,), u64> = one::cache();
    let unit: &'static Cache<(), u64> = none::cache();
    two("abc", 1);
    one(7);
    assert_eq!((none(), none()), (1, 1));
    assert_eq!(cache.get(&("abc".to_owned(), 1)), Some(4));
    assert_eq!(single.get(&(7,)), Some(7));
    assert_eq!(unit.get(&()), Some(1));
}

#[test]
fn companion_get_insert_invalidate_clear() {
    #[cached]
    fn twice(n: u64) -> u64 {
        run();
        n * 2
    }
    assert_eq!(twice::get(2), None);
    assert_eq!(twice(2), 4);
    assert_eq!(twice::get(2), Some(4));
    twice::insert(3, 100);
    assert_eq!(twice(3), 100);
    assert_eq!(runs(), 1);
    assert!(twice::invalidate(3));
    assert!(!twice::invalidate(3));
    assert_eq!(twice(3), 6);
    twice::clear();
    assert_eq!((twice::get(2), twice::get(3)), (None, None));
}

#[test]
fn companion_uncached_bypasses_the_cache_and_refresh_replaces() {
    #[cached]
    fn next(_n: u8) -> u64 {
        run()
    }
    assert_eq!(next(1), 1);
    assert_eq!(next::uncached(1), 2);
    assert_eq!(next(1), 1);
    assert_eq!(next::refresh(1), 3);
    assert_eq!(next(1), 3);
    assert_eq!(next::refresh(2), 4);
    assert_eq!(next(2), 4);
}

#[test]
fn companion_stats_count_hits_misses_and_loads() {
    #[cached]
    fn id(n: u64) -> u64 {
        n
    }
    id(1);
    id(1);
    id(1);
    id(2);
    let stats = id::stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (2, 2, 2));
}

#[test]
fn cache_is_named_after_the_path_of_the_function() {
    #[cached(name = "prices")]
    fn named(n: u64) -> u64 {
        n
    }
    #[cached]
    fn r#match(n: u64) -> u64 {
        n
    }
    assert_eq!(price::cache().name(), Some("macros::behaviour::price"));
    assert_eq!(named::cache().name(), Some("prices"));
    assert_eq!(r#match::cache().name(), Some("macros::behaviour::match"));
    assert_eq!((named(3), r#match(3)), (3, 3));
}

#[test]
fn result_only_ok_is_kept() {
    #[derive(Debug, PartialEq)]
    struct NotClone;
    #[cached]
    fn parse(text: &str) -> Result<u64, NotClone> {
        run();
        text.parse().map_err(|_| NotClone)
    }
    assert_eq!(parse("x"), Err(NotClone));
    assert_eq!(parse("x"), Err(NotClone));
    assert_eq!(runs(), 2);
    assert_eq!((parse("1"), parse("1")), (Ok(1), Ok(1)));
    assert_eq!(runs(), 3);
    assert_eq!(parse::get("1"), Some(1));
    assert_eq!(parse::cache().entry_count(), 1);
}

#[test]
fn result_refresh_that_fails_leaves_the_old_value() {
    #[cached]
    fn flaky(n: u64) -> Result<u64, String> {
        if run() == 1 { Ok(n) } else { Err("down".to_owned()) }
    }
    assert_eq!(flaky(5), Ok(5));
    assert_eq!(flaky::refresh(5), Err("down".to_owned()));
    assert_eq!(flaky(5), Ok(5));
}

#[test]
fn result_aliases_with_one_and_no_argument_keep_ok() {
    #[cached]
    fn one(n: u64) -> std::io::Result<u64> {
        run();
        if n == 0 { Err(std::io::Error::other("zero")) } else { Ok(n) }
    }
    #[cached]
    fn none(_n: u64) -> std::fmt::Result {
        run();
        Ok(())
    }
    assert!(one(0).is_err());
    assert!(one(0).is_err());
    assert_eq!(runs(), 2);
    assert_eq!((one(1).ok(), one(1).ok()), (Some(1), Some(1)));
    assert_eq!(runs(), 3);
    assert_eq!((none(1), none(1)), (Ok(()), Ok(())));
    assert_eq!(runs(), 4);
    let _: &Cache<(u64,), u64> = one::cache();
}

#[test]
fn option_only_some_is_kept() {
    #[cached]
    fn find(n: u64) -> Option<u64> {
        run();
        (n > 0).then_some(n)
    }
    assert_eq!((find(0), find(0)), (None, None));
    assert_eq!(runs(), 2);
    assert_eq!((find(1), find(1)), (Some(1), Some(1)));
    assert_eq!(runs(), 3);
    assert_eq!(find::get(1), Some(1));
    assert_eq!((find::refresh(0), find::refresh(2)), (None, Some(2)));
    assert_eq!((find::get(0), find::get(2)), (None, Some(2)));
}

#[test]
fn cache_errors_and_cache_none_keep_everything() {
    type Fallible = Result<u64, String>;
    type Maybe = Option<u64>;
    #[cached(cache_errors)]
    fn parse(text: &str) -> Result<u64, String> {
        run();
        text.parse().map_err(|_| text.to_owned())
    }
    #[cached(cache_errors = true)]
    fn alias(n: u64) -> Fallible {
        run();
        Err(n.to_string())
    }
    #[cached(cache_none)]
    fn maybe(_n: u64) -> Maybe {
        run();
        None
    }
    #[cached(cache_none = false)]
    fn found(_n: u64) -> Option<u64> {
        run();
        None
    }
    assert_eq!((parse("x"), parse("x")), (Err("x".to_owned()), Err("x".to_owned())));
    assert_eq!(runs(), 1);
    assert_eq!((alias(1), alias(1)), (Err("1".to_owned()), Err("1".to_owned())));
    assert_eq!(runs(), 2);
    assert_eq!((maybe(1), maybe(1)), (None, None));
    assert_eq!(runs(), 3);
    assert_eq!((found(1), found(1)), (None, None));
    assert_eq!(runs(), 5);
}

#[test]
fn arguments_of_every_kind_distinguish_calls() {
    #[cached]
    fn owned(text: String, pair: (u8, u8)) -> String {
        run();
        format!("{text}{pair:?}")
    }
    #[cached]
    fn slices(bytes: &[u8], path: &Path, words: &[String]) -> PathBuf {
        run();
        path.join(format!("{bytes:?}{words:?}"))
    }
    #[cached]
    fn nested(deep: &&str, maybe: Option<&str>, mixed: (u8, Option<(&str, u8)>)) -> String {
        run();
        format!("{deep}{maybe:?}{mixed:?}")
    }
    #[cached]
    fn cow(text: Cow<str>, far: Option<&&u8>, fixed: &'static str) -> String {
        run();
        format!("{text}{far:?}{fixed}")
    }
    let calls: [(&dyn Fn() -> String, &str); 10] = [
        (&|| owned("a".into(), (1, 2)), "a(1, 2)"),
        (&|| owned("a".into(), (2, 1)), "a(2, 1)"),
        (&|| slices(&[1], Path::new("p"), &[]).display().to_string(), "p/[1][]"),
        (&|| slices(&[], Path::new("p"), &["1".into()]).display().to_string(), "p/[][\"1\"]"),
        (&|| nested(&"a", None, (1, None)), "aNone(1, None)"),
        (&|| nested(&"a", Some("b"), (1, None)), "aSome(\"b\")(1, None)"),
        (&|| nested(&"a", None, (1, Some(("b", 2)))), "aNone(1, Some((\"b\", 2)))"),
        (&|| cow("a".into(), None, "x"), "aNonex"),
        (&|| cow(Cow::Borrowed("a"), Some(&&3), "x"), "aSome(3)x"),
        (&|| cow(String::from("a").into(), Some(&&3), "y"), "aSome(3)y"),
    ];
    for _ in 0..2 {
        for (call, expected) in calls {
            assert_eq!(call(), expected);
        }
    }
    assert_eq!(runs(), calls.len() as u64);
}

#[test]
fn patterns_and_mut_reach_the_body() {
    struct Point {
        x: u64,
        y: u64,
    }
    #[cached(key(x: u64 = point.x, y: u64 = point.y))]
    fn norm(point: &Point) -> u64 {
        run();
        point.x + point.y
    }
    #[cached]
    fn sum((a, b): (u64, u64), [c, ..]: [u64; 3], mut d: u64, _: u8) -> u64 {
        run();
        d += a;
        d + b + c
    }
    assert_eq!((norm(&Point { x: 1, y: 2 }), norm(&Point { x: 1, y: 2 })), (3, 3));
    assert_eq!(norm(&Point { x: 2, y: 2 }), 4);
    assert_eq!(runs(), 2);
    assert_eq!((sum((1, 2), [3, 0, 0], 4, 5), sum((1, 2), [3, 0, 0], 4, 5)), (10, 10));
    assert_eq!(runs(), 3);
    sum((1, 2), [3, 0, 0], 4, 6);
    sum((1, 2), [3, 0, 1], 4, 6);
    assert_eq!(runs(), 5);
}

#[test]
fn skip_leaves_arguments_out_of_the_key() {
    struct Db(u64);
    #[cached(skip(db, log, tries))]
    fn row(db: &Db, id: u64, log: impl Fn(u64), tries: &mut u64) -> u64 {
        run();
        *tries += 1;
        log(id);
        db.0 + id
    }
    let logged = Cell::new(0);
    let mut tries = 0;
    assert_eq!(row(&Db(10), 1, |id| logged.set(id), &mut tries), 11);
    assert_eq!(row(&Db(20), 1, |_| panic!("a hit logs nothing"), &mut tries), 11);
    assert_eq!((logged.get(), tries, runs()), (1, 1, 1));
    assert_eq!(row::get(&Db(0), 1, |_| (), &mut tries), Some(11));
    assert!(row::invalidate(&Db(0), 1, |_| (), &mut tries));
    let _: &Cache<(u64,), u64> = row::cache();
}

#[test]
fn key_names_arguments_and_expressions() {
    struct User {
        id: u64,
        mail: String,
    }
    #[cached(key(user_id: u64 = user.id, mail: &str = &user.mail, verbose))]
    fn greet(user: &User, verbose: bool, _noise: f64) -> String {
        run();
        format!("{} {} {verbose}", user.id, user.mail)
    }
    let user = |mail: &str| User { id: 1, mail: mail.to_owned() };
    greet(&user("a"), true, 0.5);
    greet(&user("a"), true, 0.7);
    assert_eq!(runs(), 1);
    greet(&user("b"), true, 0.5);
    greet(&user("a"), false, 0.5);
    assert_eq!(runs(), 3);
    let cache: &Cache<(u64, String, bool), String> = greet::cache();
    assert!(cache.contains_key(&(1, "b".to_owned(), true)));
}

#[test]
fn ttl_forms_expire() {
    const NEVER: Duration = Duration::MAX;
    #[cached(ttl = "1ns")]
    fn short(_n: u8) -> u64 {
        run()
    }
    #[cached(ttl = 3600)]
    fn seconds(_n: u8) -> u64 {
        run()
    }
    #[cached(ttl = "1h 30m", max_capacity = 5)]
    fn text(_n: u8) -> u64 {
        run()
    }
    #[cached(ttl = NEVER)]
    fn computed(_n: u8) -> u64 {
        run()
    }
    #[cached(ttl = Duration::from_nanos(1))]
    fn computed_short(_n: u8) -> u64 {
        run()
    }
    for call in [short as fn(u8) -> u64, computed_short] {
        let first = call(1);
        // However coarse the clock of the cache is, it moves on at last.
        let start = Instant::now();
        while call(1) == first {
            assert!(start.elapsed() < Duration::from_secs(60), "does not expire");
        }
    }
    for call in [seconds as fn(u8) -> u64, text, computed] {
        assert_eq!(call(1), call(1));
    }
}

#[test]
fn settings_computed_as_nonsense_panic_with_the_name_each_time() {
    #[cached(tti = Duration::ZERO)]
    fn zero(n: u8) -> u8 {
        n
    }
    for _ in 0..2 {
        let panic = std::panic::catch_unwind(|| zero(1)).expect_err("zero is refused");
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.contains("macros::behaviour::zero"), "{text}");
    }
}

#[test]
fn ttl_or_max_capacity_computed_as_zero_is_off() {
    #[cached(ttl = Duration::ZERO)]
    fn no_life(n: u8) -> u64 {
        u64::from(n) + run()
    }
    #[cached(max_capacity = u64::from(false))]
    fn no_room(n: u8) -> u64 {
        u64::from(n) + run()
    }
    for call in [no_life as fn(u8) -> u64, no_room] {
        let before = runs();
        call(1);
        call(1);
        assert_eq!(runs(), before + 2);
    }
    no_life::insert(1, 100);
    no_room::insert(1, 100);
    assert_eq!((no_life::get(1), no_room::get(1)), (None, None));
    assert!(!no_life::invalidate(1) && !no_room::invalidate(1));
    assert_eq!((no_room::stats().hits, no_room::stats().loads), (0, 2));
}

#[test]
fn recursion_computes_each_number_once() {
    #[cached]
    fn fib(n: u64) -> u64 {
        run();
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    assert_eq!(fib(90), 2_880_067_194_370_816_120);
    assert_eq!(runs(), 91);
}

#[test]
fn companion_renamed_or_hidden() {
    #[allow(dead_code, non_camel_case_types, reason = "stands in the way of a companion")]
    struct lookup {}
    #[cached(companion = Lookup)]
    fn lookup(n: u64) -> u64 {
        run();
        n
    }
    #[allow(dead_code, non_camel_case_types, reason = "stands in the way of a companion")]
    struct secret {}
    #[cached(companion = false)]
    fn secret(n: u64) -> u64 {
        run();
        if n == 0 { 0 } else { secret(n - 1) + 1 }
    }
    assert_eq!((lookup(1), lookup(1)), (1, 1));
    assert_eq!(Lookup::get(1), Some(1));
    assert_eq!(runs(), 1);
    assert_eq!((secret(4), secret(4)), (4, 4));
    assert_eq!(runs(), 6);
}

#[test]
fn macro_rules_fragments_are_seen_through() {
    macro_rules! make {
        ($name:ident, $ttl:literal, $arg:ty, $out:ty) => {
            #[cached(ttl = $ttl)]
            fn $name(value: $arg) -> $out {
                run();
                value.len().checked_sub(1)
            }
        };
    }
    make!(shorter, 60, &str, Option<usize>);
    assert_eq!((shorter("ab"), shorter("ab")), (Some(1), Some(1)));
    assert_eq!(runs(), 1);
    assert_eq!(shorter::get("ab"), Some(1));
    assert_eq!((shorter(""), shorter("")), (None, None));
    assert_eq!(runs(), 3);
}

#[test]
fn crate_path_is_used() {
    mod somewhere {
        pub(super) mod inside {
            pub(crate) use cache_core::{__private, Cache, Stats};
        }
    }
    #[cached(crate = somewhere::inside)]
    fn id(n: u64) -> u64 {
        run();
        n
    }
    assert_eq!((id(1), id(1), runs()), (1, 1, 1));
}

#[test]
fn panicking_body_reaches_its_caller_and_leaves_the_cache_whole() {
    #[cached]
    fn first_fails(n: u64) -> u64 {
        assert!(run() > 1, "the first run fails");
        n
    }
    assert!(std::panic::catch_unwind(|| first_fails(1)).is_err());
    assert_eq!((first_fails(1), first_fails(1)), (1, 1));
    assert_eq!(runs(), 2);
}

#[test]
fn refresh_superseded_by_an_invalidation_is_not_kept() {
    #[cached]
    fn invalidated_meanwhile(n: u64) -> u64 {
        invalidated_meanwhile::invalidate(n);
        n + 1
    }
    assert_eq!(invalidated_meanwhile::refresh(1), 2);
    assert_eq!(invalidated_meanwhile::get(1), None);
    invalidated_meanwhile::insert(1, 5);
    assert_eq!(invalidated_meanwhile::refresh(1), 2);
    assert_eq!(invalidated_meanwhile::get(1), None);
    assert_eq!(invalidated_meanwhile(1), 2);
}
