//! One call that writes: what it holds from its first lock to its last.
//!
//! A call may need several locks, but holds one at a time. Between them it keeps the weight it has
//! reserved and the list of what it has removed. When it ends, also by a panic in the user's code,
//! what is left of the reservation goes back and the listener is told of all that was removed.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;

use crate::flight::in_flight::KeyComparisons;
use crate::shard::budget::Reservation;
use crate::shard::ledger::{KeepRemoved, Ledger, RemovedEntries};
use crate::shard::shard::{Donor, EXPIRE_STEP, NewEntry, Shard, Target};
use crate::store::store::{Store, StoreGuard};
use crate::table::{Due, Retries, SlotId};
use crate::types::removal::RemovalCause;
use crate::util::hash::{Hashed, KeyHash};

/// See the module's head.
pub(crate) struct WriteTxn<'s, 'p, K, V> {
    pub(crate) store: &'p Store<K, V>,
    pub(crate) guard: &'p StoreGuard<'p, K, V>,
    pub(crate) ledger: Ledger<'p, 'p, K, V>,
    /// What it has to do about garbage when it has ended.
    due: &'s mut Due,
    pub(crate) retries: Retries,
}

impl<'s, 'p, K, V> WriteTxn<'s, 'p, K, V> {
    #[inline]
    pub(crate) fn new(
        store: &'p Store<K, V>,
        guard: &'p StoreGuard<'p, K, V>,
        now: u64,
        due: &'s mut Due,
    ) -> Self {
        let keep = match store.config.listener {
            Some(_) => KeepRemoved::Entries,
            None => KeepRemoved::Nothing,
        };
        let removed = RemovedEntries::new(keep, store.counting(guard));
        let ledger = Ledger { now, reservation: Reservation::new(&store.budget), removed };
        WriteTxn { store, guard, ledger, due, retries: Retries::new(guard) }
    }

    /// Takes the lock of a key's shard in order to write the key: together with its entry, and when all
    /// flights with its hash have been judged. `eq` runs without the lock.
    #[inline]
    pub(crate) fn lock_to_write(
        store: &'p Store<K, V>,
        guard: &'p StoreGuard<'p, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        compared: &RefCell<KeyComparisons<V>>,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        loop {
            let (mut shard, found) = store.lock_key(guard, hash, eq, retries);
            let first_uncompared = shard.loads().first_uncompared(hash.low(), &compared.borrow());
            let Some(flight) = first_uncompared else { return (shard, found) };
            drop(shard);
            retries.again(guard);
            // One that has ended meanwhile is not registered any more.
            if let Some(key) = guard.key_of(flight.slot()) {
                let is_same_key = eq(key);
                compared.borrow_mut().add(flight, is_same_key);
            }
        }
    }

    /// Locks a key's shard with room for a value of this weight reserved, and says where it goes;
    /// makes no room, and says nothing, if `wanted` finds under the lock that it need not be stored,
    /// given the entry that is there. `lock` takes the lock, and says which entry that is.
    #[inline]
    pub(crate) fn lock_with_room(
        &mut self,
        hash: KeyHash,
        weight: u32,
        lock: impl Fn(&Retries) -> (Shard<'p, K, V>, Option<SlotId>),
        wanted: impl Fn(&mut Shard<'p, K, V>, Option<SlotId>) -> bool,
    ) -> (Shard<'p, K, V>, Option<Target>) {
        let (mut shard, found) = lock(&self.retries);
        if !wanted(&mut shard, found) {
            return (shard, None);
        }
        // Nearly always the key is new, and one entry leaves for it, or nothing need leave.
        let target = match found {
            Some(id) => Target::Replace(id),
            None => Target::Insert(shard.miss(hash, weight)),
        };
        let need = shard.need(target, weight);
        let has_room = self.ledger.reservation.grow_to(need)
            || found.is_none() && shard.make_room(need, Donor::AtQuota, &mut self.ledger);
        if has_room {
            return (shard, Some(target));
        }
        self.lock_with_room_slowly(shard, target, (hash, weight), lock, wanted)
    }

    /// `lock_with_room`, where entries have to leave and that is not all. Begins with the lock held.
    #[cold]
    #[inline(never)]
    fn lock_with_room_slowly(
        &mut self,
        mut shard: Shard<'p, K, V>,
        mut target: Target,
        (hash, weight): (KeyHash, u32),
        lock: impl Fn(&Retries) -> (Shard<'p, K, V>, Option<SlotId>),
        wanted: impl Fn(&mut Shard<'p, K, V>, Option<SlotId>) -> bool,
    ) -> (Shard<'p, K, V>, Option<Target>) {
        let (mut ghost, mut found) = match target {
            Target::Replace(id) => (None, Some(id)),
            Target::Insert(ghost) => (Some(ghost), None),
        };
        let mut donor = Donor::AtQuota;
        loop {
            let need = shard.need(target, weight);
            if self.ledger.reservation.grow_to(need)
                || shard.make_room(need, donor, &mut self.ledger)
            {
                // Was the very entry evicted that it was to replace? Then it needs more.
                found = found.filter(|&id| shard.is_live(id));
                if found.is_some() == matches!(target, Target::Replace(_)) {
                    return (shard, Some(target));
                }
            } else {
                shard.unlock(self.due);
                self.make_room_elsewhere(need);
                donor = Donor::Any;
                self.retries.again(self.guard);
                let lending = self.ledger.reservation.lend(self.guard.line());
                (shard, found) = lock(&self.retries);
                drop(lending);
                if !wanted(&mut shard, found) {
                    return (shard, None);
                }
            }
            target = match found {
                Some(id) => Target::Replace(id),
                None => Target::Insert(*ghost.get_or_insert_with(|| shard.miss(hash, weight))),
            };
        }
    }

    /// Evicts from other shards until `need` is reserved, or nothing is to be had: first from those
    /// that hold more than their share, then from any.
    #[cold]
    fn make_room_elsewhere(&mut self, need: u64) {
        let shards = self.store.shards.count();
        for may_have_less in [false, true] {
            for _ in 0..shards {
                if self.ledger.reservation.grow_to(need) {
                    return;
                }
                let index = self.store.next_donor.fetch_add(1, Relaxed) % shards;
                let Some(mut shard) = self.store.shards.try_lock(self.guard, index) else {
                    continue;
                };
                while (may_have_less || shard.is_over_quota())
                    && shard.evict(&mut self.ledger)
                    && !self.ledger.reservation.grow_to(need)
                {}
                shard.unlock(self.due);
            }
        }
        // Perhaps it is reserved by a call whose `Eq` runs, and waits for this one to end.
        if self.ledger.reservation.borrow_to(need) {
            return;
        }
        // All that can be had is reserved by calls that are about to use it, or by several that
        // each hold a part of what they need. Those would wait for each other for ever: so whoever
        // comes here lets go of his part, and then reserves all at one stroke or nothing.
        self.ledger.reservation.release();
        std::thread::yield_now();
    }

    /// The listener is shown a value that is not stored, and its key. What it is not shown is
    /// returned, to be dropped when the lock is released.
    #[must_use]
    pub(crate) fn reject(
        &mut self,
        shard: &mut Shard<'p, K, V>,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
        cause: RemovalCause,
    ) -> Option<(K, NewEntry<V>)> {
        if !self.ledger.removed.is_listening() {
            self.ledger.removed.count(cause);
            return Some((key, new));
        }
        let slot = shard.reserve(hash, key);
        shard.reject(slot, new, cause, &mut self.ledger.removed);
        None
    }

    /// The end of a write to one shard: frees some of what expired there, lets go of the lock, and
    /// gives back what the call has not used.
    #[inline]
    pub(crate) fn expire_and_unlock(&mut self, mut shard: Shard<'p, K, V>) {
        if self.ledger.now > 0 {
            shard.expire_some(EXPIRE_STEP, &mut self.ledger);
        }
        self.unlock(shard);
    }

    /// Tells the listener of all that was removed.
    #[cold]
    fn notify_all(&mut self) {
        self.store.notify_all(self.guard, self.ledger.removed.entries.drain(..));
    }

    /// As `expire_and_unlock`, freeing nothing.
    #[inline]
    pub(crate) fn unlock(&mut self, shard: Shard<'p, K, V>) {
        // First: who takes the lock next and stores the key that was removed here must not be counted
        // beside it.
        self.ledger.reservation.release();
        shard.unlock(self.due);
    }
}

impl<K, V> Drop for WriteTxn<'_, '_, K, V> {
    #[inline]
    fn drop(&mut self) {
        // What is reserved goes back with `room`; if there is a listener, before he is told.
        if !self.ledger.removed.entries.is_empty() {
            self.ledger.reservation.release();
            self.notify_all();
        }
    }
}
