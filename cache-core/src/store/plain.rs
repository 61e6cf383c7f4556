//! Writes to a cache where nothing of the user's has a say: the short way, see `shard/plain.rs`.
//!
//! A cache is *plain* if it has no weigher, no listener and no `Expiry`, and its entries live for
//! one time that nothing extends and only jitter shortens. That is decided when it is built. A
//! write tries the short way first; it returns what it was given if something unusual is in its
//! way, and then the general one, in `write.rs`, does it from the beginning.

use std::sync::Arc;

use crate::flight::flight::Flight;
use crate::shard::budget::Reservation;
use crate::shard::ledger::{Ledger, RemovedEntries};
use crate::shard::plain::{KeyLookup, Life, PlainShard};
use crate::shard::shard::{EXPIRE_STEP, Shard};
use crate::store::store::{Store, StoreGuard};
use crate::table::{Due, Gone, Seen};
use crate::types::removal::RemovalCause;
use crate::util::fork;
use crate::util::hash::KeyHash;
use crate::util::known_eq;
use crate::util::panics::DeferredPanic;

impl<K, V> Store<K, V> {
    /// Returns the time, and when a value that is written now expires.
    #[inline]
    fn plain_life(&self, hash: KeyHash) -> Life {
        let (now, lifetimes) = (self.now(), &self.config.lifetimes);
        let deadline = if self.jitters {
            lifetimes.ttl_deadline(hash.low(), now)
        } else {
            // `NEVER` is the largest number.
            now.saturating_add(lifetimes.ttl)
        };
        Life { now, deadline }
    }

    /// Looks a key up, and then acquires the lock of its shard, unless something unusual is in the
    /// way. `eq` runs without the lock.
    #[inline]
    fn lock_plain<'g, 's>(
        &'g self,
        guard: &'g mut StoreGuard<'s, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<(PlainShard<'g, 's, K, V>, Option<Seen>)> {
        let seen = match guard.see(hash) {
            Some((entry, seen)) if eq(entry.key()) => Some(seen),
            // Another key with the same 32 bits of hash.
            Some(_) => return None,
            None => None,
        };
        Some((self.shards.lock_plain(guard, hash)?, seen))
    }

    /// Ends a write: removes some of what has expired, and releases the lock.
    #[inline]
    fn end_plain(&self, shard: Shard<'_, K, V>, due: &mut Due, now: u64) {
        if shard.is_due(now) {
            self.expire_plain(shard, due, now);
        } else {
            shard.unlock(due);
        }
    }

    #[cold]
    #[inline(never)]
    fn expire_plain(&self, mut shard: Shard<'_, K, V>, due: &mut Due, now: u64) {
        let removed = RemovedEntries::new(false, self.counting(shard.guard()));
        let reservation = Reservation::new(&self.budget);
        let mut ledger = Ledger { now, reservation, removed };
        shard.expire_some(EXPIRE_STEP, &mut ledger);
        ledger.reservation.release();
        shard.unlock(due);
    }

    /// Does what a call has to do when it has released the lock, and resumes its panic. (Inlined,
    /// an insert takes 3 to 6 % fewer instructions.)
    #[inline(always)]
    fn leave_plain(
        &self,
        guard: StoreGuard<'_, K, V>,
        due: &Due,
        removed: Option<RemovalCause>,
        contents: &mut Option<(K, V)>,
        mut panics: DeferredPanic,
    ) {
        if let Some(cause) = removed {
            self.count(&guard, |counters| counters.removed(cause));
        }
        if std::mem::needs_drop::<(K, V)>() && contents.is_some() {
            // Still pinned: what this `Drop` does to the cache is not done in place, so that no
            // drop runs inside another without end.
            panics.catch(|| *contents = None);
        }
        guard.drop_retired(due, &mut panics);
        self.collect(due, &mut panics);
        panics.resume();
    }
}

impl<K, V> Store<K, V> {
    /// Removes a key's entry for a cause. If it was fresh, returns what `f` makes of its value; `f`
    /// runs without the lock. Returns `f` if it has done nothing.
    #[inline]
    pub(super) fn remove_plain<R, F: FnOnce(&V) -> R>(
        &self,
        hash: KeyHash,
        cause: RemovalCause,
        eq: impl Fn(&K) -> bool + Copy,
        f: F,
    ) -> Result<Option<R>, F> {
        let life = self.plain_life(hash);
        fork::catch_up();
        let (mut guard, mut due) = (self.pin(), Due::default());
        let Some(gone) = self.take_plain(&mut guard, hash, eq, life, &mut due) else {
            return Err(f);
        };
        let (mut panics, mut result) = (DeferredPanic::default(), None);
        // `f` may panic, and so may the `Drop` of what it was shown: not during that panic.
        let value = gone.as_ref().and_then(|gone| gone.fresh(life));
        panics.catch(|| result = value.map(f));
        let (mut contents, removed) = parts_of(gone, life, cause);
        self.leave_plain(guard, &due, removed, &mut contents, panics);
        Ok(result)
    }

    /// Ends a flight and stores its value; or returns the value.
    #[inline]
    pub(crate) fn publish_plain(&self, flight: &Arc<Flight<V>>, value: V) -> Result<(), V> {
        let life = self.plain_life(flight.hash());
        fork::catch_up();
        let (mut guard, mut due) = (self.pin(), Due::default());
        let mut shard = self.shards.lock_plain_to_publish(&mut guard, flight.hash());
        if !shard.is_vacant(flight) || life.deadline <= life.now {
            return Err(value);
        }
        let gone = shard.publish(flight, value, life, &self.budget)?;
        let (mut contents, removed) = parts_of(gone, life, RemovalCause::Size);
        self.end_plain(shard.into_shard(), &mut due, life.now);
        self.leave_plain(guard, &due, removed, &mut contents, DeferredPanic::default());
        Ok(())
    }

    /// Takes a key's entry out, if there is one. The outer `None`: it has done nothing.
    #[inline]
    fn take_plain<'g>(
        &'g self,
        guard: &'g mut StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        life: Life,
        due: &mut Due,
    ) -> Option<Option<Gone<'g, K, V>>> {
        let (shard, seen) = self.lock_plain(guard, hash, eq)?;
        let (gone, shard) = shard.take(hash, seen)?;
        if gone.is_some() {
            // Before unlocking: the next writer may store the key again, and both must not be
            // charged to the budget.
            self.budget.release(1);
        }
        self.end_plain(shard, due, life.now);
        Some(gone)
    }
}

/// What is left of an entry to be dropped, and the cause of its removal.
#[inline]
fn parts_of<K, V>(
    gone: Option<Gone<'_, K, V>>,
    life: Life,
    cause: RemovalCause,
) -> (Option<(K, V)>, Option<RemovalCause>) {
    let parts = gone.map(|gone| gone.into_parts(life, cause));
    parts.map_or((None, None), |(contents, cause)| (contents, Some(cause)))
}

impl<K: Eq + 'static, V> Store<K, V> {
    /// Stores `contents`, a key and its value. Returns `false` if it has done nothing; then they
    /// are still there.
    #[inline]
    pub(super) fn insert_plain(&self, hash: KeyHash, contents: &mut Option<(K, V)>) -> bool {
        let life = self.plain_life(hash);
        fork::catch_up();
        let (mut guard, mut due) = (self.pin(), Due::default());
        let Some(removed) = self.put_plain(&mut guard, hash, contents, life, &mut due) else {
            return false;
        };
        self.leave_plain(guard, &due, removed, contents, DeferredPanic::default());
        true
    }

    /// As [`PlainShard::put`], in a shard whose lock it acquires and releases.
    #[inline(always)]
    fn put_plain(
        &self,
        guard: &mut StoreGuard<'_, K, V>,
        hash: KeyHash,
        contents: &mut Option<(K, V)>,
        life: Life,
        due: &mut Due,
    ) -> Option<Option<RemovalCause>> {
        if life.deadline <= life.now {
            return None;
        }
        let (mut shard, lookup) = if known_eq::is_known::<K>() {
            (self.shards.lock_plain(guard, hash)?, KeyLookup::ByEq)
        } else {
            let key = contents.as_ref().map(|(key, _)| key);
            let (shard, seen) = self.lock_plain(guard, hash, |other| key == Some(other))?;
            (shard, KeyLookup::Settled(seen))
        };
        let removed = shard.put(lookup, hash, contents, life, &self.budget)?;
        self.end_plain(shard.into_shard(), due, life.now);
        Some(removed)
    }
}
