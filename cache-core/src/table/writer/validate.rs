//! Checks of a shard's invariants, for tests.

use std::collections::HashSet;

use super::Writer;
use crate::table::guard::Guard;
use crate::table::header::{Slots, State};
use crate::table::ids::BlockNo;
use crate::table::slab::Slab;
use crate::util::fork;

impl Writer {
    /// Checks every invariant of the table's part of the shard; panics where one is broken.
    pub(crate) fn validate<K, V>(&self, guard: &Guard<'_, K, V>) {
        let table = self.table(guard);
        let slab = &table.slab;
        let live: u32 = self.blocks.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live as usize, self.entries(), "live bits and entries");
        assert!(table.regions[self.shard(table)].load() == self.region, "readers' region");
        // SAFETY: the shard's one writer; the region is published.
        let in_region = unsafe { self.region.validate(|id| slab.header(id).hash()) };
        assert_eq!(in_region, self.entries(), "lanes and entries");
        assert!(self.entries() <= self.region.room());
        // SAFETY: as above.
        unsafe {
            self.region.for_each(|id| {
                assert!(self.is_live(guard, id), "a lane's slot is live");
                assert_eq!(slab.header(id).state(), State::Live);
            });
        }
        self.validate_blocks(slab);
        self.batch.validate(|id| self.is_live(guard, id));
    }

    fn validate_blocks<K, V>(&self, slab: &Slab<K, V>) {
        let blocks = &self.blocks;
        let numbers = |list: &[BlockNo]| list.iter().copied().collect::<HashSet<BlockNo>>();
        let (vacant, with_free) = (numbers(&blocks.vacant), numbers(&blocks.with_free));
        for (block, number) in blocks.blocks.iter().zip(self.blocks()) {
            assert_eq!(block.is_vacant(), vacant.contains(&number));
            if block.is_vacant() {
                assert_eq!((block.free, block.live), (0, 0), "a vacant number has no slots");
                continue;
            }
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
            let listed = with_free.contains(&number);
            assert_eq!(block.free != 0, listed, "blocks with free slots are listed");
            for id in (0..Slab::<K, V>::BLOCK).map(|i| block.first_slot.plus(i)) {
                let free = block.free & (1 << id.offset_from(block.first_slot)) != 0;
                // In a forked child, slots that another thread was just freeing are lost.
                let lost = !free && fork::generation() > 0;
                assert!(
                    free == (slab.header(id).state() == State::Free) || lost,
                    "free bit and state"
                );
                assert_eq!(slab.block_of(id), number);
            }
        }
    }
}
