//! Which shards have an open batch of garbage, for calls that sweep other shards.

use crate::util::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

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
        let (first, mut seals) = (self.next.load(Relaxed), 0);
        let looks = LOOKS.min(self.open.len());
        let mut place = first;
        for _ in 0..looks {
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
