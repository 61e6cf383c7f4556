//! The part of a return value that is cached.
//!
//! A load knows values and errors; a function returns a plain value, a `Result` or an `Option`.
//! Each kind says how to get from one to the other, so that all else is written once.

use crate::flight::share_error::{ErrorSharing, KeepError, Nothing, ShareNothing};
use std::convert::Infallible;

/// A kind of return value `R`, of which a `V` is cached.
pub trait ReturnKind<R, V> {
    /// The part that is returned and not cached.
    type Uncached;

    /// Returns the value to cache.
    ///
    /// # Errors
    ///
    /// The rest of the return value, if there is no such value.
    fn into_result(returned: R) -> Result<V, Self::Uncached>;

    /// Returns the return value again.
    fn from_result(result: Result<V, Self::Uncached>) -> R;

    /// Returns how the waiters of a load share what is not cached.
    fn sharing(self) -> impl ErrorSharing<Self::Uncached>;
}

/// The whole return value is cached.
#[derive(Clone, Copy)]
pub struct Whole;

impl<V> ReturnKind<V, V> for Whole {
    type Uncached = Infallible;

    fn into_result(returned: V) -> Result<V, Infallible> {
        Ok(returned)
    }
    fn from_result(Ok(value): Result<V, Infallible>) -> V {
        value
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

    fn into_result(returned: Option<V>) -> Result<V, Nothing> {
        returned.ok_or(Nothing)
    }
    fn from_result(result: Result<V, Nothing>) -> Option<V> {
        result.ok()
    }
    fn sharing(self) -> impl ErrorSharing<Nothing> {
        ShareNothing
    }
}

/// The value of `Ok` is cached; waiters share an error as `H` says.
#[derive(Clone, Copy)]
pub struct OkOnly<H>(pub H);

impl<V, E, H: ErrorSharing<E>> ReturnKind<Result<V, E>, V> for OkOnly<H> {
    type Uncached = E;

    fn into_result(returned: Result<V, E>) -> Result<V, E> {
        returned
    }
    fn from_result(result: Result<V, E>) -> Result<V, E> {
        result
    }
    fn sharing(self) -> impl ErrorSharing<E> {
        self.0
    }
}
