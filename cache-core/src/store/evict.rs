//! Evicting on demand, and asking the user what to keep.
//!
//! The user's `keep_if` must not run under a lock, so in a cache with one no room is made under the
//! lock of the key that is written. The transaction releases it, and for one candidate after the
//! other: acquires the lock of a shard, asks the policy for its next victim, releases the lock,
//! asks the user, and acquires the lock again. Being pinned, it knows the entry again by its slot.
//! If that is still in the cache it is evicted, or goes to the end of the policy's queue. What room
//! this makes is kept in the reservation, until the key's lock is acquired again.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::shard::shard::Shard;
use crate::store::store::Store;
use crate::store::txn::{TxnLocks, WriteTxn};
use crate::table::{EntryRef, SlotId};
use crate::util::hash::KeyHash;
use crate::util::panics::{DeferredPanic, drop_payload};
use crate::util::sync::thread_local;

/// The most candidates that one eviction asks about.
const MOST_CANDIDATES: usize = 16;

/// Entries that are evicted by one transaction at most.
const CHUNK: usize = 64;

thread_local! {
    /// The stores whose `keep_if` the thread is running: what that evicts is not asked about.
    static ASKING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The shards that give up entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Donors {
    /// The key's own, if it holds its quota or nearly.
    Own,
    OverQuota,
    All,
}

impl<K, V> Store<K, V> {
    /// Evicts entries of at least this weight in all, as far as there are any: from each shard its
    /// part. Returns the weight of what was evicted.
    pub(crate) fn evict(&self, weight: u64) -> u64 {
        let (shards, total) = (self.shards.count(), self.budget.used().max(1));
        let mut panics = DeferredPanic::default();
        let (mut evicted, mut some_left) = (0, true);
        for index in 0..shards {
            let held = self.shards.lock(&self.pin(), index).weight();
            let part = u128::from(weight) * u128::from(held) / u128::from(total);
            let mut left =
                u64::try_from(part).unwrap_or(u64::MAX).min(weight - evicted.min(weight));
            while left > 0 {
                let Some(gone) = self.evict_some(index, left, CHUNK, &mut panics) else { break };
                evicted += gone;
                left = left.saturating_sub(gone);
            }
        }
        // The parts were rounded down.
        while evicted < weight && std::mem::take(&mut some_left) {
            for index in 0..shards {
                if evicted < weight {
                    let gone = self.evict_some(index, 1, 1, &mut panics);
                    some_left |= gone.is_some();
                    evicted += gone.unwrap_or(0);
                }
            }
        }
        panics.resume();
        evicted
    }

    /// Evicts up to `most` entries of a shard, until they weigh so much. Returns their weight;
    /// `None` if there are none.
    fn evict_some(
        &self,
        index: usize,
        weight: u64,
        most: usize,
        panics: &mut DeferredPanic,
    ) -> Option<u64> {
        let mut evicted = None;
        panics.catch(|| {
            self.write(self.now(), |txn| {
                for _ in 0..most {
                    if evicted >= Some(weight) {
                        break;
                    }
                    let Some(gone) = txn.evict_asking(index, Donors::All) else { break };
                    evicted = Some(evicted.unwrap_or(0) + gone);
                }
                txn.ledger.reservation.release();
            });
        });
        evicted
    }

    /// Asks the user whether an entry is to be kept. A panic counts as "no", and so does a question
    /// that comes up while the user is asked another.
    fn is_to_be_kept(&self, entry: EntryRef<'_, K, V>) -> bool {
        let Some(keep_if) = &self.config.keep_if else { return false };
        let own = std::ptr::from_ref(self) as usize;
        let begun = ASKING.try_with(|asking| {
            let mut asking = asking.borrow_mut();
            let is_new = !asking.contains(&own);
            if is_new {
                asking.push(own);
            }
            is_new
        });
        if begun != Ok(true) {
            return false;
        }
        let asked = catch_unwind(AssertUnwindSafe(|| keep_if(entry.key(), entry.value())));
        let _ = ASKING.try_with(|asking| asking.borrow_mut().pop());
        asked.unwrap_or_else(|panic| {
            drop_payload(panic);
            false
        })
    }
}

impl<'p, K, V> WriteTxn<'_, 'p, K, V> {
    /// Returns `true` if the user is asked what to keep: then no room is made under a lock.
    #[inline]
    pub(super) fn asks(&self) -> bool {
        self.locks.store.config.keep_if.is_some()
    }

    /// Evicts what the user does not want to keep, until `need` is reserved, or there is nothing to
    /// evict: first from the key's own shard, then from those over their quota, then from any.
    #[cold]
    pub(super) fn make_room_asking(&mut self, hash: KeyHash, need: u64) {
        let TxnLocks { store, .. } = self.locks;
        let (own, shards) = (store.table.shard_of(hash), store.shards.count());
        for donors in [Donors::Own, Donors::OverQuota, Donors::All] {
            for step in 0..if donors == Donors::Own { 1 } else { shards } {
                let index = (own + step) % shards;
                loop {
                    if self.ledger.reservation.grow_to(need) {
                        return;
                    }
                    if self.evict_asking(index, donors).is_none() {
                        break;
                    }
                }
            }
        }
        self.borrow_or_release(need);
    }

    /// Evicts one entry of a shard. Returns its weight, which the reservation has; `None` if there
    /// is no entry, or the shard is none of the donors.
    fn evict_asking(&mut self, index: usize, donors: Donors) -> Option<u64> {
        let TxnLocks { store, guard, .. } = self.locks;
        let mut spared = Vec::new();
        for _ in 0..if self.asks() { MOST_CANDIDATES } else { 0 } {
            let mut shard = store.shards.lock(guard, index);
            if !is_donor(&shard, donors) {
                return None;
            }
            let mut candidate = shard.candidate();
            if candidate.is_some_and(|candidate| spared.contains(&candidate.id())) {
                // The policy has come round to it.
                candidate = shard.newcomer();
            }
            drop(shard);
            let Some(candidate) = candidate else { break };
            let is_kept = candidate.deadline() > self.ledger.now && self.keeps(candidate);
            let mut shard = store.shards.lock(guard, index);
            let is_live = shard.is_live(candidate.id());
            if is_live && !is_kept {
                return Some(self.evict_from(shard, Some(candidate.id())));
            }
            if is_live {
                shard.spare(candidate.id());
                spared.push(candidate.id());
            }
        }
        let shard = store.shards.lock(guard, index);
        if !is_donor(&shard, donors) || shard.entries() == 0 {
            return None;
        }
        let oldest = spared.first().copied().filter(|&id| shard.is_live(id));
        Some(self.evict_from(shard, oldest))
    }

    /// Evicts this entry, or the policy's choice, and releases the lock. Returns its weight.
    fn evict_from(&mut self, mut shard: Shard<'p, K, V>, id: Option<SlotId>) -> u64 {
        let before = shard.weight();
        match id {
            Some(id) => shard.evict_entry(id, &mut self.ledger),
            None => _ = shard.evict(&mut self.ledger),
        }
        let evicted = before - shard.weight();
        shard.unlock(self.due);
        evicted
    }

    fn keeps(&mut self, entry: EntryRef<'p, K, V>) -> bool {
        let TxnLocks { store, guard, .. } = self.locks;
        // Calls that the user makes meanwhile may need what this one has reserved.
        let lending = self.ledger.reservation.lend(guard.line());
        let is_kept = store.is_to_be_kept(entry);
        drop(lending);
        // What the user has written is no doing of `Eq`.
        self.locks.retries.has_written(guard);
        is_kept
    }
}

fn is_donor<K, V>(shard: &Shard<'_, K, V>, donors: Donors) -> bool {
    match donors {
        Donors::Own => shard.is_near_quota(),
        Donors::OverQuota => shard.is_over_quota(),
        Donors::All => true,
    }
}
