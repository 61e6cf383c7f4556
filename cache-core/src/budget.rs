//! The one budget of a cache: what its entries may weigh together.
//!
//! Weight is reserved before an entry is published and given back after it is unlinked. `used` is
//! raised only by a compare-and-swap that keeps it within `max`, so neither it nor the sum over
//! entries that can be read exceeds the bound at any instant, seen from any thread.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::sync::{Mutex, Padded};

/// See the module's head. Without a weigher every entry weighs 1.
pub(crate) struct Budget {
    max: u64,
    used: Padded<AtomicU64>,
    lent: Mutex<Vec<Lent>>,
}

/// What a call has reserved that is running the user's `Eq`, at the disposal of the calls which that
/// makes: they cannot wait for the outer call to use it or to give it back.
struct Lent {
    /// The thread's, in this cache.
    line: usize,
    weight: u64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Self {
        Budget { max, used: Padded(AtomicU64::new(0)), lent: Mutex::new(Vec::new()) }
    }

    #[inline]
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Reserves so much, if there is room. In a full cache this only reads.
    #[inline]
    fn try_reserve(&self, weight: u64) -> bool {
        // AcqRel: who gets what another gave back comes after his unlinking.
        self.used
            .fetch_update(AcqRel, Acquire, |used| {
                used.checked_add(weight).filter(|&sum| sum <= self.max)
            })
            .is_ok()
    }

    /// Gives back what an unlinked entry, or an unused reservation, held.
    #[inline]
    pub(crate) fn release(&self, weight: u64) {
        if weight > 0 {
            self.used.fetch_sub(weight, AcqRel);
        }
    }
}

/// Weight that belongs to a call until an entry takes it over. What is left is given back.
pub(crate) struct Reservation<'b> {
    budget: &'b Budget,
    held: u64,
}

impl<'b> Reservation<'b> {
    pub(crate) fn new(budget: &'b Budget) -> Self {
        Reservation { budget, held: 0 }
    }

    /// Holds at least so much afterwards, or answers false.
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

    /// An entry now holds so much of it.
    #[inline]
    pub(crate) fn spend(&mut self, weight: u64) {
        debug_assert!(weight <= self.held);
        self.held -= weight;
    }
}

impl Reservation<'_> {
    /// Gives back what no entry took over.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        self.budget.release(std::mem::take(&mut self.held));
    }
}

impl<'b> Reservation<'b> {
    /// Lends what it holds to calls that the thread makes until the guard drops. What is left then
    /// comes back.
    pub(crate) fn lend(&mut self, line: usize) -> Lending<'_, 'b> {
        let weight = std::mem::take(&mut self.held);
        self.budget.lent.lock().push(Lent { line, weight });
        Lending { lender: self, line }
    }

    /// Takes over all that outer calls of the thread have lent.
    pub(crate) fn borrow_all(&mut self, line: usize) {
        let mut lent = self.budget.lent.lock();
        let mine = lent.iter_mut().filter(|lent| lent.line == line);
        self.held += mine.map(|lent| std::mem::take(&mut lent.weight)).sum::<u64>();
    }
}

/// See [`Reservation::lend`].
pub(crate) struct Lending<'r, 'b> {
    lender: &'r mut Reservation<'b>,
    line: usize,
}

impl Drop for Lending<'_, '_> {
    fn drop(&mut self) {
        let mut lent = self.lender.budget.lent.lock();
        // The thread's last: calls end in the reverse order of their beginnings.
        let last = lent.iter().rposition(|lent| lent.line == self.line);
        self.lender.held += last.map_or(0, |last| lent.remove(last).weight);
    }
}

impl Drop for Reservation<'_> {
    #[inline]
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn reservations_never_exceed_the_bound_and_give_back_what_is_left() {
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
    fn what_is_lent_comes_back_unless_an_inner_call_of_the_thread_has_taken_it() {
        let budget = Budget::new(10);
        let (mut outer, mut inner) = (Reservation::new(&budget), Reservation::new(&budget));
        assert!(outer.grow_to(10) && !inner.grow_to(1));
        let lending = outer.lend(7);
        inner.borrow_all(8);
        assert!(!inner.grow_to(1), "it is another thread's");
        drop(lending);
        assert_eq!((outer.held, inner.held), (10, 0));
        let lending = outer.lend(7);
        inner.borrow_all(7);
        assert!(inner.grow_to(10));
        drop(lending);
        assert_eq!((outer.held, inner.held, budget.used()), (0, 10, 10));
        inner.give_back();
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
