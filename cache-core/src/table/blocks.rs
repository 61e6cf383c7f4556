//! The blocks of slots that a shard has, and which of their slots are in use.
//!
//! Every shard owns blocks of up to 64 slots (see `segments.rs`), with two bits a slot: *free*
//! (nobody has it) and *live* (it stands in the region). The live bits are the truth about what is
//! in the shard: emptying it whole clears them, a block at a time, and need not visit the slots.
//!
//! Blocks are numbered within the shard; timers and the slab's `owners` go by these numbers, so
//! they do not change. A block that is returned to the slab ([`BlockList::release_free`]) leaves its
//! number vacant, for the next block that comes.

use super::meta::{NIL, Nodes, State};
use super::slab::Slab;

pub(super) struct Block {
    /// [`NIL`]: the number is vacant.
    pub(super) first: u32,
    pub(super) free: u64,
    pub(super) live: u64,
}

const VACANT: Block = Block { first: NIL, free: 0, live: 0 };

impl Block {
    pub(super) fn is_vacant(&self) -> bool {
        self.first == NIL
    }
}

#[cold]
#[inline(never)]
fn not_in_the_shard(id: u32) -> ! {
    panic!("slot {id} is not in the shard")
}

/// A shard's blocks.
#[derive(Default)]
pub(super) struct BlockList {
    /// By number.
    pub(super) blocks: Vec<Block>,
    /// The blocks that have free slots.
    pub(super) with_free: Vec<u32>,
    /// Numbers that no block has.
    pub(super) vacant: Vec<u32>,
    /// Live slots of all blocks.
    pub(super) live: usize,
}

impl BlockList {
    /// Takes a free slot.
    #[inline]
    pub(super) fn take_slot<K, V>(&mut self, slab: &Slab<K, V>) -> u32 {
        let number = match self.with_free.last() {
            Some(&number) => number,
            None => self.take_block(slab),
        };
        let block = &mut self.blocks[number as usize];
        let offset = block.free.trailing_zeros();
        block.free &= block.free - 1;
        if block.free == 0 {
            self.with_free.pop();
        }
        block.first + offset
    }

    /// Gets a block from the slab. Returns its number.
    #[cold]
    fn take_block<K, V>(&mut self, slab: &Slab<K, V>) -> u32 {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.blocks.push(VACANT);
            self.blocks.len() as u32 - 1
        });
        let first = slab.take_block(number);
        self.blocks[number as usize] = Block { first, free: Slab::<K, V>::FULL, live: 0 };
        self.with_free.push(number);
        number
    }

    /// Takes away the blocks all of whose slots are free: by number, and by first slot. What is
    /// kept in lists beside them is made as small as it can be. O(blocks of the shard).
    pub(super) fn release_free<K, V>(&mut self, _: &Slab<K, V>) -> (Vec<u32>, Vec<u32>) {
        let (mut numbers, mut firsts) = (Vec::new(), Vec::new());
        for (number, block) in self.blocks.iter_mut().enumerate() {
            if block.free == Slab::<K, V>::FULL {
                numbers.push(number as u32);
                firsts.push(std::mem::replace(block, VACANT).first);
            }
        }
        let used = self.blocks.iter().rposition(|block| !block.is_vacant());
        self.blocks.truncate(used.map_or(0, |last| last + 1));
        let listed = |is_wanted: fn(&Block) -> bool| {
            let all = self.blocks.iter().zip(0..);
            all.filter(move |(block, _)| is_wanted(block)).map(|(_, number)| number).collect()
        };
        (self.with_free, self.vacant) = (listed(|block| block.free != 0), listed(Block::is_vacant));
        self.blocks.shrink_to_fit();
        (numbers, firsts)
    }

    /// Makes slots of this shard free, whose contents are dropped.
    pub(super) fn free_slots<K, V>(&mut self, slab: &Slab<K, V>, ids: &[u32]) {
        // Slots retired one after the other often stand in one block.
        let (mut place, mut number) = (NIL, 0);
        for &id in ids {
            slab.meta(id).set_state(State::Free);
            if id / Slab::<K, V>::BLOCK != place {
                (place, number) = (id / Slab::<K, V>::BLOCK, slab.owner(id));
            }
            let block = &mut self.blocks[number as usize];
            debug_assert_eq!(block.free & (1 << (id - block.first)), 0, "a slot is freed once");
            if block.free == 0 {
                self.with_free.push(number);
            }
            block.free |= 1 << (id - block.first);
        }
    }

    /// Notes that the slot is in the region; returns the number of its block.
    #[inline]
    pub(super) fn set_live<K, V>(&mut self, slab: &Slab<K, V>, id: u32) -> u32 {
        let number = slab.owner(id);
        let block = &mut self.blocks[number as usize];
        let bit = 1 << (id - block.first);
        debug_assert_eq!(block.live & bit, 0);
        block.live |= bit;
        self.live += 1;
        number
    }

    /// Notes that the slot is not in the region any more.
    ///
    /// # Panics
    /// If it was not, or is not this shard's; before anything is changed.
    #[inline]
    pub(super) fn take_live<K, V>(&mut self, slab: &Slab<K, V>, id: u32) {
        let block = &mut self.blocks[slab.owner(id) as usize];
        // As in `is_live`.
        let offset = id.wrapping_sub(block.first);
        if offset >= u64::BITS || block.live & (1 << offset) == 0 {
            not_in_the_shard(id);
        }
        block.live &= !(1 << offset);
        self.live -= 1;
    }

    /// Returns `true` if the slot belongs to this shard and is live.
    #[inline]
    pub(super) fn is_live<K, V>(&self, slab: &Slab<K, V>, id: u32) -> bool {
        let Some(block) = self.blocks.get(slab.owner(id) as usize) else { return false };
        // A number that is another shard's leads to a block that does not begin where it should.
        let offset = id.wrapping_sub(block.first);
        offset < Slab::<K, V>::BLOCK && block.live & (1 << offset) != 0
    }

    /// Notes that no slot is in the region any more.
    pub(super) fn clear_live(&mut self) {
        self.live = 0;
        self.blocks.iter_mut().for_each(|block| block.live = 0);
    }

    /// The live slots of a block, as of now.
    pub(super) fn live_in(&self, block: u32) -> impl Iterator<Item = u32> + use<> {
        let block = &self.blocks[block as usize];
        let (first, mut live) = (block.first, block.live);
        std::iter::from_fn(move || {
            let offset = (live != 0).then(|| live.trailing_zeros())?;
            live &= live - 1;
            Some(first + offset)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
            + (self.with_free.capacity() + self.vacant.capacity()) * size_of::<u32>()
    }
}
