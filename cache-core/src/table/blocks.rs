//! The blocks of slots that a shard has, and which of their slots are in use.
//!
//! Every shard owns blocks of up to 64 slots (see `segments.rs`), with two bits a slot: *free*
//! (not in use) and *live* (it stands in the region). The live bits decide what is in the shard:
//! emptying it whole clears them, a block at a time, and need not visit the slots.
//!
//! Blocks are numbered within the shard; timers and the slab's `owners` go by these numbers, so
//! they do not change. A block that is returned to the slab ([`BlockList::release_free`]) leaves
//! its number vacant, for the next block that comes.
//!
//! Slots that are freed under traffic are wanted again at once. So the last of them are *ready*:
//! kept in a stack, in use as far as their blocks know. That saves the bits of both ways, and the
//! block's and the slot's cache lines on the way back (of an insert that evicts, 4 % of the
//! instructions). When the shard gives memory back, they go to their blocks.

use super::header::{Slots, State};
use super::ids::{BlockNo, SlotId};
use super::reclaim::limbo::BATCH;
use super::slab::Slab;
use crate::util::fork;

struct Block {
    /// [`SlotId::NIL`]: the number is vacant.
    first_slot: SlotId,
    /// The next of those with free slots, or of those that are vacant.
    next: BlockNo,
    free: u64,
    live: u64,
}

const VACANT: Block = Block { first_slot: SlotId::NIL, next: BlockNo::NIL, free: 0, live: 0 };

/// So many slots may be ready: some of what waits in limbo at a time.
const MOST_READY: usize = 2 * BATCH;

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
pub(crate) struct BlockList {
    /// By number.
    blocks: Vec<Block>,
    /// Free slots that their blocks do not count as free.
    ready: Vec<SlotId>,
    /// The first of the blocks that have free slots.
    with_free: BlockNo,
    /// The first of the numbers that no block has.
    vacant: BlockNo,
    /// Live slots of all blocks.
    pub(crate) live: usize,
}

impl Default for BlockList {
    fn default() -> Self {
        let (blocks, ready) = (Vec::new(), Vec::new());
        BlockList { blocks, ready, with_free: BlockNo::NIL, vacant: BlockNo::NIL, live: 0 }
    }
}

impl BlockList {
    /// Takes a free slot. Returns its number, and that of its block.
    #[inline]
    pub(super) fn take_slot<K, V>(&mut self, slab: &Slab<K, V>) -> (SlotId, BlockNo) {
        match self.ready.pop() {
            Some(id) => (id, slab.block_of(id)),
            None => self.take_of_block(slab),
        }
    }

    #[inline]
    fn take_of_block<K, V>(&mut self, slab: &Slab<K, V>) -> (SlotId, BlockNo) {
        if self.with_free == BlockNo::NIL {
            self.take_block(slab);
        }
        let number = self.with_free;
        let block = &mut self.blocks[number.index()];
        let offset = block.free.trailing_zeros();
        block.free &= block.free - 1;
        if block.free == 0 {
            self.with_free = block.next;
        }
        (block.first_slot.plus(offset), number)
    }

    /// Gets a block from the slab: the first of those with free slots.
    #[cold]
    fn take_block<K, V>(&mut self, slab: &Slab<K, V>) {
        let number = match self.vacant {
            BlockNo::NIL => {
                self.blocks.push(VACANT);
                BlockNo(self.blocks.len() as u32 - 1)
            }
            vacant => {
                self.vacant = self.blocks[vacant.index()].next;
                vacant
            }
        };
        let first_slot = slab.take_block(number);
        let next = std::mem::replace(&mut self.with_free, number);
        self.blocks[number.index()] = Block { first_slot, next, free: Slab::<K, V>::FULL, live: 0 };
    }

    /// Removes the blocks all of whose slots are free, and shrinks the lists to what is left.
    /// Returns the blocks' numbers, and their first slots. O(blocks of the shard).
    pub(super) fn release_free<K, V>(&mut self, slab: &Slab<K, V>) -> (Vec<BlockNo>, Vec<SlotId>) {
        let ready = std::mem::take(&mut self.ready);
        self.give_back(slab, &ready);
        let all = self.blocks.iter_mut().zip(0..);
        let released = all
            .filter(|(block, _)| block.free == Slab::<K, V>::FULL)
            .map(|(block, number)| (BlockNo(number), std::mem::replace(block, VACANT).first_slot))
            .unzip();
        let used = self.blocks.iter().rposition(|block| !block.is_vacant());
        self.blocks.truncate(used.map_or(0, |last| last + 1));
        self.blocks.shrink_to_fit();
        self.list_anew();
        released
    }

    /// Lists the blocks with free slots, and the vacant numbers, the lowest first.
    fn list_anew(&mut self) {
        (self.with_free, self.vacant) = (BlockNo::NIL, BlockNo::NIL);
        for (number, block) in self.blocks.iter_mut().enumerate().rev() {
            let first = match (block.is_vacant(), block.free) {
                (true, _) => &mut self.vacant,
                (false, 0) => continue,
                (false, _) => &mut self.with_free,
            };
            block.next = std::mem::replace(first, BlockNo(number as u32));
        }
    }

    /// Frees slots of this shard. They hold nothing, as their states say, unless what they held
    /// needs no `Drop`.
    #[inline]
    pub(super) fn free_slots<K, V>(&mut self, slab: &Slab<K, V>, ids: &[SlotId]) {
        if self.ready.len() + ids.len() <= MOST_READY {
            self.ready.extend_from_slice(ids);
        } else {
            self.give_back(slab, ids);
        }
    }

    /// Frees slots in their blocks.
    fn give_back<K, V>(&mut self, slab: &Slab<K, V>, ids: &[SlotId]) {
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
                block.next = std::mem::replace(&mut self.with_free, number);
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
        self.blocks.capacity() * size_of::<Block>() + self.ready.capacity() * size_of::<SlotId>()
    }

    /// The blocks of a list, from its first on.
    fn listed(&self, first: BlockNo) -> impl Iterator<Item = BlockNo> {
        let some = |number: BlockNo| (number != BlockNo::NIL).then_some(number);
        std::iter::successors(some(first), move |number| some(self.blocks[number.index()].next))
    }

    /// Panics if an invariant is broken.
    pub(super) fn validate<K, V>(&self, slab: &Slab<K, V>) {
        let live: u32 = self.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live as usize, self.live, "live bits and entries");
        let most = 2 * self.blocks.len();
        let with_free: Vec<BlockNo> = self.listed(self.with_free).take(most).collect();
        let vacant: Vec<BlockNo> = self.listed(self.vacant).take(most).collect();
        for (block, number) in self.blocks.iter().zip(self.numbers()) {
            let count = |list: &[BlockNo]| list.iter().filter(|&&listed| listed == number).count();
            assert_eq!(count(&vacant), usize::from(block.is_vacant()));
            assert_eq!(count(&with_free), usize::from(block.free != 0), "free slots are listed");
            if block.is_vacant() {
                assert_eq!((block.free, block.live), (0, 0), "a vacant number has no slots");
                continue;
            }
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
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
        self.validate_ready(slab);
    }

    fn validate_ready<K, V>(&self, slab: &Slab<K, V>) {
        let mut ready = self.ready.clone();
        ready.sort_unstable();
        assert!(ready.windows(2).all(|pair| pair[0] != pair[1]), "a slot is ready once");
        for &id in &ready {
            let block = &self.blocks[slab.block_of(id).index()];
            let offset = id.offset_from(block.first_slot);
            assert!(offset < Slab::<K, V>::BLOCK, "what is ready is the shard's");
            assert_eq!((block.free | block.live) & 1 << offset, 0, "ready, not free nor live");
            let state = slab.header(id).state();
            assert!(!matches!(state, State::Free | State::Pending | State::Live), "{state:?}");
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
