//! A clock that is one load to read: a thread keeps it up to date.
//!
//! # How it lives and ends
//!
//! All handles of the process share one [`Ticker`] through an `Arc`; the static below knows it
//! weakly, and so does its thread, which once a millisecond tries to upgrade, stores the time and
//! lets go again. So the `Arc`'s count is the whole protocol. When the last handle has gone, the
//! upgrade fails, at most a millisecond later, and the thread ends: no flag, no signal that could
//! be missed. A `new` that comes in just then finds either a `Ticker` that is still alive (perhaps
//! held up for this moment by its thread only), and its handle keeps the thread going; or none,
//! and it starts another with a thread of its own, while the old one notices its own end. The two
//! share nothing.
//!
//! Only its thread writes to a `Ticker`, and what it writes comes from a monotonic clock, so no
//! handle sees time go backwards. Nor does it between one `Ticker` and the next: each starts with
//! the time of its creation.
//!
//! # Forks
//!
//! In the child of a fork there is no such thread. There the word is wiped: it holds [`WIPED`], the
//! end of time, by which every deadline has passed. So a hit need not ask whether the process was
//! forked: it finds its entry expired, and only then is the clock [read](TickingClock::now) with
//! care, which starts the thread anew.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::time::clock::{Clock, Tick};
use crate::time::system;
use crate::util::fork::{self, Global};
use crate::util::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const NO_THREAD: &str = "the system could not start the thread of TickingClock";

const PERIOD: Duration = Duration::from_millis(1);

/// What a ticker shows that has no thread: the process was forked.
const WIPED: u64 = u64::MAX;

/// The running ticker, if there is one. Held only to look, or to start one: never while reading.
static CURRENT: Global<Weak<Ticker>> = Global::new(
    Weak::new(),
    |current| {
        if let Some(ticker) = current.upgrade() {
            ticker.nanos.store(WIPED, Ordering::Relaxed);
        }
    },
    || (),
);

/// The time as its thread last saw it, alone in two cache lines (processors fetch lines in pairs):
/// readers must not suffer from whatever the allocator would put beside it.
#[derive(Debug)]
#[repr(align(128))]
struct Ticker {
    nanos: AtomicU64,
    /// The generation of the process in which its thread was started, see [`fork::generation`].
    started_in: AtomicU32,
}

/// A clock that costs one load: a thread of its own stores the time every millisecond.
///
/// Reading [`MonotonicClock`](crate::MonotonicClock) is half of what a hit in a small cache costs.
/// This clock takes that away and asks for two things in return:
///
/// * **A thread.** There is one for the whole process, named `cache-clock`, however many handles
///   there are. It wakes up 1000 times a second, also when the process is idle. The first handle
///   starts it; when the last is gone (a cache built with this clock keeps one) it ends within a
///   millisecond. A later `new` starts it again.
/// * **Patience.** The time is as old as the last time the thread ran. Normally that is a
///   millisecond or two. When the thread does not get to run, on an overloaded machine or in a
///   container that has used up its share, the clock stands still until it does, and entries are
///   served past their deadline for as long. After the process was stopped and continued
///   (`SIGSTOP`, a debugger, a frozen container), the first reads may show the time of the stop.
///   Where a deadline must hold in these cases, use the default.
///
/// In the child of a `fork` the first read starts a thread anew. If the system gives none, each
/// read is one of the system's clock until it does.
///
/// It never goes backwards, and has the same origin as `MonotonicClock`.
///
/// ```
/// use cache_core::{Clock, TickingClock};
///
/// let clock = TickingClock::new();
/// let start = clock.now();
/// while clock.now() == start {
///     std::thread::yield_now();
/// }
/// assert!(clock.now() > start);
/// ```
#[derive(Clone, Debug)]
pub struct TickingClock {
    ticker: Arc<Ticker>,
}

impl TickingClock {
    /// A handle to the process's ticking clock, which is started if it is not running.
    ///
    /// # Panics
    ///
    /// When the system cannot start a thread.
    #[must_use]
    pub fn new() -> Self {
        let mut current = CURRENT.lock();
        let ticker = current.upgrade().unwrap_or_else(|| {
            let ticker = Arc::new(Ticker {
                nanos: AtomicU64::new(system::fine_nanos()),
                started_in: AtomicU32::new(fork::generation()),
            });
            spawn(Arc::downgrade(&ticker)).expect(NO_THREAD);
            *current = Arc::downgrade(&ticker);
            ticker
        });
        Self { ticker }
    }
}

impl Default for TickingClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TickingClock {
    /// What the thread has stored last; in a forked child perhaps the end of time, which it is not
    /// yet.
    #[inline]
    pub(in crate::time) fn hasty_nanos(&self) -> u64 {
        // Relaxed: the partner is the store in `tick`. The number stands for itself, nothing is
        // published with it, and one location never shows a thread an older value after a newer.
        self.ticker.nanos.load(Ordering::Relaxed)
    }

    /// The time in a forked child whose clock has no thread. Starts one.
    #[cold]
    #[inline(never)]
    fn start_again(&self) -> u64 {
        let _current = CURRENT.lock();
        let nanos = self.hasty_nanos();
        if nanos != WIPED {
            // Another thread was faster.
            return nanos;
        }
        // Read under the lock, as what the thread stores first: no reading is later than that. If
        // it never gets to run, this goes on being the way to read the clock.
        let started_in = &self.ticker.started_in;
        if started_in.load(Ordering::Relaxed) != fork::generation()
            && spawn(Arc::downgrade(&self.ticker)).is_ok()
        {
            started_in.store(fork::generation(), Ordering::Relaxed);
        }
        system::fine_nanos()
    }
}

impl Clock for TickingClock {
    #[inline]
    fn now(&self) -> Tick {
        let nanos = self.hasty_nanos();
        Tick::from_nanos(if nanos == WIPED { self.start_again() } else { nanos })
    }
}

/// Starts the thread. It is never joined: it holds nothing, and ends by itself.
fn spawn(ticker: Weak<Ticker>) -> io::Result<()> {
    let thread = thread::Builder::new().name("cache-clock".into());
    let run = move || {
        if let (_current, Some(ticker)) = (CURRENT.lock(), ticker.upgrade()) {
            ticker.nanos.store(system::fine_nanos(), Ordering::Relaxed);
        }
        while tick(&ticker) {
            thread::sleep(PERIOD);
        }
    };
    thread.spawn(run).map(drop)
}

/// Stores the time; false when there is nobody left to read it.
fn tick(ticker: &Weak<Ticker>) -> bool {
    // Or the reference would keep the ticker alive in a child that is forked meanwhile.
    let _gate = fork::gate();
    let Some(ticker) = ticker.upgrade() else { return false };
    // Relaxed: the partner is the load in `now`, see there.
    ticker.nanos.store(system::fine_nanos(), Ordering::Relaxed);
    true
}
