//! What a thread is known by: its slot, and its identity.
//!
//! # FreeSlots
//! Each cache keeps one line of memory per thread that uses it (its epoch announcement and its
//! share of the statistics). The slot, a small dense number, says which line. FreeSlots are
//! process-wide, given out smallest first and returned when their thread ends, so that they stay as
//! small as the number of threads alive at once; a cache needs to know nothing of threads that come
//! and go.
//!
//! # Identities
//! Where a thread is to be told from all others, also from those that have ended, its slot does not
//! do, because another thread may have it by then; nor does the address of a thread-local, for the
//! same reason. [`identity`] is a number that is never given out twice.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::util::fork::Global;

/// What [`current`] returns for a thread that has no slot (yet, or any more).
pub(crate) const NONE: usize = usize::MAX;

static SLOTS: Global<FreeSlots> = Global::new(
    FreeSlots { returned: BTreeSet::new(), next: 0 },
    // The slots of threads that are not in the child are free.
    |slots| {
        let own = held();
        slots.returned = (0..slots.next).filter(|&slot| slot != own).collect();
    },
    || (),
);

struct FreeSlots {
    returned: BTreeSet<usize>,
    /// No slot from here on has ever been given out.
    next: usize,
}

#[cfg(not(loom))]
crate::util::sync::thread_local! {
    // Const-initialised and without a destructor: a read is one move relative to the thread's
    // base register, and stays possible while the thread's other locals are being destroyed.
    static CURRENT: Cell<usize> = const { Cell::new(NONE) };
    /// The slot that the thread has for the moment, and how often it was [leased](lease).
    static LEASED: Cell<(usize, usize)> = const { Cell::new((NONE, 0)) };
    static RETURN: ReturnAtExit = const { ReturnAtExit(Cell::new(NONE)) };
}

// loom's threads share one thread of the system. A model sets the slot of each.
#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<usize> = Cell::new(NONE);
    static LEASED: Cell<(usize, usize)> = Cell::new((NONE, 0));
}

/// Makes this slot the calling thread's.
#[cfg(all(test, loom))]
pub(crate) fn set(slot: usize) {
    CURRENT.with(|current| current.set(slot));
}

/// Holds a copy of the thread's slot and returns the slot when the thread ends.
#[cfg(not(loom))]
struct ReturnAtExit(Cell<usize>);

#[cfg(not(loom))]
impl Drop for ReturnAtExit {
    fn drop(&mut self) {
        let slot = self.0.get();
        if slot != NONE {
            let _ = CURRENT.try_with(|current| current.set(NONE));
            free(slot);
        }
    }
}

/// Returns the calling thread's slot, or [`NONE`]. No lock.
#[inline]
pub(crate) fn current() -> usize {
    // It is always there, except for a thread of a model that is ending.
    CURRENT.try_with(Cell::get).unwrap_or(NONE)
}

/// Returns the slot under which the calling thread may hold something: its own, or, while it is
/// ending, the one that it leases. [`NONE`] if it holds nothing.
pub(crate) fn held() -> usize {
    let (leased, leases) = LEASED.try_with(Cell::get).unwrap_or((NONE, 0));
    match current() {
        NONE if leases > 0 => leased,
        own => own,
    }
}

/// Gives the calling thread a slot that it keeps until it ends, and returns it; [`NONE`] if the
/// thread is ending, in which case the caller must [`lease`] one.
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

/// A thread to which the model gave no slot is treated as one that is ending.
#[cfg(loom)]
pub(crate) fn register() -> usize {
    current()
}

/// Gives an ending thread a slot for the moment, the same one until all of its leases have
/// [ended](end_lease), so that a call inside another call of the same thread uses the same line.
#[cold]
pub(crate) fn lease() -> usize {
    let leased = LEASED.try_with(|leased| {
        let (slot, leases) = leased.get();
        let slot = if leases == 0 { take() } else { slot };
        leased.set((slot, leases + 1));
        slot
    });
    // It is always there, except for a thread of a model that is ending.
    leased.unwrap_or_else(|_| take())
}

/// Ends a lease of this slot.
#[cold]
pub(crate) fn end_lease(slot: usize) {
    let left = LEASED.try_with(|leased| {
        let left = leased.get().1 - 1;
        leased.set((slot, left));
        left
    });
    if left.unwrap_or(0) == 0 {
        free(slot);
    }
}

crate::util::sync::thread_local! {
    /// Without a destructor, so that it can be read as long as the thread lives.
    static IDENTITY: Cell<usize> = const { Cell::new(0) };
}

/// Returns a number that tells the calling thread from all others that the process has or had. It
/// is never 0. No lock.
pub(crate) fn identity() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let identity = IDENTITY.try_with(|identity| {
        if identity.get() == 0 {
            // Relaxed: only that no two threads get the same one counts.
            identity.set(NEXT.fetch_add(1, Relaxed));
        }
        identity.get()
    });
    // It is always there, except for a thread of a model that is ending.
    identity.unwrap_or(usize::MAX)
}

/// Takes the smallest free slot.
fn take() -> usize {
    let mut slots = SLOTS.lock();
    slots.returned.pop_first().unwrap_or_else(|| {
        slots.next += 1;
        slots.next - 1
    })
}

/// Frees a slot. The lock orders what its holder did before what the next holder does.
fn free(slot: usize) {
    SLOTS.lock().returned.insert(slot);
}

/// Returns `true` if a thread has this slot. If none has, the lock orders what its last holder did
/// before its return, and the return before what the next holder does.
pub(crate) fn is_taken(slot: usize) -> bool {
    let slots = SLOTS.lock();
    // In a model, slots are not returned.
    cfg!(loom) || slot < slots.next && !slots.returned.contains(&slot)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_holds_its_own_slot_or_one_that_it_leases() {
        let held_by_others = || {
            assert_eq!(held(), NONE);
            let slot = lease();
            assert_eq!(held(), slot);
            end_lease(slot);
            assert_eq!(held(), NONE);
            let slot = register();
            assert_eq!(held(), slot);
        };
        std::thread::spawn(held_by_others).join().expect("no panic");
    }

    #[test]
    fn an_ending_thread_keeps_one_slot_until_its_last_lease_ends() {
        let (outer, inner) = (lease(), lease());
        assert_eq!(outer, inner);
        end_lease(outer);
        let elsewhere = std::thread::spawn(|| {
            let slot = lease();
            end_lease(slot);
            slot
        });
        assert_ne!(elsewhere.join().expect("no panic"), inner, "it is still leased");
        assert_eq!(lease(), inner);
        end_lease(inner);
        end_lease(inner);
    }

    #[test]
    fn slots_are_distinct_while_held_and_reused_after() {
        let (a, b) = (take(), take());
        assert_ne!(a, b);
        assert!(is_taken(a) && is_taken(b));
        free(a);
        free(b);
        assert!(!is_taken(usize::MAX - 1), "so many were never given out");
        let again: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let slot = register();
                        assert_eq!(slot, current());
                        assert_eq!(slot, register());
                        slot
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(again.iter().all(|&slot| slot != NONE));
    }

    #[test]
    fn an_identity_is_never_given_out_twice() {
        let own = identity();
        let other = || std::thread::spawn(identity).join().expect("no panic");
        let (first, second) = (other(), other());
        assert!(own == identity() && own != first && own != second && first != second);
    }
}
