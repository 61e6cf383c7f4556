//! The one budget of a cache: what its entries may weigh together.
//!
//! Weight is reserved before an entry is published and released after it is unlinked. `used` is
//! raised only by a compare-and-swap that keeps it within `max`, so neither it nor the sum over
//! entries that can be read exceeds the bound at any instant, seen from any thread.

use crate::util::cache_padded::CachePadded;
use crate::util::fork;
use crate::util::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::util::sync::{Mutex, MutexGuard};

/// What the entries of a cache may weigh together, and do. Without a weigher every entry weighs 1.
pub(crate) struct Budget {
    pub(crate) max: u64,
    used: CachePadded<AtomicU64>,
    /// Acquired through [`Budget::lent`] only.
    lent: Mutex<Vec<Lent>>,
}

/// The reservation of a call that is running the user's `Eq`. All other calls may take it: they
/// cannot wait until it is used or released, as that `Eq` may wait for them, because it has called
/// them or waits for their thread.
struct Lent {
    line: usize,
    weight: u64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Self {
        Budget { max, used: CachePadded(AtomicU64::new(0)), lent: Mutex::new(Vec::new()) }
    }

    #[inline]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Reserves so much, if there is room. In a full cache this only reads.
    #[inline]
    fn try_reserve(&self, weight: u64) -> bool {
        // AcqRel: a thread that reserves released weight synchronises with the unlinking that
        // released it.
        let raised = |used: u64| used.checked_add(weight).filter(|&sum| sum <= self.max);
        self.used.fetch_update(AcqRel, Acquire, raised).is_ok()
    }

    /// Reserves one, if there is room.
    #[inline]
    pub(crate) fn try_reserve_one(&self) -> bool {
        self.used() < self.max && self.try_reserve(1)
    }

    /// What is lent, under its lock; and the gate that is acquired before.
    fn lent(&self) -> (fork::Gate, MutexGuard<'_, Vec<Lent>>) {
        (fork::gate(), self.lent.lock())
    }

    /// In a forked child: drops what other threads had lent. `used`: so much is in use, and no
    /// thread has reserved any; `None` if that is not known.
    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(crate) fn forget_other_threads(&self, own: usize, used: Option<u64>) {
        if !self.lent.lock().is_empty() {
            self.lent.lock().retain(|lent| lent.line == own);
        }
        // Nothing is written where nothing changes: the memory stays shared with the parent.
        if let Some(used) = used.filter(|&used| used != self.used()) {
            self.used.store(used, Relaxed);
        }
    }

    /// Releases what an unlinked entry, or an unused reservation, held.
    #[inline]
    pub(crate) fn release(&self, weight: u64) {
        if weight > 0 {
            self.used.fetch_sub(weight, AcqRel);
        }
    }
}

/// Weight that belongs to a call until an entry takes it over. What is left is released.
pub(crate) struct Reservation<'b> {
    budget: &'b Budget,
    held: u64,
}

impl<'b> Reservation<'b> {
    pub(crate) fn new(budget: &'b Budget) -> Self {
        Reservation { budget, held: 0 }
    }

    /// Reserves more until it holds so much. Returns `false`, and reserves nothing, if it cannot.
    #[inline]
    pub(crate) fn grow_to(&mut self, weight: u64) -> bool {
        let missing = weight.saturating_sub(self.held);
        if missing > 0 && !self.budget.try_reserve(missing) {
            return false;
        }
        self.held += missing;
        true
    }

    /// Takes over what an unlinked entry held.
    #[inline]
    pub(crate) fn take_over(&mut self, weight: u64) {
        self.held += weight;
    }

    /// Hands so much of it to an entry.
    #[inline]
    pub(crate) fn spend(&mut self, weight: u64) {
        debug_assert!(weight <= self.held);
        self.held -= weight;
    }

    /// Releases what no entry took over.
    #[inline]
    pub(crate) fn release(&mut self) {
        self.budget.release(std::mem::take(&mut self.held));
    }

    /// Lends what it holds to calls that find nothing else, until the guard drops. What is left
    /// then comes back. `line`: the number of the thread's line in this cache.
    pub(crate) fn lend(&mut self, line: usize) -> Lending<'_, 'b> {
        let weight = std::mem::take(&mut self.held);
        let (_gate, mut lent) = self.budget.lent();
        lent.push(Lent { line, weight });
        drop(lent);
        Lending { lender: self, line }
    }

    /// Takes over what others have lent, until it holds so much. Returns `true` if it does.
    pub(crate) fn borrow_to(&mut self, weight: u64) -> bool {
        let (_gate, mut all) = self.budget.lent();
        for lent in all.iter_mut() {
            let taken = lent.weight.min(weight.saturating_sub(self.held));
            lent.weight -= taken;
            self.held += taken;
        }
        self.held >= weight
    }
}

/// While it lives, what a [`Reservation`] holds is lent.
pub(crate) struct Lending<'r, 'b> {
    lender: &'r mut Reservation<'b>,
    line: usize,
}

impl Drop for Lending<'_, '_> {
    fn drop(&mut self) {
        let (_gate, mut lent) = self.lender.budget.lent();
        // The thread's last: its calls end in the reverse order of their beginnings.
        let last = lent.iter().rposition(|lent| lent.line == self.line);
        self.lender.held += last.map_or(0, |last| lent.remove(last).weight);
    }
}

impl Drop for Reservation<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn reservations_never_exceed_the_bound_and_release_what_is_left() {
        let budget = Budget::new(10);
        let mut first = Reservation::new(&budget);
        assert!(first.grow_to(7));
        let mut second = Reservation::new(&budget);
        assert!(!second.grow_to(4));
        assert!(second.grow_to(3));
        assert_eq!(budget.used(), 10);
        first.spend(5);
        drop(first);
        assert_eq!(budget.used(), 8);
        second.take_over(5);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_lent_comes_back_unless_another_call_has_taken_it() {
        let budget = Budget::new(10);
        let (mut outer, mut inner) = (Reservation::new(&budget), Reservation::new(&budget));
        assert!(outer.grow_to(10) && !inner.grow_to(1) && !inner.borrow_to(1));
        drop(outer.lend(7));
        assert_eq!(outer.held, 10);
        let lending = outer.lend(7);
        assert!(inner.borrow_to(4));
        let mut innermost = Reservation::new(&budget);
        let inner_lending = inner.lend(7);
        assert!(!innermost.borrow_to(11) && innermost.held == 10);
        drop(inner_lending);
        drop(lending);
        assert_eq!((outer.held, inner.held, budget.used()), (0, 0, 10));
        innermost.release();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_unbounded_budget_does_not_overflow() {
        let budget = Budget::new(u64::MAX);
        let mut reservation = Reservation::new(&budget);
        assert!(reservation.grow_to(u64::MAX));
        assert!(!Reservation::new(&budget).grow_to(1));
    }
}
