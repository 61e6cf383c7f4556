//! Removing many entries: all of them, or those that a predicate picks.

use crate::flight::in_flight::KeyComparisons;
use crate::shard::shard::cause_or_expired;
use crate::store::store::Store;
use crate::store::txn::WriteTxn;
use crate::table::{Due, EntryRef, Retries};
use crate::types::removal::RemovalCause;
use crate::util::panics::DeferredPanic;

/// How often [`Store::remove_if`] looks at entries again when its condition has written to the
/// cache since the last time. One that goes on doing so may replace each entry whenever it is shown
/// it.
const MOST_OWN_ROUNDS: u32 = 16;

/// How often it looks at entries again in any case. Another thread may replace one faster than the
/// condition can look at it; and while it looks, nothing that leaves the cache is freed.
const MOST_ROUNDS: u32 = 256;

impl<K, V> Store<K, V> {
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
    /// Loads that run now began before and may bring what the condition is about, so none of them
    /// is stored. A computation that was shown an entry is, if the condition spares that entry.
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
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Removes these entries of a shard, and takes off the register what was computed from them and
    /// is not stored yet. Answers how many there still were. An entry that was `replaced` since it
    /// was picked is to be looked at again: perhaps by what was computed from it.
    fn remove_picked(
        &mut self,
        index: usize,
        picked: &[EntryRef<'p, K, V>],
        replaced: &mut Vec<EntryRef<'p, K, V>>,
    ) -> u64 {
        let mut count = 0;
        let mut shard = self.locks.store.shards.lock(self.locks.guard, index);
        for entry in picked {
            let (id, low, mut compared) = (entry.id(), entry.hash(), KeyComparisons::new());
            while let Some(flight) = shard.loads().first_uncompared(low, &compared) {
                self.unlock(shard);
                self.locks.retries.again(self.locks.guard);
                if let Some(key) = self.locks.guard.key_of(flight.slot()) {
                    let is_same_key = key == entry.key();
                    compared.add(flight, is_same_key);
                }
                shard = self.locks.store.shards.lock(self.locks.guard, index);
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
