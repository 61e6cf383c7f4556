//! The blocks of slots that a shard has, and which of their slots are in use.
//!
//! Every shard owns blocks of up to 64 slots (see `segments.rs`), with two bits a slot: *free*
//! (not in use) and *live* (it stands in the region). The live bits decide what is in the shard:
//! emptying it whole clears them, a block at a time, and need not visit the slots.
//!
//! Blocks are numbered within the shard; timers and the slab's `owners` go by these numbers, so
//! they do not change. A block that is returned to the slab ([`BlockList::release_free`]) leaves
//! its number vacant, for the next block that comes.

use super::header::{Slots, State};
use super::ids::{BlockNo, SlotId};
use super::slab::Slab;
use crate::util::fork;

struct Block {
    /// [`SlotId::NIL`]: the number is vacant.
    first_slot: SlotId,
    free: u64,
    live: u64,
}

const VACANT: Block = Block { first_slot: SlotId::NIL, free: 0, live: 0 };

impl Block {
    fn is_vacant(&self) -> bool {
        self.first_slot == SlotId::NIL
    }
}

#[cold]
#[inline(never)]
pub(super) fn not_in_the_shard(id: SlotId) -> ! {
    panic!("slot {} is not in the shard", id.0)
}

/// The blocks of a shard.
#[derive(Default)]
pub(crate) struct BlockList {
    /// By number.
    blocks: Vec<Block>,
    /// The blocks that have free slots.
    with_free: Vec<BlockNo>,
    /// Numbers that no block has.
    vacant: Vec<BlockNo>,
    /// Live slots of all blocks.
    pub(crate) live: usize,
}

impl BlockList {
    /// Takes a free slot. Returns its number, and that of its block.
    #[inline]
    pub(super) fn take_slot<K, V>(&mut self, slab: &Slab<K, V>) -> (SlotId, BlockNo) {
        let number = match self.with_free.last() {
            Some(&number) => number,
            None => self.take_block(slab),
        };
        let block = &mut self.blocks[number.index()];
        let offset = block.free.trailing_zeros();
        block.free &= block.free - 1;
        if block.free == 0 {
            self.with_free.pop();
        }
        (block.first_slot.plus(offset), number)
    }

    /// Gets a block from the slab. Returns its number.
    #[cold]
    fn take_block<K, V>(&mut self, slab: &Slab<K, V>) -> BlockNo {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.blocks.push(VACANT);
            BlockNo(self.blocks.len() as u32 - 1)
        });
        let first_slot = slab.take_block(number);
        self.blocks[number.index()] = Block { first_slot, free: Slab::<K, V>::FULL, live: 0 };
        self.with_free.push(number);
        number
    }

    /// Removes the blocks all of whose slots are free, and shrinks the lists to what is left.
    /// Returns the blocks' numbers, and their first slots. O(blocks of the shard).
    pub(super) fn release_free<K, V>(&mut self, _: &Slab<K, V>) -> (Vec<BlockNo>, Vec<SlotId>) {
        let all = self.blocks.iter_mut().zip(0..);
        let released = all
            .filter(|(block, _)| block.free == Slab::<K, V>::FULL)
            .map(|(block, number)| (BlockNo(number), std::mem::replace(block, VACANT).first_slot))
            .unzip();
        let used = self.blocks.iter().rposition(|block| !block.is_vacant());
        self.blocks.truncate(used.map_or(0, |last| last + 1));
        let listed = |is_wanted: fn(&Block) -> bool| {
            let all = self.numbers().zip(&self.blocks);
            all.filter(|(_, block)| is_wanted(block)).map(|(number, _)| number).collect()
        };
        (self.with_free, self.vacant) = (listed(|block| block.free != 0), listed(Block::is_vacant));
        self.blocks.shrink_to_fit();
        released
    }

    /// Frees slots of this shard, whose contents have been dropped.
    pub(super) fn free_slots<K, V>(&mut self, slab: &Slab<K, V>, ids: &[SlotId]) {
        // Slots retired one after the other often stand in one block.
        let mut last = None;
        for &id in ids {
            slab.header(id).set_state(State::Free);
            let is_in = |&(first, _): &(SlotId, _)| id.offset_from(first) < Slab::<K, V>::BLOCK;
            let (first, number) = last.filter(is_in).unwrap_or_else(|| {
                let number = slab.block_of(id);
                (self.blocks[number.index()].first_slot, number)
            });
            last = Some((first, number));
            let (block, bit) = (&mut self.blocks[number.index()], 1 << id.offset_from(first));
            debug_assert_eq!(block.free & bit, 0, "a slot is freed once");
            if block.free == 0 {
                self.with_free.push(number);
            }
            block.free |= bit;
        }
    }

    /// Notes that the slot, of this block, is in the region.
    #[inline]
    pub(super) fn set_live(&mut self, number: BlockNo, id: SlotId) {
        let block = &mut self.blocks[number.index()];
        let bit = 1 << id.offset_from(block.first_slot);
        debug_assert_eq!(block.live & bit, 0);
        block.live |= bit;
        self.live += 1;
    }

    /// Notes that the slot is not in the region any more.
    ///
    /// # Panics
    /// If it is not live, or not this shard's; before anything is changed.
    #[inline]
    pub(super) fn take_live<K, V>(&mut self, slab: &Slab<K, V>, id: SlotId) {
        let block = &mut self.blocks[slab.block_of(id).index()];
        // As in `is_live`.
        let offset = id.offset_from(block.first_slot);
        if offset >= u64::BITS || block.live & (1 << offset) == 0 {
            not_in_the_shard(id);
        }
        block.live &= !(1 << offset);
        self.live -= 1;
    }

    /// Returns `true` if the slot belongs to this shard and is live.
    #[inline]
    pub(crate) fn is_live<K, V>(&self, slab: &Slab<K, V>, id: SlotId) -> bool {
        let Some(block) = self.blocks.get(slab.block_of(id).index()) else { return false };
        // A number that is another shard's leads to a block that does not begin where it should.
        let offset = id.offset_from(block.first_slot);
        offset < Slab::<K, V>::BLOCK && block.live & (1 << offset) != 0
    }

    /// The numbers of the blocks, and of blocks that there were.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = BlockNo> + use<> {
        (0..self.blocks.len() as u32).map(BlockNo)
    }

    /// Notes that no slot is in the region any more.
    pub(super) fn clear_live(&mut self) {
        self.live = 0;
        self.blocks.iter_mut().for_each(|block| block.live = 0);
    }

    /// The live slots of a block, as of now.
    pub(crate) fn live_in(&self, block: BlockNo) -> impl Iterator<Item = SlotId> + use<> {
        let block = &self.blocks[block.index()];
        let (first, mut live) = (block.first_slot, block.live);
        std::iter::from_fn(move || {
            let offset = (live != 0).then(|| live.trailing_zeros())?;
            live &= live - 1;
            Some(first.plus(offset))
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
            + (self.with_free.capacity() + self.vacant.capacity()) * size_of::<BlockNo>()
    }

    /// Panics if an invariant is broken.
    pub(super) fn validate<K, V>(&self, slab: &Slab<K, V>) {
        let live: u32 = self.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live as usize, self.live, "live bits and entries");
        for (block, number) in self.blocks.iter().zip(self.numbers()) {
            assert_eq!(block.is_vacant(), self.vacant.contains(&number));
            if block.is_vacant() {
                assert_eq!((block.free, block.live), (0, 0), "a vacant number has no slots");
                continue;
            }
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
            let listed = self.with_free.contains(&number);
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
