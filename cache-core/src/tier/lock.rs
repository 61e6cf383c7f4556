//! A lock that a fork waits for, held for moments: never while the user's code, or the tier's,
//! runs.

use std::ops::{Deref, DerefMut};

use crate::util::fork::{self, Gate};
use crate::util::sync::{Mutex, MutexGuard};

/// A mutex of which no copy is locked in the child of a fork.
pub(super) struct ForkMutex<T>(Mutex<T>);

/// Its guard. The fields are dropped in their order: a fork goes on when the lock is free.
pub(super) struct ForkMutexGuard<'m, T> {
    guard: MutexGuard<'m, T>,
    _gate: Gate,
}

impl<T> ForkMutex<T> {
    pub(super) fn new(value: T) -> Self {
        ForkMutex(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> ForkMutexGuard<'_, T> {
        let gate = fork::gate();
        ForkMutexGuard { guard: self.0.lock(), _gate: gate }
    }
}

impl<T> Deref for ForkMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for ForkMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}
