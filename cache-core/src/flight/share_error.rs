//! How the error of one load reaches the waiters.
//!
//! A flight does not know the error types of the callers that will join it, so an error travels as
//! `Any`: a waiter with the same error type receives it; any other waiter runs its own load.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

/// How the error of a load is shared with the waiters of the load.
#[doc(hidden)]
pub trait ErrorSharing<E> {
    /// Returns what waiters are given; `None` if this error cannot be shared.
    fn to_shared(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>>;
    /// Makes an error from what the leader shared; `None` if that is of another type.
    fn recover(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E>;
    /// Returns `true` if this "error" means that there is no value, rather than that the load has
    /// failed. Then the old value is out of date.
    fn is_absence(&self) -> bool {
        false
    }
}

/// Shares a clone of the error.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct CloneError;

impl<E: Clone + Send + Sync + 'static> ErrorSharing<E> for CloneError {
    fn to_shared(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(error.clone()))
    }

    fn recover(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        shared.downcast_ref::<E>().cloned()
    }
}

/// Shares nothing: every waiter runs its own load.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct KeepError;

impl<E> ErrorSharing<E> for KeepError {
    fn to_shared(&self, _: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    fn recover(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        None
    }
}

/// Shares errors that are in an `Arc` already.
pub(crate) struct ShareArc;

impl<E: Send + Sync + 'static> ErrorSharing<Arc<E>> for ShareArc {
    fn to_shared(&self, error: &Arc<E>) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(error) as Arc<dyn Any + Send + Sync>)
    }

    fn recover(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<Arc<E>> {
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
    fn to_shared(&self, _: &Nothing) -> Option<Arc<dyn Any + Send + Sync>> {
        CloneError.to_shared(&Nothing)
    }

    fn recover(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<Nothing> {
        CloneError.recover(shared)
    }

    fn is_absence(&self) -> bool {
        true
    }
}

/// For loads that cannot fail.
pub(crate) struct NeverFails;

impl ErrorSharing<Infallible> for NeverFails {
    fn to_shared(&self, error: &Infallible) -> Option<Arc<dyn Any + Send + Sync>> {
        match *error {}
    }

    fn recover(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<Infallible> {
        None
    }
}
