//! What is kept of each slot: one array for each kind of thing, grown together.
//!
//! A column is found by name where its elements are read, and in [`Columns::all`] where segments
//! come and go. So something new that is to be kept of each slot is a field and a line there.

use std::sync::OnceLock;

use super::growth::Growth;
use crate::table::alloc::{self, Zeroed};
use crate::table::header::Links;
use crate::table::ids::SlotId;
use crate::table::segments::{Array, Growing, Segments};
use crate::table::slot::Slot;
use crate::table::times::RefreshState;
use crate::util::sync::atomic::{AtomicU32, AtomicU64};

// SAFETY: its fields are numbers, for which zero is valid, and the default.
unsafe impl Zeroed for Links {}
// SAFETY: as above.
unsafe impl Zeroed for RefreshState {}

/// What is kept of each entry beyond what all caches keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColumnSet {
    pub(crate) weights: bool,
    /// When it was written, from the start; see
    /// [`Slab::record_write_times`](super::Slab::record_write_times).
    pub(crate) write_times: bool,
    /// See [`RefreshState`].
    pub(crate) refresh_states: bool,
    /// It expires unless it is read. Needs `refresh_states`.
    pub(crate) idles: bool,
}

/// An array with an element for each slot.
pub(super) type Column<T, K, V> = Segments<T, Slot<K, V>>;

/// How many columns there may be.
const COUNT: usize = 5;
/// The place of the write times among them.
const WRITE_TIMES: usize = 3;

/// The memory of a segment, by column.
pub(super) type SegmentArrays = [Option<Array>; COUNT];

/// The columns of a slab.
pub(super) struct Columns<K, V> {
    pub(super) slots: Column<Slot<K, V>, K, V>,
    pub(super) links: Column<Links, K, V>,
    /// The weight of each slot's entry; there only in a cache with a weigher.
    pub(super) weights: Option<Box<Column<AtomicU32, K, V>>>,
    /// When each slot's entry was written, plus 1; 0 if that was before write times were recorded.
    /// There only in a cache that records them, be it from some time on.
    pub(super) write_times: OnceLock<Box<Column<AtomicU64, K, V>>>,
    /// There only in a cache whose entries may be read longer, or loaded again.
    pub(super) refresh_states: Option<Box<Column<RefreshState, K, V>>>,
}

impl<K, V> Columns<K, V> {
    /// Without write times, which are [begun](Self::begin_write_times) later.
    pub(super) fn new(set: ColumnSet) -> Self {
        Columns {
            slots: Segments::new(),
            links: Segments::new(),
            weights: set.weights.then(|| Box::new(Segments::new())),
            write_times: OnceLock::new(),
            refresh_states: set.refresh_states.then(|| Box::new(Segments::new())),
        }
    }

    /// All that there are.
    fn all(&self) -> [Option<&dyn Growing>; COUNT] {
        [
            Some(&self.slots),
            Some(&self.links),
            self.weights.as_ref().map(|column| &**column as &dyn Growing),
            self.write_times.get().map(|column| &**column as &dyn Growing),
            self.refresh_states.as_ref().map(|column| &**column as &dyn Growing),
        ]
    }

    /// Records write times from now on. The caller holds the lock that `growth` lies under, so each
    /// existing segment is added to the new column exactly once.
    #[cold]
    pub(super) fn begin_write_times(&self, growth: &mut Growth<SegmentArrays>) {
        self.write_times.get_or_init(|| {
            let write_times = Box::new(Segments::new());
            for (number, segment) in growth.segments.iter_mut().enumerate() {
                if let Some(segment) = segment {
                    let len = self.slots.len(number) as u32;
                    segment.arrays[WRITE_TIMES] =
                        Some(write_times.add_segment(number, len, alloc::allocate));
                }
            }
            write_times
        });
    }

    /// Adds a segment to each. Its blocks are to be [zeroed](Self::zero_block).
    pub(super) fn add_segment(&self, segment: usize, len: u32) -> SegmentArrays {
        self.all().map(|column| Some(column?.add_raw_segment(segment, len)))
    }

    /// Makes a block's slots, and all that is kept of them, zero.
    ///
    /// # Safety
    /// The block lies in a segment that was added, and was never given out.
    pub(super) unsafe fn zero_block(&self, first: SlotId) {
        for column in self.all().into_iter().flatten() {
            // SAFETY: the caller's promise.
            unsafe { column.zero_block(first.0) };
        }
    }

    /// Takes a segment, whose slots are all free, out of each.
    pub(super) fn remove_segment(&self, segment: usize) {
        self.all().into_iter().flatten().for_each(|column| column.remove_segment(segment));
    }

    /// Memory of what every cache keeps of a slot, and of what else this one does.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let bytes = self.all().map(|column| column.map_or(0, Growing::bytes));
        let (always, optional) = bytes.split_at(2);
        (always.iter().sum(), optional.iter().sum())
    }
}
