//! Limbo: retired slots between their unlinking and their reuse (the *limbo list* of epoch-based
//! reclamation).
//!
//! A writer that retires a slot adds it to its shard's open batch. A full batch is sealed with an
//! epoch's stamp and queued here. Then two things have to happen, and neither may make one unlucky
//! call pay for all the others:
//! * now and then a call finds out which stamps are free ([`Epoch::advance`], which may have to
//!   interrupt other cores);
//! * what is free is dropped and its slots freed: up to some hundred (`table/collect.rs`) by each
//!   call that sealed a batch, after it has released its locks, so that the queue shrinks faster
//!   than it grows.
//!
//! # How much waits
//! What waits is memory that the user does not see, so it follows what is live ([`Limits`]): an
//! epoch is advanced when an eighth of the entries' number waits, and at least [`FEW`] slots; or a
//! 128th where that is more than [`MANY`], for there the interruptions cost more than the memory:
//! below one waiting slot per 128 entries, the waiting memory is negligible (a million entries that
//! expire at once then interrupt other threads some 300 times, not 900: of two threads under
//! traffic, the slowest operation in a thousand took 3.1 us instead of 7.5; 1.7 without any
//! expiry). A batch is a sixteenth of its shard's entries. With weights, an eighth of the live
//! weight advances as well. Slots with nothing to be dropped cost no more than their memory: of
//! those, [`BYTES`] may wait in any case.
//!
//! # How long it waits
//! A shard may never fill its batch, and what was sealed may never become enough. So each shard
//! counts the calls that lock it, and every [`SWEEP`]th of them sweeps the others: a batch that is
//! found open by two sweeps is sealed as it is, and an epoch is advanced when something has been
//! waiting for [`IDLE_SWEEPS`] of them. What is retired is therefore dropped within a bounded
//! number of later writes or loads of the cache, whichever shards they fall on.
//!
//! While one thread alone has used the cache, no other can be reading: its calls drop what they
//! retired before they return ([`Guard::drop_retired`](crate::table::Guard::drop_retired)).

use std::collections::VecDeque;

use super::epoch::Epoch;
use crate::table::ids::SlotId;
use crate::table::region::Region;
use crate::util::sync::InnerMutex as Mutex;
use crate::util::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Pieces that are taken out of the queue at a time.
const PIECES: usize = 2;

/// Slots in a batch at most.
pub(crate) const BATCH: usize = 64;

/// Fewer slots than this, or less memory of slots, are not worth interrupting other cores for.
const FEW: u64 = 16;
const BYTES: u64 = 64 << 10;
/// More slots than this need not be waited for: the interruption is then paid for by so many
/// removals.
const MANY: u64 = 1024;

/// Calls that lock a shard, from one that sweeps other shards to the next.
pub(crate) const SWEEP: u8 = 128;
/// Sweeps for which sealed garbage waits at most.
const IDLE_SWEEPS: usize = 4;

/// How much of a cache is live.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Live {
    Entries(u64),
    Weight(u64),
}

/// How much garbage may wait in a table whose slots are of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many slots may wait however few are live.
    floor: u64,
    /// How many slots make a batch full while one thread alone uses the table.
    pub(crate) alone: usize,
    /// How many slots make a batch full at least.
    least_batch: usize,
}

impl Limits {
    /// For a table of so many shards. `needs_drop`: slots may hold something that has a `Drop`.
    pub(crate) fn new(slot_bytes: usize, needs_drop: bool, shards: usize) -> Self {
        let by_bytes = (BYTES / slot_bytes.max(1) as u64).max(1);
        let floor = by_bytes.min(if needs_drop { FEW } else { MANY });
        let least_batch = (floor as usize / (2 * shards)).max(1);
        Limits { floor, alone: BATCH.min(by_bytes as usize), least_batch }
    }

    /// How many slots may wait beside so many entries.
    pub(crate) fn slots(self, entries: u64) -> u64 {
        let share = if entries / 128 > MANY { entries / 128 } else { MANY.min(entries / 8) };
        share.max(self.floor)
    }

    /// How many slots make a batch full, of a shard with so many entries.
    #[inline]
    pub(crate) fn batch(self, entries: usize) -> usize {
        (entries / 16).max(self.least_batch).min(BATCH)
    }
}

/// Something that no reader can reach any more once its stamp is free.
pub(crate) enum Garbage {
    /// Slots of one shard, with what they hold.
    Slots { shard: usize, ids: Vec<SlotId> },
    /// A region that was outgrown or emptied.
    Region(Region),
    /// Blocks of free slots that a shard has given up, by their first slots.
    Blocks(Vec<SlotId>),
}

impl Garbage {
    pub(crate) fn slots(&self) -> usize {
        if let Garbage::Slots { ids, .. } = self { ids.len() } else { 0 }
    }
}

/// The queue of sealed garbage.
pub(crate) struct Limbo {
    pub(crate) queue: Mutex<VecDeque<(u64, Garbage)>>,
    /// Pieces in the queue.
    pieces: AtomicUsize,
    /// Slots sealed since the last advance, and their weight.
    sealed: AtomicUsize,
    weight: AtomicU64,
    /// Sweeps since the last advance.
    sweeps: AtomicUsize,
    limits: Limits,
}

impl Limbo {
    pub(crate) fn new(limits: Limits) -> Self {
        Limbo {
            queue: Mutex::new(VecDeque::new()),
            pieces: AtomicUsize::new(0),
            sealed: AtomicUsize::new(0),
            weight: AtomicU64::new(0),
            sweeps: AtomicUsize::new(0),
            limits,
        }
    }

    /// Queues garbage that was unlinked before, and begins a new epoch for it.
    pub(crate) fn seal(&self, epoch: &Epoch, garbage: Garbage, weight: u64) {
        let slots = garbage.slots();
        let mut queue = self.queue.lock();
        queue.push_back((epoch.stamp(), garbage));
        // Under the lock, so no addition is lost to another. That an `advance` may come between the
        // load and the store makes the next one come sooner.
        self.pieces.store(queue.len(), Relaxed);
        self.sealed.store(self.sealed.load(Relaxed) + slots, Relaxed);
        self.weight.store(self.weight.load(Relaxed).saturating_add(weight), Relaxed);
    }

    /// Returns `true` if no garbage waits. Without a lock, so it may be out of date.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.load(Relaxed) == 0
    }

    /// Advances the epoch if enough has been sealed since the last time, compared with what is
    /// live, or if something has been waiting for long.
    pub(crate) fn advance_if_due(&self, epoch: &Epoch, live: Live) {
        let (sealed, weight) = (self.sealed.load(Relaxed) as u64, self.weight.load(Relaxed));
        let due = match live {
            Live::Entries(entries) => sealed >= self.limits.slots(entries),
            // A few at least, whatever they weigh: each update of a single heavy entry would be
            // due.
            Live::Weight(live) => {
                sealed >= MANY || weight >= live / 8 && sealed >= self.limits.floor / 4
            }
        };
        if due || self.sweeps.load(Relaxed) >= IDLE_SWEEPS || epoch.is_alone() {
            self.advance(epoch);
        }
    }

    pub(crate) fn advance(&self, epoch: &Epoch) {
        self.sealed.store(0, Relaxed);
        self.weight.store(0, Relaxed);
        self.sweeps.store(0, Relaxed);
        epoch.advance();
    }

    /// Notes a sweep, if anything waits.
    pub(crate) fn note_sweep(&self) {
        if !self.is_empty() {
            // Relaxed: a count that decides only when to advance.
            self.sweeps.fetch_add(1, Relaxed);
        }
    }

    /// Takes a few pieces of garbage that are free. The caller must drop what they hold: garbage
    /// does not do that by itself. (Another thread may advance the epoch meanwhile, so that the
    /// first is `None` and the second is not.)
    pub(crate) fn take_free(&self, epoch: &Epoch) -> [Option<Garbage>; PIECES] {
        let mut queue = self.queue.lock();
        let taken = std::array::from_fn(|_| {
            let free = queue.front().is_some_and(|(stamp, _)| epoch.is_free(*stamp));
            if free { queue.pop_front().map(|(_, garbage)| garbage) } else { None }
        });
        self.pieces.store(queue.len(), Relaxed);
        taken
    }

    pub(crate) fn bytes(&self) -> usize {
        let queue = self.queue.lock();
        let piece = |garbage: &Garbage| match garbage {
            Garbage::Slots { ids, .. } | Garbage::Blocks(ids) => {
                ids.capacity() * size_of::<SlotId>()
            }
            Garbage::Region(region) => region.bytes(),
        };
        queue.capacity() * size_of::<(u64, Garbage)>()
            + queue.iter().map(|(_, garbage)| piece(garbage)).sum::<usize>()
    }
}

/// Shards that one sweep checks, and open batches that it seals, at most.
const LOOKS: usize = 64;
const SEALS: usize = 4;

/// For each shard, whether it has an open batch of garbage.
///
/// All numbers are hints, read and written `Relaxed`: a batch is sealed under its shard's lock.
pub(crate) struct Sweeper {
    open: Box<[AtomicU8]>,
    /// Where the next sweep begins.
    next: AtomicUsize,
}

/// No open batch, or an empty one.
const NOTHING: u8 = 0;
/// An open batch that no sweep has seen.
const NEW: u8 = 1;
/// An open batch that a sweep has seen: the next sweep seals it.
const SEEN: u8 = 2;

impl Sweeper {
    pub(crate) fn new(shards: usize) -> Self {
        let open = (0..shards).map(|_| AtomicU8::new(NOTHING)).collect();
        Sweeper { open, next: AtomicUsize::new(0) }
    }

    #[inline]
    pub(crate) fn note_open(&self, shard: usize) {
        self.open[shard].store(NEW, Relaxed);
    }

    #[inline]
    pub(crate) fn note_sealed(&self, shard: usize) {
        // A batch that is sealed with its first slot was never noted.
        if self.open[shard].load(Relaxed) != NOTHING {
            self.open[shard].store(NOTHING, Relaxed);
        }
    }

    /// Checks the next shards, and calls `seal` for some whose batches have been open for long.
    pub(crate) fn sweep(&self, mut seal: impl FnMut(usize)) {
        let (mut place, mut seals) = (self.next.load(Relaxed), 0);
        for _ in 0..LOOKS.min(self.open.len()) {
            let shard = place % self.open.len();
            place = shard + 1;
            match self.open[shard].load(Relaxed) {
                NOTHING => {}
                NEW => self.open[shard].store(SEEN, Relaxed),
                _ => {
                    seal(shard);
                    seals += 1;
                    if seals == SEALS {
                        break;
                    }
                }
            }
        }
        self.next.store(place, Relaxed);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    /// An epoch that two threads have used.
    fn shared_epoch() -> Epoch {
        let epoch = Epoch::new(4);
        drop(epoch.pin(|| ()));
        std::thread::scope(|scope| _ = scope.spawn(|| drop(epoch.pin(|| ()))).join());
        assert!(!epoch.is_alone());
        epoch
    }

    /// How many slots wait, in batches, until an epoch is advanced beside so much that is live.
    fn slots_that_wait(limits: Limits, live: Live, batch: usize) -> usize {
        let (limbo, epoch) = (Limbo::new(limits), shared_epoch());
        for batches in 1.. {
            let stamp = epoch.stamp();
            limbo.seal(
                &epoch,
                Garbage::Slots { shard: 0, ids: vec![SlotId(0); batch] },
                batch as u64,
            );
            limbo.advance_if_due(&epoch, live);
            if epoch.is_free(stamp) {
                return batch * batches;
            }
        }
        unreachable!("an epoch is advanced some time")
    }

    #[test]
    fn waiting_slots_are_limited_by_what_is_live() {
        let dropping = Limits::new(32, true, 8);
        let wait = |entries, batch| slots_that_wait(dropping, Live::Entries(entries), batch);
        assert_eq!((wait(0, 1), wait(10, 1), wait(128, 1)), (16, 16, 16));
        assert_eq!((wait(1_000, 1), wait(8_192, 64)), (125, 1024));
        assert_eq!((wait(100_000, 64), wait(1_280_000, 64)), (1024, 10_048));
        let weigh = |weight, batch| slots_that_wait(dropping, Live::Weight(weight), batch);
        assert_eq!((weigh(0, 1), weigh(1_600, 1), weigh(1_600_000, 64)), (4, 200, 1024));
    }

    #[test]
    fn slots_that_need_no_drop_wait_by_their_size() {
        let wait = |bytes, entries| {
            slots_that_wait(Limits::new(bytes, false, 8), Live::Entries(entries), 1)
        };
        assert_eq!((wait(32, 10), wait(1024, 10), wait(65_536, 10)), (1024, 64, 1));
        assert_eq!((wait(1 << 20, 2), wait(1 << 20, 80), wait(0, 0)), (1, 10, 1024));
        // Large ones with a `Drop` are not kept longer than those without.
        assert_eq!(slots_that_wait(Limits::new(65_536, true, 8), Live::Entries(10), 1), 1);
    }

    #[test]
    fn batches_follow_the_entries_of_their_shard() {
        let dropping = Limits::new(32, true, 8);
        assert_eq!(
            [0, 10, 64, 160, 1_024, 9_999].map(|n| dropping.batch(n)),
            [1, 1, 4, 10, 64, 64]
        );
        assert_eq!([0, 10, 9_999].map(|n| Limits::new(32, false, 8).batch(n)), [64, 64, 64]);
        assert_eq!(Limits::new(32, false, 64).batch(0), 8);
    }

    #[test]
    fn garbage_that_has_waited_for_long_advances_the_epoch() {
        let (limbo, epoch) = (Limbo::new(Limits::new(32, true, 8)), shared_epoch());
        let stamp = epoch.stamp();
        limbo.note_sweep();
        assert_eq!(limbo.sweeps.load(Relaxed), 0, "nothing waits");
        limbo.seal(&epoch, Garbage::Slots { shard: 0, ids: vec![SlotId(0)] }, 1);
        for _ in 0..IDLE_SWEEPS {
            limbo.advance_if_due(&epoch, Live::Entries(1_000_000));
            assert!(!epoch.is_free(stamp));
            limbo.note_sweep();
        }
        limbo.advance_if_due(&epoch, Live::Entries(1_000_000));
        assert!(epoch.is_free(stamp));
    }
}
