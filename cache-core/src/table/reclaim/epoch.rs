//! When memory that was taken out of the table may be dropped and used again.
//!
//! # Idea
//! A reader takes no lock, so a writer that unlinks an entry cannot know which readers look at it.
//! Time is therefore counted in *epochs* (Fraser, "Practical lock-freedom", 2004; the grace periods
//! of RCU). A reader *announces* the current epoch in its own line of memory before it looks, and
//! withdraws the announcement after. A writer that retires garbage seals it with a *stamp*: the
//! number of a new epoch begun after the unlinking. A reader whose announcement is at least the
//! stamp began after the unlinking and cannot reach the garbage; so the garbage is free once no
//! announcement below its stamp is left.
//!
//! # Why it is right
//! The reader stores its announcement and then loads from the table; the collector's side unlinks
//! and then loads the announcements. If both could miss each other's store, memory in use would be
//! freed. Two full barriers rule that out, one between the reader's store and its loads, one
//! between the unlinking and the collector's loads: either the reader sees the unlinking, or the
//! collector sees the announcement.
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
//! # When the barrier is taken away
//! A sandbox may forbid the call after it has worked (a seccomp filter that a process installs for
//! itself). From the first call that fails on, readers use the fence as well. They learn of it from
//! `fenceless`, which they read anyway, but a reader may have read the old number a moment before,
//! and its announcement may still be on its way to the collector. So a line *has switched* only
//! when
//! * its thread has made a pin with the fence, which it notes in its line (`fenced`): that thread
//!   has read the new number, and a thread never reads an older value of one place after a newer;
//!   or
//! * its number is no thread's any more: the lock under which the number was given back, and under
//!   which it is given to another thread, orders both threads' pins and the collector's loads.
//!
//! As long as there is a used line that has not switched, a collector needs another barrier that
//! reaches all threads: `membarrier` again, for another thread may be allowed what this one is not,
//! or a change of a page's protection (`barrier.rs`). Without one nothing is free: an idle line
//! proves nothing. Such a barrier serves the one collection that pays it, and no later one: a
//! reader may have read the old number before it, and announce itself after it, without a fence.
//!
//! # A thread comes
//! A writer may change an entry in its place while its thread is the only one that has ever pinned
//! (`table/exclusive.rs`). It learns that from `users`, under its shard's lock. So the second
//! thread, which counts itself there first, has to wait for what is under way: before its first
//! announcement it is shown the writers of all shards, one after the other, which takes their
//! locks. A change that was made before that came before all that the thread reads; one that would
//! be made after it finds two users counted. When the second thread has been shown all of them it
//! sets `shared`; later ones that see that need not ask again.
//!
//! # Numbers that do not end
//! An epoch is a number of 64 bits: at ten million new epochs a second it takes 58,000 years to
//! come round.
//!
//! # Limits
//! A reader that stays pinned (a slow `view` closure, a slow `Clone`) keeps what is retired from
//! then on from being reused, for as long as it stays. It blocks no thread: writers take fresh
//! slots meanwhile. Epochs belong to one cache, so it delays no other cache.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::compiler_fence;

use super::barrier;
use super::reader::{IDLE, LEASED, Reader, UNUSED};
use crate::util::cache_padded::CachePadded;
use crate::util::fork;
use crate::util::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    fence,
};
use crate::util::thread_slot;

/// The epochs of one cache, and the lines of its threads.
pub(crate) struct Epoch {
    /// The current epoch.
    current: CachePadded<AtomicU64>,
    /// Garbage stamped at most this is free.
    safe: CachePadded<AtomicU64>,
    /// Threads with a number below this may announce without a fence: those with a line in `first`;
    /// none where a fence is needed, from the start or by now.
    fenceless: AtomicUsize,
    /// Every pin has had the fence.
    all_fenced: bool,
    /// Lines that have been used.
    users: AtomicUsize,
    /// A second thread has come, and whatever the first one was changing in its place is done.
    shared: AtomicBool,
    /// The lines of the threads with small numbers: all threads, in most programs.
    first: Box<[Reader]>,
    /// Line `number` stands in `more[b]` with `b = log2(number / first.len())`, which holds
    /// `first.len() << b` lines. The first thread that needs one makes them, see `pin_slowly`.
    more: [OnceLock<Box<[Reader]>>; 24],
}

impl Epoch {
    pub(crate) fn new(expected_threads: usize) -> Self {
        let first = Reader::lines(0, expected_threads.next_power_of_two());
        let asymmetric = barrier::asymmetric();
        Epoch {
            current: CachePadded(AtomicU64::new(IDLE + 1)),
            safe: CachePadded(AtomicU64::new(0)),
            fenceless: AtomicUsize::new(if asymmetric { first.len() } else { 0 }),
            all_fenced: !asymmetric,
            users: AtomicUsize::new(0),
            shared: AtomicBool::new(false),
            first,
            more: [const { OnceLock::new() }; 24],
        }
    }

    /// Announces that the calling thread reads the table. Pins nest. No lock, and on the usual
    /// path neither a read-modify-write nor a fence. The second thread that ever pins calls
    /// `arrive` first, and so do those that come meanwhile: it must wait for each writer that is
    /// at work.
    #[inline]
    pub(crate) fn pin(&self, arrive: impl Fn()) -> EpochGuard<'_> {
        let number = thread_slot::current();
        // Relaxed: see the module's head; `has_switched` provides for a reader that learns late.
        if number < self.fenceless.load(Relaxed) {
            // SAFETY: `fenceless` is at most the length of `first`.
            let reader = unsafe { self.first.get_unchecked(number) };
            if reader.announced.load(Relaxed) == IDLE {
                // As in `announce`, without a fence.
                reader.announced.store(self.current.load(Acquire), Release);
                compiler_fence(SeqCst);
                return EpochGuard { reader, here: PhantomData };
            }
        }
        self.pin_slowly(number, &arrive)
    }

    fn announce(&self, reader: &Reader) {
        // Acquire: pairs with the AcqRel in `stamp`. A thread that reads epoch `e` also sees all
        // that was unlinked before `e` began, so it cannot reach garbage stamped `e`.
        let epoch = self.current.load(Acquire);
        // Release, like every store to the line after the first: pairs with the Acquire in
        // `advance`. A collector that sees this announcement, but not the withdrawal before it,
        // must still know that what was read before is over.
        reader.announced.store(epoch, Release);
        if self.fenceless.load(Relaxed) > 0 {
            // The collector's heavy barrier runs on this core too:
            // * if after the store above, the collector sees the announcement;
            // * if before the loads that follow, they see what was unlinked.
            compiler_fence(SeqCst);
        } else {
            // Pairs with the fence in `advance`:
            // * if this one comes first, the collector sees the announcement;
            // * if that one comes first, this thread sees what was unlinked.
            fence(SeqCst);
            if !reader.fenced.load(Relaxed) {
                // Release: pairs with the Acquire in `has_switched`; a collector that sees it sees
                // the announcement as well.
                reader.fenced.store(true, Release);
            }
        }
    }

    /// As `pin`, for the thread's first pin anywhere, its first pin of this cache, a nested pin, a
    /// thread with a large number, or one that is ending.
    ///
    /// The line may be new in `more`. A collector need not see a new line: the fence below orders
    /// its making and its first announcement together.
    /// * If the collector's fence in `advance` comes after this one, the collector sees the line,
    ///   in use, and checks it as any other.
    /// * If it comes before, this thread sees all that the collector had unlinked, and can reach
    ///   none of it.
    #[cold]
    #[inline(never)]
    fn pin_slowly(&self, number: usize, arrive: &dyn Fn()) -> EpochGuard<'_> {
        let (reader, leased) = self.own_line(number);
        if leased && reader.is_idle() {
            reader.extra.store(LEASED, Relaxed);
        }
        match reader.announced.load(Relaxed) {
            IDLE => self.announce(reader),
            UNUSED => {
                // Acquire: pairs with the Release below.
                if self.users.fetch_add(1, Relaxed) > 0 && !self.shared.load(Acquire) {
                    arrive();
                    self.shared.store(true, Release);
                }
                reader.announced.store(IDLE, Relaxed);
                // Pairs with the fence in `advance`: the fence of a collector that did not count
                // this line came before this one, and this thread sees all that it had unlinked.
                fence(SeqCst);
                self.announce(reader);
            }
            _ => {
                let extra = reader.extra.load(Relaxed);
                assert!(
                    !extra & !LEASED != 0,
                    "more than 2,147,483,647 nested views of one cache on one thread"
                );
                reader.extra.store(extra + 1, Relaxed);
            }
        }
        EpochGuard { reader, here: PhantomData }
    }

    /// The line of the calling thread, which has this number or none yet, and whether the thread
    /// leases a number for it, because it is ending.
    fn own_line(&self, mut number: usize) -> (&Reader, bool) {
        if number == thread_slot::NONE {
            number = thread_slot::register();
        }
        let leased = number == thread_slot::NONE;
        (self.reader(if leased { thread_slot::lease() } else { number }), leased)
    }

    fn reader(&self, number: usize) -> &Reader {
        let first = self.first.len();
        if number < first {
            return &self.first[number];
        }
        let bucket = (number / first).ilog2();
        let cell = &self.more[bucket as usize];
        let line = cell.get().unwrap_or_else(|| {
            // A child forked meanwhile would otherwise wait for a thread that it does not have.
            let _gate = fork::gate();
            cell.get_or_init(|| Reader::lines(first << bucket, first << bucket))
        });
        &line[number - (first << bucket)]
    }

    /// The line with this number, if there is one yet.
    fn line(&self, number: usize) -> Option<&Reader> {
        let first = self.first.len();
        if number < first {
            return self.first.get(number);
        }
        let bucket = (number / first).ilog2();
        self.more.get(bucket as usize)?.get()?.get(number - (first << bucket))
    }

    /// All lines that may have been used.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &Reader> {
        let more = self.more.iter().filter_map(OnceLock::get);
        self.first.iter().chain(more.flat_map(|line| line.iter()))
    }

    /// In a forked child: withdraws the announcements of all other threads, which do not exist
    /// there, and clears their lines. Returns `true` if the calling thread may be pinned.
    #[cfg(unix)]
    pub(crate) fn forget_other_threads(&self) -> bool {
        let own = thread_slot::held();
        let mut may_be_pinned = false;
        for reader in self.readers() {
            if reader.number() == own {
                may_be_pinned = !reader.is_idle();
            } else {
                reader.forget();
            }
        }
        may_be_pinned
    }

    /// Begins a new epoch and returns its number: the stamp of what the caller unlinked before.
    pub(crate) fn stamp(&self) -> u64 {
        // AcqRel: the unlinking comes before the new epoch can be seen (see `announce`), and each
        // stamp comes after those before it.
        self.current.fetch_add(1, AcqRel) + 1
    }

    /// Returns `true` if garbage with this stamp is free.
    pub(crate) fn is_free(&self, stamp: u64) -> bool {
        // Acquire: pairs with the AcqRel in `advance`, through which the last accesses of readers
        // that were unpinned come before the reuse.
        self.safe.load(Acquire) >= stamp
    }

    /// Finds out up to which stamp garbage is free. Pays the heavy barrier.
    pub(crate) fn advance(&self) {
        let mut safe = self.current.load(Acquire);
        // Orders the unlinking of all that is stamped up to `safe` before the loads below. That
        // suffices for lines that no thread has used yet, see `pin_slowly`.
        fence(SeqCst);
        if self.is_alone() {
            // No other line has been used.
            let mine = self.line(thread_slot::current());
            safe = mine.map_or(safe, |mine| mine.hold_back(safe));
        } else if self.order_readers() {
            safe = self.readers().fold(safe, |safe, reader| reader.hold_back(safe));
        } else {
            return;
        }
        self.safe.fetch_max(safe, AcqRel);
    }

    /// Orders what was unlinked before, and the collector's loads of the lines, with all pins.
    /// Returns `false` if that cannot be done at present.
    fn order_readers(&self) -> bool {
        if self.fenceless.load(Relaxed) > 0 {
            if barrier::heavy() {
                return true;
            }
            self.fenceless.store(0, Relaxed);
            // Before the barrier below, of whatever kind, and before the loads of the lines.
            fence(SeqCst);
        }
        self.all_fenced
            || self.readers().all(Reader::has_switched)
            || barrier::heavy()
            || barrier::by_page()
    }

    /// Begins to drop garbage. Returns `None` if the calling thread is dropping garbage of this
    /// cache already.
    pub(crate) fn begin_collecting(&self) -> Option<Collecting<'_>> {
        let (reader, leased) = self.own_line(thread_slot::current());
        if reader.collecting.load(Relaxed) {
            // The lease that the outer call holds, and ends.
            if leased {
                thread_slot::end_lease(reader.number());
            }
            return None;
        }
        reader.collecting.store(true, Relaxed);
        Some(Collecting { reader, leased })
    }

    /// Returns `true` if no other thread has used this cache yet. That may be out of date as soon
    /// as it is returned, unless the caller put a fence before it, as `advance` does.
    pub(crate) fn is_alone(&self) -> bool {
        match self.users.load(Relaxed) {
            0 => true,
            // One line, and it is this thread's: its number leads there.
            1 => self
                .line(thread_slot::current())
                .is_some_and(|mine| mine.announced.load(Relaxed) != UNUSED),
            _ => false,
        }
    }

    /// Returns `true` if it is likely that one thread alone has used this cache.
    #[inline]
    pub(crate) fn seems_alone(&self) -> bool {
        self.users.load(Relaxed) <= 1
    }
}

/// A pin: while it lives, nothing that the thread can reach in the table is dropped or reused.
/// `!Send`.
pub(crate) struct EpochGuard<'e> {
    pub(crate) reader: &'e Reader,
    here: PhantomData<*const ()>,
}

impl EpochGuard<'_> {
    /// Returns `true` if no other thread has ever used the cache, and this one holds no other pin.
    /// Of use to a thread that has the writer of a shard: as long as it has it, that stays so for
    /// the entries of this shard (see the module's head).
    #[inline]
    pub(crate) fn is_only(&self, epoch: &Epoch) -> bool {
        // Relaxed: a thread that comes is counted before it is shown the writer, which orders the
        // count with this load. The only line that was ever used is this thread's.
        self.reader.extra.load(Relaxed) == 0 && epoch.users.load(Relaxed) == 1
    }

    /// Begins to drop garbage at once, if no thread can reach what the caller has unlinked: no
    /// other thread has ever used the cache, and this one holds no other pin. Returns `None`
    /// otherwise, or if the thread is dropping garbage of this cache already.
    #[inline]
    pub(crate) fn begin_dropping(&self, epoch: &Epoch) -> Option<Collecting<'_>> {
        let reader = self.reader;
        // Without another pin, the line is not leased: it stays the thread's.
        if reader.extra.load(Relaxed) != 0 || reader.collecting.load(Relaxed) {
            return None;
        }
        // Pairs with the fence in `pin_slowly`:
        // * if this one comes first, a thread that uses the cache for the first time sees the
        //   unlinking;
        // * if that one comes first, the thread is counted here.
        fence(SeqCst);
        // The only line that was ever used is this thread's, for it is in use.
        (epoch.users.load(Relaxed) == 1).then(|| {
            reader.collecting.store(true, Relaxed);
            Collecting { reader, leased: false }
        })
    }
}

impl Drop for EpochGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.reader.extra.load(Relaxed) == 0 {
            // Release: pairs with the Acquire in `hold_back`; the reader's reads came before.
            self.reader.announced.store(IDLE, Release);
        } else {
            self.reader.unpin_slowly();
        }
    }
}

/// While it lives, its thread does not begin to drop garbage of the same cache again: what a
/// `Drop` does to the cache leaves garbage for later, instead of drops nested without end.
///
/// The note stands in the thread's line. A thread that is ending has a line only while it leases a
/// number, so the lease lasts as long; otherwise the line might become another thread's meanwhile.
pub(crate) struct Collecting<'e> {
    reader: &'e Reader,
    leased: bool,
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        self.reader.collecting.store(false, Relaxed);
        if self.leased {
            thread_slot::end_lease(self.reader.number());
        }
    }
}

#[cfg(all(test, loom))]
mod testing {
    use super::*;

    impl Epoch {
        /// With readers that bind the compiler alone: right for as long as no collector needs the
        /// heavy side, which fails where there is none.
        pub(crate) fn with_light_readers(self) -> Self {
            let fenceless = AtomicUsize::new(self.first.len());
            Epoch { fenceless, all_fenced: false, ..self }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
