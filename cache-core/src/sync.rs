//! The one place that says whose synchronisation primitives the core runs on: the standard
//! library's and parking_lot's; loom's under `--cfg loom`, for models of the table, with atomics and
//! memory orders; or shuttle's under `--cfg shuttle`, for models of the whole cache and its loads,
//! with locks only: between them it goes from call to call, and what is atomic is one step.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::thread_local;

#[cfg(any(loom, shuttle))]
pub(crate) use self::model::{Condvar, Mutex, MutexGuard, wait_until};
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;
#[cfg(loom)]
pub(crate) use std::thread_local;

/// The mutex and the condition variable of the model checker, with the face of parking_lot's: no
/// poison.
#[cfg(any(loom, shuttle))]
mod model {
    #[cfg(loom)]
    use loom::sync as checker;
    #[cfg(shuttle)]
    use shuttle::sync as checker;

    pub(crate) use checker::MutexGuard;
    use std::time::Instant;

    pub(crate) struct Mutex<T>(checker::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(checker::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    pub(crate) struct Condvar(checker::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar(checker::Condvar::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(super) fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
            self.0.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    /// As the other `wait_until`. The checkers know no time, so the deadline never comes.
    pub(crate) fn wait_until<'m, T>(
        condvar: &Condvar,
        guard: MutexGuard<'m, T>,
        _: Option<Instant>,
    ) -> (MutexGuard<'m, T>, bool) {
        (condvar.wait(guard), false)
    }
}

/// Blocks until the condition variable is notified, perhaps without a reason; or until the
/// deadline has come, which it says.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn wait_until<'m, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'m, T>,
    deadline: Option<std::time::Instant>,
) -> (MutexGuard<'m, T>, bool) {
    let Some(deadline) = deadline else {
        condvar.wait(&mut guard);
        return (guard, false);
    };
    let timed_out = condvar.wait_until(&mut guard, deadline).timed_out();
    (guard, timed_out)
}

/// Keeps what different cores write on different cache lines. 128 and not 64 bytes: the
/// prefetchers of current x86 cores fetch lines in pairs, and some ARM cores have lines of 128.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Padded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
