//! What can be learnt of a return type.
//!
//! An attribute sees names, not types. It takes a return type for a `Result` or an `Option` by
//! the last word of its path. [`Fallible`] and [`Optional`] confirm it and give the type of the
//! value inside: so `io::Result<T>` and other aliases of that name work, and a foreign type that is
//! merely called `Result` is an error with a remedy. It is one error, because an expansion goes
//! through these traits for all that it does with such a type, at the same place, and rustc reports
//! nothing about types that it does not know. An alias of another name is found by [`TypeProbe`].
//!
//! [`TypeProbe`] and [`ErrorOf`] choose by what a *concrete* type is, without specialisation: rustc
//! prefers an inherent item to one of a trait, and a method found without a further reference to
//! one found with it. That method has an unusual name, so that no trait of the user has one of the
//! same name. In generic code they see only what the bounds say.

use super::return_kind::{OkOnly, SomeOnly};
use crate::flight::share_error::{CloneError, KeepError};
use std::marker::PhantomData;

/// `Result`, under whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called a `Result` but is none",
    label = "not `core::result::Result`",
    note = "to have it cached as it is, say `#[cached(cache_errors)]`, or return it under another \
            name"
)]
pub trait Fallible: Sized {
    /// What is cached.
    type Value;
    /// What is never cached.
    type Error;
    /// The kind of return value, with `H` for how waiters share an error.
    type Kind<H>;

    /// Returns what the function returns for a cached value.
    fn from_cached(value: Self::Value) -> Self;

    /// Returns a stand-in for the error, of its type.
    fn error() -> ErrorOf<Self::Error> {
        ErrorOf(PhantomData)
    }

    /// Returns the kind of return value.
    fn kind<H>(share: H) -> Self::Kind<H>;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;
    type Kind<H> = OkOnly<H>;

    #[inline]
    fn from_cached(value: T) -> Self {
        Ok(value)
    }

    #[inline]
    fn kind<H>(share: H) -> OkOnly<H> {
        OkOnly(share)
    }
}

/// `Option`, under whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called an `Option` but is none",
    label = "not `core::option::Option`",
    note = "to have it cached as it is, say `#[cached(cache_none)]`, or return it under another \
            name"
)]
pub trait Optional: Sized {
    /// What is cached.
    type Value;
    /// The kind of return value.
    type Kind;

    /// Returns what the function returns for a cached value.
    fn from_cached(value: Self::Value) -> Self;

    /// Returns the kind of return value.
    fn kind() -> Self::Kind;
}

impl<T> Optional for Option<T> {
    type Value = T;
    type Kind = SomeOnly;

    #[inline]
    fn from_cached(value: T) -> Self {
        Some(value)
    }

    #[inline]
    fn kind() -> SomeOnly {
        SomeOnly
    }
}

/// Says at compile time what a type is: an inherent constant, if there is one, hides the constant
/// of the trait.
pub struct TypeProbe<T>(PhantomData<T>);

impl<T, E> TypeProbe<Result<T, E>> {
    /// It is a `Result`.
    pub const IS_RESULT: bool = true;
}

impl<T> TypeProbe<Option<T>> {
    /// It is an `Option`.
    pub const IS_OPTION: bool = true;
}

/// The constants of [`TypeProbe`] for any other type.
pub trait OtherType {
    /// It is no `Result`.
    const IS_RESULT: bool = false;
    /// It is no `Option`.
    const IS_OPTION: bool = false;
}

impl<T> OtherType for TypeProbe<T> {}

/// A stand-in for the error of a function, which chooses how waiters share it:
/// `(&<Result<T, E> as Fallible>::error()).share_for_cached()`.
pub struct ErrorOf<E>(PhantomData<fn() -> E>);

/// Waiters get clones: the first choice, found without a further reference.
pub trait CloneShared {
    /// Returns how the error is shared.
    fn share_for_cached(&self) -> CloneError;
}

impl<E: Clone + Send + Sync + 'static> CloneShared for ErrorOf<E> {
    fn share_for_cached(&self) -> CloneError {
        CloneError
    }
}

/// Only the caller that ran the load receives the error: the second choice.
pub trait KeepOwn {
    /// Returns how the error is shared: not at all.
    fn share_for_cached(&self) -> KeepError;
}

impl<E> KeepOwn for &ErrorOf<E> {
    fn share_for_cached(&self) -> KeepError {
        KeepError
    }
}

/// Returns the future. Its output type is known to rustc before the body is.
pub const fn typed<R, F: Future<Output = R>>(future: F) -> F {
    future
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct NotClone;

    #[test]
    fn probe_sees_through_aliases() {
        type Alias = Result<u8, NotClone>;
        const {
            assert!(TypeProbe::<Alias>::IS_RESULT && !TypeProbe::<Alias>::IS_OPTION);
            assert!(TypeProbe::<Option<u8>>::IS_OPTION && !TypeProbe::<Option<u8>>::IS_RESULT);
            assert!(!TypeProbe::<u8>::IS_RESULT && !TypeProbe::<u8>::IS_OPTION);
        }
    }

    /// Compiles only if the choice is the right one.
    #[test]
    #[allow(clippy::needless_borrow, reason = "the reference of the expansion, which decides")]
    fn errors_that_clone_are_shared_and_others_kept() {
        let _: CloneError = (&<Result<u8, String> as Fallible>::error()).share_for_cached();
        let _: KeepError = (&<Result<u8, NotClone> as Fallible>::error()).share_for_cached();
        // `Clone` alone is not enough to cross threads.
        let _: KeepError = (&<Result<u8, std::rc::Rc<u8>> as Fallible>::error()).share_for_cached();
    }
}
