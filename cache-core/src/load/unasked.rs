//! Storing a value that a loader gave for a key that it was not asked for: see `batch.rs`.

use crate::flight::written::RunningBatch;
use crate::shard::shard::Shard;
use crate::store::store::Store;
use crate::store::txn::{LockKey, TxnLocks};
use crate::table::SlotId;
use crate::util::hash::{Hashed, KeyHash};

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Stores a value that a loader gave for a key that it was not asked for, if the key is absent
    /// and was not written since. If it cannot be stored for another reason, the listener is
    /// notified.
    pub(super) fn add_unasked(
        &self,
        Hashed { hash, key }: Hashed<K>,
        value: V,
        since: &RunningBatch,
        load_nanos: u64,
    ) {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, None, load_nanos);
        self.write(now, |txn| {
            let mut unasked = Unasked { hash, key: &key, since, now };
            if let Some(cause) = self.refuses(&new, now) {
                let (mut shard, found) = unasked.lock(&txn.locks);
                let not_shown = if unasked.wants(&mut shard, found) {
                    txn.reject(&mut shard, Hashed { hash, key }, new, cause)
                } else {
                    Some((key, new))
                };
                txn.unlock(shard);
                return drop(not_shown);
            }
            let (mut shard, target) = txn.lock_with_room(new.weight, &mut unasked);
            if let Some(target) = target {
                let slot = shard.reserve(hash, key);
                shard.loads().occupy(hash);
                shard.store(slot, target, new, &mut txn.ledger);
            }
            txn.expire_and_unlock(shard);
        });
    }
}

/// A value that is added if its key is absent and was not written since.
struct Unasked<'k, K> {
    hash: KeyHash,
    key: &'k K,
    since: &'k RunningBatch,
    now: u64,
}

impl<'p, K: Eq, V> LockKey<'p, K, V> for Unasked<'_, K> {
    fn hash(&self) -> KeyHash {
        self.hash
    }

    fn lock(&mut self, locks: &TxnLocks<'p, K, V>) -> (Shard<'p, K, V>, Option<SlotId>) {
        let key = self.key;
        locks.store.lock_key(locks.guard, self.hash, |other| other == key, &locks.retries)
    }

    fn wants(&mut self, shard: &mut Shard<'p, K, V>, found: Option<SlotId>) -> bool {
        let absent = found.is_none_or(|id| shard.entry(id).deadline() <= self.now);
        absent && shard.loads().may_add(self.hash, self.since)
    }
}
