//! A slot that was looked up: the way to all that is kept of it.
//!
//! The number of a slot leads to its address by some ten instructions, one of which checks that
//! there is such a slot; and to what stands beside it, in another array, by ten more. A write needs
//! the same few slots again and again, in the policy, the table and the blocks. So each is looked
//! up once, and a [`SlotRef`] is handed on.

use super::header::{Links, SlotFields, SlotHeader, Slots};
use super::ids::{BlockNo, SlotId};
use super::slab::Slab;
use super::slot::Slot;
use super::times::Times;

/// A slot in use. It is of use for as long as the slot's number: while the thread stays pinned, or
/// the shard is the caller's.
pub(crate) struct SlotRef<'s, K, V> {
    pub(super) id: SlotId,
    pub(super) slot: &'s Slot<K, V>,
    pub(super) slab: &'s Slab<K, V>,
}

impl<K, V> Clone for SlotRef<'_, K, V> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for SlotRef<'_, K, V> {}

impl<'s, K, V> SlotRef<'s, K, V> {
    /// Its number.
    #[inline]
    pub(crate) fn id(self) -> SlotId {
        self.id
    }

    /// What stands in it beside key and value.
    #[inline]
    pub(crate) fn header(self) -> &'s SlotHeader {
        &self.slot.header
    }

    /// Its place in its queue.
    #[inline]
    pub(crate) fn links(self) -> &'s Links {
        // SAFETY: a `SlotRef` is made when its slot is looked up in its slab, and lives while the
        // slot is in use.
        unsafe { self.slab.links_unchecked(self.id) }
    }

    /// The weight it was stored with; 1 for each entry where no weigher is set.
    #[inline(always)]
    pub(crate) fn weight(self) -> u32 {
        self.slab.weight(self.id)
    }

    /// That weight, where a weigher is set.
    #[inline(always)]
    pub(super) fn own_weight(self) -> Option<u32> {
        self.slab.own_weight(self.id)
    }

    /// Notes weight and times of the entry that it is about to hold.
    #[inline(always)]
    pub(super) fn set_entry(self, weight: u32, times: &Times) {
        self.slab.set_weight(self.id, weight);
        self.slab.set_times(self.header(), self.id, times);
    }

    /// The number of its block within the shard.
    #[inline]
    pub(crate) fn block(self) -> BlockNo {
        self.slab.block_of(self.id)
    }
}

impl<K, V> Slab<K, V> {
    /// Looks up a slot in use.
    ///
    /// # Panics
    /// If there is no such slot.
    #[inline]
    pub(crate) fn at(&self, id: SlotId) -> SlotRef<'_, K, V> {
        SlotRef { id, slot: self.slot(id), slab: self }
    }

    /// As `at`, without a check.
    ///
    /// # Safety
    /// The number came from the table, read by a pinned thread or under the lock.
    #[inline]
    pub(super) unsafe fn at_unchecked(&self, id: SlotId) -> SlotRef<'_, K, V> {
        // SAFETY: the caller's promise.
        SlotRef { id, slot: unsafe { self.slot_unchecked(id) }, slab: self }
    }
}

impl<K, V> Slots for Slab<K, V> {
    type Slot<'s>
        = SlotRef<'s, K, V>
    where
        Self: 's;

    #[inline]
    fn at(&self, id: SlotId) -> SlotRef<'_, K, V> {
        self.at(id)
    }

    #[inline]
    fn links(&self, id: SlotId) -> &Links {
        self.links(id)
    }
}

impl<K, V> SlotFields for SlotRef<'_, K, V> {
    #[inline]
    fn id(self) -> SlotId {
        self.id()
    }

    #[inline]
    fn header(&self) -> &SlotHeader {
        (*self).header()
    }

    #[inline]
    fn links(&self) -> &Links {
        (*self).links()
    }

    #[inline(always)]
    fn weight(self) -> u32 {
        self.weight()
    }
}
