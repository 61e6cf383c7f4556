//! Computing and moving deadlines: on insert, on read, and by `set_ttl`. The rules are in
//! `shard/lifetimes.rs`; here the clock is read and the user's [`Expiry`](crate::Expiry) runs,
//! without any lock.
//!
//! An entry has up to three deadlines, of which the earliest counts:
//! * the *ttl deadline*, of the cache's time to live. It follows from the write time, and is not
//!   kept;
//! * the *entry deadline*, which is its own: by
//!   [`insert_with_ttl`](crate::Cache::insert_with_ttl), [`set_ttl`](crate::Cache::set_ttl) or
//!   `Expiry`;
//! * the *idle deadline*, of the cache's time to idle.
//!
//! The slot's deadline is the earlier of the first two, so that most caches have one number to
//! compare; the idle deadline is kept apart, because readers move it, without the lock.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::shard::shard::NewEntry;
use crate::store::config::BoxedExpiry;
use crate::store::store::{Store, StoreGuard};
use crate::table::{EntryRef, NEVER, Retries, Times};
use crate::types::report::EntryInfo;
use crate::util::hash::{Hashed, KeyHash};

/// Returns a duration in nanoseconds; [`NEVER`] if it is beyond the range of the clock.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// Returns the time until a deadline; `None` for [`NEVER`].
fn time_until(deadline: u64, now: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline.saturating_sub(now)))
}

/// Returns the deadline after a duration that begins now; [`NEVER`] for `None`.
fn deadline_after(now: u64, duration: Option<Duration>) -> u64 {
    duration.map_or(NEVER, |duration| now.saturating_add(nanos(duration)))
}

impl<K, V> Store<K, V> {
    /// Returns the time, if any entry can expire; else 0, by which no deadline has passed.
    pub(crate) fn now(&self) -> u64 {
        if self.timed.load(Relaxed) { self.read_clock() } else { 0 }
    }

    /// Returns the time. The clock's last tick is reserved for [`NEVER`].
    pub(crate) fn read_clock(&self) -> u64 {
        self.clock.now().min(NEVER - 1)
    }

    /// Returns the time, for an entry with its own time to live. From now on writers read the clock
    /// and, if the cache has a time to live, record write times: they no longer follow from the
    /// deadline.
    pub(crate) fn begin_entry_ttls(&self) -> u64 {
        if !self.timed.load(Relaxed) {
            self.timed.store(true, Relaxed);
        }
        if self.config.lifetimes.ttl != NEVER {
            self.table.record_write_times();
        }
        self.read_clock()
    }

    /// Returns the write time of an entry, if it is known. If the cache began to record write times
    /// with its first [entry ttl](Self::begin_entry_ttls), entries without one have no entry
    /// deadline, and it follows from their ttl deadline.
    pub(crate) fn written(&self, entry: EntryRef<'_, K, V>) -> Option<u64> {
        // Read the deadline first: writers record the write time before they change the deadline.
        let (ttl, deadline) = (self.config.lifetimes.ttl, entry.fixed_deadline());
        let by_deadline = deadline.checked_sub(ttl).filter(|_| ttl != NEVER && deadline != NEVER);
        entry.written().or(by_deadline)
    }

    /// Returns a tick as a moment of the standard library, for the user's `Expiry`.
    pub(crate) fn instant(&self, tick: u64) -> Instant {
        let (instant, origin) = self.anchor.expect("there is an `Expiry`");
        let moved = if tick >= origin {
            instant.checked_add(Duration::from_nanos(tick - origin))
        } else {
            instant.checked_sub(Duration::from_nanos(origin - tick))
        };
        // Further from now than the platform can represent.
        moved.unwrap_or(instant)
    }

    /// Returns `true` if the weigher or `Expiry` needs the key of each new value.
    pub(crate) fn needs_key(&self) -> bool {
        self.config.weigher.is_some() || self.config.expiry.is_some()
    }

    /// As `prepare`, for a cache without weigher and `Expiry`.
    pub(crate) fn prepare_keyless(
        &self,
        hash: KeyHash,
        value: V,
        ttl: Option<Duration>,
        load_nanos: u64,
    ) -> (NewEntry<V>, u64) {
        let (times, now) = self.times_of_new(hash, &value, ttl, load_nanos);
        (NewEntry { value, weight: 1, times }, now)
    }

    /// Returns the times of a value that is stored now, without regard to `Expiry`; and the time, 0
    /// if no entry can expire yet.
    fn times_of_new(
        &self,
        hash: KeyHash,
        value: &V,
        ttl: Option<Duration>,
        load_nanos: u64,
    ) -> (Times, u64) {
        let own = self.config.own_ttl.as_ref().and_then(|own| own(value));
        let own = ttl.into_iter().chain(own).min().map_or(NEVER, nanos);
        let written = if own == NEVER { self.now() } else { self.begin_entry_ttls() };
        if written == 0 && own == NEVER && !self.config.lifetimes.limited() {
            // No entry expires in this cache, or none yet.
            return (Times { load_nanos, ..Times::TIMELESS }, 0);
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

    /// Returns `true` if the entry is fresh, and then counts a use and extends its deadlines.
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

    /// Moves the deadlines of a fresh entry that is used. Runs the user's `Expiry`.
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
        let Some(expiry) = &self.config.expiry else { return };
        let written = entry.written().unwrap_or(now);
        let remaining = time_until(entry.deadline(), now);
        let lifetime = expiry.expire_after_read(
            entry.key(),
            entry.value(),
            self.instant(now),
            remaining,
            self.instant(written),
        );
        if lifetime == remaining {
            return;
        }
        let before = entry.deadline();
        self.set_entry_deadline(entry, deadline_after(now, lifetime));
        if entry.deadline() < before {
            // Its timer would fire too late. The guard keeps the slot from being reused.
            let mut shard = self.lock(guard, hash);
            if shard.is_live(entry.id()) {
                shard.arm(entry);
            }
        }
    }

    /// Sets the time to live of a fresh entry, from now on. Returns `false` if there is none.
    /// Acquires the lock of the key's shard.
    pub(crate) fn set_ttl(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        ttl: Duration,
    ) -> bool {
        let (now, guard) = (self.begin_entry_ttls(), self.pin());
        let entry_deadline = self.config.lifetimes.end_of(nanos(ttl), hash.low(), now);
        let (found, retries) = (guard.find_hash(hash), Retries::new(&guard));
        let (mut shard, found) = self.shards.lock_key(&guard, hash, found, eq, &retries);
        let entry = found.map(|id| shard.entry(id)).filter(|entry| now < entry.deadline());
        if let Some(entry) = entry {
            self.set_entry_deadline(entry, entry_deadline);
            shard.arm(entry);
        }
        drop(shard);
        entry.is_some()
    }

    /// Changes an entry's own deadline. The caller arms its block's timer, if that must be earlier.
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

    /// Returns the metadata of a fresh entry. No lock.
    pub(crate) fn info(&self, hash: KeyHash, eq: impl Fn(&K) -> bool + Copy) -> Option<EntryInfo> {
        let guard = self.pin();
        let entry = self.peek_live(&guard, hash, eq)?;
        let now = self.now();
        let age = |written| Duration::from_nanos(now.saturating_sub(written));
        let load_nanos = entry.refresh_state().map(|state| state.load_nanos());
        Some(EntryInfo {
            age: self.written(entry).map(age),
            time_left: time_until(entry.deadline(), now),
            load_time: load_nanos.filter(|&nanos| nanos > 0).map(Duration::from_nanos),
            weight: entry.weight(),
        })
    }

    /// Returns the least time until an entry may be due to be freed; `None` if none expires.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let guard = self.pin();
        let due = |index| self.shards.lock(&guard, index).next_expiry();
        let earliest = (0..self.shards.count()).map(due).min().unwrap_or(NEVER);
        time_until(earliest, self.now())
    }
}

impl<K: Eq, V> Store<K, V> {
    /// Determines what must be known of a new value before its shard is locked, and the time. Runs
    /// user code: weigher, `Expiry`, clock.
    pub(crate) fn prepare(
        &self,
        Hashed { hash, key }: Hashed<&K>,
        value: V,
        ttl: Option<Duration>,
        load_nanos: u64,
    ) -> (NewEntry<V>, u64) {
        let weight = self.config.weigher.as_ref().map_or(1, |weigh| weigh(key, &value));
        let (mut times, now) = self.times_of_new(hash, &value, ttl, load_nanos);
        if let Some(expiry) = &self.config.expiry {
            let entry_deadline = self.expiry_of_new(expiry, Hashed { hash, key }, &value, now);
            times.entry_deadline = times.entry_deadline.min(entry_deadline);
            times.deadline = times.deadline.min(entry_deadline);
        }
        (NewEntry { value, weight, times }, now)
    }

    /// Returns the entry deadline that the user's `Expiry` sets for a new value.
    #[cold]
    fn expiry_of_new(
        &self,
        expiry: &BoxedExpiry<K, V>,
        Hashed { hash, key }: Hashed<&K>,
        value: &V,
        now: u64,
    ) -> u64 {
        let (guard, moment) = (self.pin(), self.instant(now));
        let old = guard.find(hash, |other| other == key).filter(|old| now < old.deadline());
        let Some(old) = old else {
            return deadline_after(now, expiry.expire_after_create(key, value, moment));
        };
        let remaining = time_until(old.deadline(), now);
        let lifetime = expiry.expire_after_update(key, value, moment, remaining);
        if lifetime == remaining {
            old.refresh_state().map_or(NEVER, |refresh_state| refresh_state.entry_deadline())
        } else {
            deadline_after(now, lifetime)
        }
    }
}
