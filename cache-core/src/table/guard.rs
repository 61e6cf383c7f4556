//! The table in the hands of a pinned thread: what may be read without a lock.

use std::ops::ControlFlow;

use super::entry::EntryRef;
use super::reclaim::epoch::EpochGuard;
use super::region::Region;
use super::slab::Slab;
use super::table::Table;
use crate::types::stats::Counters;
use crate::util::hash::KeyHash;

/// A pinned thread's access to the table. What it finds stays readable while the guard lives.
pub(crate) struct Guard<'t, K, V> {
    pub(super) table: &'t Table<K, V>,
    pub(super) pin: EpochGuard<'t>,
}

impl<K, V> Table<K, V> {
    /// Pins the calling thread: what it finds from here on stays valid until the guard drops.
    #[inline]
    pub(crate) fn pin(&self) -> Guard<'_, K, V> {
        Guard { table: self, pin: self.epoch.pin() }
    }
}

impl<K, V> Guard<'_, K, V> {
    /// Slots in a block.
    pub(crate) const BLOCK: u32 = Slab::<K, V>::BLOCK;

    /// The calling thread's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.pin.reader.counters
    }

    /// The number of the calling thread's line: no other thread has it while this one is pinned.
    pub(crate) fn line(&self) -> usize {
        self.pin.reader.number()
    }

    /// The shard a key with this hash belongs to.
    #[inline]
    pub(crate) fn shard_of(&self, hash: KeyHash) -> usize {
        self.table.shard_of(hash)
    }

    /// What is kept of each slot, for callers that have learnt of slots under a shard's lock.
    #[inline]
    pub(crate) fn slots(&self) -> &Slab<K, V> {
        &self.table.slab
    }

    #[inline]
    fn region_of(&self, hash: KeyHash) -> Region {
        // SAFETY: a shard's number is below the number of shards, and there is a region for each.
        unsafe { self.table.regions.get_unchecked(self.table.shard_of(hash)) }.load()
    }

    /// The entry whose key `eq` accepts. No lock; `eq` runs on the keys of the same tag.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'_, K, V>> {
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        let found = unsafe {
            self.region_of(hash).search(hash.low(), move |id, _| {
                // SAFETY: the index was in a published region, so its slot exists, was filled
                // before, and is not reused while this thread is pinned.
                let slot = slab.slot_unchecked(id);
                if eq(slot.key()) {
                    ControlFlow::Break((id, slot))
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        // Made of a pair, which fits registers, on the hit path.
        found.map(|(id, slot)| EntryRef { id, slot, slab })
    }

    /// Visits the entries with this hash, in the order of their lanes, until `visit` breaks off.
    /// No lock, and no key is compared.
    #[inline]
    pub(crate) fn search_hash<'p, T>(
        &'p self,
        hash: KeyHash,
        visit: impl Fn(EntryRef<'p, K, V>) -> ControlFlow<T> + Copy,
    ) -> Option<T> {
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        unsafe {
            self.region_of(hash).search(hash.low(), move |id, _| {
                // SAFETY: as in `find`.
                let slot = slab.slot_unchecked(id);
                if slot.header.hash() == hash.low() {
                    visit(EntryRef { id, slot, slab })
                } else {
                    ControlFlow::Continue(())
                }
            })
        }
    }

    /// The first entry with this hash. No lock, and no key is compared.
    #[inline]
    pub(crate) fn find_hash(&self, hash: KeyHash) -> Option<EntryRef<'_, K, V>> {
        self.search_hash(hash, ControlFlow::Break)
    }

    /// Visits all entries of a shard: each that stays there throughout once, others perhaps.
    pub(crate) fn for_each<'p>(&'p self, shard: usize, mut visit: impl FnMut(EntryRef<'p, K, V>)) {
        let region = self.table.regions[shard].load();
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        unsafe { region.for_each(|id| visit(EntryRef { id, slot: slab.slot_unchecked(id), slab })) }
    }
}
