//! Time at the edges of the store: what deadline a value is given when it comes, and how its use or the
//! user moves it. The rules stand in `lifetimes.rs`; here they meet the clock and the user's
//! [`Expiry`](crate::Expiry).
//!
//! An entry has up to three deadlines, of which the earliest counts: the *limit* that the cache's time to
//! live gives it (which follows from when it was written, and is not kept); its own *term*, by
//! [`insert_with_ttl`](crate::Cache::insert_with_ttl), [`set_ttl`](crate::Cache::set_ttl) or `Expiry`; and
//! the time to *idle*. The slot's deadline is the earlier of limit and term, so that most caches have
//! one number to compare; the idle one stands apart, because readers move it, without the lock.

use std::time::Duration;

use crate::shard::shard::NewEntry;
use crate::store::store::{BoxedExpiry, Store, StoreGuard};
use crate::table::{EntryRef, NEVER, Retries, Times};
use crate::types::report::EntryInfo;
use crate::util::hash::{Hashed, KeyHash};

/// A duration in nanoseconds; what is more than the clock counts is [`NEVER`].
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// The time until a deadline, if there is one.
pub(crate) fn left(deadline: u64, now: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline.saturating_sub(now)))
}

/// When a duration is over that begins now; for ever is [`NEVER`].
fn after(now: u64, duration: Option<Duration>) -> u64 {
    duration.map_or(NEVER, |duration| now.saturating_add(nanos(duration)))
}

impl<K, V> Store<K, V> {
    /// Finds out all that must be known of a value before the lock is taken, and the time. Runs the
    /// user's code: weigher, expiry, clock.
    pub(crate) fn prepare(
        &self,
        Hashed { hash, key }: Hashed<&K>,
        value: V,
        ttl: Option<Duration>,
        load_nanos: u64,
    ) -> (NewEntry<V>, u64)
    where
        K: Eq,
    {
        let weight = self.config.weigher.as_ref().map_or(1, |weigh| weigh(key, &value));
        let (mut times, now) = self.date(hash, &value, ttl, load_nanos);
        if let Some(expiry) = &self.config.expiry {
            let entry_deadline = self.ask_expiry(expiry, Hashed { hash, key }, &value, now);
            times.entry_deadline = times.entry_deadline.min(entry_deadline);
            times.deadline = times.deadline.min(entry_deadline);
        }
        (NewEntry { value, weight, times }, now)
    }

    /// Does somebody want to see the key of each value that comes?
    pub(crate) fn needs_key(&self) -> bool {
        self.config.weigher.is_some() || self.config.expiry.is_some()
    }

    /// As `receive`, where nobody wants to see the key.
    pub(crate) fn prepare_keyless(
        &self,
        hash: KeyHash,
        value: V,
        load_nanos: u64,
    ) -> (NewEntry<V>, u64) {
        let (times, now) = self.date(hash, &value, None, load_nanos);
        (NewEntry { value, weight: 1, times }, now)
    }

    /// The times of a value that comes now, but for what `Expiry` says.
    fn date(
        &self,
        hash: KeyHash,
        value: &V,
        ttl: Option<Duration>,
        load_nanos: u64,
    ) -> (Times, u64) {
        let own = self.config.own_ttl.as_ref().and_then(|own| own(value));
        let own = ttl.into_iter().chain(own).min().map_or(NEVER, nanos);
        let written = if own == NEVER { self.now() } else { self.begin_entry_ttls() };
        if written == 0 {
            // Nothing expires here, or not yet.
            if own == NEVER && !self.config.lifetimes.limited() {
                return (Times { load_nanos, ..Times::TIMELESS }, 0);
            }
        }
        let (lifetimes, hash) = (&self.config.lifetimes, hash.low());
        let entry_deadline = lifetimes.end_of(own, hash, written);
        let times = Times {
            deadline: lifetimes.ttl_deadline(hash, written).min(entry_deadline),
            entry_deadline,
            written,
            idle_deadline: written.saturating_add(lifetimes.idle),
            load_nanos,
        };
        (times, written)
    }

    /// The term that the user's `Expiry` gives a value that comes.
    #[cold]
    fn ask_expiry(
        &self,
        expiry: &BoxedExpiry<K, V>,
        Hashed { hash, key }: Hashed<&K>,
        value: &V,
        now: u64,
    ) -> u64
    where
        K: Eq,
    {
        let (guard, moment) = (self.table.pin(), self.instant(now));
        let old = guard.find(hash, |other| other == key).filter(|old| now < old.deadline());
        let Some(old) = old else {
            return after(now, expiry.expire_after_create(key, value, moment));
        };
        let remaining = left(old.deadline(), now);
        let asked = expiry.expire_after_update(key, value, moment, remaining);
        if asked == remaining {
            old.refresh_state().map_or(NEVER, |refresh_state| refresh_state.entry_deadline())
        } else {
            after(now, asked)
        }
    }

    /// Returns `true` if the entry is fresh, and then uses it.
    #[cold]
    #[inline(never)]
    pub(crate) fn extend_if_fresh(
        &self,
        guard: &StoreGuard<'_, K, V>,
        hash: KeyHash,
        entry: EntryRef<'_, K, V>,
    ) -> bool {
        let now = self.read_clock();
        let fresh = now < entry.deadline();
        if fresh {
            entry.touch();
            self.extend(guard, hash, entry, now);
        }
        fresh
    }

    /// An entry was found fresh, and is used: its deadline may move. Runs the user's expiry.
    pub(crate) fn extend(
        &self,
        guard: &StoreGuard<'_, K, V>,
        hash: KeyHash,
        entry: EntryRef<'_, K, V>,
        now: u64,
    ) {
        let lifetimes = &self.config.lifetimes;
        if let (true, Some(refresh_state)) = (lifetimes.idles(), entry.refresh_state()) {
            refresh_state.stay_until(now.saturating_add(lifetimes.idle));
        }
        if let Some(expiry) = &self.config.expiry {
            self.ask_expiry_of_use(expiry, guard, (hash, entry), now);
        }
    }

    #[cold]
    fn ask_expiry_of_use(
        &self,
        expiry: &BoxedExpiry<K, V>,
        guard: &StoreGuard<'_, K, V>,
        (hash, entry): (KeyHash, EntryRef<'_, K, V>),
        now: u64,
    ) {
        let written = entry.written().unwrap_or(now);
        let remaining = left(entry.deadline(), now);
        let asked = expiry.expire_after_read(
            entry.key(),
            entry.value(),
            self.instant(now),
            remaining,
            self.instant(written),
        );
        if asked == remaining {
            return;
        }
        let before = entry.deadline();
        self.set_entry_deadline(entry, after(now, asked));
        if entry.deadline() < before {
            // Its timer would come too late. The pin keeps the slot from being another entry's.
            let mut shard = self.lock(guard, hash);
            if shard.is_live(entry.id()) {
                shard.arm(entry);
            }
            drop(shard);
        }
    }

    /// Gives a fresh entry another time to live, from now on; false if there is none. Takes the lock of
    /// the key's shard.
    pub(crate) fn set_ttl(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        ttl: Duration,
    ) -> bool {
        let (now, guard) = (self.begin_entry_ttls(), self.table.pin());
        let entry_deadline = self.config.lifetimes.end_of(nanos(ttl), hash.low(), now);
        let (mut shard, found) = self.lock_key(&guard, hash, eq, &Retries::new(&guard));
        let entry = found.map(|id| shard.entry(id)).filter(|entry| now < entry.deadline());
        if let Some(entry) = entry {
            self.set_entry_deadline(entry, entry_deadline);
            shard.arm(entry);
        }
        drop(shard);
        entry.is_some()
    }

    /// Changes the part of an entry's deadline that is its own. Its timer may have to be set, too.
    fn set_entry_deadline(&self, entry: EntryRef<'_, K, V>, entry_deadline: u64) {
        let mut ttl_deadline = NEVER;
        if let Some(written) = self.written(entry) {
            ttl_deadline = self.config.lifetimes.ttl_deadline(entry.hash(), written);
            entry.note_written(written);
        }
        if let Some(refresh_state) = entry.refresh_state() {
            refresh_state.set_entry_deadline(entry_deadline);
        }
        entry.set_deadline(ttl_deadline.min(entry_deadline));
    }

    /// What is known of a fresh entry. No lock.
    pub(crate) fn info(&self, hash: KeyHash, eq: impl Fn(&K) -> bool + Copy) -> Option<EntryInfo> {
        let guard = self.table.pin();
        let entry = self.peek_live(&guard, hash, eq)?;
        let now = self.now();
        Some(EntryInfo {
            age: self
                .written(entry)
                .map(|written| Duration::from_nanos(now.saturating_sub(written))),
            time_left: left(entry.deadline(), now),
            load_time: entry
                .refresh_state()
                .map(|refresh_state| refresh_state.load_nanos())
                .filter(|&nanos| nanos > 0)
                .map(Duration::from_nanos),
            weight: entry.weight(),
        })
    }

    /// How long until an entry may have to be freed, at least; nothing if none expires.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let guard = self.table.pin();
        let due = |index| {
            let shard = self.shards.lock(&guard, index);
            shard.next_expiry()
        };
        let earliest = (0..self.shards.count()).map(due).min().unwrap_or(NEVER);
        left(earliest, self.now())
    }
}
