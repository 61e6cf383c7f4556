//! A small dense number for each live thread.
//!
//! Each cache keeps one line of memory per thread that uses it (its epoch announcement and its
//! share of the statistics). The number says which line. Numbers are process-wide, given out
//! smallest first and returned when their thread ends, so that they stay as small as the number of
//! threads alive at once; a cache needs to know nothing of threads that come and go.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::util::fork::Global;

/// What [`current`] answers for a thread that has no number (yet, or any more).
pub(crate) const NONE: usize = usize::MAX;

static NUMBERS: Global<Numbers> = Global::new(
    Numbers { returned: BinaryHeap::new(), next: 0 },
    Numbers::forget_other_threads,
    || (),
);

struct Numbers {
    returned: BinaryHeap<Reverse<usize>>,
    next: usize,
}

impl Numbers {
    /// In a forked child: the numbers of threads that are not there go back.
    fn forget_other_threads(&mut self) {
        let own = held();
        self.returned.clear();
        self.returned.extend((0..self.next).filter(|&number| number != own).map(Reverse));
    }
}

#[cfg(not(loom))]
crate::util::sync::thread_local! {
    // Const-initialised and without a destructor: a read is one move relative to the thread's
    // base register, and stays possible while the thread's other locals are being destroyed.
    static CURRENT: Cell<usize> = const { Cell::new(NONE) };
    /// The number that the thread has for the moment, and how often it was [leased](lease).
    static LEASED: Cell<(usize, usize)> = const { Cell::new((NONE, 0)) };
    static RETURN: ReturnAtExit = const { ReturnAtExit(Cell::new(NONE)) };
}

// loom's threads share one thread of the system. A model tells each its number.
#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<usize> = Cell::new(NONE);
    static LEASED: Cell<(usize, usize)> = Cell::new((NONE, 0));
}

/// Makes this number the calling thread's.
#[cfg(all(test, loom))]
pub(crate) fn set(number: usize) {
    CURRENT.with(|current| current.set(number));
}

/// Holds the number a second time, for when it is dropped.
#[cfg(not(loom))]
struct ReturnAtExit(Cell<usize>);

#[cfg(not(loom))]
impl Drop for ReturnAtExit {
    fn drop(&mut self) {
        let number = self.0.get();
        if number != NONE {
            let _ = CURRENT.try_with(|current| current.set(NONE));
            give_back(number);
        }
    }
}

/// The calling thread's number, or [`NONE`]. No lock.
#[inline]
pub(crate) fn current() -> usize {
    // Always there, but for a thread of a model that is ending.
    CURRENT.try_with(Cell::get).unwrap_or(NONE)
}

/// The number under which the calling thread may hold something: its own, or, while it is ending,
/// the one that it leases. [`NONE`] if it holds nothing.
pub(crate) fn held() -> usize {
    let (leased, leases) = LEASED.try_with(Cell::get).unwrap_or((NONE, 0));
    match current() {
        NONE if leases > 0 => leased,
        own => own,
    }
}

/// Gives the calling thread a number that it keeps until it ends; [`NONE`] when it is already
/// ending, in which case the caller must [`lease`] one.
#[cfg(not(loom))]
#[cold]
pub(crate) fn register() -> usize {
    if current() == NONE {
        let _ = RETURN.try_with(|at_exit| {
            at_exit.0.set(take());
            CURRENT.with(|current| current.set(at_exit.0.get()));
        });
    }
    current()
}

/// As for a thread that is ending, where a model told it no number.
#[cfg(loom)]
pub(crate) fn register() -> usize {
    current()
}

/// Gives an ending thread a number for the moment, the same one until all of its leases have
/// [ended](end_lease): so that a call inside another one of the same thread has the same line.
#[cold]
pub(crate) fn lease() -> usize {
    let leased = LEASED.try_with(|leased| {
        let (number, leases) = leased.get();
        let number = if leases == 0 { take() } else { number };
        leased.set((number, leases + 1));
        number
    });
    // It is always there, but for a thread of a model that is ending.
    leased.unwrap_or_else(|_| take())
}

/// Ends a lease of this number.
#[cold]
pub(crate) fn end_lease(number: usize) {
    let left = LEASED.try_with(|leased| {
        let left = leased.get().1 - 1;
        leased.set((number, left));
        left
    });
    if left.unwrap_or(0) == 0 {
        give_back(number);
    }
}

/// Takes the smallest free number.
fn take() -> usize {
    let mut numbers = NUMBERS.lock();
    if let Some(Reverse(number)) = numbers.returned.pop() {
        return number;
    }
    numbers.next += 1;
    numbers.next - 1
}

/// Returns a number. The lock orders what its holder did before what the next holder does.
fn give_back(number: usize) {
    NUMBERS.lock().returned.push(Reverse(number));
}

/// Returns `true` if a thread has this number. If none has, the lock orders what its last holder did
/// before the return, and the return before what the next holder does.
#[cfg(not(loom))]
pub(crate) fn is_taken(number: usize) -> bool {
    let numbers = NUMBERS.lock();
    number < numbers.next && numbers.returned.iter().all(|returned| returned.0 != number)
}

/// In a model, numbers are not returned.
#[cfg(loom)]
pub(crate) fn is_taken(_: usize) -> bool {
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_holds_a_number_of_its_own_or_one_that_it_leases() {
        let held_by_others = || {
            assert_eq!(held(), NONE);
            let number = lease();
            assert_eq!(held(), number);
            end_lease(number);
            assert_eq!(held(), NONE);
            let number = register();
            assert_eq!(held(), number);
        };
        std::thread::spawn(held_by_others).join().expect("no panic");
    }

    #[test]
    fn an_ending_thread_keeps_one_number_until_its_last_lease_ends() {
        let (outer, inner) = (lease(), lease());
        assert_eq!(outer, inner);
        end_lease(outer);
        let elsewhere = std::thread::spawn(|| {
            let number = lease();
            end_lease(number);
            number
        });
        assert_ne!(elsewhere.join().expect("no panic"), inner, "it is leased still");
        assert_eq!(lease(), inner);
        end_lease(inner);
        end_lease(inner);
    }

    #[test]
    fn numbers_are_distinct_while_held_and_reused_after() {
        let (a, b) = (take(), take());
        assert_ne!(a, b);
        assert!(is_taken(a) && is_taken(b));
        give_back(a);
        give_back(b);
        assert!(!is_taken(usize::MAX - 1), "nobody has been given that many");
        let again: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let number = register();
                        assert_eq!(number, current());
                        assert_eq!(number, register());
                        number
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(again.iter().all(|&number| number != NONE));
    }
}
