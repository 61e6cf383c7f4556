//! The place of an entry in its shard, found for what comes next.
//!
//! A search for a key leads to the lane in which its slot stands, or to none, and a change needs
//! the lane again. An [`Occupied`] has the shard's [`Access`], so that nothing can have moved it in
//! between, and nothing has to be looked up or checked twice.

use std::ops::ControlFlow;

use super::access::{Access, Gone, exchange};
use super::guard::{Guard, Seen};
use super::ids::BlockNo;
use super::region::Lane;
use super::slab::Slab;
use super::slot_ref::SlotRef;
use super::times::Times;
use crate::util::hash::KeyHash;

/// Where a key stands.
pub(crate) enum KeyPlace<'w, 'g, 't, K, V> {
    /// The entry of the key.
    Occupied(Occupied<'w, 'g, 't, K, V>),
    /// The shard does not hold the key.
    Vacant(Access<'w, 'g, 't, K, V>),
}

/// An entry in its place.
pub(crate) struct Occupied<'w, 'g, 't, K, V> {
    access: Access<'w, 'g, 't, K, V>,
    slot: SlotRef<'g, K, V>,
    lane: Lane,
}

impl<'w, 'g, 't, K, V> Access<'w, 'g, 't, K, V> {
    /// Looks a key up. `eq` runs none of the user's code, as the caller has the shard.
    #[inline(always)]
    pub(crate) fn find(
        self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> KeyPlace<'w, 'g, 't, K, V> {
        // SAFETY: of a slot in the region.
        self.search(hash, move |slot| eq(unsafe { slot.slot.key() }))
    }

    /// Looks the only slot up that has this hash, if it is the one that was seen without the lock;
    /// or finds none, if none was seen and there is none. `None` stands for everything else.
    #[inline(always)]
    pub(crate) fn settle(
        self,
        hash: KeyHash,
        seen: Option<Seen>,
    ) -> Option<KeyPlace<'w, 'g, 't, K, V>> {
        let Some(Seen { id, lane, region }) = seen else {
            let place = self.search(hash, |slot| slot.header().hash() == hash.low());
            return matches!(place, KeyPlace::Vacant(_)).then_some(place);
        };
        // SAFETY: if that is still the shard's region, whose one writer this is, the lane lies in
        // it; the slot is live if it still stands there.
        if region == self.writer.region && unsafe { lane.slot() } == id {
            // SAFETY: as was said.
            let slot = unsafe { self.slots().at_unchecked(id) };
            return Some(KeyPlace::Occupied(Occupied { access: self, slot, lane }));
        }
        let place = self.search(hash, move |slot| slot.id == id);
        matches!(place, KeyPlace::Occupied(_)).then_some(place)
    }

    #[inline(always)]
    fn search(
        self,
        hash: KeyHash,
        is_it: impl Fn(SlotRef<'g, K, V>) -> bool + Copy,
    ) -> KeyPlace<'w, 'g, 't, K, V> {
        let slab = self.slots();
        // SAFETY: the shard's one writer: what its region holds are live slots.
        let found = unsafe {
            self.writer.region.search(hash.low(), move |id, lane| {
                let slot = slab.at_unchecked(id);
                // Of a pair, which fits registers.
                if is_it(slot) {
                    ControlFlow::Break((slot.slot, lane))
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        match found {
            Some((slot, lane)) => {
                // SAFETY: the lane was found just now.
                let id = unsafe { lane.slot() };
                let slot = SlotRef { id, slot, slab };
                KeyPlace::Occupied(Occupied { access: self, slot, lane })
            }
            None => KeyPlace::Vacant(self),
        }
    }
}

impl<'w, 'g, 't, K, V> Occupied<'w, 'g, 't, K, V> {
    /// The slot.
    #[inline]
    pub(crate) fn slot(&self) -> SlotRef<'g, K, V> {
        self.slot
    }

    /// What is kept of each slot.
    #[inline]
    pub(crate) fn slots(&self) -> &'g Slab<K, V> {
        self.access.slots()
    }

    /// Replaces it by `contents`, a key that equals its own and a value: in its place, if the
    /// thread is alone, else by another slot. In its place, what there was is left in `contents`,
    /// to be dropped without the lock. Calls `queue` with the old slot and a new one, before that
    /// can be found. Returns the deadline of what there was; and the number of the block whose
    /// timer may now be too late.
    ///
    /// # Panics
    /// If there is nothing to store.
    #[inline(always)]
    pub(crate) fn replace(
        self,
        hash: KeyHash,
        contents: &mut Option<(K, V)>,
        times: &Times,
        queue: impl FnOnce(SlotRef<'g, K, V>, SlotRef<'g, K, V>),
    ) -> (u64, Option<BlockNo>) {
        let Occupied { access, slot, lane } = self;
        if access.alone {
            // SAFETY: the thread is alone, and the slot stands in the region of this shard, so it
            // holds key and value.
            let deadline = unsafe { exchange(slot, contents, times) };
            return (deadline, (times.deadline < deadline).then(|| slot.block()));
        }
        let filled = access.fill(hash, contents, times);
        queue(slot, filled.slot());
        // SAFETY: the lane was found for this slot, and `self` has kept the shard as it was: taking
        // a slot changes no lane.
        let (entry, block) = unsafe { filled.take_lane(slot, lane) };
        (entry.fixed_deadline(), Some(block))
    }

    /// The access that it was found with.
    #[cfg(all(test, loom))]
    pub(crate) fn into_access(self) -> Access<'w, 'g, 't, K, V> {
        self.access
    }

    /// Takes it out.
    #[inline(always)]
    pub(crate) fn take(self) -> (Gone<'g, K, V>, &'g Guard<'t, K, V>) {
        let Occupied { mut access, slot, lane } = self;
        let gone = if access.alone {
            // SAFETY: the thread is alone, and the lane was found for this slot.
            Gone::Displaced(unsafe { access.take_alone(slot, lane) })
        } else {
            // SAFETY: as above.
            Gone::Retired(unsafe { access.writer.unlink_from(access.guard, slot, lane) })
        };
        (gone, access.into_guard())
    }
}
