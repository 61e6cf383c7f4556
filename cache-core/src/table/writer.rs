//! The writer's half of a shard.
//!
//! There is one [`Writer`] for each shard of a table, made together with it. Its methods change
//! lanes and slots in the order that `mod.rs` and `group.rs` promise to readers, with plain stores:
//! they take the writer by `&mut`, so no two threads do so at once. Its owner (`shard/`) keeps it
//! under a lock. No user code runs in any of them. What a method retires goes into the shard's open
//! batch of garbage; the caller, once it has released its lock, does what [`Writer::end_call`] has
//! noted in its [`Due`].

use super::blocks::{BlockList, Renumbered, not_in_the_shard};
use super::guard::{EntryRef, Guard};
use super::header::State;
use super::ids::SlotId;
use super::open_batch::{Due, OpenBatch};
use super::reclaim::limbo::{BATCH, Garbage, SWEEP};
use super::region::{Lane, Region, RegionPtr, SizeClass};
use super::reserved::{EmptySlots, Reserved};
use super::slot_ref::SlotRef;
use super::table::{Table, TableConfig};
use crate::util::hash::KeyHash;

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
        if std::mem::needs_drop::<(K, V)>() {
            self.batch.end_call_dropping(self.table(guard), due);
        } else {
            self.batch.end_call(due);
        }
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
        EntryRef { at: slab.at(id) }
    }

    /// Takes a slot and puts a key into it. [`complete`](Self::complete) adds the value.
    #[inline(always)]
    pub(crate) fn reserve<K, V>(
        &mut self,
        guard: &Guard<'_, K, V>,
        hash: KeyHash,
        key: K,
    ) -> Reserved {
        let slab = &self.table(guard).slab;
        guard.note_reserved();
        let (at, _) = self.blocks.take_slot(slab);
        // SAFETY: the slot was free: only this writer has it, and it holds no key.
        unsafe { at.slot.write_key(key) };
        at.header().set_hash(hash.low());
        at.header().set_state(State::Pending);
        Reserved { id: at.id, home: self.home }
    }

    /// Retires a reserved slot that gets no value.
    pub(crate) fn abandon<K, V>(&mut self, guard: &Guard<'_, K, V>, reserved: Reserved) {
        let table = self.table(guard);
        let id = self.own(reserved);
        table.slab.header(id).set_state(State::Abandoned);
        self.retire(table, table.slab.at(id));
    }

    /// Uses up the right to a slot.
    ///
    /// # Panics
    /// If it belongs to another shard.
    #[inline]
    pub(super) fn own(&self, Reserved { id, home }: Reserved) -> SlotId {
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
        slot: SlotRef<'p, K, V>,
    ) -> EntryRef<'p, K, V> {
        let table = self.table(guard);
        assert!(std::ptr::eq(slot.slab, &table.slab), "a slot of another table");
        // SAFETY: the shard's one writer.
        let lane = unsafe { self.region.lane_of(slot.header().hash(), slot.id) };
        let lane = lane.unwrap_or_else(|| not_in_the_shard(slot.id));
        // SAFETY: the lane comes from this region just now, and stands for the slot.
        unsafe { self.unlink_from(guard, slot, lane) }
    }

    /// As `unlink`, of a slot whose lane is known.
    ///
    /// # Safety
    /// The lane is one of this shard's region, and stands for the slot, which is one of the guard's
    /// table.
    #[inline(always)]
    pub(super) unsafe fn unlink_from<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        slot: SlotRef<'p, K, V>,
        lane: Lane,
    ) -> EntryRef<'p, K, V> {
        self.blocks.take_live(slot);
        // SAFETY: the caller's promise.
        unsafe { self.region.remove(slot.header().hash(), lane) };
        slot.header().set_state(State::Removed);
        self.retire(guard.table, slot);
        EntryRef { at: slot }
    }

    /// Adds a slot that has left the region to the open batch.
    #[inline(always)]
    pub(super) fn retire<K, V>(&mut self, table: &Table<K, V>, slot: SlotRef<'_, K, V>) {
        self.batch.retire(table, slot, self.blocks.live());
    }

    /// Sees to it that there is a region with room for one more slot.
    #[inline(always)]
    pub(super) fn make_room<K, V>(&mut self, table: &Table<K, V>) {
        if self.blocks.live() >= self.region.room() {
            let class = if self.region.is_none() { self.least } else { self.region.class.next() };
            self.rebuild(table, class);
        }
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
