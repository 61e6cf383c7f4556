//! The blocks of slots that a shard has, and which of their slots are in use.
//!
//! Every shard owns blocks of up to 64 slots (see `segments.rs`), with two bits a slot: *free*
//! (not in use) and *live* (it stands in the region). The live bits decide what is in the shard:
//! emptying it whole clears them, a block at a time, and need not visit the slots.
//!
//! Blocks are numbered within the shard, without gaps; timers and the slab's `block_numbers` go by
//! these numbers. They change only when blocks are returned to the slab
//! ([`BlockList::release_free`]): those that stay move up, so that what is kept by number becomes
//! as small as what is left.
//!
//! Slots that are freed under traffic are wanted again at once. So the last of them are *ready*:
//! kept in a stack, in use as far as their blocks know. That saves the bits of both ways, and the
//! block's and the slot's cache lines on the way back (of an insert that evicts, 4 % of the
//! instructions). In a shard that empties none are, so that what comes then stands together; and
//! when the shard gives memory back, they go to their blocks.

use super::header::State;
use super::ids::{BlockNo, SlotId};
use super::reclaim::limbo::BATCH;
use super::slab::{GROUP, Slab};
use super::slot_ref::SlotRef;
use crate::util::fork;

struct Block {
    first_slot: SlotId,
    free: u64,
    live: u64,
}

/// So many slots may be ready: some of what waits in limbo at a time.
const MOST_READY: usize = 2 * BATCH;

/// A block that has lost its number, and its new one; `None`: it was returned.
pub(crate) type Renumbered = (BlockNo, Option<BlockNo>);

#[cold]
#[inline(never)]
pub(super) fn not_in_the_shard(id: SlotId) -> ! {
    panic!("slot {} is not in the shard", id.0)
}

/// A shard that has blocks for so many groups takes the next ones by groups.
const FIRST_GROUPS: usize = 4;

/// The place of a block's bit.
#[inline]
fn place(number: BlockNo) -> (usize, u64) {
    (number.index() / 64, 1 << (number.index() % 64))
}

/// The blocks of a shard.
#[derive(Default)]
pub(crate) struct BlockList {
    /// By number.
    blocks: Vec<Block>,
    /// The block that slots are taken from until it has no free one: what comes together stands
    /// together, whatever becomes free meanwhile.
    current: BlockNo,
    /// A bit for each block, which is set if it has free slots. (That of the current one may be set
    /// without.)
    with_free: Vec<u64>,
    /// Free slots that their blocks do not count as free.
    ready: Vec<SlotId>,
    /// Live slots of all blocks. (32 bits: what a shard's lock guards fills its cache lines.)
    live: u32,
}

impl BlockList {
    /// Live slots of all blocks.
    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Takes a free slot. Returns it, and the number of its block.
    #[inline(always)]
    pub(super) fn take_slot<'s, K, V>(
        &mut self,
        slab: &'s Slab<K, V>,
    ) -> (SlotRef<'s, K, V>, BlockNo) {
        let (id, number) = match self.ready.pop() {
            Some(id) => (id, slab.block_of(id)),
            None => self.take_of_block(slab),
        };
        (slab.at(id), number)
    }

    /// (Its result fits two registers.)
    #[inline(never)]
    fn take_of_block<K, V>(&mut self, slab: &Slab<K, V>) -> (SlotId, BlockNo) {
        let number = match self.blocks.get(self.current.index()) {
            Some(block) if block.free != 0 => self.current,
            _ => self.next_block(slab),
        };
        let block = &mut self.blocks[number.index()];
        let offset = block.free.trailing_zeros();
        block.free &= block.free - 1;
        (block.first_slot.plus(offset), number)
    }

    /// Makes another block the current one, which has no free slot: the next one by number that has
    /// some, or else a new one. So neighbours are filled together, and their pages.
    fn next_block<K, V>(&mut self, slab: &Slab<K, V>) -> BlockNo {
        let (at, bit) = place(self.current);
        if let Some(bits) = self.with_free.get_mut(at) {
            *bits &= !bit;
        }
        let len = self.with_free.len();
        // First those after the current one, at last those before it in the same word.
        let mut places = (at..len).chain(0..len.min(at + 1));
        let mut mask = !(bit - 1);
        let found = places.find_map(|at| {
            let bits = self.with_free[at] & std::mem::replace(&mut mask, u64::MAX);
            (bits != 0).then(|| BlockNo(at as u32 * u64::BITS + bits.trailing_zeros()))
        });
        self.current = found.unwrap_or_else(|| self.take_block(slab));
        self.current
    }

    /// Gets a block from the slab. Returns its number.
    #[cold]
    fn take_block<K, V>(&mut self, slab: &Slab<K, V>) -> BlockNo {
        let number = BlockNo(self.blocks.len() as u32);
        // Near the last one. (Of a few blocks, each would only stand in another page.)
        let near =
            self.blocks.last().filter(|_| self.blocks.len() >= FIRST_GROUPS * GROUP as usize);
        let first_slot = slab.take_block(number, near.map(|block| block.first_slot));
        self.blocks.push(Block { first_slot, free: Slab::<K, V>::FULL, live: 0 });
        self.note_free(number);
        number
    }

    /// Notes that a block has free slots.
    #[inline]
    fn note_free(&mut self, number: BlockNo) {
        let (at, bit) = place(number);
        if self.with_free.len() <= at {
            self.with_free.resize(at + 1, 0);
        }
        self.with_free[at] |= bit;
    }

    /// Removes the blocks all of whose slots are free, and shrinks the lists to what is left.
    /// Returns their first slots, and all blocks that have lost their numbers, in order. O(blocks
    /// of the shard).
    pub(super) fn release_free<K, V>(
        &mut self,
        slab: &Slab<K, V>,
    ) -> (Vec<SlotId>, Vec<Renumbered>) {
        let ready = std::mem::take(&mut self.ready);
        self.give_back(slab, &ready);
        let (mut released, mut renumbered, mut kept) = (Vec::new(), Vec::new(), BlockNo(0));
        for number in self.numbers() {
            if self.blocks[number.index()].free == Slab::<K, V>::FULL {
                released.push(self.blocks[number.index()].first_slot);
                renumbered.push((number, None));
                continue;
            }
            if kept != number {
                self.blocks.swap(kept.index(), number.index());
                slab.set_number(self.blocks[kept.index()].first_slot, kept);
                renumbered.push((number, Some(kept)));
            }
            kept.0 += 1;
        }
        self.blocks.truncate(kept.index());
        self.blocks.shrink_to_fit();
        self.current = BlockNo(0);
        self.with_free = vec![0; kept.index().div_ceil(64)];
        for number in self.numbers() {
            if self.blocks[number.index()].free != 0 {
                self.note_free(number);
            }
        }
        (released, renumbered)
    }

    /// Frees slots of this shard. They hold nothing, as their states say, unless what they held
    /// needs no `Drop`.
    #[inline]
    pub(super) fn free_slots<K, V>(&mut self, slab: &Slab<K, V>, ids: &[SlotId]) {
        if self.ready.len() + ids.len() <= MOST_READY && self.is_full(Slab::<K, V>::BLOCK) {
            self.ready.extend_from_slice(ids);
        } else {
            self.give_back(slab, ids);
        }
    }

    /// Returns `true` if most slots of its blocks, of so many each, are live: of the others there
    /// are no more than what waits in limbo, roughly.
    #[inline]
    fn is_full(&self, block: u32) -> bool {
        self.blocks.len() * block as usize <= self.live() + self.live() / 8 + 4 * BATCH
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
                let (at, mark) = place(number);
                self.with_free[at] |= mark;
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
    pub(super) fn take_live<K, V>(&mut self, slot: SlotRef<'_, K, V>) {
        let (id, block) = (slot.id, &mut self.blocks[slot.block().index()]);
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

    /// The numbers of the blocks.
    pub(crate) fn numbers(&self) -> impl ExactSizeIterator<Item = BlockNo> + use<> {
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
            + self.with_free.capacity() * size_of::<u64>()
            + self.ready.capacity() * size_of::<SlotId>()
    }

    /// Panics if an invariant is broken.
    pub(super) fn validate<K, V>(&self, slab: &Slab<K, V>) {
        let live: u32 = self.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live, self.live, "live bits and entries");
        for (block, number) in self.blocks.iter().zip(self.numbers()) {
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
            let (at, bit) = place(number);
            let noted = self.with_free.get(at).is_some_and(|bits| bits & bit != 0);
            assert!(noted || block.free == 0, "blocks with free slots are noted");
            assert!(!noted || block.free != 0 || number == self.current);
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
