//! The writer's half of a shard.
//!
//! There is one [`Writer`] for each shard of a table, made together with it. Its methods change
//! lanes and slots in the order that `mod.rs` and `group.rs` promise to readers, with plain stores:
//! they take the writer by `&mut`, so no two threads do so at once. Its owner (`shard/`) keeps it
//! under a lock. No user code runs in any of them. What a method retires goes into the shard's open
//! batch of garbage; the caller, once it has released its lock, does what [`Writer::end_call`] has
//! noted in its [`Due`].

use std::sync::atomic::Ordering::Relaxed;

use super::blocks::BlockList;
use super::guard::{EntryRef, Guard, NewEntry};
use super::header::{Slots, State};
use super::ids::{BlockNo, SlotId};
use super::open_batch::{Due, OpenBatch};
use super::reclaim::limbo::{BATCH, Garbage, SWEEP};
use super::region::{Region, RegionPtr, SizeClass};
use super::reserved::{EmptySlots, Reserved};
use super::slab::Slab;
use super::table::{Table, TableConfig};
use crate::util::hash::KeyHash;

/// The right to change a shard of a table.
pub(crate) struct Writer {
    /// Its shard's, see [`Table::home`].
    home: u64,
    /// What the shard's word holds.
    region: Region,
    /// The region is never made smaller than this.
    least: SizeClass,
    blocks: BlockList,
    batch: OpenBatch,
}

impl<K, V> Table<K, V> {
    /// A table, and the writers of its shards, in order: the only ones that there will be.
    pub(crate) fn new(config: TableConfig) -> (Self, Vec<Writer>) {
        let table = Table::without_writers(config);
        let shards = table.shards();
        let writer = |(shard, word): (usize, &RegionPtr)| {
            let region = word.load();
            // The shards' turns to sweep the others are spread evenly.
            let calls = (shard as u64 * u64::from(SWEEP) / shards as u64) as u8;
            Writer {
                home: table.home(shard),
                region,
                least: region.class,
                blocks: BlockList::default(),
                batch: OpenBatch::new(shard, calls),
            }
        };
        let writers = table.regions.iter().enumerate().map(writer).collect();
        (table, writers)
    }
}

impl Writer {
    /// The number of its shard in the table.
    ///
    /// # Panics
    /// If this is not the table that the writer was made with.
    #[inline(always)]
    fn shard<K, V>(&self, table: &Table<K, V>) -> usize {
        table.shard_at(self.home).expect("a shard of this table")
    }

    /// The table of a guard.
    ///
    /// # Panics
    /// If it is not the one that the writer was made with.
    #[inline(always)]
    fn table<'p, K, V>(&self, guard: &'p Guard<'_, K, V>) -> &'p Table<K, V> {
        self.shard(guard.table);
        guard.table
    }

    /// The end of a call that may have changed something: notes what it has to do about garbage.
    #[inline]
    pub(crate) fn end_call<K, V>(&mut self, guard: &Guard<'_, K, V>, due: &mut Due) {
        self.batch.end_call(self.table(guard), due);
    }

    /// The shard's blocks, and which of their slots are live.
    #[inline]
    pub(crate) fn blocks(&self) -> &BlockList {
        &self.blocks
    }

    /// An entry of this shard.
    ///
    /// # Panics
    /// If it is not in the shard.
    pub(crate) fn entry<'p, K, V>(
        &self,
        guard: &'p Guard<'_, K, V>,
        id: SlotId,
    ) -> EntryRef<'p, K, V> {
        let slab = &self.table(guard).slab;
        assert!(self.blocks.is_live(slab, id), "slot {} is not in the shard", id.0);
        EntryRef { id, slot: slab.slot(id), slab }
    }

    /// Takes a slot and puts a key into it. [`publish`](Self::publish) or
    /// [`replace`](Self::replace) adds the value.
    #[inline(always)]
    pub(crate) fn reserve<K, V>(
        &mut self,
        guard: &Guard<'_, K, V>,
        hash: KeyHash,
        key: K,
    ) -> Reserved {
        let slab = &self.table(guard).slab;
        let reserved = &guard.pin.reader.notes.reserved;
        reserved.store(reserved.load(Relaxed).wrapping_add(1), Relaxed);
        let id = self.blocks.take_slot(slab);
        let slot = slab.slot(id);
        // SAFETY: the slot was free: only this writer has it, and it holds no key.
        unsafe { slot.write_key(key) };
        slot.header.set_hash(hash.low());
        slot.header.set_state(State::Pending);
        Reserved { id, home: self.home }
    }

    /// Retires a reserved slot that gets no value.
    pub(crate) fn abandon<K, V>(&mut self, guard: &Guard<'_, K, V>, reserved: Reserved) {
        let table = self.table(guard);
        let id = self.own(reserved);
        table.slab.header(id).set_state(State::Abandoned);
        self.batch.retire(table, id, self.blocks.live);
    }

    /// Gives a reserved slot its value and retires it without publishing it. The returned entry
    /// stays readable while the guard lives.
    pub(crate) fn refuse<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        reserved: Reserved,
        new: NewEntry<V>,
    ) -> EntryRef<'p, K, V> {
        let table = self.table(guard);
        let id = self.complete(&table.slab, reserved, new);
        table.slab.header(id).set_state(State::Removed);
        self.batch.retire(table, id, self.blocks.live);
        EntryRef { id, slot: table.slab.slot(id), slab: &table.slab }
    }

    /// Gives a reserved slot its value. The slab is that of the writer's table. Returns the number
    /// of the slot, which the caller puts into the region or retires. (Inlined, an insert takes 2 %
    /// fewer instructions.)
    #[inline(always)]
    fn complete<K, V>(&self, slab: &Slab<K, V>, slot: Reserved, new: NewEntry<V>) -> SlotId {
        let id = self.own(slot);
        let slot = slab.slot(id);
        // SAFETY: the token proves that the slot is reserved: it is in no region, so no thread
        // reads its value, which is missing yet; and no other thread has the token.
        unsafe { slot.write_value(new.value) };
        slab.set_weight(id, new.weight);
        slab.set_times(id, &new.times);
        slot.header.set_state(State::Live);
        id
    }

    /// Gives a reserved slot its value, and puts it into the region, which must not hold its key.
    /// Before that, calls `prepare` with its number. Returns the number of its block.
    #[inline]
    pub(crate) fn publish<K, V>(
        &mut self,
        guard: &Guard<'_, K, V>,
        reserved: Reserved,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> BlockNo {
        let table = self.table(guard);
        let slab = &table.slab;
        let id = self.complete(slab, reserved, new);
        prepare(id);
        if self.blocks.live >= self.region.room() {
            let class = if self.region.is_none() { self.least } else { self.region.class.next() };
            self.rebuild(table, class);
        }
        // SAFETY: the shard's one writer; the region is published in its table, the slot holds key
        // and value, is in no region yet, and there is room.
        unsafe { self.region.insert(slab.header(id).hash(), id) };
        self.blocks.set_live(slab, id)
    }

    /// Gives a reserved slot its value, and puts it in the place of a slot with the same key, which
    /// is retired and stays readable while the guard lives. Before that, calls `prepare` with its
    /// number. Returns the slot replaced, and the number of the new slot's block.
    ///
    /// # Panics
    /// If `old` is not in the shard.
    #[inline]
    pub(crate) fn replace<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        old: SlotId,
        reserved: Reserved,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> (EntryRef<'p, K, V>, BlockNo) {
        let table = self.table(guard);
        let slab = &table.slab;
        let id = self.complete(slab, reserved, new);
        prepare(id);
        self.blocks.take_live(slab, old);
        let entry = EntryRef { id: old, slot: slab.slot(old), slab };
        // SAFETY: the shard's one writer; the lane comes from this region, and the slot that takes
        // it holds key and value and is in no region yet.
        unsafe {
            let hash = entry.slot.header.hash();
            let lane = self.region.lane_of(hash, old).expect("a live slot has a lane");
            self.region.swap(lane, id);
        }
        let block = self.blocks.set_live(slab, id);
        slab.links(old).next.set(id);
        entry.slot.header.set_state(State::Replaced);
        self.batch.retire(table, old, self.blocks.live);
        (entry, block)
    }

    /// Uses up the right to a slot.
    ///
    /// # Panics
    /// If it belongs to another shard.
    #[inline]
    fn own(&self, Reserved { id, home }: Reserved) -> SlotId {
        assert!(home == self.home, "a reservation of another shard");
        id
    }

    /// Takes an entry out of the region and retires it. The returned entry stays readable while the
    /// guard lives.
    ///
    /// # Panics
    /// If it is not in the shard.
    #[inline(always)]
    pub(crate) fn unlink<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        id: SlotId,
    ) -> EntryRef<'p, K, V> {
        let table = self.table(guard);
        let slab = &table.slab;
        self.blocks.take_live(slab, id);
        let entry = EntryRef { id, slot: slab.slot(id), slab };
        let hash = entry.slot.header.hash();
        // SAFETY: the shard's one writer; the lane comes from this region.
        unsafe {
            let lane = self.region.lane_of(hash, id).expect("a live slot has a lane");
            self.region.remove(hash, lane);
        }
        entry.slot.header.set_state(State::Removed);
        self.batch.retire(table, id, self.blocks.live);
        entry
    }

    /// Seals the open batch, if anything is in it.
    pub(crate) fn seal<K, V>(&mut self, table: &Table<K, V>) {
        self.shard(table);
        self.batch.seal(table);
    }

    /// Frees slots whose contents were dropped.
    pub(crate) fn free_slots<K, V>(&mut self, table: &Table<K, V>, slots: EmptySlots) {
        self.shard(table);
        let EmptySlots { mut ids, home, .. } = slots;
        assert!(home == self.home, "slots of another shard");
        self.blocks.free_slots(&table.slab, &ids);
        ids.clear();
        self.batch.spare = ids;
    }

    /// Retires what the shard does not need at present: blocks without a slot in use, and the
    /// region, if a far smaller one suffices. Returns the numbers of the blocks. O(blocks and
    /// entries of the shard).
    pub(crate) fn shrink<K, V>(&mut self, guard: &Guard<'_, K, V>) -> Vec<BlockNo> {
        let table = self.table(guard);
        let (numbers, first_slots) = self.blocks.release_free(&table.slab);
        self.batch.shrink();
        if !first_slots.is_empty() {
            self.batch.seal_other(table, Garbage::Blocks(first_slots), 0);
        }
        // Room for twice as many entries, so that it need not grow again at once; and only if that
        // saves three quarters.
        let class = SizeClass::for_entries(2 * self.blocks.live).max(self.least);
        if self.blocks.live == 0 && self.least == SizeClass::SMALLEST {
            self.replace_region(table, Region::none());
        } else if class.next() < self.region.class {
            self.rebuild(table, class);
        }
        numbers
    }

    /// Replaces the region by one of another size.
    #[cold]
    fn rebuild<K, V>(&mut self, table: &Table<K, V>, class: SizeClass) {
        let (old, new, slab) = (self.region, Region::allocate(class), &table.slab);
        // SAFETY: only this writer knows the new region; the old one is published, and this is its
        // one writer.
        unsafe { old.for_each(|id| new.insert(slab.header(id).hash(), id)) };
        self.replace_region(table, new);
    }

    /// Publishes a region, and retires the one that was published before.
    fn replace_region<K, V>(&mut self, table: &Table<K, V>, new: Region) {
        let old = self.set_region(table, new);
        if !old.is_none() {
            self.batch.seal_other(table, Garbage::Region(old), 0);
        }
    }

    /// Publishes a region. Returns the one that was published before.
    fn set_region<K, V>(&mut self, table: &Table<K, V>, new: Region) -> Region {
        table.regions[self.shard(table)].set(new);
        std::mem::replace(&mut self.region, new)
    }

    /// Empties the shard at once, by publishing an empty region. The caller shows the entries that
    /// were in it by [`Detached::finish`]. Cost: a bit per slot.
    pub(crate) fn detach<'p, K, V>(&mut self, guard: &'p Guard<'p, K, V>) -> Detached<'p, K, V> {
        let table = self.table(guard);
        let region = self.set_region(table, Region::none());
        self.blocks.clear_live();
        Detached { guard, shard: self.shard(table), region }
    }

    /// Memory that the writer holds.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.bytes() + self.batch.bytes()
    }

    /// Checks every invariant of the table's part of the shard; panics where one is broken.
    pub(crate) fn validate<K, V>(&self, guard: &Guard<'_, K, V>) {
        let table = self.table(guard);
        let slab = &table.slab;
        assert!(table.regions[self.shard(table)].load() == self.region, "readers' region");
        // SAFETY: the shard's one writer; the region is published.
        let in_region = unsafe { self.region.validate(|id| slab.header(id).hash()) };
        assert_eq!(in_region, self.blocks.live, "lanes and entries");
        assert!(self.blocks.live <= self.region.room());
        // SAFETY: as above.
        unsafe {
            self.region.for_each(|id| {
                assert!(self.blocks.is_live(slab, id), "a lane's slot is live");
                assert_eq!(slab.header(id).state(), State::Live);
            });
        }
        self.blocks.validate(slab);
        assert!(self.batch.ids.len() < BATCH);
        let mut garbage = self.batch.ids.iter();
        assert!(!garbage.any(|&id| self.blocks.is_live(slab, id)), "garbage is not live");
    }
}

/// The entries that a shard had when it was emptied. Dropping it retires them.
pub(crate) struct Detached<'p, K, V> {
    guard: &'p Guard<'p, K, V>,
    shard: usize,
    region: Region,
}

impl<'p, K, V> Detached<'p, K, V> {
    /// Shows each entry to `visit`, and retires them.
    pub(crate) fn finish(self, mut visit: impl FnMut(EntryRef<'_, K, V>)) {
        let slab = &self.guard.table.slab;
        // SAFETY: the region was taken out of its word by this thread, which is pinned and has not
        // sealed it yet: no other thread frees or changes it.
        unsafe {
            self.region.for_each(|id| visit(EntryRef { id, slot: slab.slot_unchecked(id), slab }))
        };
    }
}

impl<K, V> Drop for Detached<'_, K, V> {
    /// Retires the entries in batches, and the region.
    fn drop(&mut self) {
        let table = self.guard.table;
        let mut ids = Vec::new();
        // SAFETY: as in `finish`.
        unsafe {
            self.region.for_each(|id| {
                // No other thread changes it: the slot's live bit is not set any more.
                table.slab.header(id).set_state(State::Removed);
                ids.push(id);
            });
        }
        for batch in ids.chunks(BATCH) {
            let weight = batch.iter().map(|&id| u64::from(table.slab.weight(id))).sum();
            let garbage = Garbage::Slots { shard: self.shard, ids: batch.to_vec() };
            table.limbo.seal(&table.epoch, garbage, weight);
        }
        if !self.region.is_none() {
            table.limbo.seal(&table.epoch, Garbage::Region(self.region), 0);
        }
    }
}
