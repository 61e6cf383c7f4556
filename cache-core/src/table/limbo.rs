//! Garbage between its unlinking and its reuse.
//!
//! Whoever retires a slot adds it to his shard's open batch, under the lock he holds anyway. A full
//! batch is sealed with an epoch's stamp and queued here. Then two things have to happen, and
//! neither may make one unlucky call pay for all the others:
//! * now and then somebody finds out which stamps are free ([`Epoch::advance`], which may have to
//!   interrupt other cores): once per `threshold` sealed slots or, in large caches, per 128th of the
//!   entries; or per sixteenth of the cache's weight; or right away where no other thread uses the cache;
//! * what is free is dropped and given back: at most [`STEP`] batches by each call that sealed one,
//!   after it has released its locks, so that the queue shrinks faster than it grows.

use std::collections::VecDeque;

use super::epoch::Epoch;
use super::region::Region;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Batches that one call drops at most.
const STEP: usize = 2;

/// Fewer sealed slots than this are not worth interrupting other cores for.
const LEAST: u64 = 16;
/// More than this need not be waited for: the interruption is then paid for by 1024 removals.
const MOST: u64 = 1024;
/// With so many entries for each slot that waits, those that wait do not count. A million entries that
/// expire at once then interrupt other threads some 300 times, not 900: of two threads under traffic, the
/// slowest operation in a thousand took 3.1 us instead of 7.5 (1.7 without any expiry).
const SHARE: u64 = 128;

/// Something that no reader can reach any more once its stamp is free.
pub(super) enum Garbage {
    /// Slots of one shard, with what they hold.
    Slots { shard: usize, ids: Vec<u32> },
    /// A region that was outgrown or emptied.
    Region(Region),
}

/// See the module's head.
pub(super) struct Limbo {
    queue: Mutex<VecDeque<(u64, Garbage)>>,
    /// Slots sealed since the last advance, and their weight.
    sealed: AtomicUsize,
    weight: AtomicU64,
    threshold: usize,
    weight_threshold: u64,
}

impl Limbo {
    /// For a cache of so many entries, or of so much weight.
    pub(super) fn new(entries: Option<u64>, weight: Option<u64>) -> Self {
        Limbo {
            queue: Mutex::new(VecDeque::new()),
            sealed: AtomicUsize::new(0),
            weight: AtomicU64::new(0),
            threshold: entries.map_or(MOST, |entries| (entries / 8).clamp(LEAST, MOST)) as usize,
            weight_threshold: weight.map_or(u64::MAX, |weight| weight / 16),
        }
    }

    /// Queues garbage that was unlinked before; begins a new epoch for it.
    pub(super) fn seal(&self, epoch: &Epoch, garbage: Garbage, weight: u64) {
        let slots = match &garbage {
            Garbage::Slots { ids, .. } => ids.len(),
            Garbage::Region(_) => 0,
        };
        let mut queue = self.queue.lock();
        queue.push_back((epoch.stamp(), garbage));
        // Under the lock, so no addition is lost to another. That an `advance` may come between the
        // load and the store makes the next one come sooner.
        self.sealed.store(self.sealed.load(Relaxed) + slots, Relaxed);
        self.weight.store(self.weight.load(Relaxed).saturating_add(weight), Relaxed);
    }

    /// Advances the epoch if enough has been sealed since the last time, in a cache of so many entries.
    pub(super) fn advance_if_due(&self, epoch: &Epoch, entries: u64) {
        let threshold = self.threshold.max((entries / SHARE) as usize);
        let due = self.sealed.load(Relaxed) >= threshold
            || self.weight.load(Relaxed) >= self.weight_threshold;
        if due || epoch.is_alone() {
            self.advance(epoch);
        }
    }

    pub(super) fn advance(&self, epoch: &Epoch) {
        self.sealed.store(0, Relaxed);
        self.weight.store(0, Relaxed);
        epoch.advance();
    }

    /// Takes a few pieces of garbage that are free. What is taken must be dropped by the caller: garbage
    /// does not do that by itself. (Another thread may advance the epoch meanwhile, so that the first
    /// is none and the second is not.)
    pub(super) fn take_free(&self, epoch: &Epoch) -> [Option<Garbage>; STEP] {
        let mut queue = self.queue.lock();
        std::array::from_fn(|_| {
            let free = queue.front().is_some_and(|(stamp, _)| epoch.is_free(*stamp));
            if free { queue.pop_front().map(|(_, garbage)| garbage) } else { None }
        })
    }

    /// Gives back the memory of a queue that was longer once.
    pub(super) fn shrink(&self) {
        let mut queue = self.queue.lock();
        if queue.capacity() / 4 > queue.len() {
            queue.shrink_to_fit();
        }
    }

    /// Takes everything, free or not: for a cache that nobody uses any more.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Garbage> + use<> {
        std::mem::take(self.queue.get_mut()).into_iter().map(|(_, garbage)| garbage)
    }

    /// Pieces of garbage queued.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.lock().len()
    }

    pub(super) fn bytes(&self) -> usize {
        let queue = self.queue.lock();
        let piece = |garbage: &Garbage| match garbage {
            Garbage::Slots { ids, .. } => ids.capacity() * size_of::<u32>(),
            Garbage::Region(region) => region.bytes(),
        };
        queue.capacity() * size_of::<(u64, Garbage)>()
            + queue.iter().map(|(_, garbage)| piece(garbage)).sum::<usize>()
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    /// How many slots wait, in batches of 64, until an epoch is advanced in a cache of so many entries that
    /// two threads use.
    fn slots_that_wait(limbo: &Limbo, entries: u64) -> usize {
        let epoch = Epoch::new(4);
        drop(epoch.pin());
        std::thread::scope(|scope| _ = scope.spawn(|| drop(epoch.pin())).join());
        assert!(!epoch.is_alone());
        for batches in 1.. {
            let stamp = epoch.stamp();
            limbo.seal(&epoch, Garbage::Slots { shard: 0, ids: vec![0; 64] }, 64);
            limbo.advance_if_due(&epoch, entries);
            if epoch.is_free(stamp) {
                return 64 * batches;
            }
        }
        unreachable!("an epoch is advanced some time")
    }

    #[test]
    fn other_threads_are_interrupted_less_often_the_more_entries_there_are() {
        assert_eq!(slots_that_wait(&Limbo::new(Some(1_000), None), 1_000), 128);
        let large = Limbo::new(Some(10_000_000), None);
        assert_eq!(slots_that_wait(&large, 1_000), 1024);
        assert_eq!(slots_that_wait(&large, 1_280_000), 10_048);
        assert_eq!(slots_that_wait(&Limbo::new(None, None), 1_280_000), 10_048);
        // Where entries have weights, nobody says how many there are.
        assert_eq!(slots_that_wait(&Limbo::new(None, Some(1_600)), 0), 128);
        assert_eq!(slots_that_wait(&Limbo::new(None, Some(1_600_000)), 0), 1024);
    }
}
