//! What of a return value is kept.
//!
//! A load knows values and errors; a function returns a plain value, a `Result` or an `Option`. Each
//! way of keeping says how to get from one to the other, so that all else is written once.

use crate::flight::share_error::ErrorSharing;
use crate::flight::share_error::{NeverFails, Nothing, ShareNothing};
use std::convert::Infallible;

/// A way of keeping a `V` out of an `R`.
pub trait ReturnKind<R, V> {
    /// What is returned and not kept.
    type Uncached;

    /// The value to keep, or what is left of the return value without one.
    ///
    /// # Errors
    ///
    /// What is returned and not kept.
    fn into_result(returned: R) -> Result<V, Self::Uncached>;

    /// The return value again.
    fn from_result(split: Result<V, Self::Uncached>) -> R;

    /// The value to keep, if there is one.
    fn cached_value(returned: &R) -> Option<&V>;

    /// How those who wait for a load share what is not kept.
    fn sharing(self) -> impl ErrorSharing<Self::Uncached>;
}

/// Keeps all that is returned.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl<V> ReturnKind<V, V> for Whole {
    type Uncached = Infallible;

    fn into_result(returned: V) -> Result<V, Infallible> {
        Ok(returned)
    }
    fn from_result(Ok(value): Result<V, Infallible>) -> V {
        value
    }
    fn cached_value(returned: &V) -> Option<&V> {
        Some(returned)
    }
    fn sharing(self) -> impl ErrorSharing<Infallible> {
        NeverFails
    }
}

/// Keeps the value of `Some`.
#[derive(Clone, Copy, Debug)]
pub struct SomeOnly;

/// There was no value.
#[derive(Debug)]
pub struct Absent(());

impl<V> ReturnKind<Option<V>, V> for SomeOnly {
    type Uncached = Absent;

    fn into_result(returned: Option<V>) -> Result<V, Absent> {
        returned.ok_or(Absent(()))
    }
    fn from_result(split: Result<V, Absent>) -> Option<V> {
        split.ok()
    }
    fn cached_value(returned: &Option<V>) -> Option<&V> {
        returned.as_ref()
    }
    fn sharing(self) -> impl ErrorSharing<Absent> {
        ShareAbsent
    }
}

/// As the core shares "nothing", under a name that may be seen.
struct ShareAbsent;

impl ErrorSharing<Absent> for ShareAbsent {
    fn to_shared(&self, _: &Absent) -> Option<std::sync::Arc<dyn std::any::Any + Send + Sync>> {
        ShareNothing.to_shared(&Nothing)
    }
    fn recover(&self, shared: &std::sync::Arc<dyn std::any::Any + Send + Sync>) -> Option<Absent> {
        ShareNothing.recover(shared).map(|Nothing| Absent(()))
    }
    fn is_absence(&self) -> bool {
        true
    }
}

/// Keeps the value of `Ok`; waiters share an error as `H` says.
#[derive(Clone, Copy, Debug)]
pub struct OkOnly<H>(pub H);

impl<V, E, H: ErrorSharing<E>> ReturnKind<Result<V, E>, V> for OkOnly<H> {
    type Uncached = E;

    fn into_result(returned: Result<V, E>) -> Result<V, E> {
        returned
    }
    fn from_result(split: Result<V, E>) -> Result<V, E> {
        split
    }
    fn cached_value(returned: &Result<V, E>) -> Option<&V> {
        returned.as_ref().ok()
    }
    fn sharing(self) -> impl ErrorSharing<E> {
        self.0
    }
}
