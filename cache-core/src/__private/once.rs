//! A cell that is set once, by code of the user.
//!
//! As `OnceLock`, on which it is built, except that the process may be forked meanwhile: the thread
//! that was setting the cell does not exist in the child, where a `OnceLock` would wait for it for
//! ever. So the value is made outside of the lock, by one thread at a time, which registers itself
//! in a list; a child removes the entries of other threads. Reading a set cell costs what it costs
//! with a `OnceLock`.

use std::sync::OnceLock;

use crate::util::fork::{self, Condvar, Global};
use crate::util::thread_slot;

/// A cell that is set once, and that survives a fork.
pub(super) struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Returns the value, set first if need be. `value` must not run code of the user.
    pub(super) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        // The process does not fork before the cell is set.
        let _gate = fork::gate();
        self.0.get_or_init(value)
    }

    /// Returns the value. If the cell is not set, one of the calling threads makes the value, and
    /// if it panics the next one.
    ///
    /// # Panics
    ///
    /// If `make` calls it for the same cell.
    #[inline]
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        match self.0.get() {
            Some(value) => value,
            None => self.make(make),
        }
    }

    #[cold]
    fn make(&self, make: impl FnOnce() -> T) -> &T {
        let _turn = Turn::take(std::ptr::from_ref(self) as usize);
        if let Some(value) = self.0.get() {
            return value;
        }
        let made = make();
        self.get_or_init(|| made)
    }
}

/// The cells whose values are being made, by address, and the threads that make them.
static MAKING: Global<Vec<(usize, usize)>> = Global::new(
    Vec::new(),
    |making| making.retain(|(_, thread)| *thread == thread_slot::identity()),
    || (),
);
/// Notified when an entry is removed.
static MADE: Condvar = Condvar::new();

/// The right to make the value of a cell.
struct Turn(usize);

impl Turn {
    /// Waits until no other thread makes the value.
    fn take(cell: usize) -> Turn {
        let own = thread_slot::identity();
        let mut making = MAKING.lock();
        while let Some(&(_, thread)) = making.iter().find(|(other, _)| *other == cell) {
            if thread == own {
                drop(making);
                panic!("a cache is needed while it is being built, by the code that builds it");
            }
            MADE.wait(&mut making);
        }
        making.push((cell, own));
        Turn(cell)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut making = MAKING.lock();
        making.retain(|(cell, _)| *cell != self.0);
        MADE.notify_all();
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    #[test]
    fn of_concurrent_threads_one_makes_the_value() {
        let (cells, made) = ([const { Once::new() }; 50], AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (number, cell) in cells.iter().enumerate() {
                        let value = cell.get_or_make(|| {
                            made.fetch_add(1, SeqCst);
                            thread::yield_now();
                            number
                        });
                        assert_eq!(*value, number);
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 50);
    }

    #[test]
    fn a_value_that_needs_itself_is_a_panic_and_leaves_the_cell_empty() {
        let cell = Once::new();
        let inside = AssertUnwindSafe(|| *cell.get_or_make(|| *cell.get_or_make(|| 1)));
        assert!(catch_unwind(inside).is_err());
        assert_eq!((cell.get(), *cell.get_or_make(|| 2)), (None, 2));
    }
}
