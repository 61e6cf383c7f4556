//! When may memory that was taken out of the table be dropped and used again?
//!
//! # Idea
//! A reader takes no lock, so whoever unlinks an entry cannot know who is looking at it. Time is
//! therefore counted in *epochs* (Fraser, "Practical lock-freedom", 2004; the grace periods of
//! RCU). A reader *announces* the current epoch in a line of memory of its own before it looks,
//! and withdraws the announcement after. Who retires garbage seals it with a *stamp*: the number
//! of a new epoch begun after the unlinking. A reader whose announcement is at least the stamp
//! began after the unlinking and cannot reach the garbage; so the garbage is free once no
//! announcement below its stamp is left.
//!
//! # Why it is right
//! The reader stores its announcement and then loads from the table; the collector's side unlinks
//! and then loads the announcements. If both could miss each other's store, memory in use would be
//! freed. Two full barriers rule that out, one between the reader's store and its loads, one between
//! the unlinking and the collector's loads: either the reader sees the
//! unlinking, or the collector sees the announcement.
//!
//! # Cost
//! The reader's barrier is on the path of every hit. A full fence costs 2 to 7 ns there, as much
//! as all the rest of a hit, and keeps the processor from overlapping one hit with the next. Where
//! the kernel offers `membarrier(2)` (Linux 4.14) the collector therefore buys the reader's
//! barrier: the system call makes every core that runs a thread of this process execute a full
//! barrier, which leaves the reader with one that only binds the compiler. The call takes about
//! 0.1 us when no other thread of the process runs and some 15 us when it must interrupt another
//! core; it is paid once per collection, for hundreds of retired entries. Everywhere else, and
//! where a sandbox forbids the call, both sides use `fence(SeqCst)`.
//!
//! A collector that finds that no other thread has ever pinned this cache skips the call.
//!
//! # Limits
//! A reader that stays pinned (a slow `view` closure, a slow `Clone`) keeps what is retired from
//! then on from being reused, for as long as it stays. It holds up nobody: writers take fresh
//! slots meanwhile. Epochs belong to one cache, so it delays no other cache.

use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::stats::Counters;
use crate::sync::Padded;
use crate::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    fence,
};
use crate::thread_index;

/// No announcement: the thread is not looking at the table.
const IDLE: u64 = 0;
/// No thread has used this line yet. Left for ever at the first pin.
const UNUSED: u64 = u64::MAX;
/// An announcement is `epoch << LOW_BITS | leased | depth`, depth being how many pins the thread
/// holds, and `leased` set if it has its number for these pins alone.
const LOW_BITS: u32 = 16;
const LOW: u64 = (1 << LOW_BITS) - 1;
const LEASED: u64 = 1 << (LOW_BITS - 1);
const DEPTH: u64 = LEASED - 1;

/// One thread's line in one cache. Written by that thread alone.
#[repr(align(128))]
pub(crate) struct Reader {
    announced: AtomicU64,
    pub(crate) counters: Counters,
    /// The thread is dropping garbage of this cache.
    collecting: AtomicBool,
    number: usize,
}

impl Reader {
    fn lines(first: usize, count: usize) -> Box<[Reader]> {
        let line = |number| Reader {
            announced: AtomicU64::new(UNUSED),
            counters: Counters::default(),
            collecting: AtomicBool::new(false),
            number,
        };
        (first..first + count).map(line).collect()
    }
}

/// See the module's head.
pub(crate) struct Epoch {
    /// The current epoch, in the form of an announcement of depth 1.
    current: Padded<AtomicU64>,
    /// Garbage stamped at most this is free.
    safe: Padded<AtomicU64>,
    asymmetric: bool,
    /// Lines that are not unused any more.
    users: AtomicUsize,
    /// The lines of the threads with small numbers: all threads, in most programs.
    first: Box<[Reader]>,
    /// The threads, by number, that may announce without a fence: those with a line in `first`, or
    /// none at all where a fence is needed.
    fenceless: usize,
    /// Line `number` stands in `more[b]` with `b = log2(number / first.len())`, which holds
    /// `first.len() << b` lines.
    more: [OnceLock<Box<[Reader]>>; 24],
}

/// From one epoch to the next.
const EPOCH_ONE: u64 = 1 << LOW_BITS;

impl Epoch {
    pub(crate) fn new(expected_threads: usize) -> Self {
        let first = Reader::lines(0, expected_threads.next_power_of_two());
        let asymmetric = barrier::asymmetric();
        Epoch {
            current: Padded(AtomicU64::new(EPOCH_ONE | 1)),
            safe: Padded(AtomicU64::new(0)),
            asymmetric,
            users: AtomicUsize::new(0),
            fenceless: if asymmetric { first.len() } else { 0 },
            first,
            more: [const { OnceLock::new() }; 24],
        }
    }

    /// Announces that the calling thread looks at the table. Pins nest. No lock, and on the usual
    /// path neither a read-modify-write nor a fence.
    #[inline]
    pub(crate) fn pin(&self) -> Pin<'_> {
        let number = thread_index::current();
        if number < self.fenceless {
            // SAFETY: `fenceless` is at most the length of `first`.
            let reader = unsafe { self.first.get_unchecked(number) };
            if reader.announced.load(Relaxed) == IDLE {
                // As in `announce`, for depth 1 and without a fence.
                reader.announced.store(self.current.load(Acquire), Release);
                barrier::compiler_only();
                return Pin { reader, here: PhantomData };
            }
        }
        self.pin_slowly(number)
    }

    fn announce(&self, reader: &Reader, low: u64) {
        // Acquire: pairs with the AcqRel in `stamp`. Who reads an epoch sees all that was unlinked
        // before that epoch began, which is why garbage stamped with it does not concern him.
        let epoch = self.current.load(Acquire) & !LOW;
        // Release, like every store to the line after the first: pairs with the Acquire in
        // `advance`. A collector that sees this announcement, but not the withdrawal before it,
        // must still know that what was read before is over.
        reader.announced.store(epoch | low, Release);
        // Pairs with the heavy barrier in `advance`.
        if self.asymmetric {
            barrier::compiler_only();
        } else {
            fence(SeqCst);
        }
    }

    /// The thread's first pin anywhere, its first pin of this cache, a nested pin, a thread with a
    /// large number, or one that is ending.
    #[cold]
    #[inline(never)]
    fn pin_slowly(&self, mut number: usize) -> Pin<'_> {
        if number == thread_index::NONE {
            number = thread_index::register();
        }
        if number == thread_index::NONE {
            return self.pin_line(self.reader(thread_index::take()), LEASED | 1);
        }
        self.pin_line(self.reader(number), 1)
    }

    fn pin_line<'e>(&'e self, reader: &'e Reader, low: u64) -> Pin<'e> {
        match reader.announced.load(Relaxed) {
            IDLE => self.announce(reader, low),
            UNUSED => {
                reader.announced.store(IDLE, Relaxed);
                self.users.fetch_add(1, Relaxed);
                // Pairs with the fence in `advance`: a collector that did not count this line
                // did so before here, and this thread sees all that it had unlinked.
                fence(SeqCst);
                self.announce(reader, low);
            }
            announced => {
                assert!(announced & DEPTH != DEPTH, "a cache is viewed within 32,767 views of it");
                reader.announced.store(announced + 1, Release);
            }
        }
        Pin { reader, here: PhantomData }
    }

    /// Readers bind the compiler alone: right for as long as nobody needs the heavy side.
    #[cfg(all(test, loom))]
    pub(crate) fn with_light_readers(self) -> Self {
        Epoch { asymmetric: true, fenceless: self.first.len(), ..self }
    }

    fn reader(&self, number: usize) -> &Reader {
        let first = self.first.len();
        if number < first {
            return &self.first[number];
        }
        let bucket = (number / first).ilog2();
        let line = self.more[bucket as usize]
            .get_or_init(|| Reader::lines(first << bucket, first << bucket));
        &line[number - (first << bucket)]
    }

    /// All lines that may have been used.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &Reader> {
        let more = self.more.iter().filter_map(OnceLock::get);
        self.first.iter().chain(more.flat_map(|line| line.iter()))
    }

    /// Begins a new epoch and answers its number: the stamp for what the caller unlinked before.
    pub(crate) fn stamp(&self) -> u64 {
        // AcqRel: the unlinking comes before the new epoch can be seen (see `announce`), and each
        // stamp comes after those before it.
        (self.current.fetch_add(EPOCH_ONE, AcqRel) >> LOW_BITS) + 1
    }

    /// Is garbage with this stamp free?
    pub(crate) fn is_free(&self, stamp: u64) -> bool {
        // Acquire: pairs with the release in `advance`, through which the last accesses of the
        // readers who left come before the reuse.
        self.safe.load(Acquire) >= stamp
    }

    /// Finds out up to which stamp garbage is free. Pays the heavy barrier.
    pub(crate) fn advance(&self) {
        let mut safe = self.current.load(Acquire) >> LOW_BITS;
        // Orders the unlinking of all that is stamped up to `safe` before the loads below; enough
        // for lines that no other thread has used, see `pin_line`.
        fence(SeqCst);
        if self.is_alone() {
            // There is no other line that anybody has used.
            let mine = self.first.get(thread_index::current());
            safe = mine.map_or(safe, |mine| mine.hold_back(safe));
        } else {
            if self.asymmetric {
                barrier::heavy();
            }
            safe = self.readers().fold(safe, |safe, reader| reader.hold_back(safe));
        }
        self.safe.fetch_max(safe, AcqRel);
    }
}

impl Reader {
    /// The last stamp up to `safe` that is free as far as this line is concerned.
    fn hold_back(&self, safe: u64) -> u64 {
        // Acquire: pairs with the Release of the unpinning.
        let announced = self.announced.load(Acquire);
        if announced == IDLE || announced == UNUSED {
            safe
        } else {
            safe.min(announced >> LOW_BITS)
        }
    }
}

impl Epoch {
    /// Has no other thread used this cache yet? A "yes" may be out of date as soon as it is given,
    /// unless the caller put a fence before it, as `advance` does.
    pub(crate) fn is_alone(&self) -> bool {
        match self.users.load(Relaxed) {
            0 => true,
            // One line, and it is this thread's: its own number leads there.
            1 => self
                .first
                .get(thread_index::current())
                .is_some_and(|mine| mine.announced.load(Relaxed) != UNUSED),
            _ => false,
        }
    }
}

/// While it lives, nothing the thread can reach in the table is dropped or reused. `!Send`.
pub(crate) struct Pin<'e> {
    pub(crate) reader: &'e Reader,
    here: PhantomData<*const ()>,
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        let announced = self.reader.announced.load(Relaxed);
        if announced & LOW == 1 {
            // Release: pairs with the Acquire in `advance`; what the reader read, it read before.
            self.reader.announced.store(IDLE, Release);
        } else {
            self.reader.unpin_slowly(announced);
        }
    }
}

impl Reader {
    /// One of several pins, or a leased number.
    #[cold]
    #[inline(never)]
    fn unpin_slowly(&self, announced: u64) {
        if announced & DEPTH > 1 {
            self.announced.store(announced - 1, Release);
        } else {
            // Release: as in `drop`. Before the number is another thread's.
            self.announced.store(IDLE, Release);
            thread_index::give_back(self.number);
        }
    }
}

/// While it lives, its thread does not begin to drop garbage of the same cache again: what a
/// `Drop` does to the cache leaves garbage for later, instead of drops nested without end.
pub(crate) struct Collecting<'e>(&'e Reader);

impl Epoch {
    /// Nothing if the calling thread is dropping garbage of this cache already.
    pub(crate) fn begin_collecting(&self) -> Option<Collecting<'_>> {
        let reader = self.pin().reader;
        let already = reader.collecting.load(Relaxed);
        (!already).then(|| {
            reader.collecting.store(true, Relaxed);
            Collecting(reader)
        })
    }
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        self.0.collecting.store(false, Relaxed);
    }
}

/// The two halves of the barrier, where they differ.
#[cfg(all(target_os = "linux", not(loom), not(miri)))]
mod barrier {
    use std::sync::OnceLock;
    use std::sync::atomic::{Ordering::SeqCst, compiler_fence};

    use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

    /// Registers the process for the cheap form of `membarrier(2)`; false where there is none.
    pub(super) fn asymmetric() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| {
            let needed =
                MembarrierQuery::PRIVATE_EXPEDITED | MembarrierQuery::REGISTER_PRIVATE_EXPEDITED;
            membarrier_query().contains(needed)
                && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        })
    }

    #[inline]
    pub(super) fn compiler_only() {
        compiler_fence(SeqCst);
    }

    pub(super) fn heavy() {
        // Cannot fail after the registration succeeded (membarrier(2), ERRORS); if it did, going
        // on would be unsound.
        membarrier(MembarrierCommand::PrivateExpedited).expect("membarrier after its registration");
    }
}

#[cfg(not(all(target_os = "linux", not(loom), not(miri))))]
mod barrier {
    pub(super) fn asymmetric() -> bool {
        false
    }

    /// Never reached: without an asymmetric barrier, no thread is fenceless.
    pub(super) fn compiler_only() {}

    pub(super) fn heavy() {
        unreachable!("only an asymmetric epoch has a heavy side")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn advance_frees_what_no_reader_can_reach() {
        let epoch = Epoch::new(4);
        let stamp = epoch.stamp();
        assert!(!epoch.is_free(stamp));
        epoch.advance();
        assert!(epoch.is_free(stamp));
    }

    #[test]
    fn advance_waits_for_the_reader_pinned_before_and_not_for_one_pinned_after() {
        let epoch = Epoch::new(4);
        let before = epoch.pin();
        let stamp = epoch.stamp();
        epoch.advance();
        assert!(!epoch.is_free(stamp));
        drop(before);
        let after = epoch.pin();
        epoch.advance();
        assert!(epoch.is_free(stamp));
        drop(after);
    }

    #[test]
    fn pins_nest_and_may_be_dropped_in_any_order() {
        let epoch = Epoch::new(4);
        let outer = epoch.pin();
        let inner = epoch.pin();
        let stamp = epoch.stamp();
        drop(outer);
        epoch.advance();
        assert!(!epoch.is_free(stamp));
        drop(inner);
        epoch.advance();
        assert!(epoch.is_free(stamp));
    }

    #[test]
    fn threads_beyond_the_expected_get_lines_of_their_own() {
        let epoch = Epoch::new(1);
        let lines: Vec<*const Reader> =
            (0..100).map(|n| std::ptr::from_ref(epoch.reader(n))).collect();
        let mut distinct = lines.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), lines.len());
        assert_eq!(epoch.reader(77).announced.load(Relaxed), UNUSED);
        assert!(epoch.readers().count() >= 100);
    }

    #[test]
    fn a_pin_on_another_thread_is_seen_by_the_collector() {
        let epoch = Epoch::new(2);
        let (pinned, unpin) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let pin = epoch.pin();
                pinned.wait();
                unpin.wait();
                drop(pin);
                pinned.wait();
            });
            pinned.wait();
            let stamp = epoch.stamp();
            epoch.advance();
            assert!(!epoch.is_free(stamp));
            unpin.wait();
            pinned.wait();
            epoch.advance();
            assert!(epoch.is_free(stamp));
        });
    }
}
