//! Was a key written while a batch of loads ran?
//!
//! A load knows: its flight is registered, and a write to the key takes it off (`flight.rs`). But
//! the loader of a batch may answer keys that nobody has asked for, and these have no flight:
//! nobody knew of them when the load began. To store such an answer is right only if its key was
//! not written since: otherwise a value whose load began before an invalidation would be given to
//! calls that begin after it.
//!
//! So while a batch runs, each write notes its key, under the lock of the key's shard: in a small
//! table per shard, at a place that the lower half of the hash says, it leaves the number of the
//! batch that began last. An answer may be stored if the number at its key's place is lower than
//! that of its own batch. Keys that share a place are taken for one another, so a key that was not
//! written may be found to have been, never the reverse: then the answer is not stored, which costs
//! a load later. To store what was loaded is no write: a batch would be in the way of its own
//! answers.
//!
//! # Cost
//! While no batch runs, a write reads one number that nobody writes. A batch adds to two. A shard
//! makes its table at its first write while a batch runs: 8 bytes for each entry that it is meant
//! to hold, from [`FEW`] to [`MANY`] of them. With `w` writes to a shard during a load, an answer
//! with a key of that shard is refused without need with a probability of `1 - (1 - 1/MANY)^w`.
//!
//! # Why no write is missed
//! The batch counts itself before its loader is called. A write that comes after something that the
//! loader has read therefore finds the batch counted: if the two met at a lock or a channel,
//! because the one happened before the other; if they met at an atomic of sequentially consistent
//! order, because the counts have that order, too. When the answer is to be stored, under the lock
//! of the shard, all writes that were made under it before have been noted.

use std::sync::Arc;

use crate::util::sync::CachePadded;
use crate::util::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Places in the table of the smallest shards, and of the largest.
const FEW: u64 = 16;
const MANY: u64 = 128;

/// The batches of a cache.
#[derive(Default)]
pub(crate) struct Batches(CachePadded<Counts>);

#[derive(Default)]
struct Counts {
    /// How many have begun, ever.
    begun: AtomicU64,
    /// How many run.
    running: AtomicU64,
}

impl Batches {
    /// A batch begins, before its loader is called.
    pub(crate) fn begin(self: &Arc<Self>) -> RunningBatch {
        // SeqCst, as the loads in `last`, their partners: see the module's head.
        let number = self.0.begun.fetch_add(1, SeqCst) + 1;
        self.0.running.fetch_add(1, SeqCst);
        RunningBatch { batches: Arc::clone(self), number }
    }

    /// The batch that began last, if any runs.
    #[inline]
    fn last(&self) -> Option<u64> {
        (self.0.running.load(SeqCst) > 0).then(|| self.0.begun.load(SeqCst))
    }
}

/// A batch, until what it has been answered is stored.
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

/// The writes to the keys of one shard; see the module's head.
pub(crate) struct Written {
    batches: Arc<Batches>,
    /// There are two to the power of this.
    places: u8,
    /// None until something has to be noted: most shards never do.
    noted: Option<Box<Noted>>,
}

struct Noted {
    /// The batch that was the last to begin before a write, by place.
    last: Vec<u64>,
    /// When all keys were written at once.
    all: u64,
}

impl Written {
    /// For a shard that is meant to hold so many entries.
    pub(crate) fn new(batches: Arc<Batches>, share: u64) -> Self {
        let places = share.clamp(FEW, MANY).next_power_of_two().ilog2() as u8;
        Written { batches, places, noted: None }
    }

    /// A key with this lower half of its hash is written.
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
        let places = 1 << self.places;
        self.noted.get_or_insert_with(|| Box::new(Noted { last: vec![0; places], all: 0 }))
    }

    /// All keys are written.
    pub(crate) fn note_all(&mut self) {
        if let Some(number) = self.batches.last() {
            self.noted().all = number;
        }
    }

    fn place(&self, low: u32) -> usize {
        // The shard has taken the upper half of the hash, and the group the highest bits of this.
        low as usize & ((1 << self.places) - 1)
    }

    /// Is it certain that no key with this hash was written since the batch began?
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
        assert!(!written.is_untouched(1, &second), "one runs still");
        written.note_all();
        assert_eq!(untouched(&written, &second), [false; 3]);
        drop(second);
        let third = batches.begin();
        assert_eq!(untouched(&written, &third), [true; 3]);
    }

    #[test]
    fn tables_are_as_small_as_their_shards() {
        for (share, places) in [(0, 16), (1, 16), (100, 128), (1 << 40, 128), (u64::MAX, 128)] {
            let batches = Arc::new(Batches::default());
            let mut written = Written::new(Arc::clone(&batches), share);
            let _batch = batches.begin();
            (0..1000).for_each(|low| written.note(low));
            assert_eq!(written.noted().last.len(), places);
        }
    }
}
