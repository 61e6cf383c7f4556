//! A circuit breaker: a server that fails repeatedly is left alone for a while.
//!
//! Five failures within ten seconds open it for one second. Then one call at a time is let through
//! as a probe. If it succeeds, the breaker closes; if it fails, the breaker is open for twice as
//! long as before, up to thirty seconds. Successes of calls that began before it opened say nothing
//! of the time after, so they change nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::{Clock, Tick};

/// So many failures
const MOST_FAILURES: usize = 5;
/// within this time open it
const WINDOW: Duration = Duration::from_secs(10);
/// for so long,
const FIRST_REST: Duration = Duration::from_secs(1);
/// or at last for so long.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The breaker of one server.
pub(crate) struct Breaker {
    clock: Arc<dyn Clock>,
    state: Mutex<Failures>,
    openings: AtomicU64,
}

#[derive(Debug, Default)]
struct Failures {
    /// When the last ones were.
    recent: VecDeque<Tick>,
    rest: Option<Rest>,
}

/// The breaker is open.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Tick,
    length: Duration,
    probe: Probe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    None,
    Running,
}

impl Breaker {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Breaker { clock, state: Mutex::default(), openings: AtomicU64::new(0) }
    }

    /// Lets a call through, or does not.
    pub(crate) fn admit(&self) -> Option<Permit<'_>> {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(rest) = &mut state.rest else {
            return Some(Permit { breaker: self, kind: Kind::Ordinary });
        };
        if rest.probe == Probe::Running || now < rest.until {
            return None;
        }
        rest.probe = Probe::Running;
        Some(Permit { breaker: self, kind: Kind::Probe })
    }

    /// Returns how often it has opened.
    pub(crate) fn openings(&self) -> u64 {
        // Relaxed: a count, which nothing else is concluded from.
        self.openings.load(Ordering::Relaxed)
    }

    /// Returns `true` if it is open, be it with a probe on its way.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().rest.is_some()
    }

    fn failed(&self, kind: Kind) {
        let now = self.clock.now();
        let mut state = self.lock();
        match (&mut state.rest, kind) {
            (Some(rest), Kind::Probe) => {
                rest.length = (rest.length * 2).min(LONGEST_REST);
                rest.until = now.saturating_add(rest.length);
                rest.probe = Probe::None;
                self.openings.fetch_add(1, Ordering::Relaxed);
            }
            // It began before the breaker opened.
            (Some(_), Kind::Ordinary) => {}
            (None, _) => {
                state.recent.push_back(now);
                let since = |tick: &Tick| now.saturating_duration_since(*tick);
                while state.recent.front().is_some_and(|first| since(first) > WINDOW) {
                    state.recent.pop_front();
                }
                if state.recent.len() >= MOST_FAILURES {
                    state.recent.clear();
                    let until = now.saturating_add(FIRST_REST);
                    state.rest = Some(Rest { until, length: FIRST_REST, probe: Probe::None });
                    self.openings.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn succeeded(&self, kind: Kind) {
        if kind == Kind::Probe {
            self.lock().rest = None;
        }
    }

    fn abandoned(&self, kind: Kind) {
        if kind == Kind::Probe
            && let Some(rest) = &mut self.lock().rest
        {
            rest.probe = Probe::None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Probe,
}

/// A call that was let through. Dropping it says that the call was given up, which is no failure.
#[must_use]
pub(crate) struct Permit<'b> {
    breaker: &'b Breaker,
    kind: Kind,
}

impl Permit<'_> {
    pub(crate) fn succeeded(mut self) {
        self.breaker.succeeded(self.kind);
        self.kind = Kind::Ordinary;
    }

    pub(crate) fn failed(mut self) {
        self.breaker.failed(self.kind);
        self.kind = Kind::Ordinary;
    }
}

impl Drop for Permit<'_> {
    /// After a report it is no probe any more: another may be on its way.
    fn drop(&mut self) {
        self.breaker.abandoned(self.kind);
    }
}

#[cfg(test)]
mod tests {
    use cache_core::FakeClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, FakeClock) {
        let clock = FakeClock::new();
        (Breaker::new(Arc::new(clock.clone())), clock)
    }

    fn fail(breaker: &Breaker) {
        breaker.admit().expect("let through").failed();
    }

    #[test]
    fn five_failures_within_ten_seconds_open_it() {
        let (breaker, clock) = breaker();
        for _ in 0..4 {
            fail(&breaker);
            clock.advance(2 * SECOND);
        }
        assert!(!breaker.is_open());
        clock.advance(3 * SECOND);
        // The first was eleven seconds ago.
        fail(&breaker);
        assert!(!breaker.is_open());
        fail(&breaker);
        assert!(breaker.is_open() && breaker.admit().is_none());
        assert_eq!(breaker.openings(), 1);
    }

    #[test]
    fn a_probe_at_a_time_decides() {
        let (breaker, clock) = breaker();
        (0..5).for_each(|_| fail(&breaker));
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            clock.advance(rest * SECOND - Duration::from_nanos(1));
            assert!(breaker.admit().is_none());
            clock.advance(Duration::from_nanos(1));
            let probe = breaker.admit().expect("a probe");
            assert!(breaker.admit().is_none(), "one at a time");
            probe.failed();
        }
        clock.advance(30 * SECOND);
        drop(breaker.admit().expect("a probe that is given up"));
        let probe = breaker.admit().expect("another");
        probe.succeeded();
        assert!(!breaker.is_open());
        assert_eq!(breaker.openings(), 8);
        (0..5).for_each(|_| fail(&breaker));
        clock.advance(SECOND);
        assert!(breaker.admit().is_some(), "it begins with the short rest again");
    }

    #[test]
    fn calls_from_before_the_opening_change_nothing() {
        let (breaker, clock) = breaker();
        let (early, late) = (breaker.admit().expect("one"), breaker.admit().expect("two"));
        (0..5).for_each(|_| fail(&breaker));
        early.succeeded();
        assert!(breaker.is_open());
        late.failed();
        clock.advance(SECOND);
        assert!(breaker.admit().is_some());
    }
}
