//! Reserved slots: a key without a value yet, and the right to complete it.
//!
//! A slot that a writer has taken for a key must be published once or abandoned once. So it is not
//! known by its number but by a token, [`Reserved`], which only the table makes and which
//! publishing and abandoning use up.
//!
//! Other threads see the slot of a running load: a caller with the same hash compares its key with
//! the load's. They share the token as a [`SharedSlot`], out of which the leader takes it to end
//! the load. Taking it out is to a reservation what unlinking is to an entry: it comes before the
//! slot can be retired, so a pinned thread that still finds the token there may read the key for as
//! long as it is pinned ([`Guard::key_of`]). A copied number would not prove that.

use super::guard::Guard;
use super::ids::SlotId;
use crate::util::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// The right to a slot that holds a key and no value.
#[must_use = "a reserved slot is published or abandoned"]
pub(crate) struct Reserved {
    pub(super) id: SlotId,
    /// The shard that the slot belongs to, see [`Table::home`](super::table::Table::home).
    pub(super) home: u64,
}

/// The right to free slots whose contents have been dropped: their shard gives them out again.
#[must_use = "slots that are not given back are lost"]
pub(crate) struct EmptySlots {
    /// The number of the shard that they belong to.
    pub(crate) shard: usize,
    pub(super) home: u64,
    pub(super) ids: Vec<SlotId>,
}

/// A reserved slot whose key other threads may read.
pub(crate) struct SharedSlot {
    /// [`SlotId::NIL`] when the token was taken out.
    id: AtomicU32,
    home: u64,
}

impl SharedSlot {
    pub(crate) fn new(reserved: Reserved) -> Self {
        SharedSlot { id: AtomicU32::new(reserved.id.0), home: reserved.home }
    }

    /// Takes the token out. Returns `None` if that was done before.
    pub(crate) fn take(&self) -> Option<Reserved> {
        // AcqRel: one of two takers gets it, and its store comes before the slot's retirement, as
        // an unlinking does. Partner: the load in `key_of`.
        let id = SlotId(self.id.swap(SlotId::NIL.0, AcqRel));
        (id != SlotId::NIL).then_some(Reserved { id, home: self.home })
    }

    /// Returns `true` if the token was taken out.
    pub(crate) fn is_taken(&self) -> bool {
        // Relaxed: asked by the only thread that may take it.
        self.id.load(Relaxed) == SlotId::NIL.0
    }
}

impl<K, V> Guard<'_, K, V> {
    /// The key of a reserved slot, or `None` if the load has ended. The reference stays valid while
    /// the thread is pinned, whatever becomes of the load.
    ///
    /// # Panics
    /// If the slot belongs to another table.
    #[inline]
    pub(crate) fn key_of(&self, slot: &SharedSlot) -> Option<&K> {
        // Acquire: the partner is the swap in `take`.
        let id = SlotId(slot.id.load(Acquire));
        if id == SlotId::NIL {
            return None;
        }
        assert!(self.table.shard_at(slot.home).is_some(), "a reservation of another table");
        // SAFETY: the slot exists and held its key when the token was made. The token is taken out
        // before the slot is retired, whether it was published meanwhile or abandoned. This thread,
        // which is pinned, has found it not taken out: by the argument of `epoch.rs`, the collector
        // sees its announcement, and the slot is not dropped while the pin lives.
        Some(unsafe { self.table.slab.slot_unchecked(id).key() })
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod testing {
    use super::*;

    impl SharedSlot {
        /// A shared slot whose token was taken out.
        pub(crate) fn empty() -> Self {
            SharedSlot { id: AtomicU32::new(SlotId::NIL.0), home: 0 }
        }
    }
}
