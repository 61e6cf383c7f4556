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
use crate::table::{Due, EntryRef, Live, Retries};
use crate::types::removal::RemovalCause;
use crate::util::fork;
use crate::util::hash::{Hashed, KeyHash};
use crate::util::panics::DeferredPanic;

/// How often [`Store::remove_if`] looks at entries again when its condition has written to the
/// cache since the last time. One that goes on doing so may replace each entry whenever it is shown
/// it.
const MOST_OWN_ROUNDS: u32 = 16;

/// How often it looks at entries again in any case. Another thread may replace one faster than the
/// condition can look at it; and while it looks, nothing that leaves the cache is freed.
const MOST_ROUNDS: u32 = 256;

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

    fn write_and_catch<R>(
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
    fn collect(&self, due: &Due, panics: &mut DeferredPanic) {
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

    /// Empties the cache. Each shard is emptied at one stroke, under its lock; its entries are then
    /// shown to the listener and dropped by this call, without it.
    pub(crate) fn remove_all(&self) {
        let now = self.now();
        let mut panics = DeferredPanic::default();
        for index in 0..self.shards.count() {
            let guard = self.table.pin();
            let shard = self.shards.lock(&guard, index);
            let detached = shard.detach(|weight| self.budget.release(weight));
            let counters = self.counting(&guard);
            // Nothing if it is the listener itself that empties the cache.
            let mut notices = guard.begin_notices();
            let is_listening = self.config.listener.is_some();
            detached.finish(|entry| {
                let cause = cause_or_expired(entry, RemovalCause::Explicit, now);
                if let Some(counters) = counters {
                    counters.removed(cause).add(1);
                }
                match notices {
                    Some(_) => self.notify(&guard, entry, cause),
                    None if is_listening => guard.defer(std::iter::once((entry, cause))),
                    None => {}
                }
            });
            if let Some(notices) = &mut notices {
                self.notify_deferred(&guard, notices);
            }
            drop(notices);
            drop(guard);
            self.collect(&Due::collection(), &mut panics);
        }
        self.shards.collect_all(&self.table, &mut panics);
        panics.resume();
    }

    /// Removes the entries that `condemned` picks, which runs without a lock; answers how many.
    ///
    /// Loads that run now began before and may bring what the condition is about, so none of them is
    /// stored. A computation that was shown an entry is, if the condition spares that entry.
    ///
    /// What has been replaced since it was picked is looked at again; but not for ever, be it the
    /// condition itself that replaces what it is shown, or another thread.
    pub(crate) fn remove_if(&self, mut predicate: impl FnMut(&K, &V) -> bool) -> u64
    where
        K: Eq,
    {
        let now = self.now();
        let mut count = 0;
        let mut panics = DeferredPanic::default();
        for index in 0..self.shards.count() {
            let guard = self.table.pin();
            let mut computing = self.shards.lock(&guard, index).loads().supersede_loads();
            let mut due = Due::default();
            let mut is_condemned = |entry: &EntryRef<'_, K, V>| {
                if !self.is_kept(*entry) {
                    return false;
                }
                let is_condemned = predicate(entry.key(), entry.value());
                if !is_condemned {
                    computing.retain(|flight| {
                        flight.hash().low() != entry.hash()
                            || guard.key_of(flight.slot()).is_some_and(|key| key != entry.key())
                    });
                }
                is_condemned
            };
            let (own, mut own_rounds, mut rounds) = (Retries::new(&guard), 0, 0);
            let mut picked = Vec::new();
            guard.for_each(index, |entry| picked.extend(Some(entry).filter(&mut is_condemned)));
            while !picked.is_empty() {
                own_rounds += u32::from(own.has_written(&guard));
                rounds += 1;
                let mut replaced = Vec::new();
                for some in picked.chunks(64) {
                    let mut call = WriteTxn::new(self, &guard, now, &mut due);
                    count += call.remove_picked(index, some, &mut replaced);
                }
                picked.clear();
                if own_rounds < MOST_OWN_ROUNDS && rounds < MOST_ROUNDS {
                    picked.extend(replaced.into_iter().filter(&mut is_condemned));
                }
            }
            if !computing.is_empty() {
                let mut shard = self.shards.lock(&guard, index);
                computing.iter().for_each(|flight| _ = shard.loads().remove(flight));
            }
            drop(picked);
            drop((computing, guard));
            self.collect(&due, &mut panics);
        }
        if count > 0 {
            self.shards.collect_all(&self.table, &mut panics);
        }
        panics.resume();
        count
    }

    /// Frees everything that is expired or unreachable, and gives memory back.
    pub(crate) fn run_pending_tasks(&self) {
        let mut panics = DeferredPanic::default();
        for step in 0..self.maintenance_steps() {
            panics.catch(|| _ = self.maintain(step));
        }
        panics.resume();
    }

    fn maintenance_steps(&self) -> usize {
        2 * self.shards.count() + 2
    }

    /// A part of [`run_pending_tasks`](Self::run_pending_tasks). False when there was none of that number.
    /// First each shard frees what has expired, then garbage is collected; then each shard gives back what
    /// that has left free, and what this has made garbage is collected.
    pub(crate) fn maintain(&self, step: usize) -> bool {
        let (shards, mut panics) = (self.shards.count(), DeferredPanic::default());
        let (round, index) = (step / (shards + 1), step % (shards + 1));
        match round {
            0 | 1 if index == shards => self.shards.collect_all(&self.table, &mut panics),
            0 => self.expire_all(index, &mut panics),
            1 => {
                let guard = self.table.pin();
                let mut shard = self.shards.lock(&guard, index);
                shard.shrink();
            }
            _ => return false,
        }
        panics.resume();
        true
    }

    /// Frees all entries of a shard that have expired.
    fn expire_all(&self, index: usize, panics: &mut DeferredPanic) {
        let now = self.now();
        let free_some = |call: &mut WriteTxn<'_, '_, K, V>| {
            let mut shard = call.store.shards.lock(call.guard, index);
            let more = shard.expire_some(usize::MAX, &mut call.ledger);
            call.unlock(shard);
            more
        };
        while self.write_and_catch(now, free_some, panics) {}
    }
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Removes these entries of a shard, and takes off the register what was computed from them and is
    /// not stored yet. Answers how many there still were. An entry that was `replaced` since it was
    /// picked is to be looked at again: perhaps by what was computed from it.
    fn remove_picked(
        &mut self,
        index: usize,
        picked: &[EntryRef<'p, K, V>],
        replaced: &mut Vec<EntryRef<'p, K, V>>,
    ) -> u64 {
        let mut count = 0;
        let mut shard = self.store.shards.lock(self.guard, index);
        for entry in picked {
            let (id, low, mut compared) = (entry.id(), entry.hash(), KeyComparisons::new());
            while let Some(flight) = shard.loads().first_uncompared(low, &compared) {
                self.unlock(shard);
                self.retries.again(self.guard);
                if let Some(key) = self.guard.key_of(flight.slot()) {
                    let is_same_key = key == entry.key();
                    compared.add(flight, is_same_key);
                }
                shard = self.store.shards.lock(self.guard, index);
            }
            shard.loads().supersede(low, &compared);
            let newest = shard.newest(id);
            if shard.is_live(id) {
                shard.remove(id, RemovalCause::Explicit, &mut self.ledger);
                count += 1;
            } else if newest != id && shard.is_live(newest) {
                replaced.push(shard.entry(newest));
            }
        }
        self.unlock(shard);
        count
    }
}
