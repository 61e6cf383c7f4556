//! The open batch of a shard: slots that were retired and are not sealed yet. And what a call still
//! has to do about garbage when it has released its locks.

use super::ids::SlotId;
use super::reclaim::limbo::{BATCH, Garbage, SWEEP};
use super::slot_ref::SlotRef;
use super::table::Table;

/// What one shard has retired since it sealed the last batch, and when its calls must collect.
#[derive(Default)]
pub(super) struct OpenBatch {
    /// Its number in the table. (32 bits: what a shard's lock guards fills its cache lines.)
    shard: u32,
    /// Slots retired and not yet sealed, and their weight, where entries have weights.
    pub(super) ids: Vec<SlotId>,
    weight: u64,
    /// How many of them, from the first on, were handed to calls that might drop them at once.
    handed: u8,
    /// The list of a batch whose slots were freed, for the next batch.
    pub(super) spare: Vec<SlotId>,
    /// Garbage was sealed, and no call has it noted in its [`Due`] yet.
    sealed: bool,
    /// Calls since the last one that had to sweep the other shards.
    calls: u8,
    /// The batch is full with so many slots; known from its first slot on.
    full: u8,
}

// The number of slots in a batch is kept in a byte.
const _: () = assert!(BATCH <= u8::MAX as usize);

impl OpenBatch {
    /// `calls`: the count to begin with.
    pub(super) fn new(shard: usize, calls: u8) -> Self {
        OpenBatch { shard: shard as u32, calls, ..OpenBatch::default() }
    }

    /// Adds a slot, which has left the table. `entries`: how many the shard has.
    #[inline(always)]
    pub(super) fn retire<K, V>(
        &mut self,
        table: &Table<K, V>,
        slot: SlotRef<'_, K, V>,
        entries: usize,
    ) {
        if self.ids.is_empty() {
            self.begin(table, entries);
        }
        self.ids.push(slot.id);
        if let Some(weight) = slot.own_weight() {
            self.weight += u64::from(weight);
        }
        if self.ids.len() >= usize::from(self.full) || self.weight >= table.batch_weight {
            self.seal(table);
        }
    }

    /// Begins a batch. That it ends by what there is now is right to within this batch.
    fn begin<K, V>(&mut self, table: &Table<K, V>, entries: usize) {
        let full = if table.epoch.seems_alone() {
            table.limits.alone
        } else {
            table.limits.batch(entries)
        };
        self.full = full as u8;
        if self.ids.capacity() == 0 {
            // Once for the batch.
            self.ids.reserve_exact(full);
        }
        if full > 1 {
            table.sweeper.note_open(self.shard as usize);
        }
    }

    /// Seals the batch, if anything is in it.
    #[cold]
    pub(super) fn seal<K, V>(&mut self, table: &Table<K, V>) {
        if !self.ids.is_empty() {
            let ids = std::mem::replace(&mut self.ids, std::mem::take(&mut self.spare));
            let weight = std::mem::take(&mut self.weight);
            self.handed = 0;
            table.sweeper.note_sealed(self.shard as usize);
            self.seal_other(table, Garbage::Slots { shard: self.shard as usize, ids }, weight);
        }
    }

    /// Seals garbage of the shard that is not in the batch.
    pub(super) fn seal_other<K, V>(&mut self, table: &Table<K, V>, garbage: Garbage, weight: u64) {
        table.limbo.seal(&table.epoch, garbage, weight);
        self.sealed = true;
    }

    /// The end of a call that may have retired something: notes what it has to do about garbage.
    #[inline]
    pub(super) fn end_call(&mut self, due: &mut Due) {
        due.collect |= std::mem::take(&mut self.sealed);
        self.calls += 1;
        if self.calls >= SWEEP {
            self.calls = 0;
            due.sweep = true;
        }
    }

    /// As `end_call`; and if the thread is alone, hands it what it can drop before it returns.
    #[inline]
    pub(super) fn end_call_dropping<K, V>(&mut self, table: &Table<K, V>, due: &mut Due) {
        self.end_call(due);
        if table.epoch.seems_alone() {
            self.handed += due.retired.take_from(&self.ids[usize::from(self.handed)..]) as u8;
            if usize::from(self.handed) < self.ids.len() {
                // More than a call can take: they are dropped when the thread is not pinned.
                self.seal(table);
                due.collect = true;
                self.sealed = false;
            }
        }
    }

    pub(super) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.spare = Vec::new();
    }

    pub(super) fn bytes(&self) -> usize {
        (self.ids.capacity() + self.spare.capacity()) * size_of::<SlotId>()
    }
}

/// Slots that one call can drop at once.
const AT_ONCE: usize = 4;

/// Duties of a call, noted by [`Writer::end_call`](crate::table::Writer::end_call): first, while
/// the thread is still pinned, [`Guard::drop_retired`](crate::table::Guard::drop_retired); then,
/// when it is not, a step of collection.
#[derive(Default)]
pub(crate) struct Due {
    /// Garbage was sealed: a step of collection.
    pub(crate) collect: bool,
    /// It is the call's turn to sweep other shards.
    pub(crate) sweep: bool,
    /// Retired slots that may be dropped at once.
    pub(crate) retired: Retired,
}

impl Due {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !(self.collect || self.sweep)
    }
}

/// A few retired slots. Each has been handed to one call.
#[derive(Default)]
pub(crate) struct Retired {
    ids: [SlotId; AT_ONCE],
    len: usize,
}

impl Retired {
    /// Takes as many as fit, from the first on. Returns how many.
    #[inline]
    fn take_from(&mut self, ids: &[SlotId]) -> usize {
        let taken = ids.len().min(AT_ONCE - self.len);
        self.ids[self.len..self.len + taken].copy_from_slice(&ids[..taken]);
        self.len += taken;
        taken
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[SlotId] {
        &self.ids[..self.len]
    }
}
