//! Freeing what is expired or unreachable, in steps.

use crate::store::store::Store;
use crate::store::txn::WriteTxn;
use crate::util::panics::DeferredPanic;

impl<K, V> Store<K, V> {
    /// Frees everything that is expired or unreachable, and returns unused memory to the allocator.
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
                let guard = self.table.pin();
                let mut shard = self.shards.lock(&guard, index);
                shard.shrink();
            }
            _ => return false,
        }
        panics.resume();
        true
    }

    /// Removes all entries of a shard that have expired.
    fn expire_all(&self, index: usize, panics: &mut DeferredPanic) {
        let now = self.now();
        let remove_some = |txn: &mut WriteTxn<'_, '_, K, V>| {
            let mut shard = txn.locks.store.shards.lock(txn.locks.guard, index);
            let more = shard.expire_some(usize::MAX, &mut txn.ledger);
            txn.unlock(shard);
            more
        };
        while self.write_and_catch(now, remove_some, panics) {}
    }
}
