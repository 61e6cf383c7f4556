//! What is known of a slot beside its key and value: 24 bytes.
//!
//! Sixteen of them, [`SlotHeader`], stand in the slot itself, next to the key and the value: with
//! keys and values of 8 bytes a slot is half a cache line and a hit reads that line alone. The
//! links of the eviction queues, [`Links`], stand in a separate array: an update or an eviction
//! writes those of its neighbours, whose slots' lines readers should not lose for that.
//!
//! The queue, the frequency and the time of the last move belong to the eviction policy. They share
//! the header's layout on purpose: they fill bytes that the deadline's alignment would leave
//! unused, and a hit counts its use in the line that it reads anyway.
//!
//! Every field is an atomic so that this file and everything that works on it stays free of
//! `unsafe`. Readers share the deadline, the use counter and the state; the rest is read and
//! written by the shard's writer alone, and its `Relaxed` accesses compile to plain moves. What
//! makes a freshly written slot visible to a reader is the `Release` store of its index in the
//! table, not anything here.

use super::ids::SlotId;
use crate::util::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The tick that never comes: the deadline of an entry that does not expire.
pub(crate) const NEVER: u64 = u64::MAX;

/// A frequency stops here, so that a hot entry is not written by its readers any more.
pub(crate) const MAX_FREQUENCY: u8 = 3;

/// What a slot is at present. Written by the shard's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Holds nothing.
    Free = 0,
    /// Holds a key alone: a load of it is running.
    Pending = 1,
    /// Holds a key and a value and stands in the table.
    Live = 2,
    /// Left the table, its key gone from the cache; key and value wait for the last reader.
    Removed = 3,
    /// Left the table because [`Links::next`] took its lane; key and value wait for the last
    /// reader.
    Replaced = 4,
    /// A load that was not published: a key alone waits for the last reader.
    Abandoned = 5,
    /// Left the table, and holds nothing any more: its contents were dropped at once, because no
    /// other thread could be reading them. It still has to be made free.
    Emptied = 6,
}

/// The queue of the eviction policy a live slot stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Queue {
    /// In neither.
    None = 0,
    /// The small FIFO for newcomers.
    Small = 1,
    /// The main CLOCK.
    Main = 2,
}

/// What stands in a slot beside key and value.
#[derive(Default)]
pub(crate) struct SlotHeader {
    deadline: AtomicU64,
    hash: AtomicU32,
    last_moved: AtomicU16,
    /// State in the low nibble, queue in the high one.
    state: AtomicU8,
    pub(crate) frequency: Frequency,
}

impl SlotHeader {
    /// Nanoseconds of the cache's clock, or [`NEVER`].
    #[inline]
    pub(crate) fn deadline(&self) -> u64 {
        // Acquire: pairs with the Release in `set_deadline`, so that a reader that sees a moved
        // deadline also sees what its writer did before.
        self.deadline.load(Acquire)
    }

    #[inline]
    pub(crate) fn set_deadline(&self, tick: u64) {
        self.deadline.store(tick, Release);
    }

    /// The low half of the key's hash: growth, ghosts and the search for a lane run on it, so that
    /// the user's `Hash` never runs under a lock.
    #[inline]
    pub(crate) fn hash(&self) -> u32 {
        self.hash.load(Relaxed)
    }

    #[inline]
    pub(crate) fn set_hash(&self, hash: u32) {
        self.hash.store(hash, Relaxed);
    }

    /// When the policy last gave the entry its place, in quanta of the policy's clock.
    #[inline]
    pub(crate) fn last_moved(&self) -> u16 {
        self.last_moved.load(Relaxed)
    }

    /// Notes that the policy has given the entry its place, with this frequency.
    #[inline]
    pub(crate) fn set_moved(&self, tick: u16, frequency: u8) {
        self.frequency.0.store(frequency, Relaxed);
        self.last_moved.store(tick, Relaxed);
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the Release in `set_state`; a writer learns of a pending slot under
        // the lock, but reads its key after releasing it.
        match self.state.load(Acquire) & 0x0f {
            0 => State::Free,
            1 => State::Pending,
            2 => State::Live,
            3 => State::Removed,
            4 => State::Replaced,
            5 => State::Abandoned,
            _ => State::Emptied,
        }
    }

    /// Also clears the slot's queue.
    #[inline]
    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Release);
    }

    #[inline]
    pub(crate) fn queue(&self) -> Queue {
        match self.state.load(Relaxed) >> 4 {
            0 => Queue::None,
            1 => Queue::Small,
            _ => Queue::Main,
        }
    }

    /// Notes the queue that a slot stands in, which is live.
    #[inline]
    pub(crate) fn set_queue(&self, queue: Queue) {
        // Release: a reader of the state may see this store instead of that of `set_state`.
        self.state.store(State::Live as u8 | ((queue as u8) << 4), Release);
    }
}

/// A slot's neighbours in its queue.
#[derive(Default)]
pub(crate) struct Links {
    /// The neighbour nearer to the oldest end of the queue.
    pub(crate) prev: Link,
    /// The neighbour nearer to the newest end of the queue; of a [`State::Replaced`] slot, the slot
    /// that took its lane.
    pub(crate) next: Link,
}

/// The number of another slot.
#[derive(Default)]
pub(crate) struct Link(AtomicU32);

impl Link {
    #[inline]
    pub(crate) fn get(&self) -> SlotId {
        SlotId(self.0.load(Relaxed))
    }

    #[inline]
    pub(crate) fn set(&self, id: SlotId) {
        self.0.store(id.0, Relaxed);
    }
}

/// How often an entry was used since the policy last looked, saturating at [`MAX_FREQUENCY`]. A
/// separate byte, because readers store to it blindly.
#[derive(Default)]
pub(crate) struct Frequency(AtomicU8);

impl Frequency {
    #[inline]
    pub(crate) fn get(&self) -> u8 {
        self.0.load(Relaxed)
    }

    /// Counts a reader's use. Not a read-modify-write: two readers at once may count one, which
    /// the policy does not mind, and a saturated counter is not written at all.
    #[inline]
    pub(crate) fn add(&self) {
        let frequency = self.0.load(Relaxed);
        if frequency < MAX_FREQUENCY {
            self.0.store(frequency + 1, Relaxed);
        }
    }
}

/// Slots by their id, as the eviction policy sees them.
pub(crate) trait Slots {
    /// A slot that was looked up.
    type Slot<'s>: SlotFields
    where
        Self: 's;

    /// Looks a slot up.
    fn at(&self, id: SlotId) -> Self::Slot<'_>;
    /// The place in its queue of a slot that nothing else is asked of.
    fn links(&self, id: SlotId) -> &Links;
}

/// A slot, as the eviction policy sees it.
pub(crate) trait SlotFields: Copy {
    fn id(self) -> SlotId;
    fn header(&self) -> &SlotHeader;
    /// The slot's place in its queue.
    fn links(&self) -> &Links;
    /// The weight it was stored with; 1 for each entry where no weigher is set.
    fn weight(self) -> u32;
}
