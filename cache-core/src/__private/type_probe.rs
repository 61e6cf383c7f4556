//! What can be learnt of a return type, and the part of a return value that is cached.
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
//!
//! A load knows values and errors; a function returns a plain value, a `Result` or an `Option`.
//! Each [kind](ReturnKind) says how to get from one to the other, so that all else is written once.

use crate::flight::share_error::{CloneError, ErrorSharing, KeepError, Nothing, ShareNothing};
use crate::types::status::Status;
use std::convert::Infallible;
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

/// A kind of return value `R`, of which a `V` is cached.
pub trait ReturnKind<R, V>: Copy {
    /// The part that is returned and not cached.
    type Uncached;

    /// The return value with how the cached part was obtained.
    type Stated;

    /// Returns the value to cache.
    ///
    /// # Errors
    ///
    /// The rest of the return value, if there is no such value.
    fn into_result(returned: R) -> Result<V, Self::Uncached>;

    /// Returns the return value again.
    fn from_result(result: Result<V, Self::Uncached>) -> R;

    /// Returns the return value with how the cached part was obtained.
    fn stated(result: Result<(V, Status), Self::Uncached>) -> Self::Stated;

    /// Returns how the waiters of a load share what is not cached.
    fn sharing(self) -> impl ErrorSharing<Self::Uncached>;

    /// Returns what makes the rest of the return value that says that there is no value, if
    /// something does: a remote tier may keep that.
    fn nothing() -> Option<fn() -> Self::Uncached> {
        None
    }
}

/// The whole return value is cached.
#[derive(Clone, Copy)]
pub struct Whole;

impl<V> ReturnKind<V, V> for Whole {
    type Uncached = Infallible;
    type Stated = (V, Status);

    fn into_result(returned: V) -> Result<V, Infallible> {
        Ok(returned)
    }
    fn from_result(Ok(value): Result<V, Infallible>) -> V {
        value
    }
    fn stated(Ok(stated): Result<(V, Status), Infallible>) -> (V, Status) {
        stated
    }
    fn sharing(self) -> impl ErrorSharing<Infallible> {
        KeepError
    }
}

/// The value of `Some` is cached.
#[derive(Clone, Copy)]
pub struct SomeOnly;

impl<V> ReturnKind<Option<V>, V> for SomeOnly {
    type Uncached = Nothing;
    type Stated = Option<(V, Status)>;

    fn into_result(returned: Option<V>) -> Result<V, Nothing> {
        returned.ok_or(Nothing)
    }
    fn from_result(result: Result<V, Nothing>) -> Option<V> {
        result.ok()
    }
    fn stated(result: Result<(V, Status), Nothing>) -> Option<(V, Status)> {
        result.ok()
    }
    fn sharing(self) -> impl ErrorSharing<Nothing> {
        ShareNothing
    }
    fn nothing() -> Option<fn() -> Nothing> {
        Some(|| Nothing)
    }
}

/// The value of `Ok` is cached; waiters share an error as `H` says.
#[derive(Clone, Copy)]
pub struct OkOnly<H>(pub H);

impl<V, E, H: ErrorSharing<E> + Copy> ReturnKind<Result<V, E>, V> for OkOnly<H> {
    type Uncached = E;
    type Stated = Result<(V, Status), E>;

    fn into_result(returned: Result<V, E>) -> Result<V, E> {
        returned
    }
    fn from_result(result: Result<V, E>) -> Result<V, E> {
        result
    }
    fn stated(result: Result<(V, Status), E>) -> Result<(V, Status), E> {
        result
    }
    fn sharing(self) -> impl ErrorSharing<E> {
        self.0
    }
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
