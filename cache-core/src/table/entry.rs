//! A reference to an entry, valid while the guard lives.

use super::header::Slots;
use super::ids::SlotId;
use super::slab::Slab;
use super::slot::Slot;
use super::times::{RefreshState, Times};

/// A new value, with its weight and times: computed before the lock is acquired.
pub(crate) struct NewEntry<V> {
    pub(crate) value: V,
    pub(crate) weight: u32,
    pub(crate) times: Times,
}

/// A reference to an entry. It may have been removed since it was found, but not dropped.
pub(crate) struct EntryRef<'p, K, V> {
    pub(super) id: SlotId,
    pub(super) slot: &'p Slot<K, V>,
    pub(super) slab: &'p Slab<K, V>,
}

impl<K, V> Clone for EntryRef<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for EntryRef<'_, K, V> {}

impl<'p, K, V> EntryRef<'p, K, V> {
    pub(crate) fn id(self) -> SlotId {
        self.id
    }

    /// The lower half of the key's hash.
    pub(crate) fn hash(self) -> u32 {
        self.slot.header.hash()
    }

    /// Counts a use.
    #[inline]
    pub(crate) fn touch(self) {
        self.slot.header.frequency().add();
    }

    /// The tick at which it expires: the earliest of its deadlines, or
    /// [`NEVER`](super::header::NEVER).
    #[inline]
    pub(crate) fn deadline(self) -> u64 {
        self.slot.header.deadline().min(self.slab.idle_deadline(self.id))
    }

    /// The deadline in its slot: all of it in a cache whose entries do not expire when idle.
    #[inline]
    pub(crate) fn fixed_deadline(self) -> u64 {
        self.slot.header.deadline()
    }

    /// Sets the deadline in its slot; [`NEVER`](super::header::NEVER) for none.
    #[inline]
    pub(crate) fn set_deadline(self, tick: u64) {
        self.slot.header.set_deadline(tick);
    }

    /// When it was written, if the cache recorded write times then.
    #[inline]
    pub(crate) fn written(self) -> Option<u64> {
        self.slab.written(self.id)
    }

    /// Notes when it was written, if the cache records write times by now.
    pub(crate) fn note_written(self, tick: u64) {
        self.slab.set_written(self.id, tick);
    }

    /// Its [`RefreshState`], in a cache that has them.
    #[inline]
    pub(crate) fn refresh_state(self) -> Option<&'p RefreshState> {
        self.slab.refresh_state(self.id)
    }

    /// Its weight.
    pub(crate) fn weight(self) -> u32 {
        self.slab.weight(self.id)
    }

    #[inline]
    pub(crate) fn key(self) -> &'p K {
        // SAFETY: the thread is pinned for 'p and saw the entry published.
        unsafe { self.slot.key() }
    }

    #[inline]
    pub(crate) fn value(self) -> &'p V {
        // SAFETY: as for `key`.
        unsafe { self.slot.value() }
    }
}
