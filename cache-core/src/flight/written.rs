//! Which keys were written while a batch of loads ran.
//!
//! A load with a flight needs no such note: a write to its key deregisters the flight
//! (`flight.rs`). But the loader of a batch may return keys that no caller has asked for. These
//! have no flight, because nobody knew of them when the load began. Such an answer may be stored
//! only if its key was not written since: otherwise a value whose load began before an invalidation
//! would be given to calls that begin after it.
//!
//! So while a batch runs, each write notes its key, under the lock of the key's shard: in a small
//! table per shard, at a place that the lower half of the hash selects, it stores the number of the
//! batch that began last. An answer may be stored if the number at its key's place is lower than
//! that of its batch. Keys that share a place are not distinguished. So a key may seem to have been
//! written that was not, never the reverse; then the answer is not stored, which costs a load
//! later. Storing what was loaded is no write: otherwise a batch would refuse its own answers.
//!
//! # Cost
//! While no batch runs, a write reads one number that is not being written. A batch adds to two. A
//! shard makes its table at its first write while a batch runs: 8 bytes for each entry that it is
//! meant to hold, from [`FEW`] to [`MANY`] of them. With `w` writes to a shard during a load, an
//! answer with a key of that shard is refused without need with a probability of
//! `1 - (1 - 1/MANY)^w`.
//!
//! # Why no write is missed
//! The batch counts itself before its loader is called. A write that comes after something that the
//! loader has read therefore finds the batch counted: if the two met at a lock or a channel,
//! because one happened before the other; if they met at a sequentially consistent atomic, because
//! the counts are of that order, too. When the answer is to be stored, under the lock of the shard,
//! all writes that were made under it before have been noted.

use std::sync::Arc;

use crate::util::cache_padded::CachePadded;
use crate::util::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Places in the table of the smallest shards, and of the largest.
const FEW: u64 = 16;
const MANY: u64 = 128;

/// The batches of a cache.
#[derive(Default)]
pub(crate) struct Batches(CachePadded<Counts>);

#[derive(Default)]
struct Counts {
    /// Batches that have begun, ever: the number of the last one.
    begun: AtomicU64,
    /// Batches that run.
    running: AtomicU64,
}

impl Batches {
    /// Begins a batch. To be called before its loader is.
    pub(crate) fn begin(self: &Arc<Self>) -> RunningBatch {
        // SeqCst: the partners are the loads in `last`. See the module's head.
        let number = self.0.begun.fetch_add(1, SeqCst) + 1;
        self.0.running.fetch_add(1, SeqCst);
        RunningBatch { batches: Arc::clone(self), number }
    }

    /// Returns the number of the batch that began last, if any runs.
    #[inline]
    fn last(&self) -> Option<u64> {
        (self.0.running.load(SeqCst) > 0).then(|| self.0.begun.load(SeqCst))
    }
}

/// A batch, until its answers are stored.
pub(crate) struct RunningBatch {
    batches: Arc<Batches>,
    number: u64,
}

impl Drop for RunningBatch {
    fn drop(&mut self) {
        // SeqCst, as in `begin`.
        self.batches.0.running.fetch_sub(1, SeqCst);
    }
}

/// The notes of writes to the keys of one shard.
pub(crate) struct Written {
    batches: Arc<Batches>,
    /// The table has two to the power of this many places.
    log2_places: u8,
    /// `None` until a write has to be noted: in most shards that never happens.
    noted: Option<Box<Noted>>,
}

struct Noted {
    /// By place: the batch that had begun last when a key of that place was written last.
    last: Vec<u64>,
    /// The same for the last write of all keys at once.
    all: u64,
}

impl Written {
    /// `quota` is the number of entries that the shard is meant to hold.
    pub(crate) fn new(batches: Arc<Batches>, quota: u64) -> Self {
        let log2_places = quota.clamp(FEW, MANY).next_power_of_two().ilog2() as u8;
        Written { batches, log2_places, noted: None }
    }

    /// Notes a write to a key with this lower half of its hash.
    #[inline]
    pub(crate) fn note(&mut self, low: u32) {
        if let Some(number) = self.batches.last() {
            self.note_as(low, number);
        }
    }

    #[cold]
    fn note_as(&mut self, low: u32, number: u64) {
        let place = self.place(low);
        self.noted().last[place] = number;
    }

    fn noted(&mut self) -> &mut Noted {
        let places = 1 << self.log2_places;
        self.noted.get_or_insert_with(|| Box::new(Noted { last: vec![0; places], all: 0 }))
    }

    /// Notes a write to all keys.
    pub(crate) fn note_all(&mut self) {
        if let Some(number) = self.batches.last() {
            self.noted().all = number;
        }
    }

    fn place(&self, low: u32) -> usize {
        // The shard has taken the upper half of the hash, and the group the highest bits of this.
        low as usize & ((1 << self.log2_places) - 1)
    }

    /// Returns `true` if certainly no key with this lower half of its hash was written since the
    /// batch began.
    pub(crate) fn is_untouched(&self, low: u32, since: &RunningBatch) -> bool {
        let noted = self.noted.as_ref();
        noted.is_none_or(|noted| noted.last[self.place(low)].max(noted.all) < since.number)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.noted.as_ref().map_or(0, |noted| noted.last.capacity() * size_of::<u64>())
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    fn untouched(written: &Written, batch: &RunningBatch) -> [bool; 3] {
        [1, 2, 3].map(|low| written.is_untouched(low, batch))
    }

    #[test]
    fn what_is_written_while_a_batch_runs_is_noted_for_it_and_those_before() {
        let batches = Arc::new(Batches::default());
        let mut written = Written::new(Arc::clone(&batches), 1000);
        written.note(1);
        written.note_all();
        assert_eq!(written.heap_bytes(), 0, "no batch runs");
        let first = batches.begin();
        assert!(written.is_untouched(1, &first), "it was written before");
        written.note(2);
        let second = batches.begin();
        written.note(3);
        assert_eq!(untouched(&written, &first), [true, false, false]);
        assert_eq!(untouched(&written, &second), [true, true, false]);
        // Another key with the same place.
        assert!(!written.is_untouched(3 + MANY as u32, &second));
        drop(first);
        written.note(1);
        assert!(!written.is_untouched(1, &second), "one still runs");
        written.note_all();
        assert_eq!(untouched(&written, &second), [false; 3]);
        drop(second);
        let third = batches.begin();
        assert_eq!(untouched(&written, &third), [true; 3]);
    }

    #[test]
    fn tables_are_as_small_as_their_shards() {
        for (quota, places) in [(0, 16), (1, 16), (100, 128), (1 << 40, 128), (u64::MAX, 128)] {
            let batches = Arc::new(Batches::default());
            let mut written = Written::new(Arc::clone(&batches), quota);
            let _batch = batches.begin();
            (0..1000).for_each(|low| written.note(low));
            assert_eq!(written.noted().last.len(), places);
        }
    }
}
