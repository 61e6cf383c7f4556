//! How the failure of one load reaches those who waited for it.
//!
//! A flight does not know the error types of those who will join it, so an error travels as `Any`:
//! who waits with the same type takes it, who waits with another loads by himself.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

/// How the failure of one load reaches those who waited for it.
#[doc(hidden)]
pub trait ErrorSharing<E> {
    /// What waiters are given; nothing if they cannot be given anything.
    fn to_shared(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>>;
    /// The error made of what the leader shared; nothing if it is of another type.
    fn recover(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E>;
    /// Does this "error" say that there is no value, rather than that it could not be had? Then what was
    /// loaded before is out of date.
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

/// Shares nothing: every waiter loads by himself.
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

/// For errors that are in an `Arc` already.
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

/// For loads that may find nothing.
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
