//! How a flight ends under the lock of its shard.
//!
//! Each way is: acquire the lock, deregister the flight, use its slot up. What is registered until
//! then knows of no write since the load began, so whether the deregistration succeeds says whether
//! the load came *in time*: only then may it store, remove, or note anything.

use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind};
use crate::flight::in_flight::KeyComparisons;
use crate::shard::lifetimes::RETRY;
use crate::shard::shard::{NewEntry, Shard, cause_or_expired};
use crate::store::txn::{LockKey, TxnLocks, WriteTxn};
use crate::table::{EntryRef, SlotId};
use crate::types::removal::RemovalCause;
use crate::util::hash::KeyHash;

/// The value of a flight, to be stored if the flight came in time.
struct Publication<'f, V> {
    flight: &'f Arc<Flight<V>>,
    now: u64,
    compared: KeyComparisons<V>,
    /// There is no entry, and the flight may be published: nothing need be compared.
    is_certain: bool,
}

impl<'p, K: Eq, V> LockKey<'p, K, V> for Publication<'_, V> {
    fn hash(&self) -> KeyHash {
        self.flight.hash()
    }

    #[inline]
    fn lock(&mut self, locks: &TxnLocks<'p, K, V>) -> (Shard<'p, K, V>, Option<SlotId>) {
        let hash = self.flight.hash();
        let mut shard = locks.store.lock(locks.guard, hash);
        self.is_certain = shard.loads().is_vacant(self.flight);
        if self.is_certain {
            return (shard, None);
        }
        drop(shard);
        let key = self.flight.key(locks.guard);
        locks.lock_to_write(hash, |other| other == key, &mut self.compared)
    }

    #[inline]
    fn wants(&mut self, shard: &mut Shard<'p, K, V>, found: Option<SlotId>) -> bool {
        if self.is_certain {
            return true;
        }
        // Another caller timed out on an unshared flight and has loaded a newer value.
        let replaces = self.flight.kind.replaces_fresh() && !shard.loads().is_unshared(self.flight);
        let vacant = found.is_none_or(|id| replaces || shard.entry(id).deadline() <= self.now);
        vacant && shard.loads().may_publish(self.flight)
    }
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Deregisters a flight, and stores its value if that is still wanted.
    pub(super) fn publish(&mut self, flight: &Arc<Flight<V>>, new: NewEntry<V>) {
        let hash = flight.hash();
        let compared = KeyComparisons::for_leader(flight);
        let mut publication =
            Publication { flight, now: self.ledger.now, compared, is_certain: false };
        let (mut shard, target) = self.lock_with_room(new.weight, &mut publication);
        let compared = publication.compared;
        let loads = shard.loads();
        if target.is_some() && flight.kind == FlightKind::Refresh {
            loads.supersede_older(flight, &compared);
        }
        loads.remove(flight);
        if let Some(target) = target {
            if flight.kind == FlightKind::Compute {
                loads.supersede(hash.low(), &compared);
            }
            loads.occupy(hash);
            shard.store(flight.take_slot(), target, new, &mut self.ledger);
            self.expire_and_unlock(shard);
        } else {
            shard.abandon(flight.take_slot());
            self.expire_and_unlock(shard);
        }
    }

    /// Deregisters a flight that stores nothing. If it comes in time, also removes the key's entry,
    /// for the reason given if one is given; and a value that is refused counts as removed.
    pub(super) fn withdraw(
        &mut self,
        flight: &Arc<Flight<V>>,
        remove: Option<RemovalCause>,
        mut refused: Option<(NewEntry<V>, RemovalCause)>,
    ) {
        let (now, hash) = (self.ledger.now, flight.hash());
        let mut compared = KeyComparisons::for_leader(flight);
        let (mut shard, found) = match remove {
            None => (self.locks.store.lock(self.locks.guard, hash), None),
            Some(_) => {
                let key = flight.key(self.locks.guard);
                self.locks.lock_to_write(hash, |other| other == key, &mut compared)
            }
        };
        let in_time = shard.loads().remove(flight);
        if let (Some(cause), true) = (remove, in_time) {
            shard.loads().supersede(hash.low(), &compared);
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        let (removed, counts) = (&mut self.ledger.removed, in_time && refused.is_some());
        match refused.take_if(|_| in_time && removed.is_listening) {
            Some((new, cause)) => shard.reject(flight.take_slot(), new, cause, removed),
            None => shard.abandon(flight.take_slot()),
        }
        self.expire_and_unlock(shard);
        // Dropped here, without the lock, if it is still there.
        if let (true, Some((_, cause))) = (counts, refused) {
            self.ledger.removed.count(cause);
        }
    }

    /// Deregisters a flight that supersedes nothing. Returns the shard, locked, and the entry of
    /// the key if the flight came in time.
    fn leave(&mut self, flight: &Arc<Flight<V>>) -> (Shard<'p, K, V>, Option<SlotId>) {
        let TxnLocks { store, guard, retries } = &self.locks;
        let (hash, key) = (flight.hash(), flight.key(guard));
        let (found, eq) = (guard.find_hash(hash), |other: &K| other == key);
        let (mut shard, found) = store.shards.lock_key(guard, hash, found, eq, retries);
        let in_time = shard.loads().remove(flight);
        shard.abandon(flight.take_slot());
        (shard, found.filter(|_| in_time))
    }

    /// Ends the flight of a load that has failed. Returns the old entry, if it is still there, and
    /// notes the failure with it.
    pub(super) fn end_failed(&mut self, flight: &Arc<Flight<V>>) -> Option<EntryRef<'p, K, V>> {
        let (shard, found) = self.leave(flight);
        let old = found.map(|id| shard.entry(id));
        if let Some(state) = old.and_then(EntryRef::refresh_state) {
            state.fail(self.ledger.now.saturating_add(RETRY));
        }
        self.expire_and_unlock(shard);
        old
    }

    /// Ends a flight that has found that there is no value: the old one must not be served any
    /// more. One that is fresh is only removed by a refresh.
    pub(super) fn end_absent(&mut self, flight: &Arc<Flight<V>>) {
        let (mut shard, found) = self.leave(flight);
        if let Some(id) = found {
            let cause = cause_or_expired(shard.entry(id), RemovalCause::Explicit, self.ledger.now);
            if flight.kind == FlightKind::Refresh || cause == RemovalCause::Expired {
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        self.expire_and_unlock(shard);
    }
}
