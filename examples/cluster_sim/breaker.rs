//! A circuit breaker with the figures of cache-memcached: five failures within ten seconds have a
//! server left alone for a second; then one call at a time is a probe, and each that fails doubles
//! the time, up to half a minute.

use std::collections::VecDeque;
use std::time::Duration;

const MOST_FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Of one server, in one process.
#[derive(Default)]
pub(crate) struct Breaker {
    recent: VecDeque<Duration>,
    rest: Option<Rest>,
}

struct Rest {
    until: Duration,
    length: Duration,
    has_probe: bool,
}

/// The breaker's decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Ordinary,
    Probe,
    Refused,
}

impl Breaker {
    pub(crate) fn admit(&mut self, now: Duration) -> Admission {
        match &mut self.rest {
            None => Admission::Ordinary,
            Some(rest) if rest.has_probe || now < rest.until => Admission::Refused,
            Some(rest) => {
                rest.has_probe = true;
                Admission::Probe
            }
        }
    }

    pub(crate) fn succeeded(&mut self, admission: Admission) {
        if admission == Admission::Probe {
            self.rest = None;
        }
    }

    pub(crate) fn failed(&mut self, admission: Admission, now: Duration) {
        match (&mut self.rest, admission) {
            (Some(rest), Admission::Probe) => {
                rest.length = LONGEST_REST.min(rest.length * 2);
                rest.until = now + rest.length;
                rest.has_probe = false;
            }
            (Some(_), _) => {}
            (None, _) => {
                self.recent.push_back(now);
                self.recent.retain(|at| now - *at <= WINDOW);
                if self.recent.len() >= MOST_FAILURES {
                    self.recent.clear();
                    let until = now + FIRST_REST;
                    self.rest = Some(Rest { until, length: FIRST_REST, has_probe: false });
                }
            }
        }
    }
}
