//! How a flight ends under the lock of its shard.
//!
//! Each way is: acquire the lock, deregister the flight, use its slot up. What is registered until
//! then knows of no write since the load began, so whether the deregistration succeeds says whether
//! the load came *in time*: only then may it store, remove, or note anything.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::flight::flight::Flight;
use crate::flight::in_flight::KeyComparisons;
use crate::shard::lifetimes::RETRY;
use crate::shard::shard::{NewEntry, Shard, cause_or_expired};
use crate::store::txn::WriteTxn;
use crate::table::{EntryRef, Retries};
use crate::types::removal::RemovalCause;

/// What the value of a flight may take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaces {
    /// An entry that is not fresh any more.
    Expired,
    /// Any entry.
    Anything,
}

/// A value that is not stored, and why.
pub(super) struct Refused<V> {
    pub(super) new: NewEntry<V>,
    pub(super) cause: RemovalCause,
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Deregisters a flight, and stores its value if that is still wanted.
    pub(super) fn publish(
        &mut self,
        flight: &Arc<Flight<V>>,
        replaces: Replaces,
        new: NewEntry<V>,
    ) {
        let (now, guard) = (self.ledger.now, self.guard);
        let compared = RefCell::new(KeyComparisons::for_leader(flight));
        // There is no entry, and the flight may be published: nothing need be compared.
        let certain = Cell::new(false);
        let wanted = |shard: &mut Shard<'p, K, V>, found: Option<u32>| {
            if certain.get() {
                return true;
            }
            // Another caller timed out on an unshared flight and has loaded a newer value.
            let replaces = replaces == Replaces::Anything && !shard.loads().is_unshared(flight);
            let vacant = found.is_none_or(|id| replaces || shard.entry(id).deadline() <= now);
            vacant && shard.loads().may_publish(flight)
        };
        let (store, hash) = (self.store, flight.hash());
        let lock = |retries: &Retries| {
            let mut shard = store.lock(guard, hash);
            certain.set(shard.loads().is_vacant(flight));
            if certain.get() {
                return (shard, None);
            }
            drop(shard);
            let key = flight.key(guard);
            WriteTxn::lock_to_write(store, guard, hash, |other| other == key, &compared, retries)
        };
        let (mut shard, target) = self.lock_with_room(hash, new.weight, lock, wanted);
        let loads = shard.loads();
        if target.is_some() && replaces == Replaces::Anything && !flight.is_compute() {
            loads.supersede_older(flight, &compared.borrow());
        }
        loads.remove(flight);
        if let Some(target) = target {
            if flight.is_compute() {
                loads.supersede(hash.low(), &compared.borrow());
            }
            loads.occupy(hash);
            shard.store(flight.take_slot(), target, new, &mut self.ledger);
            self.expire_and_unlock(shard);
        } else {
            shard.abandon(flight.take_slot());
            self.unlock(shard);
        }
    }

    /// Deregisters a flight that stores nothing. If it comes in time, also removes the key's entry,
    /// for the reason given if one is given; and a value that is refused counts as removed.
    pub(super) fn withdraw(
        &mut self,
        flight: &Arc<Flight<V>>,
        remove: Option<RemovalCause>,
        mut refused: Option<Refused<V>>,
    ) {
        let (now, hash) = (self.ledger.now, flight.hash());
        let compared = RefCell::new(KeyComparisons::for_leader(flight));
        let (mut shard, found) = match remove {
            None => (self.store.lock(self.guard, hash), None),
            Some(_) => {
                let key = flight.key(self.guard);
                let eq = |other: &K| other == key;
                WriteTxn::lock_to_write(self.store, self.guard, hash, eq, &compared, &self.retries)
            }
        };
        let in_time = shard.loads().remove(flight);
        if let (Some(cause), true) = (remove, in_time) {
            shard.loads().supersede(hash.low(), &compared.borrow());
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        let (removed, counts) = (&mut self.ledger.removed, in_time && refused.is_some());
        match refused.take_if(|_| in_time && removed.is_listening()) {
            Some(Refused { new, cause }) => shard.reject(flight.take_slot(), new, cause, removed),
            None => shard.abandon(flight.take_slot()),
        }
        self.unlock(shard);
        // Dropped here, without the lock, if it is still there.
        if let (true, Some(Refused { cause, .. })) = (counts, refused) {
            self.ledger.removed.count(cause);
        }
    }

    /// Deregisters a flight that supersedes nothing. Returns the shard, locked, and the entry of the
    /// key if the flight came in time.
    fn leave(&mut self, flight: &Arc<Flight<V>>) -> (Shard<'p, K, V>, Option<u32>) {
        let key = flight.key(self.guard);
        let eq = |other: &K| other == key;
        let (mut shard, found) = self.store.lock_key(self.guard, flight.hash(), eq, &self.retries);
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
        self.unlock(shard);
        old
    }

    /// Ends a flight that has found that there is no value: the old one must not be served any more.
    /// One that is fresh is only removed if the flight was to replace it.
    pub(super) fn end_absent(&mut self, flight: &Arc<Flight<V>>, replaces: Replaces) {
        let (mut shard, found) = self.leave(flight);
        if let Some(id) = found {
            let cause = cause_or_expired(shard.entry(id), RemovalCause::Explicit, self.ledger.now);
            if replaces == Replaces::Anything || cause == RemovalCause::Expired {
                shard.remove(id, cause, &mut self.ledger);
            }
        }
        self.unlock(shard);
    }
}
