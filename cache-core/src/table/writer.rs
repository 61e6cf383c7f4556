//! What a shard's lock guards of the table: its blocks of slots, and the garbage that is being
//! gathered.
//!
//! Every shard owns blocks of up to 64 slots (see `segments.rs`), with two bits a slot: *free*
//! (nobody has it) and *live* (it stands in the region). The live bits are the truth about what is
//! in the shard: emptying it whole clears them, a block at a time, and need not visit the slots.
//!
//! Blocks are numbered within the shard; timers and the slab's `owners` go by these numbers, so they do
//! not change. A block that is returned to the slab ([`Writer::release_free_blocks`]) leaves its number vacant,
//! for the next block that comes.

use super::Table;
use super::meta::{NIL, Nodes, State};
use super::reclaim::due::Due;
use super::reclaim::limbo::{Garbage, SWEEP};
use super::region::{Class, Region};
use super::slab::Slab;

/// What a shard's lock guards.
pub(crate) struct Core<X> {
    pub(super) writer: Writer,
    pub(super) state: X,
}

impl<X> Core<X> {
    pub(super) fn new(writer: Writer, state: X) -> Self {
        Core { writer, state }
    }
}

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

/// The table's own part of a shard.
pub(super) struct Writer {
    /// The shard's number.
    pub(super) shard: usize,
    /// What its word holds, and how many entries that has room for.
    pub(super) region: Region,
    pub(super) room: usize,
    pub(super) blocks: Vec<Block>,
    /// The blocks that have free slots.
    pub(super) with_free: Vec<u32>,
    /// Numbers that no block has.
    pub(super) vacant: Vec<u32>,
    /// The region is never made smaller than this.
    pub(super) least: Class,
    /// Entries in the region.
    pub(super) entries: usize,
    /// Slots retired and not yet sealed, and their weight.
    pub(super) open: Vec<u32>,
    open_weight: u64,
    /// So many of them, from the first on, were handed to calls that might drop them at once.
    handed: u8,
    /// What the next batch is gathered in: the list of one that was given back.
    spare: Vec<u32>,
    /// A batch was sealed, and no call has been told yet to collect.
    pub(super) sealed: bool,
    /// Calls since the last one that was told to look after the other shards.
    calls: u8,
}

impl Writer {
    /// `calls`: as if so many had been here before.
    pub(super) fn new(shard: usize, region: Region, calls: u8) -> Self {
        Writer {
            shard,
            region,
            room: region.room(),
            blocks: Vec::new(),
            with_free: Vec::new(),
            vacant: Vec::new(),
            least: region.class(),
            entries: 0,
            open: Vec::new(),
            open_weight: 0,
            handed: 0,
            spare: Vec::new(),
            sealed: false,
            calls,
        }
    }

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

    /// Takes away the blocks all of whose slots are free: by number, and by first slot. What is kept in lists
    /// beside them is made as small as it can be. O(blocks of the shard).
    pub(super) fn release_free_blocks<K, V>(&mut self, _: &Slab<K, V>) -> (Vec<u32>, Vec<u32>) {
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
        self.open.shrink_to_fit();
        self.spare = Vec::new();
        (numbers, firsts)
    }

    /// Makes slots of this shard free, whose contents are dropped.
    pub(super) fn give_back<K, V>(&mut self, slab: &Slab<K, V>, mut ids: Vec<u32>) {
        // Slots retired one after the other often stand in one block.
        let (mut place, mut number) = (NIL, 0);
        for id in ids.drain(..) {
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
        self.spare = ids;
    }

    /// Notes that the slot is in the region; returns the number of its block.
    #[inline]
    pub(super) fn set_live<K, V>(&mut self, slab: &Slab<K, V>, id: u32) -> u32 {
        let number = slab.owner(id);
        let block = &mut self.blocks[number as usize];
        let bit = 1 << (id - block.first);
        debug_assert_eq!(block.live & bit, 0);
        block.live |= bit;
        self.entries += 1;
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
        self.entries -= 1;
    }

    /// Returns `true` if the slot belongs to this shard and is live.
    #[inline]
    pub(super) fn is_live<K, V>(&self, slab: &Slab<K, V>, id: u32) -> bool {
        let Some(block) = self.blocks.get(slab.owner(id) as usize) else { return false };
        // A number that is another shard's leads to a block that does not begin where it should.
        let offset = id.wrapping_sub(block.first);
        offset < Slab::<K, V>::BLOCK && block.live & (1 << offset) != 0
    }

    /// Adds a slot, which has left the table, to the open batch.
    #[inline(always)]
    pub(super) fn retire<K, V, X>(&mut self, table: &Table<K, V, X>, id: u32) {
        self.open.push(id);
        self.open_weight += u64::from(table.slab.weight(id));
        let full = if table.epoch.seems_alone() {
            table.limits.alone
        } else {
            table.limits.batch(self.entries, table.shards())
        };
        if self.open.len() >= full || self.open_weight >= table.batch_weight {
            self.seal(table);
        } else if self.open.len() == 1 {
            table.sweeper.note_open(self.shard);
        }
    }

    /// Seals the open batch, if anything is in it.
    #[cold]
    pub(super) fn seal<K, V, X>(&mut self, table: &Table<K, V, X>) {
        if !self.open.is_empty() {
            let ids = std::mem::replace(&mut self.open, std::mem::take(&mut self.spare));
            let weight = std::mem::take(&mut self.open_weight);
            (self.sealed, self.handed) = (true, 0);
            table.sweeper.note_sealed(self.shard);
            table.limbo.seal(&table.epoch, Garbage::Slots { shard: self.shard, ids }, weight);
        }
    }

    /// The end of a call that may have retired something: what it has to do about garbage.
    #[inline]
    pub(super) fn end_call<K, V, X>(&mut self, table: &Table<K, V, X>, due: &mut Due) {
        due.collect |= std::mem::take(&mut self.sealed);
        self.calls += 1;
        if self.calls >= SWEEP {
            self.calls = 0;
            due.sweep = true;
        }
        if std::mem::needs_drop::<(K, V)>() && table.epoch.seems_alone() {
            self.handed += due.retired.take_from(&self.open[usize::from(self.handed)..]) as u8;
            if usize::from(self.handed) < self.open.len() {
                // More than a call can take: they go when the thread is not pinned.
                self.seal(table);
                due.collect = true;
                self.sealed = false;
            }
        }
    }

    /// All slots that are not free.
    pub(super) fn taken<K, V>(&self, _: &Slab<K, V>) -> impl Iterator<Item = u32> {
        self.blocks.iter().filter(|block| !block.is_vacant()).flat_map(|block| {
            let slots = 0..Slab::<K, V>::BLOCK;
            slots.filter(|i| block.free & (1 << i) == 0).map(|i| block.first + i)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
            + (self.with_free.capacity()
                + self.vacant.capacity()
                + self.open.capacity()
                + self.spare.capacity())
                * size_of::<u32>()
    }
}
