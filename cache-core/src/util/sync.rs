//! The one place that selects the synchronisation primitives of the core: the standard library's
//! and those of `util/fork.rs`; loom's under `--cfg loom`, for models of the table, with atomics
//! and memory orders; or shuttle's under `--cfg shuttle`, for models of the whole cache and its
//! loads, which switch threads at locks only, so that an atomic operation is one step. What stands
//! in a `static` belongs to the process and is part of no model: it uses those of `util/fork.rs`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use crate::util::fork::{
    Event, InnerMutex, Mutex, MutexGuard, OuterMutex, OuterMutexGuard,
};
#[cfg(not(shuttle))]
pub(crate) use std::thread_local;

#[cfg(any(loom, shuttle))]
pub(crate) use self::model::{Event, Mutex, Mutex as InnerMutex, Mutex as OuterMutex};
#[cfg(any(loom, shuttle))]
pub(crate) use self::model::{MutexGuard, MutexGuard as OuterMutexGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;

/// The primitives of the model checkers, with the same interface.
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

    pub(crate) struct Event(Mutex<bool>, checker::Condvar);

    impl Event {
        pub(crate) fn new() -> Self {
            Event(Mutex::new(false), checker::Condvar::new())
        }

        pub(crate) fn set(&self) {
            *self.0.lock() = true;
            self.1.notify_one();
        }

        /// The checkers have no time, so the deadline never comes.
        pub(crate) fn wait(&self, _: Option<Instant>) {
            let mut set = self.0.lock();
            while !*set {
                set = self.1.wait(set).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            *set = false;
        }
    }
}
