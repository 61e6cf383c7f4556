//! The one place that says whose synchronisation primitives the core runs on: the standard
//! library's and those of `util/fork.rs`; loom's under `--cfg loom`, for models of the table, with
//! atomics and memory orders; or shuttle's under `--cfg shuttle`, for models of the whole cache and
//! its loads, with locks only: between them it goes from call to call, and what is atomic is one
//! step. What stands in a `static` is of the [process] and is no part of a model.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use self::process::{Event, Mutex, MutexGuard};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use crate::util::fork::{InnerMutex, OuterMutex, OuterMutexGuard};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::thread_local;

#[cfg(any(loom, shuttle))]
pub(crate) use self::model::{Event, Mutex, Mutex as InnerMutex, Mutex as OuterMutex};
#[cfg(any(loom, shuttle))]
pub(crate) use self::model::{MutexGuard, MutexGuard as OuterMutexGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;
#[cfg(loom)]
pub(crate) use std::thread_local;

/// Primitives that no model replaces. Nothing of them is left behind by threads that wait: see
/// `util/fork.rs`.
pub(crate) mod process {
    use std::time::Instant;

    pub(crate) use crate::util::fork::{Mutex, MutexGuard};

    #[cfg(target_os = "linux")]
    pub(crate) use self::futex::{Condvar, Event};
    #[cfg(not(target_os = "linux"))]
    pub(crate) use self::portable::{Condvar, Event};

    #[cfg(target_os = "linux")]
    mod futex {
        use super::{Instant, MutexGuard};
        use crate::util::fork::{wait_while, wake};
        use std::sync::atomic::{
            AtomicU32,
            Ordering::{Acquire, Relaxed, Release},
        };

        /// A condition variable: it counts notices.
        pub(crate) struct Condvar(AtomicU32);

        impl Condvar {
            pub(crate) const fn new() -> Self {
                Condvar(AtomicU32::new(0))
            }

            /// The caller holds the mutex, or has held it since what is waited for came about.
            pub(crate) fn notify_one(&self) {
                // Relaxed: the mutex orders it after the look of a waiter that did not find it.
                self.0.fetch_add(1, Relaxed);
                wake(&self.0, 1);
            }

            /// As `notify_one`.
            pub(crate) fn notify_all(&self) {
                self.0.fetch_add(1, Relaxed);
                wake(&self.0, u32::MAX >> 1);
            }

            /// Unlocks the mutex until a notice comes, perhaps without a reason, or the deadline.
            pub(crate) fn wait_until<T>(
                &self,
                guard: &mut MutexGuard<'_, T>,
                deadline: Option<Instant>,
            ) {
                let seen = self.0.load(Relaxed);
                MutexGuard::unlocked(guard, || wait_while(&self.0, seen, deadline));
            }
        }

        /// Something that one thread waits for.
        pub(crate) struct Event(AtomicU32);

        impl Event {
            pub(crate) fn new() -> Self {
                Event(AtomicU32::new(0))
            }

            pub(crate) fn set(&self) {
                // Release: pairs with the Acquire in `wait`.
                if self.0.swap(1, Release) == 0 {
                    wake(&self.0, 1);
                }
            }

            /// Blocks until it is set, and takes that back, or until the deadline has come.
            pub(crate) fn wait(&self, deadline: Option<Instant>) {
                // Acquire: pairs with the Release in `set`.
                while self.0.swap(0, Acquire) == 0 && wait_while(&self.0, 0, deadline) {}
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    mod portable {
        use super::{Instant, Mutex, MutexGuard};

        pub(crate) struct Condvar(parking_lot::Condvar);

        impl Condvar {
            pub(crate) const fn new() -> Self {
                Condvar(parking_lot::Condvar::new())
            }

            pub(crate) fn notify_one(&self) {
                self.0.notify_one();
            }

            pub(crate) fn notify_all(&self) {
                self.0.notify_all();
            }

            /// Unlocks the mutex until a notice comes, perhaps without a reason, or the deadline.
            pub(crate) fn wait_until<T>(
                &self,
                guard: &mut MutexGuard<'_, T>,
                deadline: Option<Instant>,
            ) {
                match deadline {
                    None => self.0.wait(guard),
                    Some(deadline) => _ = self.0.wait_until(guard, deadline),
                }
            }
        }

        /// Something that one thread waits for.
        pub(crate) struct Event(Mutex<bool>, Condvar);

        impl Event {
            pub(crate) fn new() -> Self {
                Event(Mutex::new(false), Condvar::new())
            }

            pub(crate) fn set(&self) {
                *self.0.lock() = true;
                self.1.notify_one();
            }

            /// Blocks until it is set, and takes that back, or until the deadline has come.
            pub(crate) fn wait(&self, deadline: Option<Instant>) {
                let mut set = self.0.lock();
                while !*set && deadline.is_none_or(|deadline| Instant::now() < deadline) {
                    self.1.wait_until(&mut set, deadline);
                }
                *set = false;
            }
        }
    }
}

/// The primitives of the model checker, with the same face.
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

        /// The checkers know no time, so the deadline never comes.
        pub(crate) fn wait(&self, _: Option<Instant>) {
            let mut set = self.0.lock();
            while !*set {
                set = self.1.wait(set).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            *set = false;
        }
    }
}

/// Keeps what different cores write on different cache lines. 128 and not 64 bytes: the
/// prefetchers of current x86 cores fetch lines in pairs, and some ARM cores have lines of 128.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
