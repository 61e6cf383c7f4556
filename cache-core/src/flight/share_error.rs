//! How the error of one load reaches the waiters.
//!
//! A flight does not know the error types of the callers that will join it, so an error travels as
//! `Any`: a waiter with the same error type receives it; any other waiter runs its own load.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::types::error::LoadError;

/// An error on its way to waiters.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

/// How the error of a load is shared with the waiters of the load.
#[doc(hidden)]
pub trait ErrorSharing<E> {
    /// Returns what waiters are given; `None` if this error cannot be shared.
    fn to_shared(&self, _error: &E) -> Option<SharedError> {
        None
    }
    /// Makes an error from what the leader shared; `None` if that is of another type.
    fn recover(&self, _shared: &SharedError) -> Option<E> {
        None
    }
    /// Returns `true` if this "error" means that there is no value, rather than that the load has
    /// failed. Then the old value is out of date.
    fn is_absence(&self, _error: &E) -> bool {
        false
    }
    /// Returns how long the value of the load may be kept, if the load knows; asked when it has
    /// returned one. Zero: it is not stored.
    fn life(&self) -> Option<Duration> {
        None
    }
    /// As [`life`](Self::life), for a load of several keys: that of the key with this number, of
    /// those that the loader was asked for last.
    fn life_of(&self, _number: usize) -> Option<Duration> {
        None
    }
}

/// Shares a clone of the error.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct CloneError;

impl<E: Clone + Send + Sync + 'static> ErrorSharing<E> for CloneError {
    fn to_shared(&self, error: &E) -> Option<SharedError> {
        Some(Arc::new(error.clone()))
    }

    fn recover(&self, shared: &SharedError) -> Option<E> {
        shared.downcast_ref::<E>().cloned()
    }
}

/// Shares nothing: every waiter runs its own load. Also for loads that cannot fail.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct KeepError;

impl<E> ErrorSharing<E> for KeepError {}

/// Shares errors that are in an `Arc` already.
pub(crate) struct ShareArc;

impl<E: Send + Sync + 'static> ErrorSharing<Arc<E>> for ShareArc {
    fn to_shared(&self, error: &Arc<E>) -> Option<SharedError> {
        Some(error.clone())
    }

    fn recover(&self, shared: &SharedError) -> Option<Arc<E>> {
        Arc::clone(shared).downcast().ok()
    }
}

/// The "error" of a load that found nothing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// For loads that may find nothing: waiters are given the same.
pub(crate) struct ShareNothing;

impl ErrorSharing<Nothing> for ShareNothing {
    fn to_shared(&self, _: &Nothing) -> Option<SharedError> {
        CloneError.to_shared(&Nothing)
    }

    fn recover(&self, shared: &SharedError) -> Option<Nothing> {
        CloneError.recover(shared)
    }

    fn is_absence(&self, _: &Nothing) -> bool {
        true
    }
}

/// For loads that may fail, and perhaps find nothing: waiters share either.
pub(crate) struct ShareLoadError {
    /// The loader may find nothing. If it cannot, a waiter for a load of another kind that has
    /// found nothing runs its own.
    pub(crate) may_be_absent: bool,
}

impl<E: Send + Sync + 'static> ErrorSharing<LoadError<E>> for ShareLoadError {
    fn to_shared(&self, error: &LoadError<E>) -> Option<SharedError> {
        match error {
            LoadError::Failed(error) => ShareArc.to_shared(error),
            LoadError::NotFound => ShareNothing.to_shared(&Nothing),
            LoadError::TimedOut => None,
        }
    }

    fn recover(&self, shared: &SharedError) -> Option<LoadError<E>> {
        match ShareNothing.recover(shared) {
            Some(Nothing) => self.may_be_absent.then_some(LoadError::NotFound),
            None => ShareArc.recover(shared).map(LoadError::Failed),
        }
    }

    fn is_absence(&self, error: &LoadError<E>) -> bool {
        matches!(error, LoadError::NotFound)
    }
}
