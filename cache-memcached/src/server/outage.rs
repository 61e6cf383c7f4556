//! When a server was last out of reach.
//!
//! While it was, invalidations may have failed to reach it, those of other processes as well, and
//! it may come back with what it had before. So any failed exchange begins an outage, and the
//! next exchange that begins after it and succeeds ends it. What was stored before that moment is
//! told to be distrusted, for as long as this process lives.
//!
//! The numbers are atomics, without a lock: a forked child inherits what its parent knew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The outages of one server, as this process has seen them.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    /// How many exchanges have failed.
    failures: AtomicU64,
    /// How many of these were before an exchange that succeeded.
    ended: AtomicU64,
    /// Unix milliseconds; zero: there was no outage.
    distrusted_before: AtomicU64,
}

/// The failures that there were when an exchange began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start(u64);

impl Outages {
    /// Notes that an exchange begins.
    pub(crate) fn begin(&self) -> Start {
        // Acquire: with the addition in `fail`. The exchange comes after the failures it counts.
        Start(self.failures.load(Ordering::Acquire))
    }

    /// Notes that an exchange has failed.
    pub(crate) fn fail(&self) {
        self.failures.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that the exchange that began there has succeeded. Those that began with the same
    /// failures may all come here: each sees the outage ended before it uses what it has read.
    pub(crate) fn succeed(&self, Start(failures): Start, now: SystemTime) {
        // Acquire: with the maximum below. An ended outage has its time.
        if self.ended.load(Ordering::Acquire) >= failures {
            return;
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Rounded up: what was stored in the same millisecond may be from before.
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.distrusted_before.fetch_max(millis, Ordering::AcqRel);
        self.ended.fetch_max(failures, Ordering::AcqRel);
    }

    /// Returns when the last outage ended.
    pub(crate) fn distrusted_before(&self) -> Option<SystemTime> {
        match self.distrusted_before.load(Ordering::Acquire) {
            0 => None,
            millis => UNIX_EPOCH.checked_add(Duration::from_millis(millis)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn an_outage_ends_with_the_next_success() {
        let outages = Outages::default();
        outages.succeed(outages.begin(), at(10));
        assert_eq!(outages.distrusted_before(), None);
        outages.fail();
        assert_eq!(outages.distrusted_before(), None);
        let (one, other) = (outages.begin(), outages.begin());
        outages.succeed(one, at(20));
        assert_eq!(outages.distrusted_before(), Some(at(21)));
        outages.succeed(other, at(30));
        assert_eq!(outages.distrusted_before(), Some(at(21)));
        outages.fail();
        outages.succeed(outages.begin(), at(40));
        assert_eq!(outages.distrusted_before(), Some(at(41)));
    }

    #[test]
    fn an_exchange_that_began_before_the_failure_ends_nothing() {
        let outages = Outages::default();
        let early = outages.begin();
        outages.fail();
        outages.succeed(early, at(20));
        assert_eq!(outages.distrusted_before(), None);
        let between = outages.begin();
        outages.fail();
        outages.succeed(between, at(30));
        // The first outage is over; of the second nothing is known.
        assert_eq!(outages.distrusted_before(), Some(at(31)));
        outages.succeed(outages.begin(), at(40));
        assert_eq!(outages.distrusted_before(), Some(at(41)));
    }
}
