//! A process-wide timer thread that wakes tasks at a deadline, independent of any runtime.
//!
//! A thread that waits can say how long. A task cannot: something must wake it, and a cache that
//! works on every runtime has none of their timers. So there is one thread for the process
//! ([`DeadlineThread`]), which the first timer starts and which ends when there has been no timer
//! for [`LINGER`]. Setting and cancelling a timer take O(log n) and one lock, for moments; wakers
//! are called, cloned and dropped without it.
//!
//! Only tasks that wait for a load of another caller set timers, and these hardly ever fire. If the
//! system cannot start a thread, timers do not fire, and the wait is without bound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::util::deadline_thread::{DeadlineThread, Scheduled};
use crate::util::panics::drop_payload;

/// How long the thread stays when there is nothing to wait for.
const LINGER: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 10_000 });

static TIMERS: DeadlineThread<Waker> =
    DeadlineThread::new("cache-timer", LINGER, wake, || TIMERS.restart());

/// A waker that is called at its deadline. Dropping it cancels that.
#[must_use]
pub(crate) struct WakeTimer(Scheduled<Waker>);

impl WakeTimer {
    /// Has `waker` called at this time, or a little later.
    pub(crate) fn start(at: Instant, waker: Waker) -> WakeTimer {
        let (timer, _started) = TIMERS.add(waker, Some(at), None);
        WakeTimer(timer)
    }

    /// Has another waker called instead; returns `false` if the timer has fired.
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        self.0.replace(waker.clone())
    }
}

/// A waker that panics is its runtime's trouble and must not stop the others.
pub(super) fn wake(waker: Waker) {
    catch_unwind(AssertUnwindSafe(|| waker.wake())).unwrap_or_else(drop_payload);
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Wake;

    /// Sends a number when it is woken.
    struct Notify(Sender<u32>, u32);

    impl Wake for Notify {
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

    /// However slowly the test sets its timers, none fires before all are set.
    #[test]
    fn timers_fire_in_the_order_of_their_deadlines_unless_cancelled() {
        let ((begun, begins), (release, released)) = (channel(), channel());
        let hold = Arc::new(Hold(begun, std::sync::Mutex::new(released)));
        let hold = WakeTimer::start(soon(0), hold.into());
        begins.recv().unwrap();

        let (notify, notified) = channel();
        let base = soon(0);
        let set = |millis, name| {
            let at = base + Duration::from_millis(millis);
            WakeTimer::start(at, Arc::new(Notify(notify.clone(), name)).into())
        };
        let far = set(3_600_000, 0);
        let _second = set(3, 2);
        let _first = set(1, 1);
        drop(set(0, 9));
        let _trap = WakeTimer::start(base + Duration::from_millis(2), Arc::new(Trap).into());
        let changed = set(4, 8);
        assert!(changed.set_waker(&Arc::new(Notify(notify.clone(), 3)).into()));
        drop(release);
        assert_eq!([notified.recv(), notified.recv(), notified.recv()], [Ok(1), Ok(2), Ok(3)]);
        drop((far, changed, hold));
    }

    #[test]
    fn timers_of_one_instant_all_fire() {
        let (notify, notified) = channel();
        let at = soon(10);
        let timers = [1, 2, 3]
            .map(|name| WakeTimer::start(at, Arc::new(Notify(notify.clone(), name)).into()));
        assert_eq!([notified.recv(), notified.recv(), notified.recv()], [Ok(1), Ok(2), Ok(3)]);
        drop(timers);
    }

    #[test]
    fn the_thread_ends_when_it_is_not_needed_and_starts_again() {
        let (notify, notified) = channel();
        for name in 0..3 {
            let timer = WakeTimer::start(soon(1), Arc::new(Notify(notify.clone(), name)).into());
            assert_eq!(notified.recv(), Ok(name));
            drop(timer);
            while TIMERS.is_running() {
                std::thread::yield_now();
            }
        }
    }

    /// It had nothing to do, and has again.
    #[test]
    fn the_thread_does_not_end_while_there_are_timers() {
        let (notify, notified) = channel();
        for _ in 0..5 {
            let set = |millis, name| {
                WakeTimer::start(soon(millis), Arc::new(Notify(notify.clone(), name)).into())
            };
            let first = set(1, 1);
            assert_eq!(notified.recv(), Ok(1));
            let rest = [set(30, 2), set(60, 3)];
            assert_eq!((notified.recv(), notified.recv()), (Ok(2), Ok(3)));
            drop((first, rest));
        }
    }
}
