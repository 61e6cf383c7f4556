//! Calls that go through all shards, one after the other: removing many entries, freeing what is
//! expired or unreachable, and what a store reports of itself.

use crate::flight::in_flight::KeyComparisons;
use crate::shard::shard::{ShardBytes, cause_or_expired};
use crate::store::store::{Store, StoreGuard};
use crate::store::txn::{TxnLocks, WriteTxn};
use crate::table::{Due, EntryRef, Retries};
use crate::types::removal::RemovalCause;
use crate::types::stats::Stats;
use crate::util::panics::DeferredPanic;

/// The most rounds of [`Store::remove_if`] in a shard that follow writes of the predicate's to the
/// cache. A predicate that always writes may replace each entry whenever it is shown it.
const MOST_OWN_ROUNDS: u32 = 16;

/// The most rounds in any case. Another thread may replace an entry faster than the predicate can
/// look at it; and while it looks, nothing that is removed from the cache can be freed.
const MOST_ROUNDS: u32 = 256;

/// Entries that are removed under one lock at most.
const CHUNK: usize = 64;

impl<K, V> Store<K, V> {
    /// Empties the cache. Each shard is emptied as a whole, under its lock; then this call notifies
    /// the listener of its entries and drops them, without the lock.
    pub(crate) fn remove_all(&self) {
        let now = self.now();
        let mut panics = DeferredPanic::default();
        for index in 0..self.shards.count() {
            let guard = self.pin();
            let shard = self.shards.lock(&guard, index);
            let detached = shard.detach(|weight| self.budget.release(weight));
            let counters = self.counting(&guard);
            // `None` if it is the listener that empties the cache.
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
            self.collect(&Due { collect: true, ..Due::default() }, &mut panics);
        }
        self.shards.collect_all(&self.table, &mut panics);
        panics.resume();
    }

    /// Removes the entries that the predicate picks, and returns how many. The predicate runs
    /// without a lock.
    ///
    /// Running loads began before, and may bring what the predicate would pick, so none of them is
    /// stored. A computation that was shown an entry is stored if the predicate spares that entry.
    ///
    /// An entry that was replaced since it was picked is looked at again, but not for ever, whether
    /// the predicate itself replaces what it is shown, or another thread.
    pub(crate) fn remove_if(&self, mut predicate: impl FnMut(&K, &V) -> bool) -> u64
    where
        K: Eq,
    {
        let now = self.now();
        let mut panics = DeferredPanic::default();
        let mut count = 0;
        for index in 0..self.shards.count() {
            let guard = self.pin();
            let mut removal =
                ShardRemoval { store: self, guard: &guard, index, now, due: Due::default() };
            count += removal.run(&mut predicate);
            let due = removal.due;
            drop(guard);
            self.collect(&due, &mut panics);
        }
        if count > 0 {
            self.shards.collect_all(&self.table, &mut panics);
        }
        panics.resume();
        count
    }
}

/// The part of [`Store::remove_if`] in one shard.
struct ShardRemoval<'p, K, V> {
    store: &'p Store<K, V>,
    guard: &'p StoreGuard<'p, K, V>,
    index: usize,
    now: u64,
    due: Due,
}

impl<'p, K: Eq, V> ShardRemoval<'p, K, V> {
    fn run(&mut self, mut predicate: impl FnMut(&K, &V) -> bool) -> u64 {
        let (store, guard, index) = (self.store, self.guard, self.index);
        let mut computing = store.shards.lock(guard, index).loads().supersede_loads();
        let count = self.remove_in_rounds(|entry| {
            if !store.is_kept(*entry) {
                return false;
            }
            let is_picked = predicate(entry.key(), entry.value());
            if !is_picked {
                computing.retain(|flight| {
                    flight.hash().low() != entry.hash()
                        || guard.key_of(flight.slot()).is_some_and(|key| key != entry.key())
                });
            }
            is_picked
        });
        if !computing.is_empty() {
            let mut shard = store.shards.lock(guard, index);
            computing.iter().for_each(|flight| _ = shard.loads().remove(flight));
        }
        count
    }

    /// Removes the entries that `picks` picks; in further rounds those that have replaced them, if
    /// they are picked, too.
    fn remove_in_rounds(&mut self, mut picks: impl FnMut(&EntryRef<'p, K, V>) -> bool) -> u64 {
        let (own, mut own_rounds, mut rounds) = (Retries::new(self.guard), 0, 0);
        let (mut picked, mut count) = (Vec::new(), 0);
        self.guard.for_each(self.index, |entry| picked.extend(Some(entry).filter(&mut picks)));
        while !picked.is_empty() {
            own_rounds += u32::from(own.has_written(self.guard));
            rounds += 1;
            let mut replaced = Vec::new();
            for chunk in picked.chunks(CHUNK) {
                let mut txn = WriteTxn::new(self.store, self.guard, self.now, &mut self.due);
                count += txn.remove_picked(self.index, chunk, &mut replaced);
            }
            picked.clear();
            if own_rounds < MOST_OWN_ROUNDS && rounds < MOST_ROUNDS {
                picked.extend(replaced.into_iter().filter(&mut picks));
            }
        }
        count
    }
}

impl<'p, K: Eq, V> WriteTxn<'_, 'p, K, V> {
    /// Removes those of the `picked` entries of a shard that are still live, deregisters flights of
    /// their keys, and returns how many were removed. Pushes the successors of entries that were
    /// `replaced` since they were picked.
    fn remove_picked(
        &mut self,
        index: usize,
        picked: &[EntryRef<'p, K, V>],
        replaced: &mut Vec<EntryRef<'p, K, V>>,
    ) -> u64 {
        let TxnLocks { store, guard, .. } = self.locks;
        let mut count = 0;
        let mut shard = store.shards.lock(guard, index);
        for entry in picked {
            let (id, low, mut compared) = (entry.id(), entry.hash(), KeyComparisons::new());
            while let Some(flight) = shard.loads().first_uncompared(low, &compared) {
                self.unlock(shard);
                self.locks.retries.again(guard);
                compared.compare(flight, |slot| Some(guard.key_of(slot)? == entry.key()));
                shard = store.shards.lock(guard, index);
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

impl<K, V> Store<K, V> {
    /// Frees everything that is expired or unreachable, and returns unused memory to the allocator.
    pub(crate) fn run_pending_tasks(&self) {
        let mut panics = DeferredPanic::default();
        for step in 0..2 * self.shards.count() + 2 {
            panics.catch(|| _ = self.maintain(step));
        }
        panics.resume();
    }

    /// Does one step of [`run_pending_tasks`](Self::run_pending_tasks); returns `false` if there is
    /// none of this number. First each shard removes what has expired, then garbage is collected;
    /// then each shard returns the memory that this has left unused, and the garbage of that is
    /// collected.
    pub(crate) fn maintain(&self, step: usize) -> bool {
        let (shards, mut panics) = (self.shards.count(), DeferredPanic::default());
        let (round, index) = (step / (shards + 1), step % (shards + 1));
        match round {
            0 | 1 if index == shards => self.shards.collect_all(&self.table, &mut panics),
            0 => self.expire_all(index, &mut panics),
            1 => {
                let guard = self.pin();
                self.shards.lock(&guard, index).shrink();
            }
            _ => return false,
        }
        panics.resume();
        true
    }

    /// Removes all entries of a shard that have expired.
    fn expire_all(&self, index: usize, panics: &mut DeferredPanic) {
        let (now, mut more) = (self.now(), true);
        while std::mem::take(&mut more) {
            let expire_some = |txn: &mut WriteTxn<'_, '_, K, V>| {
                let mut shard = txn.locks.store.shards.lock(txn.locks.guard, index);
                more = shard.expire_some(usize::MAX, &mut txn.ledger);
                txn.unlock(shard);
            };
            panics.catch(|| self.write(now, expire_some));
        }
    }

    /// Returns the statistics; all zero if none are recorded.
    pub(crate) fn stats(&self) -> Stats {
        if self.config.record_stats { Stats::sum(self.table.counters()) } else { Stats::default() }
    }

    /// Returns the number of entries. With weights, acquires the locks of all shards, one at a
    /// time.
    pub(crate) fn entry_count(&self) -> u64 {
        if self.config.weigher.is_none() {
            return self.budget.used();
        }
        let guard = self.pin();
        let entries = |index| self.shards.lock(&guard, index).entries() as u64;
        (0..self.shards.count()).map(entries).sum()
    }

    /// Returns the bytes held, by part.
    pub(crate) fn memory(&self) -> Vec<(&'static str, usize)> {
        let table = self.table.bytes();
        let guard = self.pin();
        let mut shards = ShardBytes::default();
        (0..self.shards.count())
            .for_each(|index| self.shards.lock(&guard, index).add_bytes(&mut shards));
        vec![
            ("slots", table.slots),
            ("table", table.regions),
            ("ghosts", shards.ghosts),
            ("timers", shards.timers),
            ("blocks and garbage queues", table.bookkeeping + shards.writer),
            ("shards", self.shards.bytes()),
            ("lines of threads", table.threads),
            ("lists of flights", shards.flights),
            ("writes during batches", shards.writes),
            ("the cache itself", size_of::<Self>()),
        ]
    }

    /// Checks every invariant, while no other thread writes.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) fn validate(&self) {
        let mut weight = 0;
        for index in 0..self.shards.count() {
            let guard = self.pin();
            let shard = self.shards.lock(&guard, index);
            shard.validate_shard();
            weight += shard.weight();
        }
        assert_eq!(weight, self.budget.used(), "the budget is what the entries weigh");
        assert!(weight <= self.budget.max);
    }
}
