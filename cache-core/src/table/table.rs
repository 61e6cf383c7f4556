//! The table as all threads share it: what readers go through, and what its shards have in common.

use super::ids::SlotId;
use super::reclaim::epoch::Epoch;
use super::reclaim::limbo::{Garbage, Limbo, Limits, Sweeper};
use super::reclaim::reader::Reader;
use super::region::{Region, RegionPtr, SizeClass};
use super::slab::{ColumnSet, Slab};
use super::slot::Slot;
use crate::types::removal::RemovalCause;
use crate::types::stats::Counters;
use crate::util::hash::KeyHash;
use crate::util::sync::InnerMutex as Mutex;

/// Slots that hold keys and values, each with the cause of its removal.
pub(super) type DeferredEntries = Vec<(SlotId, RemovalCause)>;

/// How large a table will become.
#[derive(Clone, Debug)]
pub(crate) struct TableConfig {
    /// The cache's name, for messages.
    pub(crate) name: Option<String>,
    pub(crate) shards: usize,
    /// The most entries there will be, where that is known.
    pub(crate) entries: Option<u64>,
    /// The most weight there will be, where entries have weights.
    pub(crate) weight: Option<u64>,
    /// Entries to have room for from the start.
    pub(crate) initial: usize,
    /// Threads for which a pin is fastest.
    pub(crate) threads: usize,
    pub(crate) columns: ColumnSet,
}

/// A lock-free map for readers, in shards that have one [`Writer`](super::writer::Writer) each.
///
/// In C's order: with the slab at the beginning a hit takes an instruction less; and what only
/// readers use stands apart from what writers change.
#[repr(C)]
pub(crate) struct Table<K, V> {
    pub(super) slab: Slab<K, V>,
    /// The home number of its first shard, see [`home`](Self::home).
    first_home: u64,
    /// The cache's name, for messages.
    pub(super) name: Option<String>,
    /// By shard.
    pub(super) regions: Box<[RegionPtr]>,
    pub(super) limits: Limits,
    /// Weight that makes a batch full with fewer slots than usual.
    pub(super) batch_weight: u64,
    pub(super) epoch: Epoch,
    pub(super) limbo: Limbo,
    pub(super) sweeper: Sweeper,
    /// Removed entries that the listener is still to be shown, by the number of their thread's
    /// line: see `notices.rs`.
    pub(super) deferred: Mutex<Vec<(usize, DeferredEntries)>>,
}

impl<K, V> Table<K, V> {
    /// A table whose shards have no writers yet: [`Table::new`] makes them, one each.
    pub(super) fn without_writers(config: TableConfig) -> Self {
        let TableConfig { name, shards, entries, weight, initial, threads, columns } = config;
        let limits = Limits::new(size_of::<Slot<K, V>>(), std::mem::needs_drop::<(K, V)>(), shards);
        let initial = initial.div_ceil(shards);
        let region = |_| match initial {
            0 => Region::none(),
            initial => Region::allocate(SizeClass::for_entries(initial)),
        };
        static HOMES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        Table {
            // Relaxed: only a number.
            first_home: HOMES.fetch_add(shards as u64, std::sync::atomic::Ordering::Relaxed),
            name,
            epoch: Epoch::new(threads),
            slab: Slab::new(planned_slots::<K, V>(entries, shards as u64, limits), columns),
            regions: (0..shards).map(region).map(RegionPtr::new).collect(),
            limbo: Limbo::new(limits),
            limits,
            // Garbage of heavy entries must not weigh as much again as the cache.
            batch_weight: (weight.unwrap_or(u64::MAX) / (16 * shards as u64)).max(1),
            sweeper: Sweeper::new(shards),
            deferred: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.regions.len()
    }

    /// The shard a key with this hash belongs to. The low half of the hash is left for the group,
    /// the tag and the ghosts.
    #[inline]
    pub(crate) fn shard_of(&self, hash: KeyHash) -> usize {
        hash.shard(self.regions.len())
    }

    /// The home number of a shard, which no other shard of any table has, has had or will
    /// have.
    #[inline]
    pub(super) fn home(&self, shard: usize) -> u64 {
        self.first_home + shard as u64
    }

    /// The number of the shard with this home number, if it is one of this table's.
    #[inline]
    pub(super) fn shard_at(&self, home: u64) -> Option<usize> {
        let shard = home.wrapping_sub(self.first_home);
        (shard < self.shards() as u64).then_some(shard as usize)
    }

    /// Records from now on when each entry was written.
    #[inline]
    pub(crate) fn record_write_times(&self) {
        self.slab.record_write_times();
    }

    /// The counters of all threads that have used this table.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.epoch.readers().map(|reader| &reader.counters)
    }

    /// Memory held, by part.
    pub(crate) fn bytes(&self) -> TableBytes {
        let (slots, columns) = self.slab.bytes();
        TableBytes {
            slots,
            regions: size_of_val(&*self.regions)
                + self.regions.iter().map(|word| word.load().bytes()).sum::<usize>(),
            bookkeeping: columns + self.limbo.bytes(),
            threads: self.epoch.readers().count() * size_of::<Reader>(),
        }
    }
}

/// The slots that a cache of so many entries needs.
fn planned_slots<K, V>(entries: Option<u64>, shards: u64, limits: Limits) -> Option<u64> {
    let entries = entries?;
    let quota = entries.div_ceil(shards);
    // Every shard keeps a block that is partly used, a batch of garbage, and some slots from when
    // it held more than it does; what is queued comes to about as much again as makes an epoch
    // advance.
    let spare = u64::from(Slab::<K, V>::BLOCK) + (quota / 16).clamp(1, 64) + quota.isqrt() / 2;
    Some(entries + spare * shards + 2 * limits.slots(entries))
}

/// Memory that a table holds.
pub(crate) struct TableBytes {
    pub(crate) slots: usize,
    pub(crate) regions: usize,
    /// What stands beside the slots, and the queue of garbage.
    pub(crate) bookkeeping: usize,
    pub(crate) threads: usize,
}

impl<K, V> Drop for Table<K, V> {
    fn drop(&mut self) {
        // No thread uses the table any more.
        for (_, garbage) in std::mem::take(self.limbo.queue.get_mut()) {
            if let Garbage::Region(region) = garbage {
                // SAFETY: as above.
                unsafe { region.free() };
            }
        }
        for word in &self.regions {
            // SAFETY: as above; a region is published in one word or queued, never both.
            unsafe { word.load().free() };
        }
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    impl<K, V> Table<K, V> {
        #[cfg(not(loom))]
        pub(crate) fn epoch(&self) -> &Epoch {
            &self.epoch
        }

        /// Pieces of garbage waiting.
        pub(crate) fn garbage(&self) -> usize {
            self.limbo.queue.lock().len()
        }
    }
}
