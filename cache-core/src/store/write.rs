//! Writing: what a call does before it takes a lock, and after.
//!
//! A writing call goes through the same steps each time. *Before the lock*: the user's weigher and
//! clock run, the key is looked up without a lock. *Under the lock* of one shard: see `shard.rs`.
//! *After it*: the listener is told, with references that the pin keeps valid, or, if it is the
//! listener that writes, the call that it was told by is left to do so; the pin is released;
//! then a step of garbage collection drops what nobody can reach any more.

use std::cell::RefCell;
use std::time::Duration;

use crate::flight::in_flight::KeyComparisons;
use crate::shard::shard::{NewEntry, cause_or_expired};
use crate::store::store::Store;
use crate::store::txn::WriteTxn;
use crate::table::{Due, Live, Retries};
use crate::types::removal::RemovalCause;
use crate::util::fork;
use crate::util::hash::{Hashed, KeyHash};
use crate::util::panics::DeferredPanic;

impl<K, V> Store<K, V> {
    /// Runs a call that writes. Then, in this order: the listener is told (its references hang on
    /// the pin), what was retired is dropped if nobody else can be looking, the thread is unpinned,
    /// garbage is dropped (which could not be freed before).
    pub(crate) fn write<R>(
        &self,
        now: u64,
        work: impl FnOnce(&mut WriteTxn<'_, '_, K, V>) -> R,
    ) -> R {
        let mut panics = DeferredPanic::default();
        let result = self.write_and_catch(now, work, &mut panics);
        panics.resume();
        result
    }

    pub(super) fn write_and_catch<R>(
        &self,
        now: u64,
        work: impl FnOnce(&mut WriteTxn<'_, '_, K, V>) -> R,
        panics: &mut DeferredPanic,
    ) -> R {
        fork::catch_up();
        let (guard, mut due) = (self.table.pin(), Due::default());
        let result = work(&mut WriteTxn::new(self, &guard, now, &mut due));
        guard.drop_retired(&due, panics);
        self.collect(&due, panics);
        result
    }

    /// Does what a call has to do about garbage when the thread is no longer pinned by it.
    #[inline]
    pub(super) fn collect(&self, due: &Due, panics: &mut DeferredPanic) {
        if !due.is_empty() {
            let used = self.budget.used();
            let weighted = self.config.weigher.is_some();
            let live = if weighted { Live::Weight(used) } else { Live::Entries(used) };
            self.shards.collect_due(&self.table, due, live, panics);
        }
    }

    /// Stores a value, in the place of the one that is there. Supersedes loads of the key.
    pub(crate) fn insert(&self, hash: KeyHash, key: K, value: V, ttl: Option<Duration>)
    where
        K: Eq,
    {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, ttl, 0);
        if let Some(cause) = self.refuses(&new, now) {
            return self.reject(Hashed { hash, key }, new, cause, now);
        }
        self.write(now, |call| {
            let (store, guard) = (call.store, call.guard);
            let compared = RefCell::new(KeyComparisons::new());
            let lock = |retries: &Retries| {
                WriteTxn::lock_to_write(
                    store,
                    guard,
                    hash,
                    |other| *other == key,
                    &compared,
                    retries,
                )
            };
            let (mut shard, target) = call.lock_with_room(hash, new.weight, lock, |_, _| true);
            let target = target.expect("an insert is always wanted");
            let slot = shard.reserve(hash, key);
            shard.store(slot, target, new, &mut call.ledger);
            shard.loads().supersede(hash.low(), &compared.borrow());
            call.expire_and_unlock(shard);
        });
    }

    /// Why a value cannot be stored, if it cannot: it is dead on arrival, or heavier than the whole
    /// cache.
    pub(crate) fn refuses(&self, new: &NewEntry<V>, now: u64) -> Option<RemovalCause> {
        match () {
            () if new.times.deadline <= now => Some(RemovalCause::Expired),
            () if u64::from(new.weight) > self.budget.max() => Some(RemovalCause::Size),
            () => None,
        }
    }

    /// A value that cannot be stored, being heavier than the whole cache or dead on arrival:
    /// what was there goes all the same, and the listener is told of both.
    fn reject(
        &self,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
        refused_for: RemovalCause,
        now: u64,
    ) where
        K: Eq,
    {
        self.write(now, |call| {
            let (eq, compared) = (|other: &K| *other == key, RefCell::new(KeyComparisons::new()));
            let (mut shard, found) =
                WriteTxn::lock_to_write(call.store, call.guard, hash, eq, &compared, &call.retries);
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), RemovalCause::Replaced, now);
                shard.remove(id, cause, &mut call.ledger);
            }
            shard.loads().supersede(hash.low(), &compared.borrow());
            let _not_shown = call.reject(&mut shard, Hashed { hash, key }, new, refused_for);
            call.expire_and_unlock(shard);
        });
    }

    /// Removes a key's entry, and gives what `see` makes of it if it was fresh. `see` runs without
    /// the lock.
    pub(crate) fn remove_as<R>(
        &self,
        hash: KeyHash,
        cause: RemovalCause,
        eq: impl Fn(&K) -> bool + Copy,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let now = self.now();
        self.write(now, |call| {
            let compared = RefCell::new(KeyComparisons::new());
            let (mut shard, found) =
                WriteTxn::lock_to_write(call.store, call.guard, hash, eq, &compared, &call.retries);
            let removed = found.map(|id| {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut call.ledger)
            });
            shard.loads().supersede(hash.low(), &compared.borrow());
            call.expire_and_unlock(shard);
            removed.filter(|entry| entry.deadline() > now).map(|entry| f(entry.value()))
        })
    }
}
