//! A slot on its way into a region: the two halves of a store, and what comes between them.
//!
//! A writer first gives a slot its key and its value, then it makes it findable. Between the two
//! the eviction policy queues the slot, so that an entry which readers can find, and so use, has
//! its place. A [`FilledSlot`] is what is carried from the first half to the second. It has the
//! writer, so nothing else happens to the shard meanwhile.

use super::blocks::not_in_the_shard;
use super::guard::{EntryRef, Guard, NewEntry};
use super::header::State;
use super::ids::BlockNo;
use super::region::Lane;
use super::reserved::Reserved;
use super::slot_ref::SlotRef;
use super::table::Table;
use super::times::Times;
use super::writer::Writer;
use crate::util::hash::KeyHash;

/// A slot that holds key and value, and stands in no region yet.
#[must_use = "what no region knows is lost to the shard"]
pub(crate) struct FilledSlot<'w, 'p, K, V> {
    pub(super) writer: &'w mut Writer,
    pub(super) table: &'p Table<K, V>,
    pub(super) slot: SlotRef<'p, K, V>,
    pub(super) block: BlockNo,
    /// Its block counts it as live already.
    pub(super) is_live: bool,
}

impl Writer {
    /// Gives a reserved slot its value and retires it without publishing it. The returned entry
    /// stays readable while the guard lives.
    pub(crate) fn refuse<'p, K, V>(
        &mut self,
        guard: &'p Guard<'_, K, V>,
        reserved: Reserved,
        new: NewEntry<V>,
    ) -> EntryRef<'p, K, V> {
        let table = self.table(guard);
        let slot = self.complete(guard, reserved, new).slot;
        slot.header().set_state(State::Removed);
        self.retire(table, slot);
        EntryRef { at: slot }
    }

    /// Gives a reserved slot its value. (Inlined, an insert takes 2 % fewer instructions.)
    #[inline(always)]
    pub(crate) fn complete<'w, 'p, K, V>(
        &'w mut self,
        guard: &'p Guard<'_, K, V>,
        reserved: Reserved,
        new: NewEntry<V>,
    ) -> FilledSlot<'w, 'p, K, V> {
        let table = self.table(guard);
        let slot = table.slab.at(self.own(reserved));
        // SAFETY: the token proves that the slot is reserved: it is in no region, so no thread
        // reads its value, which is missing yet; and no other thread has the token.
        unsafe { slot.slot.write_value(new.value) };
        slot.set_entry(new.weight, &new.times);
        slot.header().set_state(State::Live);
        FilledSlot { writer: self, table, slot, block: slot.block(), is_live: false }
    }

    /// Takes a slot and puts key and value into it: what [`reserve`](Self::reserve) and
    /// [`complete`](Self::complete) do, in fewer instructions. For entries without a weight.
    ///
    /// # Safety
    /// The guard is of the writer's table.
    #[inline(always)]
    pub(super) unsafe fn fill<'w, 'p, K, V>(
        &'w mut self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        (key, value): (K, V),
        times: &Times,
    ) -> FilledSlot<'w, 'p, K, V> {
        let table = guard.table;
        guard.note_reserved();
        let (slot, block) = self.blocks.take_slot(&table.slab);
        // SAFETY: the slot was free: only this writer has it, and it holds neither key nor value.
        unsafe {
            slot.slot.write_key(key);
            slot.slot.write_value(value);
        }
        slot.header().set_hash(hash.low());
        slot.set_entry(1, times);
        slot.header().set_state(State::Live);
        FilledSlot { writer: self, table, slot, block, is_live: false }
    }
}

impl<'p, K, V> FilledSlot<'_, 'p, K, V> {
    /// The slot.
    #[inline]
    pub(crate) fn slot(&self) -> SlotRef<'p, K, V> {
        self.slot
    }

    /// Puts it into the region, which must not hold its key. Returns the number of its block.
    #[inline(always)]
    pub(crate) fn enter(self) -> BlockNo {
        let FilledSlot { writer, table, slot, block, is_live } = self;
        if !is_live {
            writer.make_room(table);
            writer.blocks.set_live(block, slot.id);
        }
        // SAFETY: the shard's one writer; the region is published in its table, the slot holds key
        // and value, is in no region yet, and there is room.
        unsafe { writer.region.insert(slot.header().hash(), slot.id) };
        block
    }

    /// Puts it in the place of a slot with the same key, which is retired and stays readable while
    /// the guard lives. Returns that, and the number of its own block.
    ///
    /// # Panics
    /// If the old slot is not in the shard.
    pub(crate) fn replace(self, old: SlotRef<'p, K, V>) -> (EntryRef<'p, K, V>, BlockNo) {
        assert!(std::ptr::eq(old.slab, &self.table.slab), "a slot of another table");
        // SAFETY: the shard's one writer.
        let lane = unsafe { self.writer.region.lane_of(old.header().hash(), old.id) };
        let lane = lane.unwrap_or_else(|| not_in_the_shard(old.id));
        // SAFETY: the lane comes from this region just now, and stands for the old slot.
        unsafe { self.take_lane(old, lane) }
    }

    /// Takes the lane of a slot with the same key, which is retired.
    ///
    /// # Safety
    /// The lane is one of this shard's region, and stands for the old slot, which is one of this
    /// table.
    #[inline(always)]
    pub(super) unsafe fn take_lane(
        self,
        old: SlotRef<'p, K, V>,
        lane: Lane,
    ) -> (EntryRef<'p, K, V>, BlockNo) {
        let FilledSlot { writer, table, slot, block, .. } = self;
        writer.blocks.take_live(old);
        // SAFETY: the caller's promise; the slot that takes the lane holds key and value and is in
        // no region yet.
        unsafe { writer.region.swap(lane, slot.id) };
        writer.blocks.set_live(block, slot.id);
        old.links().next.set(slot.id);
        old.header().set_state(State::Replaced);
        writer.retire(table, old);
        (EntryRef { at: old }, block)
    }
}
