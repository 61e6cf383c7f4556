//! The expansion clashes with no name of its users: this file compiles with the names of the
//! prelude taken, under the usual lints, and still works. `macro_lints.rs` has all the lints.

#![deny(
    warnings,
    missing_docs,
    unsafe_code,
    unused,
    unused_qualifications,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic
)]

/// Names of the standard library, all meaning something else.
pub mod shadowed {
    #![allow(
        dead_code,
        non_camel_case_types,
        non_upper_case_globals,
        unused_macros,
        reason = "they only stand in the way"
    )]

    use cache_core::cached;

    /// Not the crate.
    mod core {}
    /// Not the crate.
    mod std {}
    /// Not the crate.
    mod cache_core_private {}
    struct Option;
    struct Result;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct String;
    struct Duration;
    struct Cache;
    struct View;
    struct bool;
    trait Clone {}
    trait ToOwned {}
    const CACHE: u8 = 0;
    const cache: u8 = 0;
    const hit: u8 = 0;
    const key: u8 = 0;
    const value: u8 = 0;
    const some: u8 = 0;
    const fresh: u8 = 0;
    const argument_0: u8 = 0;

    macro_rules! concat {
        () => {};
    }
    macro_rules! assert {
        () => {};
    }

    /// Every kind of argument at once.
    #[cached(ttl = "1m30s")]
    #[must_use]
    pub fn all(
        text: &str,
        number: u64,
        maybe: ::std::option::Option<&str>,
        pair: (&str, ::std::option::Option<&&u8>),
    ) -> usize {
        text.len() + maybe.map_or(0, str::len) + pair.0.len() + usize::from(number == 0)
    }

    /// A `Result` that is the real one.
    ///
    /// # Errors
    ///
    /// When `text` is no number.
    #[cached]
    pub fn parse(text: &str) -> ::std::result::Result<u64, ::std::num::ParseIntError> {
        text.parse()
    }

    /// An `Option` that is the real one.
    #[cached]
    #[must_use]
    pub fn first(text: &str) -> ::std::option::Option<char> {
        text.chars().next()
    }

    /// Arguments called like the variables of the expansion.
    #[cached(companion = Clash)]
    #[must_use]
    pub fn clash(cached_hit: u8, cached: u8, (view, __cached): (u8, u8)) -> u8 {
        cached_hit + cached + view + __cached
    }

    /// An `async` one.
    ///
    /// # Errors
    ///
    /// When `text` is no number.
    #[cached(ttl = 60, refresh_after = 30, bypass = text.is_empty())]
    pub async fn later(text: &str) -> ::std::result::Result<u64, ::std::num::ParseIntError> {
        ::std::future::ready(()).await;
        text.parse()
    }

    /// One for each thread.
    #[cached(thread_local, max_capacity = 5, cache_if = |n: &u64| *n > 0)]
    #[must_use]
    pub fn mine(number: u64) -> u64 {
        number
    }

    /// Many keys.
    ///
    /// # Errors
    ///
    /// Never.
    #[cached(many = ids, ttl = 60)]
    pub fn several(
        name: &str,
        ids: &[u64],
        qty: u8,
    ) -> ::std::result::Result<::std::collections::HashMap<u64, usize>, u8> {
        ::std::result::Result::Ok(ids.iter().map(|id| (*id, name.len() + qty as usize)).collect())
    }

    /// With methods.
    #[derive(Debug)]
    pub struct Shop {
        /// Its number.
        pub id: u64,
        /// Its own cache.
        pub cached_cache: ::cache_core::Cache<(u64,), u64>,
    }

    impl Shop {
        /// The body is inside.
        #[cached(key(self.id, text), weigher = |_, _| 1, max_capacity = 3)]
        #[must_use]
        pub fn inside(&self, text: &str, cached_hit: &str) -> ::std::option::Option<u64> {
            ::std::option::Option::Some(self.id + (text.len() + cached_hit.len()) as u64)
        }

        /// The body is a future inside.
        ///
        /// # Errors
        ///
        /// Never.
        #[cached(cache = self.cached_cache)]
        pub async fn within(
            &self,
            mut number: u64,
        ) -> ::std::result::Result<u64, ::std::string::String> {
            number += self.id;
            let parsed: u64 = ::std::result::Result::<u64, &str>::Ok(number)?;
            ::std::result::Result::Ok(parsed)
        }

        /// Many keys, in a future inside.
        #[cached(many = ids, key(self.id, ids))]
        #[must_use]
        pub async fn several(&self, ids: &[u64], qty: u8) -> ::std::vec::Vec<(u64, u64)> {
            ids.iter().map(|id| (*id, self.id + u64::from(qty))).collect()
        }

        /// With others beside it.
        #[cached(companion = beside, skip(self))]
        #[must_use]
        pub fn siblings(&self, number: u64) -> u64 {
            number + self.id
        }

        /// None of them is used anywhere.
        #[cached(companion = unused, key(id: u64 = self.id))]
        #[must_use]
        pub async fn lonely(&self) -> u64 {
            self.id
        }
    }

    pub(super) use all as imported;
}

/// Without a prelude nothing has a name that was not brought here.
#[no_implicit_prelude]
mod without_prelude {
    use ::cache_core::cached;

    #[cached(ttl = 60, negative_ttl = 5)]
    pub(super) fn maybe(text: &str, _part: u8) -> ::std::option::Option<usize> {
        text.len().checked_sub(1)
    }

    #[cached]
    pub(super) async fn generic<T: 'static>(number: u64) -> ::std::result::Result<u64, u8> {
        ::std::future::ready(()).await;
        ::std::result::Result::Ok(number + ::std::mem::size_of::<T>() as u64)
    }

    #[cached(thread_local)]
    pub(super) fn mine(number: u64) -> u64 {
        number
    }

    #[cached(many = ids)]
    pub(super) fn several(ids: &[u64]) -> ::std::vec::Vec<(u64, u64)> {
        let mut pairs = ::std::vec::Vec::new();
        for id in ids {
            pairs.push((*id, 2 * id));
        }
        pairs
    }

    pub(super) trait Named {
        fn name(&self, number: u64) -> ::std::string::String;
    }

    impl Named for u8 {
        #[cached(key(self, number))]
        fn name(&self, number: u64) -> ::std::string::String {
            ::std::format!("{self}{number}")
        }
    }
}

/// Lints of the body and of the signature are the user's business, wherever they show.
mod lints {
    use cache_core::cached;

    /// An allowance for the body.
    #[cached]
    #[allow(clippy::cast_possible_truncation, reason = "the test")]
    pub(super) fn allowed(number: u64) -> u8 {
        number as u8
    }

    /// An expectation of the body is met once.
    #[cached]
    #[expect(clippy::cast_possible_truncation, reason = "the test")]
    pub(super) fn expected(number: u64) -> u8 {
        number as u8
    }

    /// An expectation about use is met outside.
    #[cached]
    #[expect(dead_code, reason = "the test")]
    fn unused(number: u64) -> u64 {
        number
    }

    /// More arguments than clippy likes.
    #[cached]
    #[allow(clippy::too_many_arguments, reason = "the test")]
    pub(super) fn many(aa: u8, bb: u8, cc: u8, dd: u8, ee: u8, ff: u8, gg: u8, hh: u8) -> u8 {
        aa + bb + cc + dd + ee + ff + gg + hh
    }

    /// An argument that is only part of the key.
    #[cached]
    pub(super) fn underscore(_part: u8) -> u8 {
        1
    }

    /// Takes by value what the body uses up.
    #[cached]
    pub(super) fn owned(text: String) -> Vec<u8> {
        text.into_bytes()
    }

    pub(super) struct Shop;

    impl Shop {
        /// Where the body is inside, so is the expectation.
        #[cached(skip(self))]
        #[expect(clippy::cast_possible_truncation, clippy::unused_self, reason = "the test")]
        pub(super) fn expected(&self, number: u64) -> u8 {
            number as u8
        }

        /// A body that never comes to its end.
        #[cached(skip(self))]
        #[allow(clippy::unused_self, clippy::unused_async, reason = "the test")]
        pub(super) async fn returns(&self, number: u64) -> u64 {
            return number;
        }
    }

    /// A deprecated function does not complain of itself.
    #[cached]
    #[deprecated(note = "the test")]
    #[inline]
    pub(super) fn old(number: u64) -> u64 {
        number
    }
}

/// Conditional functions: no item of one that is off may be left over.
mod conditional {
    use cache_core::cached;

    /// Off.
    #[cached]
    #[cfg(not(test))]
    pub fn which(_n: NoSuchType) -> NoSuchType {
        no_such_function()
    }

    /// On.
    #[cached]
    #[cfg(test)]
    pub(super) fn which(n: u64) -> u64 {
        n
    }

    /// Off, with everything inside it.
    #[cached(companion = false)]
    #[cfg(not(test))]
    pub fn hidden(_n: NoSuchType) -> NoSuchType {
        no_such_function()
    }
}

/// Types of the user under names that the attribute knows as others.
mod namesakes {
    use cache_core::cached;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct Cow(pub(super) u8);

    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct Pin(pub(super) u8);

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct Option<T>(pub(super) T);

    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct Result<T>(pub(super) T);

    #[cached]
    pub(super) fn cow(cow: &Cow, others: &[Cow], number: &Option<u8>) -> Vec<Cow> {
        [&[cow.clone(), Cow(number.0)], others].concat()
    }

    #[cached]
    pub(super) fn pin(number: u8) -> Pin {
        Pin(number)
    }

    #[cached(cache_errors)]
    pub(super) fn result(number: u8) -> Result<u8> {
        Result(number)
    }

    #[cached(cache_none, companion = false)]
    pub(super) fn option(number: u8) -> Option<u8> {
        Option(number)
    }
}

/// `use` brings the companion along, also under another name and through a glob.
mod imported {
    use super::shadowed::*;

    pub(super) fn call() -> (u64, Option<u64>) {
        let parsed = parse("12").unwrap_or_default();
        (parsed, parse::get("12"))
    }
}

#[test]
fn shadowed_names_do_not_matter() {
    use shadowed::{clash, first, imported, parse};
    assert_eq!(imported("a", 1, Some("b"), ("c", Some(&&1))), 3);
    assert_eq!(imported::get("a", 1, Some("b"), ("c", Some(&&1))), Some(3));
    assert_eq!(parse("1"), Ok(1));
    assert!(parse("x").is_err());
    assert_eq!((first("ab"), first("")), (Some('a'), None));
    assert_eq!(clash(1, 2, (3, 4)), 10);
    assert_eq!(shadowed::Clash::get(1, 2, (3, 4)), Some(10));
}

#[test]
fn shadowed_names_do_not_matter_to_methods_and_tasks() {
    use cache_core::Cache;
    use shadowed::{Shop, later, mine};
    let shop = Shop { id: 1, cached_cache: Cache::new(5) };
    assert_eq!((shop.inside("a", "b"), shop.inside("a", "b")), (Some(3), Some(3)));
    assert_eq!((shop.siblings(1), shop.beside_get(1)), (2, Some(2)));
    assert_eq!((mine(1), mine::get(1), mine(0), mine::get(0)), (1, Some(1), 0, None));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(later("1")), Ok(1));
    assert_eq!(runtime.block_on(shop.several(&[1], 2)), [(1, 3)]);
    assert_eq!(shadowed::several("a", &[1], 2).map(|found| found[&1]), Ok(3));
    assert_eq!(runtime.block_on(shop.within(1)), Ok(2));
    assert_eq!(shop.cached_cache.get(&(1,)), Some(2));
}

#[test]
fn types_of_known_names_are_what_they_are() {
    use namesakes::{Cow, Option, Pin, Result, cow, option, pin, result};
    let cows = || vec![Cow(1), Cow(2), Cow(3)];
    assert_eq!(cow(&Cow(1), &[Cow(3)], &Option(2)), cows());
    assert_eq!(cow::get(&Cow(1), &[Cow(3)], &Option(2)), Some(cows()));
    assert_eq!((pin(4), pin::get(4)), (Pin(4), Some(Pin(4))));
    assert_eq!((result(5), result::get(5)), (Result(5), Some(Result(5))));
    assert_eq!(option(6), Option(6));
}

#[test]
fn no_prelude_is_needed() {
    use without_prelude::{Named, generic, maybe, mine, several};
    assert_eq!((several(&[1, 2]), several::get(&2)), (vec![(1, 2), (2, 4)], Some(4)));
    assert_eq!((maybe("ab", 1), maybe("", 1), maybe::get("", 1)), (Some(1), None, Some(None)));
    assert_eq!((mine(1), 7_u8.name(1)), (1, "71".to_owned()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(generic::<u8>(1)), Ok(2));
}

#[test]
fn lint_attributes_stay_in_force() {
    assert_eq!((lints::allowed(257), lints::expected(257), lints::Shop.expected(257)), (1, 1, 1));
    drop(lints::Shop.returns(1));
    assert_eq!(lints::many(1, 1, 1, 1, 1, 1, 1, 1), 8);
    assert_eq!(lints::underscore(3), 1);
    assert_eq!(lints::owned("a".to_owned()), b"a");
    #[allow(deprecated, reason = "the test")]
    let old = lints::old(1);
    assert_eq!(old, 1);
}

#[test]
fn cfg_goes_to_every_item() {
    assert_eq!(conditional::which(1), 1);
    assert_eq!(conditional::which::get(1), Some(1));
}

#[test]
fn companion_is_imported_with_the_function() {
    assert_eq!(imported::call(), (12, Some(12)));
}

#[test]
fn functions_in_functions_see_their_neighbours() {
    use cache_core::cached;
    struct Local(u64);
    const ADDED: u64 = 1;
    const fn add(local: &Local) -> u64 {
        local.0 + ADDED
    }
    #[cached(key(id: u64 = local.0), ttl = 2 * HOUR)]
    fn inner(local: &Local) -> u64 {
        #[cached]
        fn innermost(n: u64) -> u64 {
            if n == 0 { 0 } else { innermost(n - 1) + 1 }
        }
        innermost(add(local))
    }
    const HOUR: std::time::Duration = std::time::Duration::from_hours(1);
    assert_eq!(inner(&Local(4)), 5);
    assert_eq!(inner::get(&Local(4)), Some(5));
}
