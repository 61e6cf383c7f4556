//! Bounds on keys and values, arranged so that a violation gives exactly one error.
//!
//! Three means, however much code stands behind the mistake:
//!
//! * **`Way`**, a parameter without meaning. If a trait had one implementation for all types, rustc
//!   would follow it and report only `Clone` or `Hash`. A second one that never applies ([`Never`],
//!   for [`Impossible`] types) makes rustc stop at the trait itself and print its text. Its
//!   supertraits are such traits too ([`Clonable`](super::Clonable)): of a `Vec<T>` rustc would
//!   follow the bound `Clone` to the `T`, and report that once for each function of the trait.
//! * **The same words from everywhere.** All that an expansion does with values goes through the
//!   one trait [`CacheValue`](super::CacheValue), and all that it does with arguments through
//!   [`KeyPart`], at the same place in the source: rustc prints equal errors once.
//! * **Types that are unknown where a part is wrong.** A [`KeyPart`] names the borrowed form of an
//!   argument by an associated type. Where the trait does not apply rustc does not know that type,
//!   nor the view, nor the owned key ([`Owned`](super::Owned)), and of unknown types it demands
//!   nothing. So no function of the runtime has bounds on a `K` that it is given: the bounds are on
//!   a [`Part`] or an [`Owned`](super::Owned), and functions for which any key will do have none.
//!   The exception is [`CacheValue::build`](super::CacheValue::build), for keys that are themselves
//!   named by way of their parts, or of which the attribute knows that they are fit.

use super::bounds::{Fits, Impossible, Key, Never};
use super::place::SharedPart;
use super::view::Part;
use std::hash::Hash;

/// What one part of a key must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "leave it out with `#[cached(skip(..))]`, or make it fit for a key",
    note = "`skip(argument)` is for what the result does not depend on, such as a connection; \
            `key(name: Type = expression)` says what stands for an argument",
    note = "a part of a key must be `Hash + Eq + Clone + Send + Sync + 'static`; with \
            `#[cached(thread_local)]`, which is a cache for each thread, it need be neither `Send` \
            nor `Sync`"
)]
pub trait KeyPart<Way> {
    /// The borrowed form, which is looked up.
    type Borrowed<'a>: SharedPart<Key = Self::Kept>
    where
        Self: 'a;

    /// The owned form, which is kept.
    type Kept: Key + Send + Sync;

    /// Returns the borrowed form.
    fn part(&self) -> Self::Borrowed<'_>;
}

/// As [`KeyPart`], for a cache that one thread uses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "leave it out with `#[cached(skip(..))]`, or make it fit for a key",
    note = "`skip(argument)` is for what the result does not depend on, such as a connection; \
            `key(name: Type = expression)` says what stands for an argument",
    note = "a part of a key must be `Hash + Eq + Clone + 'static`"
)]
pub trait LocalPart<Way> {
    /// The borrowed form, which is looked up.
    type Borrowed<'a>: Part<Key = Self::Kept>
    where
        Self: 'a;

    /// The owned form, which is kept.
    type Kept: Key;

    /// Returns the borrowed form.
    fn part(&self) -> Self::Borrowed<'_>;
}

/// An alias of `T`. Going through it makes rustc report every failed bound at the same span, so it
/// prints one error instead of several.
pub type Arg<T> = T;

impl<T> KeyPart<Fits> for T
where
    T: ToOwned<Owned: Hash + Eq + Clone + Send + Sync + 'static> + Hash + Eq + ?Sized,
{
    type Borrowed<'a>
        = &'a T
    where
        T: 'a;
    type Kept = T::Owned;

    #[inline]
    fn part(&self) -> &T {
        self
    }
}

impl<T> LocalPart<Fits> for T
where
    T: ToOwned<Owned: Hash + Eq + Clone + 'static> + Hash + Eq + ?Sized,
{
    type Borrowed<'a>
        = &'a T
    where
        T: 'a;
    type Kept = T::Owned;

    #[inline]
    fn part(&self) -> &T {
        self
    }
}

impl<T: Impossible + ?Sized> KeyPart<Never> for T {
    type Borrowed<'a>
        = ()
    where
        T: 'a;
    type Kept = ();

    fn part(&self) {}
}

impl<T: Impossible + ?Sized> LocalPart<Never> for T {
    type Borrowed<'a>
        = ()
    where
        T: 'a;
    type Kept = ();

    fn part(&self) {}
}
