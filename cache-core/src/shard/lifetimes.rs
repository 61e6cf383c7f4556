//! Whether an entry is fresh, due for a refresh, stale or over.
//!
//! ```text
//!  written      written + refresh_after        deadline          + stale_while_revalidate
//!     │                   │                       │                  │      + stale_if_error
//!     ▼                   ▼                       ▼                  ▼           ▼
//!     ├─────── Fresh ─────┼──────── Due ──────────┼───── Stale ──────┼─ Failing ─┼── Over ──▶
//!     │  look-up: hit     │ look-up: hit          │ miss             │ miss      │ miss
//!     │  load:    hit     │ load: hit, and one    │ old value, and   │ a load;   │ a load
//!     │                   │ refresh begins        │ one refresh      │ old value │
//!     │                   │                       │ begins           │ if it     │
//!     │                   │                       │                  │ fails     │
//! ```
//! The two windows after the deadline are those of RFC 5861, "HTTP Cache-Control Extensions for
//! Stale Content": both begin at the deadline, and neither is moved by a load that fails, so that
//! nothing is ever served that is older than the user allows. Removed, invalidated or flushed
//! entries are in no phase at all.
//!
//! *Due* also begins early, by chance, where [`early`](Lifetimes::early) is set: optimal
//! probabilistic early expiration ("XFetch"; A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal
//! Probabilistic Cache Stampede Prevention", VLDB 2015). Each load call lets the deadline come
//! earlier by the time that the last load took, times `early`, times a random number of the
//! exponential distribution. So a costly value is loaded anew a little before its deadline, the
//! earlier the more often it is asked for, and its callers need not wait.
//!
//! The least time between two attempts ([`RETRY`]) is kept per entry, by
//! [`RefreshState`](crate::table::RefreshState): the caller that is to begin a refresh claims it
//! there, so that the others are served without acquiring a lock.

use crate::table::{EntryRef, NEVER};
use crate::types::status::Status;
use crate::util::random;

/// At most one attempt in this time to load an entry whose old value may still be served.
pub(crate) const RETRY: u64 = 1_000_000_000;

/// How long entries live, and how long they are kept after that: the configuration, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Lifetimes {
    /// From the writing on; [`NEVER`] if not limited.
    pub(crate) ttl: u64,
    /// From the last use on; [`NEVER`] if not limited.
    pub(crate) idle: u64,
    /// The part of a time to live by which it is shortened at most.
    pub(crate) jitter: f64,
    /// From the writing on; [`NEVER`]: no refresh.
    pub(crate) refresh_after: u64,
    /// After the deadline.
    pub(crate) while_revalidate: u64,
    /// After the deadline.
    pub(crate) if_error: u64,
    /// The factor of early expiration; 0: none.
    pub(crate) early: f64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes {
            ttl: NEVER,
            idle: NEVER,
            jitter: 0.0,
            refresh_after: NEVER,
            while_revalidate: 0,
            if_error: 0,
            early: 0.0,
        }
    }
}

/// The phase of an entry at a moment, for a call that would load it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is served.
    Fresh,
    /// It is served, and a caller may begin a refresh.
    Due,
    /// It has expired. The old value is served, and a caller may begin a refresh if it is `due`.
    Stale { due: bool },
    /// It has expired. It is served if a load fails; without one, if a load has failed just now.
    Failing { due: bool },
    /// It has expired, and is not served any more.
    Over,
}

impl Lifetimes {
    /// Returns `true` if entries expire by the configuration alone.
    pub(crate) fn limited(&self) -> bool {
        self.ttl != NEVER || self.idle != NEVER
    }

    /// Returns `true` if entries expire when they are not used.
    pub(crate) fn idles(&self) -> bool {
        self.idle != NEVER
    }

    /// Returns `true` if a fresh entry may be due for a refresh.
    #[inline]
    pub(crate) fn refreshes(&self) -> bool {
        self.refresh_after != NEVER || self.early > 0.0
    }

    /// Returns `true` if an expired entry may be served.
    #[inline]
    pub(crate) fn serves_stale(&self) -> bool {
        self.grace() > 0
    }

    /// How long an entry is kept after its deadline.
    #[inline]
    pub(crate) fn grace(&self) -> u64 {
        self.while_revalidate.max(self.if_error)
    }

    /// Returns `true` if the old value of an entry may be served while, or after, it is loaded
    /// again.
    #[inline]
    pub(crate) fn serves_old_values(&self) -> bool {
        self.refreshes() || self.serves_stale()
    }

    /// Returns `true` if each entry must have a refresh state (`table/times.rs`).
    pub(crate) fn refresh_states(&self) -> bool {
        self.idles() || self.serves_old_values()
    }

    /// The end of a time to live that began with the writing of an entry. With jitter it comes
    /// earlier, by a part that depends only on the entry's hash and the tick of its writing.
    pub(crate) fn end_of(&self, ttl: u64, hash: u32, written: u64) -> u64 {
        if ttl == NEVER {
            return NEVER;
        }
        let mut nanos = ttl;
        if self.jitter > 0.0 {
            let part = self.jitter * random::unit(random::mix(written ^ u64::from(hash)));
            // Rounds towards zero, and leaves something even of the shortest time to live.
            nanos -= ((ttl as f64 * part) as u64).min(ttl.saturating_sub(1));
        }
        written.saturating_add(nanos)
    }

    /// The deadline that the configuration gives to an entry.
    pub(crate) fn ttl_deadline(&self, hash: u32, written: u64) -> u64 {
        self.end_of(self.ttl, hash, written)
    }

    /// The phase of an entry now.
    pub(crate) fn phase<K, V>(&self, entry: EntryRef<'_, K, V>, now: u64) -> Phase {
        let deadline = entry.deadline();
        if now < deadline {
            let due = self.refreshes() && self.is_due(entry, now, deadline);
            return if due { Phase::Due } else { Phase::Fresh };
        }
        let (over, refresh_state) = (now - deadline, entry.refresh_state());
        if over < self.while_revalidate {
            Phase::Stale { due: refresh_state.is_some_and(|state| state.retry_at() <= now) }
        } else if over < self.if_error {
            Phase::Failing { due: refresh_state.is_none_or(|state| state.failing_until() <= now) }
        } else {
            Phase::Over
        }
    }

    /// The status with which an entry is served without a load, if it is.
    pub(crate) fn served<K, V>(&self, entry: EntryRef<'_, K, V>, now: u64) -> Option<Status> {
        if now < entry.deadline() {
            return Some(Status::Hit);
        }
        match self.phase(entry, now) {
            Phase::Stale { due: true } | Phase::Failing { due: true } => None,
            _ => self.served_after_failure(entry, now),
        }
    }

    /// The status with which an entry is served when a load of it has failed, if it is.
    pub(crate) fn served_after_failure<K, V>(
        &self,
        entry: EntryRef<'_, K, V>,
        now: u64,
    ) -> Option<Status> {
        match self.phase(entry, now) {
            Phase::Fresh | Phase::Due => Some(Status::Hit),
            Phase::Stale { .. } => Some(Status::Stale),
            Phase::Failing { .. } => Some(Status::Fallback),
            Phase::Over => None,
        }
    }

    /// Returns `true` if a fresh entry is due for a refresh, and no caller has begun one lately.
    fn is_due<K, V>(&self, entry: EntryRef<'_, K, V>, now: u64, deadline: u64) -> bool {
        let Some(refresh_state) = entry.refresh_state() else { return false };
        if refresh_state.retry_at() > now {
            return false;
        }
        let age = now.saturating_sub(entry.written().unwrap_or(now));
        age >= self.refresh_after || self.is_early(refresh_state.load_nanos(), deadline - now)
    }

    fn is_early(&self, load_nanos: u64, left: u64) -> bool {
        let scale = load_nanos as f64 * self.early;
        // The usual case needs neither a random number nor a logarithm.
        left as f64 <= scale * random::MOST_EXPONENTIAL
            && left as f64 <= scale * random::exponential()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn jittered(ttl: u64, jitter: f64) -> Lifetimes {
        Lifetimes { ttl, jitter, ..Lifetimes::default() }
    }

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_it_says() {
        let lifetimes = jittered(1_000_000, 0.25);
        let mut all: Vec<u64> = (0..1000).map(|hash| lifetimes.ttl_deadline(hash, 7) - 7).collect();
        assert!(all.iter().all(|nanos| (750_000..=1_000_000).contains(nanos)));
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 900, "the deadlines are spread");
        assert!(all[0] < 760_000 && all[all.len() - 1] > 990_000);
        assert_eq!(lifetimes.ttl_deadline(3, 7), lifetimes.ttl_deadline(3, 7));
        assert_ne!(lifetimes.ttl_deadline(3, 7) - 7, lifetimes.ttl_deadline(3, 8) - 8);
    }

    #[test]
    fn jitter_leaves_something_of_the_shortest_time_to_live() {
        assert!((0..1000).all(|hash| jittered(1, 0.999).ttl_deadline(hash, 5) == 6));
    }

    #[test]
    fn far_deadlines_are_never_and_nothing_overflows() {
        assert_eq!(jittered(1_000_000, 0.0).ttl_deadline(0, 10), 1_000_010);
        assert_eq!(jittered(1_000_000, 0.0).end_of(20, 0, 10), 30);
        for jitter in [0.0, 0.5] {
            assert_eq!(jittered(1_000_000, jitter).ttl_deadline(0, NEVER - 1), NEVER);
            assert_eq!(jittered(NEVER, jitter).ttl_deadline(0, 10), NEVER);
        }
    }

    #[test]
    fn early_refresh_is_sure_at_the_deadline_and_impossible_far_from_it() {
        let lifetimes = Lifetimes { early: 1.0, ..Lifetimes::default() };
        assert!((0..10_000).all(|_| lifetimes.is_early(1_000_000_000, 0)));
        assert!((0..10_000).all(|_| !lifetimes.is_early(1_000_000, 1_000_000_000)));
        assert!((0..10_000).all(|_| !lifetimes.is_early(0, 1)));
    }

    /// P(early) is exp(-left / (load * beta)).
    #[test]
    fn early_refresh_follows_the_exponential_distribution() {
        for (beta, left, expected) in
            [(1.0, 1_000, 0.3679), (2.0, 1_000, 0.6065), (1.0, 3_000, 0.0498)]
        {
            let lifetimes = Lifetimes { early: beta, ..Lifetimes::default() };
            let draws = 200_000;
            let early = (0..draws).filter(|_| lifetimes.is_early(1_000, left)).count();
            let share = early as f64 / f64::from(draws);
            // Ten standard deviations.
            assert!((share - expected).abs() < 0.012, "{share} for {expected}");
        }
    }
}
