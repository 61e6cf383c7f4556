//! Storing a value that a loader gave for a key that it was not asked for: see `batch.rs`.

use crate::flight::written::RunningBatch;
use crate::shard::shard::Shard;
use crate::store::store::Store;
use crate::table::Retries;
use crate::util::hash::Hashed;

impl<K: Eq, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Stores a value that a loader gave for a key that it was not asked for, if the key is absent
    /// and was not written since. If it cannot be stored for another reason, the listener is notified.
    pub(super) fn add_unasked(
        &self,
        Hashed { hash, key }: Hashed<K>,
        value: V,
        since: &RunningBatch,
        load_nanos: u64,
    ) {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, None, load_nanos);
        self.write(now, |txn| {
            let (store, guard) = (txn.store, txn.guard);
            let lock =
                |retries: &Retries| store.lock_key(guard, hash, |other| *other == key, retries);
            let wanted = |shard: &mut Shard<'_, K, V>, found: Option<u32>| {
                let absent = found.is_none_or(|id| shard.entry(id).deadline() <= now);
                absent && shard.loads().may_add(hash, since)
            };
            if let Some(cause) = self.refuses(&new, now) {
                let (mut shard, found) = lock(&txn.retries);
                let not_shown = if wanted(&mut shard, found) {
                    txn.reject(&mut shard, Hashed { hash, key }, new, cause)
                } else {
                    Some((key, new))
                };
                txn.unlock(shard);
                return drop(not_shown);
            }
            let (mut shard, place) = txn.lock_with_room(hash, new.weight, lock, wanted);
            if let Some(place) = place {
                let slot = shard.reserve(hash, key);
                shard.loads().occupy(hash);
                shard.store(slot, place, new, &mut txn.ledger);
            }
            txn.expire_and_unlock(shard);
        });
    }
}
