//! A shard's writer together with the guard of its thread: what the short way of a write works
//! with.
//!
//! An [`Access`] knows whether the thread is alone with the table. If it is, entries are changed
//! where they stand, as `alone.rs` explains; beside other threads, as [`Writer`] does it for
//! everyone.
//!
//! Key and value come in an `Option` that the caller keeps, and what has to be dropped goes there:
//! so large ones are moved as seldom as can be, and a call that cannot store them has them still.

use super::blocks::not_in_the_shard;
use super::filled::FilledSlot;
use super::guard::{EntryRef, Guard, NewEntry};
use super::header::State;
use super::region::Lane;
use super::reserved::Reserved;
use super::slab::Slab;
use super::slot_ref::SlotRef;
use super::times::Times;
use super::writer::Writer;
use crate::util::hash::KeyHash;

/// The panic where there is nothing to store.
const TO_STORE: &str = "a key and a value to store";

/// What an entry held that a thread alone with the table has taken out.
pub(crate) struct Displaced<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// The deadline in its slot.
    pub(crate) deadline: u64,
}

/// An entry that was taken out.
pub(crate) enum Gone<'g, K, V> {
    /// By a thread that is alone. To be dropped without the lock.
    Displaced(Displaced<K, V>),
    /// It is retired, and stays readable while the guard lives.
    Retired(EntryRef<'g, K, V>),
}

/// The right to change a shard, of a thread that has no reference to any entry found with its
/// guard.
pub(crate) struct Access<'w, 'g, 't, K, V> {
    pub(super) writer: &'w mut Writer,
    /// Made of a `&mut`. Not to be handed out while this lives.
    pub(super) guard: &'g Guard<'t, K, V>,
    /// No other thread has used the table, and this one has no other guard of it.
    pub(super) alone: bool,
}

impl Writer {
    /// Joins the writer to the guard of its thread.
    ///
    /// # Panics
    /// If the writer is not one of the guard's table.
    #[inline(always)]
    pub(crate) fn access<'w, 'g, 't, K, V>(
        &'w mut self,
        guard: &'g mut Guard<'t, K, V>,
    ) -> Access<'w, 'g, 't, K, V> {
        let alone = guard.pin.is_only(&self.table(guard).epoch);
        Access { writer: self, guard, alone }
    }
}

impl<'w, 'g, 't, K, V> Access<'w, 'g, 't, K, V> {
    /// What is kept of each slot.
    #[inline]
    pub(crate) fn slots(&self) -> &'g Slab<K, V> {
        &self.guard.table.slab
    }

    /// Returns `true` if the thread is alone with the table.
    #[cfg(all(test, loom))]
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// The guard.
    #[inline]
    pub(crate) fn into_guard(self) -> &'g Guard<'t, K, V> {
        self.guard
    }

    /// Puts `contents`, a key that the shard does not hold and a value, into a slot, and leaves
    /// nothing there.
    ///
    /// # Panics
    /// If there is nothing.
    #[inline(always)]
    pub(crate) fn fill(
        self,
        hash: KeyHash,
        contents: &mut Option<(K, V)>,
        times: &Times,
    ) -> FilledSlot<'w, 'g, K, V> {
        let contents = contents.take().expect(TO_STORE);
        // SAFETY: the guard is of the writer's table, as was checked when this was made.
        unsafe { self.writer.fill(self.guard, hash, contents, times) }
    }

    /// As [`Writer::complete`].
    #[inline(always)]
    pub(crate) fn complete(self, reserved: Reserved, new: NewEntry<V>) -> FilledSlot<'w, 'g, K, V> {
        self.writer.complete(self.guard, reserved, new)
    }

    /// Takes the entry of a slot out, and puts `contents`, a key that the shard does not hold and a
    /// value, into a slot: the same, if the thread is alone. Then what there was is left in
    /// `contents`, to be dropped without the lock. Returns the deadline of what there was.
    ///
    /// # Panics
    /// If the slot is not in the shard, or there is nothing to store.
    #[inline(always)]
    pub(crate) fn recycle(
        self,
        slot: SlotRef<'g, K, V>,
        hash: KeyHash,
        contents: &mut Option<(K, V)>,
        times: &Times,
    ) -> (u64, FilledSlot<'w, 'g, K, V>) {
        let lane = self.lane_of(slot);
        if !self.alone {
            // SAFETY: the lane was found for this slot just now; the guard was checked before.
            let entry = unsafe { self.writer.unlink_from(self.guard, slot, lane) };
            return (entry.fixed_deadline(), self.fill(hash, contents, times));
        }
        // First, because it may panic.
        // SAFETY: the thread is alone, and the slot, which stands in the region, holds key and
        // value.
        let deadline = unsafe { exchange(slot, contents, times) };
        // SAFETY: the shard's one writer, and the lane comes from this region.
        unsafe { self.writer.region.remove(slot.header().hash(), lane) };
        slot.header().set_hash(hash.low());
        let (table, block) = (self.guard.table, slot.block());
        (deadline, FilledSlot { writer: self.writer, table, slot, block, is_live: true })
    }

    /// Takes the entry of a slot out.
    ///
    /// # Panics
    /// If the slot is not in the shard.
    #[inline]
    pub(crate) fn take(&mut self, slot: SlotRef<'g, K, V>) -> Gone<'g, K, V> {
        let lane = self.lane_of(slot);
        if !self.alone {
            // SAFETY: the lane was found for this slot just now; the guard was checked before.
            return Gone::Retired(unsafe { self.writer.unlink_from(self.guard, slot, lane) });
        }
        // SAFETY: the thread is alone; the lane, which comes from this region, stands for the slot.
        Gone::Displaced(unsafe { self.take_alone(slot, lane) })
    }

    /// The lane of a slot.
    ///
    /// # Panics
    /// If the slot is not in the shard.
    #[inline(always)]
    fn lane_of(&self, slot: SlotRef<'g, K, V>) -> Lane {
        assert!(std::ptr::eq(slot.slab, self.slots()), "a slot of another table");
        // SAFETY: the shard's one writer.
        let lane = unsafe { self.writer.region.lane_of(slot.header().hash(), slot.id) };
        lane.unwrap_or_else(|| not_in_the_shard(slot.id))
    }

    /// Takes an entry out, and frees its slot.
    ///
    /// # Safety
    /// The thread is alone. The lane is one of this shard's region, and stands for the slot, which
    /// is one of this table.
    #[inline(always)]
    pub(super) unsafe fn take_alone(
        &mut self,
        slot: SlotRef<'g, K, V>,
        lane: Lane,
    ) -> Displaced<K, V> {
        self.writer.blocks.take_live(slot);
        // SAFETY: the caller's promise; so the slot holds key and value, and no other thread and no
        // reference of this one can reach it (see `alone.rs`).
        let (key, value) = unsafe {
            self.writer.region.remove(slot.header().hash(), lane);
            slot.slot.take()
        };
        slot.header().set_state(State::Emptied);
        self.writer.blocks.free_slots(slot.slab, &[slot.id]);
        Displaced { key, value, deadline: slot.header().deadline() }
    }
}

/// Exchanges what a slot holds for `contents`, and sets its times. Returns its deadline before.
///
/// # Panics
/// If there is nothing to store.
///
/// # Safety
/// The thread is alone, and its shard the slot's, which holds key and value.
#[inline(always)]
pub(super) unsafe fn exchange<K, V>(
    slot: SlotRef<'_, K, V>,
    contents: &mut Option<(K, V)>,
    times: &Times,
) -> u64 {
    let deadline = slot.header().deadline();
    // SAFETY: the caller's promise. No other thread and no reference of this one can reach the
    // slot, see `alone.rs`.
    unsafe { slot.slot.exchange(contents.as_mut().expect(TO_STORE)) };
    slot.set_entry(1, times);
    deadline
}
