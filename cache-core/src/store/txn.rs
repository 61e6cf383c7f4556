//! A write transaction: one call that writes, from its first lock to its last.
//!
//! A call may need several locks, but holds one at a time. Between them it keeps the weight it has
//! reserved and the list of what it has removed. When it ends, also by a panic in the user's code,
//! the rest of the reservation is released and the listener is notified of all that was removed.

use std::sync::atomic::Ordering::Relaxed;

use crate::flight::in_flight::KeyComparisons;
use crate::shard::budget::Reservation;
use crate::shard::ledger::{Ledger, RemovedEntries};
use crate::shard::shard::{Donor, EXPIRE_STEP, NewEntry, Shard, Target};
use crate::store::store::{Store, StoreGuard};
use crate::table::{Due, EntryRef, Retries, SlotId};
use crate::types::removal::RemovalCause;
use crate::util::hash::{Hashed, KeyHash};

/// One call that writes.
pub(crate) struct WriteTxn<'s, 'p, K, V> {
    pub(crate) locks: TxnLocks<'p, K, V>,
    pub(crate) ledger: Ledger<'p, 'p, K, V>,
    /// What is to be done about garbage when it has ended.
    pub(super) due: &'s mut Due,
}

/// What a transaction acquires locks with.
pub(crate) struct TxnLocks<'p, K, V> {
    pub(crate) store: &'p Store<K, V>,
    pub(crate) guard: &'p StoreGuard<'p, K, V>,
    pub(crate) retries: Retries,
}

/// How a write that stores a value acquires the lock of its key's shard.
pub(crate) trait LockKey<'p, K, V> {
    fn hash(&self) -> KeyHash;

    /// Acquires the lock; also returns the key's entry as of that moment.
    fn lock(&mut self, locks: &TxnLocks<'p, K, V>) -> (Shard<'p, K, V>, Option<SlotId>);

    /// Returns `true` if the value is to be stored, given the key's entry.
    fn wants(&mut self, shard: &mut Shard<'p, K, V>, found: Option<SlotId>) -> bool;
}

impl<'p, K, V> TxnLocks<'p, K, V> {
    /// Acquires the lock of a key's shard in order to write the key: when the key has been compared
    /// with those of all registered flights with its hash. Also returns the key's entry. `eq` runs
    /// without the lock.
    #[inline]
    pub(crate) fn lock_to_write(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        compared: &mut KeyComparisons<V>,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        loop {
            let found = self.guard.find_hash(hash);
            let (mut shard, found) =
                self.store.shards.lock_key(self.guard, hash, found, eq, &self.retries);
            let first_uncompared = shard.loads().first_uncompared(hash.low(), compared);
            let Some(flight) = first_uncompared else { return (shard, found) };
            drop(shard);
            self.retries.again(self.guard);
            compared.compare(flight, |slot| self.guard.key_of(slot).map(eq));
        }
    }
}

impl<'p, K, V> TxnLocks<'p, K, V> {
    /// As [`lock_to_write`](Self::lock_to_write), with one search instead of two, for an `eq` that
    /// runs none of the user's code: it runs under the lock. Returns `None`, without the lock, if
    /// the shard has a flight with this hash.
    #[inline]
    pub(crate) fn lock_known(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<(Shard<'p, K, V>, Option<SlotId>)> {
        let mut shard = self.store.lock(self.guard, hash);
        if shard.loads().has_hash(hash.low()) {
            return None;
        }
        let found = self.guard.find(hash, eq).map(EntryRef::id);
        Some((shard, found))
    }
}

impl<'s, 'p, K, V> WriteTxn<'s, 'p, K, V> {
    #[inline]
    pub(crate) fn new(
        store: &'p Store<K, V>,
        guard: &'p StoreGuard<'p, K, V>,
        now: u64,
        due: &'s mut Due,
    ) -> Self {
        let is_listening = store.config.listener.is_some();
        let removed = RemovedEntries::new(is_listening, store.counting(guard));
        let ledger = Ledger { now, reservation: Reservation::new(&store.budget), removed };
        let locks = TxnLocks { store, guard, retries: Retries::new(guard) };
        WriteTxn { locks, ledger, due }
    }

    /// Acquires the lock of a key's shard with room for a value of this weight reserved, and
    /// returns where the value goes; makes no room and returns `None` if the value is not to be
    /// stored.
    #[inline]
    pub(crate) fn lock_with_room(
        &mut self,
        weight: u32,
        key: &mut impl LockKey<'p, K, V>,
    ) -> (Shard<'p, K, V>, Option<Target>) {
        let (mut shard, found) = key.lock(&self.locks);
        if !key.wants(&mut shard, found) {
            return (shard, None);
        }
        // Nearly always the key is new, and one entry leaves for it, or none need leave.
        let target = match found {
            Some(id) => Target::Replace(id),
            None => Target::Insert(shard.miss(key.hash(), weight)),
        };
        let need = shard.need(target, weight);
        let has_room = self.ledger.reservation.grow_to(need)
            || found.is_none()
                && !self.asks()
                && shard.make_room(need, Donor::AtQuota, &mut self.ledger);
        if has_room {
            return (shard, Some(target));
        }
        self.lock_with_room_slowly(shard, target, weight, key)
    }

    /// The general case of `lock_with_room`. Begins with the lock held.
    #[cold]
    #[inline(never)]
    fn lock_with_room_slowly(
        &mut self,
        mut shard: Shard<'p, K, V>,
        mut target: Target,
        weight: u32,
        key: &mut impl LockKey<'p, K, V>,
    ) -> (Shard<'p, K, V>, Option<Target>) {
        let (mut ghost, mut found) = match target {
            Target::Replace(id) => (None, Some(id)),
            Target::Insert(ghost) => (Some(ghost), None),
        };
        let mut donor = Donor::AtQuota;
        loop {
            let need = shard.need(target, weight);
            if self.ledger.reservation.grow_to(need)
                || !self.asks() && shard.make_room(need, donor, &mut self.ledger)
            {
                // If the very entry was evicted that was to be replaced, more is needed.
                found = found.filter(|&id| shard.is_live(id));
                if found.is_some() == matches!(target, Target::Replace(_)) {
                    return (shard, Some(target));
                }
            } else {
                shard.unlock(self.due);
                if self.asks() {
                    self.make_room_asking(key.hash(), need);
                } else {
                    self.make_room_elsewhere(need);
                }
                donor = Donor::Any;
                self.locks.retries.again(self.locks.guard);
                let lending = self.ledger.reservation.lend(self.locks.guard.line());
                (shard, found) = key.lock(&self.locks);
                drop(lending);
                if !key.wants(&mut shard, found) {
                    return (shard, None);
                }
            }
            target = match found {
                Some(id) => Target::Replace(id),
                None => {
                    Target::Insert(*ghost.get_or_insert_with(|| shard.miss(key.hash(), weight)))
                }
            };
        }
    }

    /// Evicts from other shards until `need` is reserved, or there is nothing to evict: first from
    /// those over their quota, then from any.
    #[cold]
    fn make_room_elsewhere(&mut self, need: u64) {
        let TxnLocks { store, guard, .. } = self.locks;
        let shards = store.shards.count();
        for from_any in [false, true] {
            for _ in 0..shards {
                if self.ledger.reservation.grow_to(need) {
                    return;
                }
                let index = store.next_donor.fetch_add(1, Relaxed) % shards;
                let Some(mut shard) = store.shards.try_lock(guard, index) else { continue };
                while (from_any || shard.is_over_quota())
                    && shard.evict(&mut self.ledger)
                    && !self.ledger.reservation.grow_to(need)
                {}
                shard.unlock(self.due);
            }
        }
        self.borrow_or_release(need);
    }

    /// There is nothing to evict.
    pub(super) fn borrow_or_release(&mut self, need: u64) {
        // Perhaps it is reserved by a transaction whose `Eq` runs, and waits for this one to end.
        if self.ledger.reservation.borrow_to(need) {
            return;
        }
        // All weight is reserved by other transactions. Two that each hold a part would wait for
        // each other for ever, so release ours, and reserve all or nothing from here on.
        self.ledger.reservation.release();
        std::thread::yield_now();
    }

    /// Shows the listener a value that is not stored, and its key. Without a listener they are
    /// returned, to be dropped when the lock is released.
    #[must_use]
    pub(crate) fn reject(
        &mut self,
        shard: &mut Shard<'p, K, V>,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
        cause: RemovalCause,
    ) -> Option<(K, NewEntry<V>)> {
        if !self.ledger.removed.is_listening {
            self.ledger.removed.count(cause);
            return Some((key, new));
        }
        let slot = shard.reserve(hash, key);
        shard.reject(slot, new, cause, &mut self.ledger.removed);
        None
    }

    /// Ends a write to one shard: removes some of what has expired there, releases the lock, and
    /// releases what is left of the reservation.
    #[inline]
    pub(crate) fn expire_and_unlock(&mut self, mut shard: Shard<'p, K, V>) {
        if self.ledger.now > 0 {
            shard.expire_some(EXPIRE_STEP, &mut self.ledger);
        }
        self.unlock(shard);
    }

    #[cold]
    fn notify_all(&mut self) {
        let TxnLocks { store, guard, .. } = self.locks;
        store.notify_all(guard, self.ledger.removed.entries.drain(..));
    }

    /// As `expire_and_unlock`, but removes nothing.
    #[inline]
    pub(crate) fn unlock(&mut self, shard: Shard<'p, K, V>) {
        // Before unlocking: the next writer may store the removed key, and both must not be charged
        // to the budget.
        self.ledger.reservation.release();
        shard.unlock(self.due);
    }
}

impl<K, V> Drop for WriteTxn<'_, '_, K, V> {
    #[inline]
    fn drop(&mut self) {
        // The reservation is released with the ledger; if there is a listener, before it is
        // notified.
        if !self.ledger.removed.entries.is_empty() {
            self.ledger.reservation.release();
            self.notify_all();
        }
    }
}
