//! Wakers that are called at a given time: what bounds the waiting of tasks, without a runtime.
//!
//! A thread that waits can say how long. A task cannot: somebody must wake it, and a cache that
//! works on every runtime has no timer of theirs. So there is one thread for the process, started by
//! the first timer, with all timers in a map ordered by time. It sleeps until the earliest, and
//! ends when there has been none for [`LINGER`]. Setting and cancelling an timer take O(log n) and
//! one lock, for moments; wakers are called, cloned and dropped without it.
//!
//! Only tasks that wait for a load of another caller set timers, and these are hardly ever left to
//! go off. If the system cannot start a thread, timers do not go off, and the wait is without bound.

use std::collections::BTreeMap;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::util::fork::Global;
use crate::util::sync::process::{Condvar, MutexGuard};

/// How long the thread stays when there is nothing to wait for.
const LINGER: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 10_000 });

static ALARMS: Global<Alarms> = Global::new(
    Alarms { by_time: BTreeMap::new(), next: 0, running: false },
    // A forked child has no such thread.
    |timers| timers.running = false,
    || {
        let mut timers = ALARMS.lock();
        if !timers.by_time.is_empty() {
            timers.start();
        }
    },
);
/// An timer was set that is earlier than all others.
static EARLIER: Condvar = Condvar::new();

struct Alarms {
    /// The number tells timers of one instant apart.
    by_time: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    /// There is a thread.
    running: bool,
}

impl Alarms {
    /// Starts the thread, if there is none.
    fn start(&mut self) {
        if !self.running {
            let thread = thread::Builder::new().name("cache-timer".into());
            self.running = thread.spawn(run).is_ok();
        }
    }
}

/// An timer that is set. Dropping it cancels it.
#[must_use]
pub(crate) struct WakeTimer {
    at: (Instant, u64),
}

/// Has `waker` called at this time, or a little later.
pub(crate) fn set(at: Instant, waker: Waker) -> WakeTimer {
    let mut timers = ALARMS.lock();
    let at = (at, timers.next);
    timers.next += 1;
    timers.by_time.insert(at, waker);
    if !timers.running {
        timers.start();
    } else if timers.by_time.first_key_value().is_some_and(|(first, _)| *first == at) {
        EARLIER.notify_one();
    }
    WakeTimer { at }
}

impl WakeTimer {
    /// Has another waker called instead; false if the timer has gone off.
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        let mut waker = waker.clone();
        let mut timers = ALARMS.lock();
        let old = timers.by_time.get_mut(&self.at);
        let is_set = old.map(|old| std::mem::swap(old, &mut waker)).is_some();
        drop(timers);
        is_set
    }
}

impl Drop for WakeTimer {
    fn drop(&mut self) {
        let cancelled = ALARMS.lock().by_time.remove(&self.at);
        drop(cancelled);
    }
}

/// The thread. It is never joined: it holds nothing, and ends by itself.
fn run() {
    let mut timers = ALARMS.lock();
    let mut idle_deadline: Option<Instant> = None;
    loop {
        let now = Instant::now();
        if let Some(due) = timers.by_time.first_entry().filter(|first| first.key().0 <= now) {
            let waker = due.remove();
            MutexGuard::unlocked(&mut timers, || {
                // A waker that panics is its runtime's trouble and must not stop the others.
                let woken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
                woken.unwrap_or_else(crate::util::panics::drop_payload);
            });
            continue;
        }
        let until = match timers.by_time.first_key_value() {
            Some(((at, _), _)) => {
                idle_deadline = None;
                *at
            }
            None => *idle_deadline.get_or_insert(now + LINGER),
        };
        if idle_deadline.is_some_and(|end| end <= now) {
            timers.running = false;
            return;
        }
        EARLIER.wait_until(&mut timers, Some(until));
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Wake;

    struct Tell(Sender<u32>, u32);

    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            // A test that has ended does not listen any more.
            let _ = self.0.send(self.1);
        }
    }

    struct Trap;

    impl Wake for Trap {
        fn wake(self: Arc<Self>) {
            panic!("on purpose")
        }
    }

    fn soon(millis: u64) -> Instant {
        Instant::now() + Duration::from_millis(millis)
    }

    /// A waker that blocks the thread of the timers until the test lets it go on.
    struct Hold(Sender<()>, std::sync::Mutex<Receiver<()>>);

    impl Wake for Hold {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            // An error: the test has dropped the other end.
            let _ = self.1.lock().expect("nobody panics with it").recv();
        }
    }

    /// However slowly the test sets its timers, none goes off before all are set.
    #[test]
    fn alarms_go_off_in_the_order_of_their_times_unless_cancelled() {
        let ((begun, begins), (release, released)) = (channel(), channel());
        let hold =
            super::set(soon(0), Arc::new(Hold(begun, std::sync::Mutex::new(released))).into());
        begins.recv().unwrap();

        let (notify, notified) = channel();
        let base = soon(0);
        let set = |millis, name| {
            let at = base + Duration::from_millis(millis);
            super::set(at, Arc::new(Tell(notify.clone(), name)).into())
        };
        let far = set(3_600_000, 0);
        let _second = set(3, 2);
        let _first = set(1, 1);
        drop(set(0, 9));
        let _trap = super::set(base + Duration::from_millis(2), Arc::new(Trap).into());
        let changed = set(4, 8);
        assert!(changed.set_waker(&Arc::new(Tell(notify.clone(), 3)).into()));
        drop(release);
        assert_eq!([notified.recv(), notified.recv(), notified.recv()], [Ok(1), Ok(2), Ok(3)]);
        drop((far, changed, hold));
    }

    #[test]
    fn alarms_of_one_instant_all_go_off() {
        let (notify, notified) = channel();
        let at = soon(10);
        let timers = [1, 2, 3].map(|name| set(at, Arc::new(Tell(notify.clone(), name)).into()));
        assert_eq!([notified.recv(), notified.recv(), notified.recv()], [Ok(1), Ok(2), Ok(3)]);
        drop(timers);
    }

    #[test]
    fn the_thread_ends_when_it_is_not_needed_and_begins_anew() {
        let (notify, notified) = channel();
        for name in 0..3 {
            let timer = set(soon(1), Arc::new(Tell(notify.clone(), name)).into());
            assert_eq!(notified.recv(), Ok(name));
            drop(timer);
            while ALARMS.lock().running {
                thread::yield_now();
            }
        }
    }

    /// It had nothing to do, and has again.
    #[test]
    fn the_thread_does_not_end_while_there_are_alarms() {
        let (notify, notified) = channel();
        for _ in 0..5 {
            let set = |millis, name| set(soon(millis), Arc::new(Tell(notify.clone(), name)).into());
            let first = set(1, 1);
            assert_eq!(notified.recv(), Ok(1));
            let rest = [set(30, 2), set(60, 3)];
            assert_eq!((notified.recv(), notified.recv()), (Ok(2), Ok(3)));
            drop((first, rest));
        }
    }
}
