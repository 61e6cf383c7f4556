//! No lint complains of generated code: this file has every kind of annotated function under every
//! lint of rustc and clippy, and `cargo clippy` must have nothing to say (`.ci/run` asks it).
//!
//! Lints that speak of the functions as they stand here, with or without the attribute, are listed
//! as allowed, each with what it is about; two modules go without the most important of them. What
//! the user wrote keeps its lints: `tests/ui/lints` shows that. A binary of its own, because some
//! lints are about a whole crate.

#![cfg(feature = "macros")]
#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    unused,
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated_in_future,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    impl_trait_redundant_captures,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unstable_features,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::all,
    clippy::nursery,
    clippy::pedantic,
    clippy::restriction
)]
// One of each group, and one of rustc's: what is generated allows none of these.
#![forbid(
    dead_code,
    missing_docs,
    unsafe_code,
    clippy::cast_possible_truncation,
    clippy::len_zero,
    clippy::unwrap_used,
    clippy::use_self
)]
#![allow(
    clippy::blanket_clippy_restriction_lints,
    clippy::arbitrary_source_item_ordering,
    clippy::implicit_return,
    clippy::impl_trait_in_params,
    clippy::missing_inline_in_public_items,
    clippy::missing_trait_methods,
    clippy::needless_pass_by_value,
    clippy::pub_with_shorthand,
    clippy::panic,
    clippy::question_mark_used,
    clippy::ref_patterns,
    clippy::single_call_fn,
    clippy::tests_outside_test_module,
    clippy::too_many_arguments,
    clippy::too_many_lines,
    reason = "about the functions themselves, and true of them without the attribute too"
)]

extern crate alloc;

#[path = "lints/free.rs"]
pub mod free;
#[path = "lints/many.rs"]
pub mod many;
#[path = "lints/methods.rs"]
pub mod methods;
#[path = "lints/returning.rs"]
pub mod returning;
#[path = "lints/tiers.rs"]
pub mod tiers;

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::path::Path;

/// What keys are made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct User {
    /// A number.
    pub id: u64,
    /// A text.
    pub name: String,
}

/// A user.
const fn ann() -> User {
    User { id: 1, name: String::new() }
}

/// Runs a future that does not wait.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn free_functions_work() {
    let numbers = || (free::price("tea", 2), free::for_the_crate("tea"), free::outer());
    assert_eq!(numbers(), ("2 of tea".into(), 3, 1), "plain");
    let call = |qty| {
        let (pair, other, text) = (("d", None), (ann(), 2), String::new());
        let path = Path::new("a");
        free::arguments("a", path, &[], &"b", "c".into(), None, pair, other, text, 0, qty)
    };
    assert_eq!((call(1), call(1)), ("aa[]bcNonedNone33".into(), call(1)), "patterns");
    assert_eq!(call(101), "aa[]bcNonedNone3103", "past the cache");
    let inside = |qty| free::arguments_inside(("d", None), (ann(), 2), String::new(), 0, qty);
    assert_eq!(
        (inside(1), inside(101)),
        ("dNone33".into(), "dNone3103".into()),
        "patterns, inside"
    );
    assert_eq!((free::parse("1"), free::parse_whole("1")), (Ok(1), Ok(1)), "a result");
    assert_eq!(free::size("ab").ok(), Some(2), "a result");
    let found = [free::first("ab"), free::first_whole("ab"), free::first_for_a_while("ab")];
    assert_eq!(found, [Some('a'); 3], "an option");
    assert_eq!(free::user(1), ann(), "another type");
    assert_eq!((free::read::<u8>("1"), free::ids::<2>(&ann(), "")), (Some(1), [2, 2]), "generic");
    let texts = (now(free::show(true)), now(free::later("1")), now(free::later_inside("1")));
    assert_eq!(texts, ("true".into(), Ok(1), Ok(1)), "in futures");
    assert_eq!((free::made(1, |n| n), free::made_inside(2, |n| n)), (1, 2), "`impl Trait`");
    assert_eq!((free::match_(1), free::Other::get(1)), (1, Some(1)), "another name");
    assert_eq!((free::mine(1), free::mine_of::<u8>(0)), (1, 2), "for each thread");
    assert_eq!((free::weighed("a"), free::given("a", 1)), ("a".into(), 1), "options");
    assert_eq!(
        (free::keyed(&ann(), true), free::keyed_inside(&ann(), true)),
        ("1true".into(), "1true".into()),
        "keys"
    );
    assert_eq!(
        (free::unshared(&ann(), 1, true), free::unshared(&ann(), 1, false)),
        (3, 2),
        "past the cache"
    );
    #[expect(deprecated, reason = "the test")]
    let old = free::old(1);
    assert_eq!(old, 1, "deprecated");
}

#[test]
fn functions_over_many_keys_work() {
    let mut text = String::new();
    assert_eq!(many::names("", &[1], 1, ann()).get(&1), Some(&ann()), "free");
    let found = many::fallible(&["a".to_owned()], &mut text);
    assert_eq!(found.map(|pairs| pairs.get("a").copied()), Ok(Some(Some(1))), "a result");
    assert_eq!(now(many::later(&[1], 2, ann())), [(1, 3)], "in a future");
    assert_eq!(many::inside(&[1], 0, ann(), &mut text), [(1, ann())], "inside");
    assert_eq!(now(many::later_inside(&[1], 2, (3, 4))), [(1, 5)], "in a future, inside");
    assert_eq!(text, "aa", "two calls of bodies");
    assert_eq!(returning::several(&[7]), [(7, 0)], "for each thread");
}

#[test]
fn methods_work() {
    use cache_core::Cache;
    use methods::{Named as _, Shop, Wrap};
    let (home, shop) = (Shop::at_home(1), Shop { id: 2, prices: Cache::new(5) });
    assert_eq!((home.by_arc(1), shop.inside("", (3, 4))), (2, Some(6)), "inside");
    assert_eq!(
        (shop.neighbours(1), shop.next_get(1), shop.on_thread_()),
        (3, Some(3), 2),
        "beside"
    );
    assert_eq!(
        (now(shop.several(&[1], 1)), shop.several_beside(&[1])),
        (vec![(1, 3)], vec![(1, 2)]),
        "many"
    );
    assert_eq!(
        (now(shop.within(1)), now(shop.within_beside(2)), shop.prices.entry_count()),
        (Ok(3), 4, 2),
        "given"
    );
    let wrap = Wrap { value: true };
    assert_eq!(
        (wrap.beside::<u8>(2), wrap.inside::<u16>(3)),
        ("true12".into(), "true23".into()),
        "generic"
    );
    assert_eq!((ann().name(2), ann().provided(3)), ("12".into(), "13".into()), "of a trait");
    let texts = (returning::free(""), now(returning::inside("2")));
    assert_eq!(texts, (1, Ok(2)), "with `return`");
    let other = returning::Shop;
    assert_eq!(
        (other.beside(1), other.beside_get(1), other.inside(1)),
        (Some(1), Some(1), 1),
        "with `return`"
    );
}

#[test]
fn functions_with_a_tier_work() {
    let shop = tiers::Shop { id: 1 };
    let texts = (tiers::free("tea", 2), shop.inside(2), now(shop.beside(2)));
    assert_eq!(texts, ("tea2".into(), "12".into(), Some("12".into())), "plain");
    assert_eq!(now(tiers::later(1)), Ok("1".into()), "in a future");
    assert_eq!(now(tiers::several(&[1])), [(1, "1".into())], "many");
    assert_eq!(tiers::free::invalidate("tea", 2), Ok(true), "in the companion");
    assert_eq!(now(shop.beside_get(2)), Some("12".into()), "in a method beside it");
}
