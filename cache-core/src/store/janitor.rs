//! Memory that goes away by itself: one thread for the process looks after all caches that ask for it.
//!
//! # How it lives and ends
//! Caches stand in a list, by weak reference, each with the time of its next turn; the thread sleeps until
//! the earliest. A cache is on the list from its making until its last handle is dropped: its [`Registration`] takes
//! it off, and wakes the thread, which ends when the list is empty. So the thread never outlives the last
//! cache by more than it takes to wake up, however long the period.
//!
//! In a forked child there is no such thread. The first call there that writes or misses starts
//! one, if there are caches on the list.
//!
//! # What it holds
//! Nothing, but for moments. Looking after a cache goes by steps ([`Maintain`]), a shard at a time; for each the
//! thread upgrades its reference and lets go of it again. If the last handle goes in just such a moment, the
//! cache is dropped by this thread, a step later. The list's lock is never held while a cache is looked
//! after or dropped, so listeners and drops may build and drop caches.
//!
//! What panics (a listener, a drop) is caught, step by step; the hook of the process has told of it, and the
//! next step goes on.
//!
//! # Cost
//! A lock of the process for moments, when a cache with a janitor is made or dropped. With several
//! caches, one that takes long makes the others late. A turn that was missed is not made up for.
//! The turns are kept in the order of their times, so that finding the next takes O(log n) of n
//! caches, not O(n): 16,000 caches with a turn a second each had used a whole core for the search
//! alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use crate::util::fork::Global;
use crate::util::panics::drop_payload;
use crate::util::sync::process::{Condvar, MutexGuard};

/// What the janitor looks after.
pub(crate) trait Maintain: Send + Sync {
    /// Does a part of the work, which are numbered from 0. False when there was none of that number.
    fn maintain(&self, step: usize) -> bool;
}

static LIST: Global<List> = Global::new(
    List::new(),
    // A forked child has no such thread.
    |list| list.running = false,
    || {
        let mut list = LIST.lock();
        if !list.caches.is_empty() {
            // Where there is none to be had, the next cache with a janitor tries again.
            let _ = list.start();
        }
    },
);
/// The list has changed.
static CHANGED: Condvar = Condvar::new();

struct List {
    caches: BTreeMap<u64, Schedule>,
    /// When the next turn of each cache is, and the cache's number. Without those that have none.
    turns: BTreeSet<(Instant, u64)>,
    next: u64,
    /// There is a thread.
    running: bool,
}

struct Schedule {
    cache: Weak<dyn Maintain>,
    period: Duration,
    /// Never, if that lies beyond what the platform's clock can say.
    next: Option<Instant>,
}

impl List {
    const fn new() -> Self {
        List { caches: BTreeMap::new(), turns: BTreeSet::new(), next: 0, running: false }
    }

    /// Starts the thread, if there is none.
    fn start(&mut self) -> io::Result<()> {
        if !self.running {
            thread::Builder::new().name("cache-janitor".into()).spawn(run)?;
            self.running = true;
        }
        Ok(())
    }

    /// Adds a cache, whose first turn is one period from now. Returns its number.
    fn add(&mut self, cache: Weak<dyn Maintain>, period: Duration, now: Instant) -> u64 {
        let (number, next) = (self.next, now.checked_add(period));
        self.next += 1;
        self.turns.extend(next.map(|at| (at, number)));
        self.caches.insert(number, Schedule { cache, period, next });
        number
    }

    fn remove(&mut self, number: u64) -> Option<Schedule> {
        let left = self.caches.remove(&number);
        if let Some(at) = left.as_ref().and_then(|turn| turn.next) {
            self.turns.remove(&(at, number));
        }
        left
    }

    /// The time of the earliest turn.
    fn earliest(&self) -> Option<Instant> {
        self.turns.first().map(|&(at, _)| at)
    }

    /// The cache whose turn is the earliest of those that have come; its next one is a period from
    /// now.
    fn take_turn(&mut self, now: Instant) -> Option<Weak<dyn Maintain>> {
        let &(at, number) = self.turns.first().filter(|(at, _)| *at <= now)?;
        self.turns.remove(&(at, number));
        let turn = self.caches.get_mut(&number)?;
        turn.next = now.checked_add(turn.period);
        self.turns.extend(turn.next.map(|at| (at, number)));
        Some(Weak::clone(&turn.cache))
    }
}

/// A cache's place on the list. Dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Registration {
    number: u64,
}

/// Has a cache looked after once in each period, from now on. The cache keeps the answer for as long as it
/// lives.
pub(crate) fn keep(cache: Weak<dyn Maintain>, period: Duration) -> io::Result<Registration> {
    let mut list = LIST.lock();
    list.start()?;
    let earliest = list.earliest();
    let number = list.add(cache, period, Instant::now());
    // One whose turn comes later than another's need not wake the thread.
    if list.earliest() != earliest {
        CHANGED.notify_one();
    }
    Ok(Registration { number })
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut list = LIST.lock();
        let left = list.remove(self.number);
        if list.caches.is_empty() {
            CHANGED.notify_one();
        }
        drop(list);
        // The last reference to the memory that the cache stood in, perhaps.
        drop(left);
    }
}

/// The thread. It is never joined: it holds nothing, and ends by itself.
fn run() {
    let mut list = LIST.lock();
    while !list.caches.is_empty() {
        let now = Instant::now();
        match (list.take_turn(now), list.earliest()) {
            (Some(cache), _) => MutexGuard::unlocked(&mut list, || maintain_all(&cache)),
            (None, at) => CHANGED.wait_until(&mut list, at),
        }
    }
    // Under the lock: who comes next starts another.
    list.running = false;
}

fn maintain_all(cache: &Weak<dyn Maintain>) {
    for step in 0.. {
        let more = catch_unwind(AssertUnwindSafe(|| {
            // Not there any more, or not yet: then `Registration` is about to be dropped, or its turn comes again.
            cache.upgrade().is_some_and(|cache| cache.maintain(step))
        }));
        match more {
            Ok(true) => {}
            Ok(false) => return,
            Err(panic) => drop_payload(panic),
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Counts its turns; its second step panics, and there are three.
    #[derive(Default)]
    struct Counting([AtomicUsize; 3]);

    impl Maintain for Counting {
        fn maintain(&self, step: usize) -> bool {
            let Some(count) = self.0.get(step) else { return false };
            count.fetch_add(1, SeqCst);
            assert_ne!(step, 1, "on purpose");
            true
        }
    }

    fn wait_until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    /// In one test, because there is one list.
    #[test]
    fn the_thread_goes_on_after_panics_and_ends_with_the_last() {
        let millisecond = Duration::from_millis(1);
        for _ in 0..3 {
            let (first, second) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
            let weak = |cache: &Arc<Counting>| Arc::downgrade(cache) as Weak<dyn Maintain>;
            let kept = keep(weak(&first), millisecond).unwrap();
            let far = keep(weak(&second), Duration::from_secs(3_600)).unwrap();
            let never = keep(weak(&second), Duration::MAX).unwrap();
            // All steps, the one after the panic too, again and again.
            wait_until(|| first.0[2].load(SeqCst) >= 3);
            assert!(first.0[0].load(SeqCst) >= 3 && first.0[1].load(SeqCst) >= 3);
            drop(kept);
            let turns = || first.0[0].load(SeqCst);
            let seen = turns();
            assert!(LIST.lock().running);
            drop((far, never));
            wait_until(|| !LIST.lock().running);
            assert!(turns() <= seen + 1, "at most the turn that was under way");
            assert_eq!(second.0[0].load(SeqCst), 0);
        }
    }

    #[test]
    fn turns_come_in_the_order_of_their_times_and_not_after_a_cache_has_left() {
        let mut list = List::new();
        let caches: Vec<Arc<Counting>> = (0..4).map(|_| Arc::default()).collect();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let periods = [Duration::from_millis(30), Duration::from_millis(20), Duration::MAX];
        let weak = |cache: &Arc<Counting>| Arc::downgrade(cache) as Weak<dyn Maintain>;
        let numbers: Vec<u64> = caches
            .iter()
            .zip(periods)
            .map(|(it, every)| list.add(weak(it), every, start))
            .collect();
        let turn = |list: &mut List, millis| {
            let cache = list.take_turn(at(millis))?;
            let is_it = |it: &&Arc<Counting>| std::ptr::addr_eq(Arc::as_ptr(it), cache.as_ptr());
            Some(caches.iter().position(|it| is_it(&it)).expect("one of them"))
        };
        assert_eq!((list.earliest(), turn(&mut list, 19)), (Some(at(20)), None));
        assert_eq!(turn(&mut list, 20), Some(1));
        assert_eq!((turn(&mut list, 29), turn(&mut list, 30)), (None, Some(0)));
        // Late: both are due, the earlier one first, and a period from now again.
        assert_eq!((turn(&mut list, 65), turn(&mut list, 65)), (Some(1), Some(0)));
        assert_eq!((turn(&mut list, 65), list.earliest()), (None, Some(at(85))));
        drop(list.remove(numbers[1]));
        assert_eq!((list.earliest(), list.turns.len()), (Some(at(95)), 1));
        drop((list.remove(numbers[0]), list.remove(numbers[2])));
        assert!(list.caches.is_empty() && list.earliest().is_none());
    }

    #[test]
    fn a_cache_that_is_gone_is_not_looked_after() {
        maintain_all(&(Weak::<Counting>::new() as Weak<dyn Maintain>));
    }
}
