//! A shard in the hands of its one writer.
//!
//! [`Locked`] is the shard's lock held by a pinned thread. Its methods change lanes and slots in
//! the order that `mod.rs` and `group.rs` promise to readers. No user code runs in any of them.
//! What a method retires goes into the shard's open batch of garbage; the caller, once it has let
//! go of the lock, calls [`Table::collect_some`] if [`Locked::unlock`] says so.
//!
//! Every shard owns blocks of 64 slots, with two bits a slot: *free* (nobody has it) and *live* (it
//! stands in the region). The live bits are the truth about what is in the shard: emptying it
//! whole clears them, 64 at a time, and need not visit the slots.

use super::limbo::Garbage;
use super::meta::{NIL, Nodes, State};
use super::region::{Class, Region, Visit};
use super::slab::{BLOCK, Slab};
use super::{Entry, Pinned, Table};
use crate::sync::MutexGuard;

const FULL: u64 = if BLOCK == 64 { u64::MAX } else { (1 << (BLOCK % 64)) - 1 };

/// What a shard's lock guards.
pub(crate) struct Core<X> {
    pub(super) writer: Writer,
    state: X,
}

impl<X> Core<X> {
    pub(super) fn new(writer: Writer, state: X) -> Self {
        Core { writer, state }
    }
}

struct Block {
    first: u32,
    free: u64,
    live: u64,
}

/// The table's own part of a shard.
pub(super) struct Writer {
    blocks: Vec<Block>,
    /// The blocks that have free slots.
    with_free: Vec<u32>,
    /// Entries in the region.
    entries: usize,
    /// Slots retired and not yet sealed, and their weight.
    open: Vec<u32>,
    open_weight: u64,
    /// What the next batch is gathered in: the list of one that was given back.
    spare: Vec<u32>,
    /// Slots in a full batch, and weight that makes one full with fewer.
    batch: usize,
    batch_weight: u64,
}

impl Writer {
    pub(super) fn new(batch: usize, batch_weight: u64) -> Self {
        Writer {
            blocks: Vec::new(),
            with_free: Vec::new(),
            entries: 0,
            open: Vec::new(),
            open_weight: 0,
            spare: Vec::new(),
            batch,
            batch_weight,
        }
    }

    #[inline]
    fn take_slot<K, V>(&mut self, slab: &Slab<K, V>) -> u32 {
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
        let number = self.blocks.len() as u32;
        self.blocks.push(Block { first: slab.take_block(number), free: FULL, live: 0 });
        self.with_free.push(number);
        number
    }

    /// Makes slots of this shard free, whose contents are dropped.
    pub(super) fn give_back<K, V>(&mut self, slab: &Slab<K, V>, mut ids: Vec<u32>) {
        // Slots retired one after the other often stand in one block.
        let (mut place, mut number) = (NIL, 0);
        for id in ids.drain(..) {
            slab.meta(id).set_state(State::Free);
            if id / BLOCK != place {
                (place, number) = (id / BLOCK, slab.owner(id));
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

    /// Answers the number of the slot's block.
    #[inline]
    fn set_live<K, V>(&mut self, slab: &Slab<K, V>, id: u32, live: bool) -> u32 {
        let number = slab.owner(id);
        let block = &mut self.blocks[number as usize];
        let bit = 1 << (id - block.first);
        debug_assert_eq!(block.live & bit == 0, live);
        if live {
            block.live |= bit;
            self.entries += 1;
        } else {
            block.live &= !bit;
            self.entries -= 1;
        }
        number
    }

    #[inline]
    fn is_live<K, V>(&self, slab: &Slab<K, V>, id: u32) -> bool {
        let block = &self.blocks[slab.owner(id) as usize];
        block.live & (1 << (id - block.first)) != 0
    }

    /// Seals the open batch, if anything is in it.
    pub(super) fn seal<K, V, X>(&mut self, table: &Table<K, V, X>, shard: usize) {
        if !self.open.is_empty() {
            let ids = std::mem::replace(&mut self.open, std::mem::take(&mut self.spare));
            let weight = std::mem::take(&mut self.open_weight);
            table.limbo.seal(&table.epoch, Garbage::Slots { shard, ids }, weight);
        }
    }

    /// All slots that are not free.
    pub(super) fn taken(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().flat_map(|block| {
            (0..BLOCK).filter(|i| block.free & (1 << i) == 0).map(|i| block.first + i)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
            + (self.with_free.capacity() + self.open.capacity() + self.spare.capacity())
                * size_of::<u32>()
    }
}

/// See the module's head.
pub(crate) struct Locked<'p, K, V, X> {
    pinned: &'p Pinned<'p, K, V, X>,
    shard: usize,
    core: MutexGuard<'p, Core<X>>,
    /// A batch was sealed under this lock.
    sealed: bool,
}

impl<'p, K, V, X> Locked<'p, K, V, X> {
    #[inline]
    pub(super) fn new(
        pinned: &'p Pinned<'p, K, V, X>,
        shard: usize,
        core: MutexGuard<'p, Core<X>>,
    ) -> Self {
        Locked { pinned, shard, core, sealed: false }
    }

    #[inline]
    fn table(&self) -> &'p Table<K, V, X> {
        self.pinned.table
    }

    #[inline]
    fn slab(&self) -> &'p Slab<K, V> {
        &self.pinned.table.slab
    }

    #[inline]
    fn region(&self) -> Region {
        self.table().regions[self.shard].load()
    }

    /// Lets go of the lock. If true, the caller calls [`Table::collect_some`] when it is no longer
    /// pinned.
    #[inline]
    #[must_use]
    pub(crate) fn unlock(self) -> bool {
        self.sealed
    }

    /// What the floors above keep beside the shard, and the slots they refer to.
    #[inline]
    pub(crate) fn state(&mut self) -> (&mut X, &'p Slab<K, V>) {
        let slab = self.slab();
        (&mut self.core.state, slab)
    }

    /// Entries in the shard.
    pub(crate) fn entries(&self) -> usize {
        self.core.writer.entries
    }

    /// The slot that holds this slot's key now, following replacements.
    pub(super) fn newest(&self, mut id: u32) -> u32 {
        loop {
            let meta = self.slab().meta(id);
            if meta.state() != State::Replaced {
                return id;
            }
            id = self.slab().links(id).next();
        }
    }

    /// Is this slot in the shard?
    #[inline]
    pub(crate) fn is_live(&self, id: u32) -> bool {
        self.core.writer.is_live(self.slab(), id)
    }

    /// An entry of this shard.
    ///
    /// # Panics
    /// If it is not in the shard.
    pub(crate) fn entry(&self, id: u32) -> Entry<'p, K, V> {
        assert!(self.is_live(id), "slot {id} is not in the shard");
        Entry { id, slot: self.slab().slot(id) }
    }

    /// A slot in the shard with this hash that is none of those known to hold other keys, which are
    /// given in order.
    #[inline]
    pub(super) fn unjudged(&self, hash: u32, different: &[u32]) -> Option<u32> {
        // SAFETY: the holder of the lock; the region is published.
        unsafe {
            self.region().search(hash, |id, _| {
                let same = self.slab().meta(id).hash() == hash;
                if same && different.binary_search(&id).is_err() {
                    Visit::Stop(id)
                } else {
                    Visit::Continue
                }
            })
        }
    }

    /// Takes a slot and puts a key into it, for a value that [`publish`](Self::publish) or
    /// [`replace`](Self::replace) brings.
    #[inline]
    pub(crate) fn reserve(&mut self, hash: u64, key: K) -> u32 {
        let slab = self.slab();
        let id = self.core.writer.take_slot(slab);
        let slot = slab.slot(id);
        // SAFETY: the slot was free: it is ours, and holds no key.
        unsafe { slot.write_key(key) };
        slot.meta.set_hash(hash as u32);
        slot.meta.set_state(State::Pending);
        id
    }

    /// Retires a reserved slot whose value did not come.
    pub(crate) fn abandon(&mut self, id: u32) {
        assert!(self.slab().meta(id).state() == State::Pending, "slot {id} is not reserved");
        self.slab().meta(id).set_state(State::Abandoned);
        self.retire(id);
    }

    /// Gives a reserved slot its value. Next comes [`publish`](Self::publish) or
    /// [`replace`](Self::replace).
    #[inline]
    pub(crate) fn complete(&mut self, id: u32, value: V, weight: u32, deadline: u64) {
        let slab = self.slab();
        let slot = slab.slot(id);
        assert!(slot.meta.state() == State::Pending, "slot {id} is not reserved");
        // SAFETY: a pending slot is in no region, so nobody reads its value, which is not there
        // yet; we hold the lock.
        unsafe { slot.write_value(value) };
        slab.set_weight(id, weight);
        slot.meta.set_deadline(deadline);
        slot.meta.set_state(State::Live);
    }

    /// Puts a completed slot into the region, which must not hold its key. Answers the number of its
    /// block.
    #[inline]
    pub(crate) fn publish(&mut self, id: u32) -> u32 {
        let mut region = self.region();
        if self.core.writer.entries >= region.class().entries() {
            region = self.grow(region);
        }
        let slab = self.slab();
        // SAFETY: the holder of the lock; the key is absent, and the region has room.
        unsafe { region.insert(slab.meta(id).hash(), id) };
        self.core.writer.set_live(slab, id, true)
    }

    /// Puts a completed slot in the place of a slot with the same key, which is retired and stays
    /// readable while the thread is pinned. Answers it, and the number of the new slot's block.
    #[inline]
    pub(crate) fn replace(&mut self, old: u32, id: u32) -> (Entry<'p, K, V>, u32) {
        let slab = self.slab();
        let entry = Entry { id: old, slot: slab.slot(old) };
        let region = self.region();
        // SAFETY: the holder of the lock; the lane comes from this region.
        unsafe {
            let hash = entry.slot.meta.hash();
            let lane = region.lane_of(hash, old).expect("a live slot has a lane");
            region.swap(lane, id);
        }
        self.core.writer.set_live(slab, old, false);
        let block = self.core.writer.set_live(slab, id, true);
        slab.links(old).set_next(id);
        entry.slot.meta.set_state(State::Replaced);
        self.retire(old);
        (entry, block)
    }

    /// Takes an entry out of the region and retires it. The answer stays readable while the thread
    /// is pinned.
    #[inline]
    pub(crate) fn unlink(&mut self, id: u32) -> Entry<'p, K, V> {
        let slab = self.slab();
        let entry = Entry { id, slot: slab.slot(id) };
        let hash = entry.slot.meta.hash();
        let region = self.region();
        // SAFETY: the holder of the lock; the lane comes from this region.
        unsafe {
            let lane = region.lane_of(hash, id).expect("a live slot has a lane");
            region.remove(hash, lane);
        }
        self.core.writer.set_live(slab, id, false);
        entry.slot.meta.set_state(State::Removed);
        self.retire(id);
        entry
    }

    #[inline]
    fn retire(&mut self, id: u32) {
        let slab = self.slab();
        let writer = &mut self.core.writer;
        writer.open.push(id);
        writer.open_weight += u64::from(slab.weight(id));
        if writer.open.len() >= writer.batch || writer.open_weight >= writer.batch_weight {
            self.seal();
        }
    }

    #[cold]
    fn seal(&mut self) {
        let table = self.table();
        self.core.writer.seal(table, self.shard);
        self.sealed = true;
    }

    /// Replaces the region by a larger one.
    #[cold]
    fn grow(&mut self, old: Region) -> Region {
        let slab = self.slab();
        let new = Region::allocate(old.class().next());
        // SAFETY: the new region is ours; the old one is published and we hold the lock.
        unsafe { old.for_each(|id| new.insert(slab.meta(id).hash(), id)) };
        self.swap_region(new, old);
        new
    }

    fn swap_region(&mut self, new: Region, old: Region) {
        let table = self.table();
        table.regions[self.shard].publish(new);
        table.limbo.seal(&table.epoch, Garbage::Region(old), 0);
        self.sealed = true;
    }

    /// Empties the shard at once, by publishing an empty region, and lets go of the lock. The
    /// entries that were in it are the caller's to give to [`Detached::finish`]. Cost: a bit per
    /// slot.
    pub(crate) fn detach(mut self) -> Detached<'p, K, V, X> {
        let region = self.region();
        self.table().regions[self.shard].publish(Region::allocate(Class::SMALLEST));
        let writer = &mut self.core.writer;
        writer.entries = 0;
        for block in &mut writer.blocks {
            block.live = 0;
        }
        Detached { pinned: self.pinned, shard: self.shard, region: Some(region) }
    }

    /// How many blocks the shard has: they are numbered from 0.
    pub(crate) fn blocks(&self) -> usize {
        self.core.writer.blocks.len()
    }

    /// The live slots of a block, as of now.
    pub(crate) fn live_in(&self, block: u32) -> impl Iterator<Item = u32> + use<K, V, X> {
        let block = &self.core.writer.blocks[block as usize];
        let (first, mut live) = (block.first, block.live);
        std::iter::from_fn(move || {
            let offset = (live != 0).then(|| live.trailing_zeros())?;
            live &= live - 1;
            Some(first + offset)
        })
    }

    /// Checks every invariant of the table's part of the shard; panics where one is broken.
    pub(crate) fn validate(&self) {
        let (slab, writer) = (self.slab(), &self.core.writer);
        let live: u32 = writer.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live as usize, writer.entries, "live bits and entries");
        // SAFETY: the holder of the lock; the region is published.
        let in_region = unsafe { self.region().validate(|id| slab.meta(id).hash()) };
        assert_eq!(in_region, writer.entries, "lanes and entries");
        assert!(writer.entries <= self.region().class().entries().max(1));
        // SAFETY: as above.
        unsafe {
            self.region().for_each(|id| {
                assert!(self.is_live(id), "a lane's slot is live");
                assert_eq!(slab.meta(id).state(), State::Live);
            });
        }
        for (number, block) in writer.blocks.iter().enumerate() {
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
            let listed = writer.with_free.contains(&(number as u32));
            assert_eq!(block.free != 0, listed, "blocks with free slots are listed");
            for id in (0..BLOCK).map(|i| block.first + i) {
                let free = block.free & (1 << (id - block.first)) != 0;
                assert_eq!(free, slab.meta(id).state() == State::Free, "free bit and state");
                assert_eq!(slab.owner(id) as usize, number);
            }
        }
        assert!(writer.open.len() < writer.batch);
        assert!(writer.open.iter().all(|&id| !self.is_live(id)), "garbage is not live");
    }
}

/// The entries of a shard that was emptied. Dropping it retires them.
pub(crate) struct Detached<'p, K, V, X> {
    pinned: &'p Pinned<'p, K, V, X>,
    shard: usize,
    region: Option<Region>,
}

impl<K, V, X> Detached<'_, K, V, X> {
    /// Shows each entry to `visit`, without the lock, and retires them in small batches, taking the
    /// shard's lock for each.
    pub(crate) fn finish(mut self, mut visit: impl FnMut(Entry<'_, K, V>)) {
        let region = self.region.expect("finished once");
        let slab = &self.pinned.table.slab;
        // SAFETY: the region was taken out of its word by this thread, which is pinned and has not
        // sealed it yet: nobody frees or changes it.
        unsafe { region.for_each(|id| visit(Entry { id, slot: slab.slot_unchecked(id) })) };
        self.retire();
    }

    fn retire(&mut self) {
        let Some(region) = self.region.take() else { return };
        let table = self.pinned.table;
        let mut batch = Vec::with_capacity(64);
        let retire = |batch: &mut Vec<u32>| {
            let mut locked = self.pinned.lock(self.shard);
            for id in batch.drain(..) {
                table.slab.meta(id).set_state(State::Removed);
                locked.retire(id);
            }
        };
        // SAFETY: as in `finish`.
        unsafe {
            region.for_each(|id| {
                batch.push(id);
                if batch.len() == 64 {
                    retire(&mut batch);
                }
            });
        }
        retire(&mut batch);
        table.limbo.seal(&table.epoch, Garbage::Region(region), 0);
    }
}

impl<K, V, X> Drop for Detached<'_, K, V, X> {
    fn drop(&mut self) {
        self.retire();
    }
}
