//! How the failure of one load reaches those who waited for it.
//!
//! A flight does not know the error types of those who will join it, so an error travels as `Any`:
//! who waits with the same type takes it, who waits with another loads by himself.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

/// How the failure of one load reaches those who waited for it.
#[doc(hidden)]
pub trait ShareError<E> {
    /// What waiters are given; nothing if they cannot be given anything.
    fn share(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>>;
    /// The error made of what the leader shared; nothing if it is of another type.
    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E>;
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

impl<E: Clone + Send + Sync + 'static> ShareError<E> for CloneError {
    fn share(&self, error: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(error.clone()))
    }

    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        shared.downcast_ref::<E>().cloned()
    }
}

/// Shares nothing: every waiter loads by himself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct KeepError;

impl<E> ShareError<E> for KeepError {
    fn share(&self, _: &E) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    fn adopt(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<E> {
        None
    }
}

/// For errors that are in an `Arc` already.
pub(crate) struct ShareArc;

impl<E: Send + Sync + 'static> ShareError<Arc<E>> for ShareArc {
    fn share(&self, error: &Arc<E>) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(error) as Arc<dyn Any + Send + Sync>)
    }

    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<Arc<E>> {
        Arc::clone(shared).downcast().ok()
    }
}

/// The "error" of a load that found nothing.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

/// For loads that may find nothing.
pub(crate) struct ShareNothing;

impl ShareError<Nothing> for ShareNothing {
    fn share(&self, _: &Nothing) -> Option<Arc<dyn Any + Send + Sync>> {
        CloneError.share(&Nothing)
    }

    fn adopt(&self, shared: &Arc<dyn Any + Send + Sync>) -> Option<Nothing> {
        CloneError.adopt(shared)
    }

    fn is_absence(&self) -> bool {
        true
    }
}

/// For loads that cannot fail.
pub(crate) struct NeverFails;

impl ShareError<Infallible> for NeverFails {
    fn share(&self, error: &Infallible) -> Option<Arc<dyn Any + Send + Sync>> {
        match *error {}
    }

    fn adopt(&self, _: &Arc<dyn Any + Send + Sync>) -> Option<Infallible> {
        None
    }
}
