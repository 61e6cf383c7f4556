//! A thread that has a table for itself, and what it may do then.
//!
//! # Idea
//! Beside readers, a value is never written where it stands: an update takes another slot, and the
//! old one waits for a grace period. While one thread alone has ever used the table, there is
//! nobody to wait for: the writer exchanges keys and values in their slots ([`Exclusive`]). That
//! saves nearly half of an update's instructions and a fifth of an eviction's. Programs of one
//! thread gain by it; with the second thread it is over, for good.
//!
//! # Why it is right
//! An entry is changed in its place under three conditions.
//! 1. *No other thread has it.* No other thread has ever pinned, or else it comes now: then it
//!    counts itself, and before it reads anything it is shown the writers of all shards
//!    ([`Table::pin`]). A reference to a writer can be shown only when nobody has that writer by
//!    `&mut`, and an [`Exclusive`] has it for as long as it lives. So either the change comes
//!    before all that the other thread reads, or the other thread was counted before
//!    [`Exclusive::new`] has looked, which then fails. `epoch.rs` has the details.
//! 2. *This thread has no other guard*, in a `view` further up its stack, say: its line counts its
//!    pins.
//! 3. *Nothing was found with this guard that is still in use*: an [`Exclusive`] has the guard by
//!    `&mut`, and a reference to an entry borrows it.

use super::blocks::not_in_the_shard;
use super::guard::{Guard, NewEntry};
use super::header::{Slots, State};
use super::ids::{BlockNo, SlotId};
use super::slab::Slab;
use super::table::Table;
use super::writer::{Place, Writer};
use crate::util::hash::Hashed;

/// The writers of a table's shards, in whatever keeps them.
pub(crate) trait AllWriters {
    /// Shows each writer, in the order of their shards: one at a time, when no thread has it for
    /// writing.
    fn show(&self, see: &mut dyn FnMut(&Writer));
}

impl<K, V> Table<K, V> {
    /// Pins the calling thread: what it finds from here on stays valid until the guard drops. The
    /// second thread that uses the table is shown all of its writers first.
    #[inline]
    pub(crate) fn pin(&self, writers: &impl AllWriters) -> Guard<'_, K, V> {
        Guard { table: self, pin: self.epoch.pin(|| self.meet(writers)) }
    }

    /// Is shown the writers of all shards.
    ///
    /// # Panics
    /// If it is shown others, or not all.
    #[cold]
    #[inline(never)]
    fn meet(&self, writers: &dyn AllWriters) {
        let mut shard = 0;
        writers.show(&mut |writer| {
            assert!(writer.home() == self.home(shard), "not the writer of shard {shard}");
            shard += 1;
        });
        assert!(shard == self.shards(), "not the writers of all shards");
    }
}

/// What an entry held.
pub(crate) struct Displaced<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// The deadline in its slot.
    pub(crate) deadline: u64,
}

/// A shard's writer in the hands of the only thread that has ever used the table, and that has no
/// reference to any entry of it.
pub(crate) struct Exclusive<'w, 't, K, V> {
    writer: &'w mut Writer,
    slab: &'t Slab<K, V>,
    /// While this lives, nothing is found with the guard.
    _guard: &'w mut Guard<'t, K, V>,
}

impl<'w, 't, K, V> Exclusive<'w, 't, K, V> {
    /// `None` if another thread has used the table, or this one has another guard of it.
    ///
    /// # Panics
    /// If the writer is not one of the guard's table.
    #[inline]
    pub(crate) fn new(writer: &'w mut Writer, guard: &'w mut Guard<'t, K, V>) -> Option<Self> {
        let table = guard.table;
        writer.table(guard);
        guard.pin.is_only(&table.epoch).then_some(Exclusive {
            writer,
            slab: &table.slab,
            _guard: guard,
        })
    }

    /// What is kept of each slot.
    #[inline]
    pub(crate) fn slots(&self) -> &'t Slab<K, V> {
        self.slab
    }

    /// Exchanges an entry's key, which must equal it, and its value, and sets its times.
    ///
    /// # Panics
    /// If the place is not right any more.
    #[inline]
    pub(crate) fn exchange(&mut self, place: Place, key: K, new: NewEntry<V>) -> Displaced<K, V> {
        self.writer.check(place);
        // SAFETY: the slot stands in the region, so it holds key and value.
        unsafe { self.exchange_contents(place.id, key, new) }
    }

    /// Exchanges what a slot holds and is known by, but for its hash.
    ///
    /// # Safety
    /// The slot is this shard's, and holds key and value.
    #[inline(always)]
    unsafe fn exchange_contents(
        &mut self,
        id: SlotId,
        key: K,
        new: NewEntry<V>,
    ) -> Displaced<K, V> {
        let slot = self.slab.slot(id);
        let deadline = slot.header.deadline();
        self.slab.set_weight(id, new.weight);
        self.slab.set_times(&slot.header, id, &new.times);
        // SAFETY: the caller's promise. No other thread and no reference of this one can reach the
        // slot, see the module's head.
        let (key, value) = unsafe { slot.exchange(key, new.value) };
        Displaced { key, value, deadline }
    }

    /// Gives the slot of an entry to another key, which the shard must not hold. Calls `prepare`
    /// with the slot before the key can be found. Returns what there was, and the number of the
    /// slot's block.
    ///
    /// # Panics
    /// If the slot is not in the shard.
    #[inline]
    pub(crate) fn recycle(
        &mut self,
        id: SlotId,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
        prepare: impl FnOnce(SlotId),
    ) -> (Displaced<K, V>, BlockNo) {
        let region = self.writer.region;
        let header = &self.slab.slot(id).header;
        let old = header.hash();
        // SAFETY: the shard's one writer; the lane comes from this region, so the slot holds key
        // and value. It stands in no other lane when it is inserted again, and the region has room
        // for what it had before.
        unsafe {
            let lane = region.lane_of(old, id).unwrap_or_else(|| not_in_the_shard(id));
            region.remove(old, lane);
            header.set_hash(hash.low());
            let displaced = self.exchange_contents(id, key, new);
            prepare(id);
            region.insert(hash.low(), id);
            (displaced, self.slab.block_of(id))
        }
    }

    /// Takes the entry of a slot out, and frees the slot.
    ///
    /// # Panics
    /// If the slot is not in the shard.
    #[inline]
    pub(crate) fn take_slot(&mut self, id: SlotId) -> Displaced<K, V> {
        // SAFETY: the shard's one writer.
        let lane = unsafe { self.writer.region.lane_of(self.slab.header(id).hash(), id) };
        self.take(Place { id, lane: lane.unwrap_or_else(|| not_in_the_shard(id)) })
    }

    /// Takes an entry out, and frees its slot.
    ///
    /// # Panics
    /// If the place is not right any more.
    #[inline]
    pub(crate) fn take(&mut self, place: Place) -> Displaced<K, V> {
        self.writer.check(place);
        let Place { id, lane } = place;
        let slot = self.slab.slot(id);
        self.writer.blocks.take_live(self.slab, id);
        // SAFETY: the lane stands for the slot, as was checked, and so the slot holds key and
        // value; no other thread and no reference of this one can reach it.
        let (key, value) = unsafe {
            self.writer.region.remove(slot.header.hash(), lane);
            slot.take()
        };
        slot.header.set_state(State::Emptied);
        self.writer.blocks.free_slots(self.slab, &[id]);
        Displaced { key, value, deadline: slot.header.deadline() }
    }
}
