//! The writer's half of a shard.
//!
//! There is one [`Writer`] for each shard of a table, made together with it. Its methods change
//! lanes and slots in the order that `mod.rs` and `group.rs` promise to readers, with plain stores:
//! they take the writer by `&mut`, so no two threads do so at once. Its owner (`shard/`) keeps it
//! under a lock. No user code runs in any of them. What a method retires goes into the shard's open
//! batch of garbage; the caller, once it has released its lock, does what [`Writer::end_call`] has
//! noted in its [`Due`].

use std::ops::ControlFlow;

use super::blocks::{BlockList, Renumbered};
use super::guard::{EntryRef, Guard, NewEntry};
use super::header::{Slots, State};
use super::ids::{BlockNo, SlotId};
use super::open_batch::{Due, OpenBatch};
use super::reclaim::limbo::{BATCH, Garbage, SWEEP};
use super::region::{Lane, Region, RegionPtr, SizeClass};
use super::reserved::{EmptySlots, Reserved};
use super::slab::Slab;
use super::slot::Slot;
use super::table::{Table, TableConfig};
use crate::util::hash::{Hashed, KeyHash};

/// Where an entry stands: the number of its slot, and its lane in the shard's region. Of use until
/// the shard is changed; what takes one checks that it is still right.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(super) id: SlotId,
    pub(super) lane: Lane,
}

impl Place {
    /// The number of the slot.
    #[inline]
    pub(crate) fn id(self) -> SlotId {
        self.id
    }
}

/// A slot that holds key and value, and stands in no region yet.
struct FilledSlot<'t, K, V> {
    id: SlotId,
    slot: &'t Slot<K, V>,
    block: BlockNo,
}

/// The right to change a shard of a table.
pub(crate) struct Writer {
    /// Its shard's, see [`Table::home`].
    home: u64,
    /// What the shard's word holds.
    pub(super) region: Region,
    /// The region is never made smaller than this.
    least: SizeClass,
    pub(super) blocks: BlockList,
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
    /// See [`Table::home`].
    pub(super) fn home(&self) -> u64 {
        self.home
    }

    /// The number of its shard in the table.
    ///
    /// # Panics
    /// If this is not the table that the writer was made with.
    #[inline(always)]
    pub(super) fn shard<K, V>(&self, table: &Table<K, V>) -> usize {
        table.shard_at(self.home).expect("a shard of this table")
    }

    /// The table of a guard.
    ///
    /// # Panics
    /// If it is not the one that the writer was made with.
    #[inline(always)]
    pub(super) fn table<'p, K, V>(&self, guard: &'p Guard<'_, K, V>) -> &'p Table<K, V> {
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

    /// The place of the entry whose key `eq` accepts. `eq` runs none of the user's code, as the
    /// caller has the shard.
    #[inline]
    pub(crate) fn find<K, V>(
        &self,
        guard: &Guard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<Place> {
        let slab = &self.table(guard).slab;
        // SAFETY: the shard's one writer: what its region holds are live slots.
        unsafe {
            self.region.search(hash.low(), move |id, lane| {
                if eq(slab.slot_unchecked(id).key()) {
                    ControlFlow::Break(Place { id, lane })
                } else {
                    ControlFlow::Continue(())
                }
            })
        }
    }

    /// The place of a slot whose key has this lower half of a hash, if it is in the shard.
    #[inline]
    pub(crate) fn place_of<K, V>(
        &self,
        guard: &Guard<'_, K, V>,
        hash: u32,
        id: SlotId,
    ) -> Option<Place> {
        self.table(guard);
        // SAFETY: the shard's one writer.
        let lane = unsafe { self.region.lane_of(hash, id) }?;
        Some(Place { id, lane })
    }

    /// Fails if a place is not right any more.
    ///
    /// # Panics
    /// If another slot, or none, stands there.
    #[inline]
    pub(super) fn check(&self, Place { id, lane }: Place) {
        // SAFETY: the shard's one writer.
        assert!(unsafe { self.region.stands_for(lane, id) }, "slot {} has left its place", id.0);
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
        guard.note_reserved();
        let (id, _) = self.blocks.take_slot(slab);
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
        self.batch.retire(table, id, self.blocks.live());
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
        let FilledSlot { id, slot, .. } = self.complete(&table.slab, reserved, new);
        slot.header.set_state(State::Removed);
        self.batch.retire(table, id, self.blocks.live());
        EntryRef { id, slot, slab: &table.slab }
    }

    /// Gives a reserved slot its value. (Inlined, an insert takes 2 % fewer instructions.)
    #[inline(always)]
    fn complete<'t, K, V>(
        &self,
        slab: &'t Slab<K, V>,
        reserved: Reserved,
        new: NewEntry<V>,
    ) -> FilledSlot<'t, K, V> {
        let id = self.own(reserved);
        let slot = slab.slot(id);
        // SAFETY: the token proves that the slot is reserved: it is in no region, so no thread
        // reads its value, which is missing yet; and no other thread has the token.
        unsafe { slot.write_value(new.value) };
        slab.set_weight(id, new.weight);
        slab.set_times(&slot.header, id, &new.times);
        slot.header.set_state(State::Live);
        FilledSlot { id, slot, block: slab.block_of(id) }
    }

    /// Takes a slot and puts key and value into it.
    #[inline(always)]
    fn fill<'t, K, V>(
        &mut self,
        guard: &Guard<'_, K, V>,
        slab: &'t Slab<K, V>,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
    ) -> FilledSlot<'t, K, V> {
        guard.note_reserved();
        let (id, block) = self.blocks.take_slot(slab);
        let slot = slab.slot(id);
        // SAFETY: the slot was free: only this writer has it, and it holds neither key nor value.
        unsafe {
            slot.write_key(key);
            slot.write_value(new.value);
        }
        slot.header.set_hash(hash.low());
        slab.set_weight(id, new.weight);
        slab.set_times(&slot.header, id, &new.times);
        slot.header.set_state(State::Live);
        FilledSlot { id, slot, block }
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
        let filled = self.complete(&table.slab, reserved, new);
        prepare(filled.id);
        self.enter(table, filled)
    }

    /// Stores a value under a key that the shard does not hold: what [`reserve`](Self::reserve) and
    /// [`publish`](Self::publish) do, in fewer instructions.
    #[inline]
    pub(crate) fn add<K, V>(
        &mut self,
        guard: &Guard<'_, K, V>,
        key: Hashed<K>,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> BlockNo {
        let table = self.table(guard);
        let filled = self.fill(guard, &table.slab, key, new);
        prepare(filled.id);
        self.enter(table, filled)
    }

    /// Puts a slot into the region.
    #[inline(always)]
    fn enter<K, V>(&mut self, table: &Table<K, V>, filled: FilledSlot<'_, K, V>) -> BlockNo {
        if self.blocks.live() >= self.region.room() {
            let class = if self.region.is_none() { self.least } else { self.region.class.next() };
            self.rebuild(table, class);
        }
        // SAFETY: the shard's one writer; the region is published in its table, the slot holds key
        // and value, is in no region yet, and there is room.
        unsafe { self.region.insert(filled.slot.header.hash(), filled.id) };
        self.blocks.set_live(filled.block, filled.id);
        filled.block
    }

    /// Gives a reserved slot its value, and puts it in the place of a slot with the same key, which
    /// is retired and stays readable while the guard lives. Before that, calls `prepare` with its
    /// number. Returns the slot replaced, and the number of the new slot's block.
    ///
    /// # Panics
    /// If the place is not right any more.
    #[inline]
    pub(crate) fn replace<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        place: Place,
        reserved: Reserved,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> (EntryRef<'p, K, V>, BlockNo) {
        let table = self.table(guard);
        self.check(place);
        let filled = self.complete(&table.slab, reserved, new);
        prepare(filled.id);
        self.take_lane(table, place, filled)
    }

    /// As [`replace`](Self::replace), with a slot that is taken now.
    #[inline]
    pub(crate) fn update<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        place: Place,
        key: Hashed<K>,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> (EntryRef<'p, K, V>, BlockNo) {
        let table = self.table(guard);
        self.check(place);
        let filled = self.fill(guard, &table.slab, key, new);
        prepare(filled.id);
        self.take_lane(table, place, filled)
    }

    /// Puts a slot in the place of another, which is right.
    #[inline(always)]
    fn take_lane<'p, K, V>(
        &mut self,
        table: &'p Table<K, V>,
        Place { id, lane }: Place,
        filled: FilledSlot<'_, K, V>,
    ) -> (EntryRef<'p, K, V>, BlockNo) {
        let slab = &table.slab;
        self.blocks.take_live(slab, id);
        let old = EntryRef { id, slot: slab.slot(id), slab };
        // SAFETY: the shard's one writer; the lane stands for the old slot, and the slot that takes
        // it holds key and value and is in no region yet.
        unsafe { self.region.swap(lane, filled.id) };
        self.blocks.set_live(filled.block, filled.id);
        slab.links(id).next.set(filled.id);
        old.slot.header.set_state(State::Replaced);
        self.batch.retire(table, id, self.blocks.live());
        (old, filled.block)
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
        self.batch.retire(table, id, self.blocks.live());
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
    /// region, if a far smaller one suffices. Returns the blocks that have lost their numbers, in
    /// order. O(blocks and entries of the shard).
    pub(crate) fn shrink<K, V>(&mut self, guard: &Guard<'_, K, V>) -> Vec<Renumbered> {
        let table = self.table(guard);
        let (first_slots, renumbered) = self.blocks.release_free(&table.slab);
        self.batch.shrink();
        if !first_slots.is_empty() {
            self.batch.seal_other(table, Garbage::Blocks(first_slots), 0);
        }
        // Room for twice as many entries, so that it need not grow again at once; and only if that
        // saves three quarters.
        let class = SizeClass::for_entries(2 * self.blocks.live()).max(self.least);
        if self.blocks.live() == 0 && self.least == SizeClass::SMALLEST {
            self.replace_region(table, Region::none());
        } else if class.next() < self.region.class {
            self.rebuild(table, class);
        }
        renumbered
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
    pub(super) fn set_region<K, V>(&mut self, table: &Table<K, V>, new: Region) -> Region {
        table.regions[self.shard(table)].set(new);
        std::mem::replace(&mut self.region, new)
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
        assert_eq!(in_region, self.blocks.live(), "lanes and entries");
        assert!(self.blocks.live() <= self.region.room());
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
