//! A process-wide thread that runs items at their deadlines: the timer's and the janitor's.
//!
//! # How it lives and ends
//! The first item starts the thread. It sleeps until the earliest deadline, and ends by itself when
//! there has been no item for `linger`; the next item starts another. It is never joined, because
//! it holds nothing. In a forked child there is no such thread: the first call there that writes or
//! misses starts one, if there are items.
//!
//! # What it holds
//! Its lock, for moments: never while an item runs, is cloned by the user's code, or is dropped. So
//! an item that runs may add and remove others.
//!
//! # Cost
//! Items are kept by number, and their deadlines in order. So adding and removing one, and finding
//! the next, take O(log n) of n items: 16,000 caches with a turn a second each had used a whole
//! core for a linear search alone. The thread is woken only for an item that is due before all
//! others. One that takes long makes the others late, and a turn that was missed is not made up
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use crate::util::fork::{Condvar, Global, MutexGuard};

/// A thread for items of one kind; it stands in a `static`.
pub(crate) struct DeadlineThread<T: 'static> {
    schedule: Global<Schedule<T>>,
    /// There is an earlier deadline than all before, or nothing to wait for any more.
    changed: Condvar,
    name: &'static str,
    /// How long the thread stays when there are no items.
    linger: Duration,
    /// Runs an item, without the lock. It catches what panics.
    run: fn(T),
}

/// The longest that the thread waits without a look at its items.
const DAY: Duration = Duration::from_secs(86_400);

struct Schedule<T> {
    items: BTreeMap<u64, Item<T>>,
    /// The deadlines of the items that have one, with their numbers.
    deadlines: BTreeSet<(Instant, u64)>,
    next: u64,
    /// There is a thread.
    is_running: bool,
}

struct Item<T> {
    value: T,
    /// `None`: never, because the platform's clock cannot say a moment so far.
    deadline: Option<Instant>,
    /// Of an item that runs again and again: each time a clone of it.
    period: Option<Duration>,
}

impl<T> Schedule<T> {
    const fn new() -> Self {
        Schedule { items: BTreeMap::new(), deadlines: BTreeSet::new(), next: 0, is_running: false }
    }

    /// Adds an item and returns its number.
    fn add(&mut self, value: T, deadline: Option<Instant>, period: Option<Duration>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.deadlines.extend(deadline.map(|at| (at, number)));
        self.items.insert(number, Item { value, deadline, period });
        number
    }

    /// Removes an item, if it is there still. The caller drops it without the lock.
    fn remove(&mut self, number: u64) -> Option<T> {
        let item = self.items.remove(&number)?;
        if let Some(at) = item.deadline {
            self.deadlines.remove(&(at, number));
        }
        Some(item.value)
    }

    fn earliest(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Makes an item due, if it has a deadline at all.
    fn hasten(&mut self, number: u64, now: Instant) {
        let Some(item) = self.items.get_mut(&number) else { return };
        if let Some(at) = item.deadline.filter(|at| *at > now) {
            self.deadlines.remove(&(at, number));
            item.deadline = Some(now);
            self.deadlines.insert((now, number));
        }
    }

    /// Takes the item with the earliest deadline, if that has come; or a clone of it, if it runs
    /// again a period from now.
    fn take_due(&mut self, now: Instant) -> Option<T>
    where
        T: Clone,
    {
        let &(at, number) = self.deadlines.first().filter(|(at, _)| *at <= now)?;
        let item = self.items.get_mut(&number)?;
        let Some(period) = item.period else { return self.remove(number) };
        self.deadlines.remove(&(at, number));
        item.deadline = now.checked_add(period);
        self.deadlines.extend(item.deadline.map(|at| (at, number)));
        Some(item.value.clone())
    }
}

/// An item of a [`DeadlineThread`]. Dropping it removes the item; a run that has begun goes on.
#[must_use]
pub(crate) struct Scheduled<T: Send + 'static> {
    thread: &'static DeadlineThread<T>,
    number: u64,
}

impl<T: Send + Clone + 'static> DeadlineThread<T> {
    /// `restart` calls [`restart`](Self::restart) of the `static` that this is to stand in.
    pub(crate) const fn new(
        name: &'static str,
        linger: Duration,
        run: fn(T),
        restart: fn(),
    ) -> Self {
        let forget_thread: fn(&mut Schedule<T>) = |schedule| schedule.is_running = false;
        let schedule = Global::new(Schedule::new(), forget_thread, restart);
        DeadlineThread { schedule, changed: Condvar::new(), name, linger, run }
    }

    /// Adds an item that runs at its deadline: once, or again at the end of each period from then
    /// on. The second part says whether there is a thread for it; if the system could not start
    /// one, the item stays, and the next call tries again.
    pub(crate) fn add(
        &'static self,
        item: T,
        deadline: Option<Instant>,
        period: Option<Duration>,
    ) -> (Scheduled<T>, io::Result<()>) {
        let mut schedule = self.schedule.lock();
        let before = schedule.earliest();
        let number = schedule.add(item, deadline, period);
        let started = self.start(&mut schedule);
        // An item that is due later than another need not wake the thread.
        if schedule.earliest() != before {
            self.changed.notify_all();
        }
        (Scheduled { thread: self, number }, started)
    }

    /// Starts the thread in a forked child, if there are items.
    pub(crate) fn restart(&'static self) {
        let mut schedule = self.schedule.lock();
        if !schedule.items.is_empty() {
            // If there is none to be had, the next item tries again.
            let _ = self.start(&mut schedule);
        }
    }

    fn start(&'static self, schedule: &mut Schedule<T>) -> io::Result<()> {
        if !schedule.is_running {
            let thread = thread::Builder::new().name(self.name.to_owned());
            thread.spawn(|| self.serve())?;
            schedule.is_running = true;
        }
        Ok(())
    }

    /// What the thread does.
    fn serve(&'static self) {
        let mut schedule = self.schedule.lock();
        let mut end: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if let Some(item) = schedule.take_due(now) {
                MutexGuard::unlocked(&mut schedule, || (self.run)(item));
                continue;
            }
            let until = if schedule.items.is_empty() {
                *end.get_or_insert(now + self.linger)
            } else {
                end = None;
                schedule.earliest().unwrap_or(now + DAY)
            };
            // No item is due: it is the end that has come.
            if until <= now {
                // Under the lock: an item that comes next starts another thread.
                schedule.is_running = false;
                return;
            }
            self.changed.wait_until(&mut schedule, until);
        }
    }

    /// Returns `true` if there is a thread.
    #[cfg(all(test, not(loom), not(shuttle)))]
    pub(crate) fn is_running(&'static self) -> bool {
        self.schedule.lock().is_running
    }
}

impl<T: Send + Clone + 'static> Scheduled<T> {
    /// Has the item run now, and not at its deadline. While it runs already, it is to run once more
    /// afterwards: what that run has looked at may be older than this call. Several calls before it
    /// runs are one. An item without a deadline is left alone.
    ///
    /// It acquires the thread's lock for a moment and waits for no run.
    pub(crate) fn hasten(&self) {
        let mut schedule = self.thread.schedule.lock();
        let before = schedule.earliest();
        schedule.hasten(self.number, Instant::now());
        // If there is none to be had, the next call tries again.
        let _ = self.thread.start(&mut schedule);
        if schedule.earliest() != before {
            self.thread.changed.notify_all();
        }
    }
}

impl<T: Send + 'static> Scheduled<T> {
    /// Replaces the item; returns `false` if it has been taken to run.
    pub(crate) fn replace(&self, mut item: T) -> bool {
        let mut schedule = self.thread.schedule.lock();
        let old = schedule.items.get_mut(&self.number);
        let is_scheduled = old.map(|old| mem::swap(&mut old.value, &mut item)).is_some();
        // Before `item`, which is the old one now, is dropped.
        drop(schedule);
        is_scheduled
    }
}

impl<T: Send + 'static> Drop for Scheduled<T> {
    fn drop(&mut self) {
        let mut schedule = self.thread.schedule.lock();
        let removed = schedule.remove(self.number);
        if schedule.items.is_empty() && self.thread.linger.is_zero() {
            self.thread.changed.notify_all();
        }
        drop(schedule);
        drop(removed);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_the_order_of_their_deadlines_and_not_after_their_removal() {
        let mut schedule = Schedule::new();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let millis = Duration::from_millis;
        let numbers = [("a", millis(30)), ("b", millis(20)), ("c", Duration::MAX)]
            .map(|(item, period)| schedule.add(item, start.checked_add(period), Some(period)));
        assert_eq!((schedule.earliest(), schedule.take_due(at(19))), (Some(at(20)), None));
        assert_eq!(schedule.take_due(at(20)), Some("b"));
        assert_eq!((schedule.take_due(at(29)), schedule.take_due(at(30))), (None, Some("a")));
        // Late: both are due, the earlier one first, and a period from now again.
        assert_eq!((schedule.take_due(at(65)), schedule.take_due(at(65))), (Some("b"), Some("a")));
        assert_eq!((schedule.take_due(at(65)), schedule.earliest()), (None, Some(at(85))));
        assert!(schedule.remove(numbers[1]).is_some());
        assert_eq!((schedule.earliest(), schedule.deadlines.len()), (Some(at(95)), 1));
        assert!(schedule.remove(numbers[0]).is_some() && schedule.remove(numbers[2]).is_some());
        assert!(schedule.items.is_empty() && schedule.earliest().is_none());
    }

    #[test]
    fn an_item_that_runs_once_is_removed_before_it_runs() {
        let mut schedule = Schedule::new();
        let start = Instant::now();
        let [first, second] = ["a", "b"].map(|item| schedule.add(item, Some(start), None));
        assert_eq!((schedule.take_due(start), schedule.items.len()), (Some("a"), 1));
        assert!(schedule.remove(first).is_none());
        assert_eq!(schedule.remove(second), Some("b"));
        assert_eq!((schedule.take_due(start), schedule.deadlines.len()), (None, 0));
    }
    #[test]
    fn an_item_that_is_hastened_runs_now_and_a_period_later_again() {
        let mut schedule = Schedule::new();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let period = Some(Duration::from_millis(100));
        let number = schedule.add("a", Some(at(100)), period);
        let never = schedule.add("b", None, Some(Duration::MAX));
        schedule.hasten(number, at(10));
        schedule.hasten(number, at(20));
        schedule.hasten(never, at(20));
        assert_eq!((schedule.take_due(at(20)), schedule.take_due(at(20))), (Some("a"), None));
        assert_eq!((schedule.earliest(), schedule.deadlines.len()), (Some(at(120)), 1));
        // It has been taken and may be running.
        schedule.hasten(number, at(30));
        assert_eq!((schedule.take_due(at(30)), schedule.take_due(at(30))), (Some("a"), None));
        assert!(schedule.remove(number).is_some());
        schedule.hasten(number, at(40));
        assert_eq!((schedule.earliest(), schedule.items.len()), (None, 1));
    }
}
