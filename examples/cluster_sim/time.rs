//! The simulated time: a fake clock, and what is to happen when.

use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_core::{Clock, FakeClock};

/// When a simulation begins, by its wall clock: in the year 2026.
const BEGINNING: Duration = Duration::from_secs(1_790_000_000);

/// The time of one simulation, shared by all that is in it. It stands still while anything runs.
#[derive(Clone)]
pub(crate) struct Time {
    pub(crate) clock: FakeClock,
    agenda: Arc<Mutex<Agenda>>,
}

#[derive(Default)]
struct Agenda {
    alarms: BinaryHeap<Alarm>,
    numbers: u64,
}

struct Alarm {
    at: Duration,
    /// Of two at one time the one that was set first goes first.
    number: u64,
    act: Act,
}

enum Act {
    Wake(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    /// The earliest is the greatest: the heap gives out that.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl Time {
    pub(crate) fn new() -> Self {
        Time { clock: FakeClock::new(), agenda: Arc::default() }
    }

    /// Returns the time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now().as_duration()
    }

    /// Returns the time that a wall clock shows, the same everywhere.
    pub(crate) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + BEGINNING + self.now()
    }

    /// Is ready when this time has passed.
    pub(crate) fn sleep(&self, length: Duration) -> impl Future<Output = ()> + Send + use<> {
        let (time, at) = (self.clone(), self.now() + length);
        let mut is_set = false;
        poll_fn(move |context| {
            if time.now() >= at {
                return Poll::Ready(());
            }
            // A task keeps its waker for as long as it lives.
            if !is_set {
                time.set(at, Act::Wake(context.waker().clone()));
                is_set = true;
            }
            Poll::Pending
        })
    }

    /// Has this called when so much time has passed.
    pub(crate) fn call_in(&self, length: Duration, call: impl FnOnce() + Send + 'static) {
        self.set(self.now() + length, Act::Call(Box::new(call)));
    }

    fn set(&self, at: Duration, act: Act) {
        let mut agenda = self.agenda();
        agenda.numbers += 1;
        let number = agenda.numbers;
        agenda.alarms.push(Alarm { at, number, act });
    }

    /// Moves on to what is to happen next, and has it happen. Returns `false` if that is only at
    /// `end`, or later; then the time is `end`.
    pub(crate) fn go_on(&self, end: Duration) -> bool {
        let mut agenda = self.agenda();
        let next = agenda.alarms.peek().map(|alarm| alarm.at).filter(|at| *at < end);
        self.clock.advance(next.unwrap_or(end) - self.now());
        let alarm = next.and_then(|_| agenda.alarms.pop());
        drop(agenda);
        match alarm.map(|alarm| alarm.act) {
            Some(Act::Wake(waker)) => waker.wake(),
            Some(Act::Call(call)) => call(),
            None => return false,
        }
        true
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
