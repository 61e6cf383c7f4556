//! A clock that is one load to read: a thread keeps it up to date.
//!
//! # How it lives and ends
//!
//! All handles of the process share one [`Ticker`] through an `Arc`; the static below and its
//! thread hold weak references. Once a millisecond the thread upgrades its reference, stores the
//! time and drops the upgrade. So the `Arc`'s count is the whole protocol. When the last handle is
//! gone, the upgrade fails, at most a millisecond later, and the thread ends: no flag, no signal
//! that could be missed. A `new` that is called just then finds either a `Ticker` that is still
//! alive (perhaps held by its thread only, for this moment), and its handle keeps the thread going;
//! or none, and it starts another with another thread, while the old one notices its end. The two
//! share nothing.
//!
//! Only its thread writes to a `Ticker`, and what it writes comes from a monotonic clock, so no
//! handle sees time go backwards. Nor does time go backwards between one `Ticker` and the next:
//! each starts with the time of its creation.
//!
//! # Forks
//!
//! In the child of a fork there is no such thread. There the word is wiped: it holds [`WIPED`], the
//! end of time, by which every deadline has passed. So a hit need not check whether the process was
//! forked: it finds its entry expired, and only then is the clock [read](TickingClock::now)
//! carefully, which starts the thread again.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::time::clock::{Clock, Tick};
use crate::time::system;
use crate::util::fork::{self, Global};
use crate::util::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const PERIOD: Duration = Duration::from_millis(1);

/// What a ticker shows in a forked child, where it has no thread.
const WIPED: u64 = u64::MAX;

/// The running ticker, if there is one. Locked only to find it, or to start one: not for reading.
static CURRENT: Global<Weak<Ticker>> = Global::new(
    Weak::new(),
    |current| {
        if let Some(ticker) = current.upgrade() {
            ticker.nanos.store(WIPED, Ordering::Relaxed);
        }
    },
    || (),
);

/// The time as its thread last stored it. It has two cache lines to itself (processors fetch lines
/// in pairs), so that writes to neighbouring memory do not slow readers down.
#[derive(Debug)]
#[repr(align(128))]
struct Ticker {
    nanos: AtomicU64,
    /// The generation of the process in which its thread was started, see [`fork::generation`].
    started_in: AtomicU32,
}

/// A clock that costs one load: a thread stores the time every millisecond.
///
/// Reading [`MonotonicClock`](crate::MonotonicClock) is half of what a hit in a small cache costs.
/// This clock removes that cost, at two others:
///
/// * **A thread.** There is one for the whole process, named `cache-clock`, however many handles
///   there are. It wakes up 1000 times a second, also when the process is idle. The first handle
///   starts it; when the last is gone (a cache built with this clock keeps one) it ends within a
///   millisecond. A later `new` starts it again.
/// * **Late expiry.** The time is that of the thread's last run, normally a millisecond or two ago.
///   When the thread is not scheduled, on an overloaded machine or in a container that has used up
///   its quota, the clock stands still until it is, and entries are served past their deadline for
///   as long. After the process was stopped and continued (`SIGSTOP`, a debugger, a frozen
///   container), the first reads may show the time of the stop. Where a deadline must hold in these
///   cases, use the default.
///
/// In the child of a `fork` the first read starts a thread again. If the system cannot start one,
/// each read is one of the system's clock until it can.
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
    /// Returns a handle to the process's ticking clock, which is started if it is not running.
    ///
    /// # Panics
    /// If the system cannot start a thread.
    #[must_use]
    pub fn new() -> Self {
        let mut current = CURRENT.lock();
        let ticker = current.upgrade().unwrap_or_else(|| {
            let ticker = Arc::new(Ticker {
                nanos: AtomicU64::new(system::fine_nanos()),
                started_in: AtomicU32::new(fork::generation()),
            });
            spawn(Arc::downgrade(&ticker))
                .expect("the system could not start the thread of TickingClock");
            *current = Arc::downgrade(&ticker);
            ticker
        });
        Self { ticker }
    }

    /// Returns what the thread has stored last; in a forked child perhaps [`WIPED`].
    #[inline]
    pub(in crate::time) fn hasty_nanos(&self) -> u64 {
        // Relaxed: pairs with the store in `tick`. Nothing is published with the number, and one
        // location never shows a thread an older value after a newer.
        self.ticker.nanos.load(Ordering::Relaxed)
    }

    /// Returns the time in a forked child whose clock has no thread, and starts one.
    #[cold]
    #[inline(never)]
    fn start_again(&self) -> u64 {
        let _current = CURRENT.lock();
        let nanos = self.hasty_nanos();
        if nanos != WIPED {
            // Another thread was first.
            return nanos;
        }
        // Read under the lock, as is what the thread stores first: no reading is later than that.
        // Until the thread runs, each read comes this way.
        let started_in = &self.ticker.started_in;
        if started_in.load(Ordering::Relaxed) != fork::generation()
            && spawn(Arc::downgrade(&self.ticker)).is_ok()
        {
            started_in.store(fork::generation(), Ordering::Relaxed);
        }
        system::fine_nanos()
    }
}

impl Default for TickingClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TickingClock {
    #[inline]
    fn now(&self) -> Tick {
        let nanos = self.hasty_nanos();
        Tick::from_nanos(if nanos == WIPED { self.start_again() } else { nanos })
    }
}

/// Starts the thread. It is never joined, because it holds nothing and ends by itself.
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

/// Stores the time; returns `false` if there is no handle left to read it.
fn tick(ticker: &Weak<Ticker>) -> bool {
    // Else the reference would keep the ticker alive in a child that is forked meanwhile.
    let _gate = fork::gate();
    let Some(ticker) = ticker.upgrade() else { return false };
    // Relaxed: pairs with the load in `hasty_nanos`, see there.
    ticker.nanos.store(system::fine_nanos(), Ordering::Relaxed);
    true
}
