//! Optional per-slot time columns, allocated only if the configuration needs them: a cache without
//! pays nothing, and a slot with a key and a value of 8 bytes stays half a cache line.
//!
//! * A *write time*, 8 bytes: when the entry was written. In caches with any option of time.
//! * [`RefreshState`], 40 bytes: in caches whose entries live longer when they are read, or are
//!   loaded again before or after they have expired.

use super::header::NEVER;
use crate::util::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The times that an entry is stored with, in ticks of the cache's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// When it expires however often it is read; or [`NEVER`].
    pub(crate) deadline: u64,
    /// Its own deadline, not the configuration's; or [`NEVER`].
    pub(crate) entry_deadline: u64,
    /// When it was written.
    pub(crate) written: u64,
    /// When it expires unless it is read; or [`NEVER`].
    pub(crate) idle_deadline: u64,
    /// How long its value took to load; 0 if it was not loaded.
    pub(crate) load_nanos: u64,
}

impl Times {
    /// Those of an entry that does not expire, in a cache without options of time.
    pub(crate) const TIMELESS: Times = Times {
        deadline: NEVER,
        entry_deadline: NEVER,
        written: 0,
        idle_deadline: NEVER,
        load_nanos: 0,
    };
}

/// When an entry expires unless it is read, and what is known of loading it again.
#[derive(Default)]
pub(crate) struct RefreshState {
    idle_deadline: AtomicU64,
    entry_deadline: AtomicU64,
    retry_at: AtomicU64,
    failing_until: AtomicU64,
    load_nanos: AtomicU64,
}

impl RefreshState {
    /// For a slot that is about to be published: the `Release` store of its index publishes this
    /// too. (Not a call, so that the times of an entry of another cache need not be in memory.)
    #[inline(always)]
    pub(super) fn init(&self, times: &Times) {
        self.idle_deadline.store(times.idle_deadline, Relaxed);
        self.entry_deadline.store(times.entry_deadline, Relaxed);
        self.load_nanos.store(times.load_nanos, Relaxed);
        self.retry_at.store(0, Relaxed);
        self.failing_until.store(0, Relaxed);
    }

    /// When the entry expires unless it is read; or [`NEVER`].
    #[inline]
    pub(crate) fn idle_deadline(&self) -> u64 {
        // Acquire: pairs with the Release in `stay_until`, as the deadline's does.
        self.idle_deadline.load(Acquire)
    }

    /// Notes a reader's use: the entry stays at least until this tick. Writes once per tick of the
    /// clock.
    #[inline]
    pub(crate) fn stay_until(&self, tick: u64) {
        if self.idle_deadline.load(Relaxed) < tick {
            // Release: pairs with the Acquire in `idle_deadline`. A maximum, so that a delayed
            // reader does not shorten what a later one has given.
            self.idle_deadline.fetch_max(tick, Release);
        }
    }

    /// The entry's own deadline; or [`NEVER`].
    pub(crate) fn entry_deadline(&self) -> u64 {
        self.entry_deadline.load(Relaxed)
    }

    /// Changes the entry's own deadline. The caller changes the slot's deadline accordingly.
    pub(crate) fn set_entry_deadline(&self, tick: u64) {
        self.entry_deadline.store(tick, Relaxed);
    }

    /// How long the value took to load; 0 if it was not loaded.
    #[inline]
    pub(crate) fn load_nanos(&self) -> u64 {
        self.load_nanos.load(Relaxed)
    }

    /// The tick from which the entry may be loaded again.
    #[inline]
    pub(crate) fn retry_at(&self) -> u64 {
        self.retry_at.load(Relaxed)
    }

    /// Claims the next load of the entry for the caller, and keeps others from it until `next`.
    /// Returns `true` to one of several callers at once.
    pub(crate) fn claim(&self, now: u64, next: u64) -> bool {
        let seen = self.retry_at.load(Relaxed);
        // AcqRel: a later claim sees what an earlier one did. Partners are this and `fail`.
        seen <= now && self.retry_at.compare_exchange(seen, next, AcqRel, Relaxed).is_ok()
    }

    /// The tick until which no load is tried, as the last one has failed.
    #[inline]
    pub(crate) fn failing_until(&self) -> u64 {
        // Acquire: pairs with the Release in `fail`.
        self.failing_until.load(Acquire)
    }

    /// Notes that a load of the entry has failed, and that the next must wait.
    pub(crate) fn fail(&self, until: u64) {
        // Release: pairs with the Acquires in `claim` and `failing_until`.
        self.retry_at.fetch_max(until, Release);
        self.failing_until.fetch_max(until, Release);
    }
}
