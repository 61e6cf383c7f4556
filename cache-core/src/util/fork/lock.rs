//! The locks of the crate.
//!
//! # Why not parking_lot's
//! In the child of a fork there is one thread, the one that forked; the memory is that of the
//! parent at that moment. parking_lot keeps the threads that wait for its locks in one table for
//! the process, with pointers into their stacks. In the child these entries are still there
//! although their threads are not: the next unlock would wake one, whose stack is perhaps another's
//! by then; and if any thread of the program was just putting itself on the table, that part of it
//! stays locked for ever. Nothing can be done about either from outside. A futex has nothing but
//! its word: who waits for it stands in the kernel, in the parent alone.
//!
//! # Why not the standard library's
//! That is built in the same way and would do, but for its guard, which remembers whether the
//! thread was panicking: two words where this one has one, so that a locked shard no longer fits
//! two registers, and looks at the count of panics when it locks and unlocks. With it 8,000,000
//! inserts into a full cache took 0.69 s instead of 0.65, loads 1.71 instead of 1.53, updates 0.54
//! instead of 0.39 (medians of seven runs in turn, two shared cores). Nor has it a way to unlock
//! what an earlier call has locked.
//!
//! Where there is no futex, the lock is parking_lot's all the same, and a child is safe only if no
//! thread waited for a lock of parking_lot's when it was forked.

#[cfg(target_os = "linux")]
use self::futex as locks;
#[cfg(target_os = "linux")]
pub(crate) use self::futex::{wait_while, wake};
#[cfg(not(target_os = "linux"))]
use self::portable as locks;

#[cfg(all(unix, not(any(loom, shuttle))))]
pub(super) use self::locks::set_forking;

/// A mutex without poison. It is acquired before the process forks.
pub(crate) type Mutex<T> = lock_api::Mutex<locks::RawLock<HELD>, T>;
pub(crate) type MutexGuard<'m, T> = lock_api::MutexGuard<'m, locks::RawLock<HELD>, T>;
/// The lock of a shard. While the process forks it is free, and nobody can acquire it.
pub(crate) type OuterMutex<T> = lock_api::Mutex<locks::RawLock<OUTER>, T>;
pub(crate) type OuterMutexGuard<'m, T> = lock_api::MutexGuard<'m, locks::RawLock<OUTER>, T>;
/// As an [`OuterMutex`], for locks that a thread may acquire while it holds one of those, but not
/// the other way round.
pub(crate) type InnerMutex<T> = lock_api::Mutex<locks::RawLock<INNER>, T>;

const HELD: u32 = 0;
pub(super) const OUTER: u32 = 1;
pub(super) const INNER: u32 = 2;

/// A lock that stands still, free, while the process forks.
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) trait StandStill {
    /// Waits until nobody holds the lock. From then on nobody acquires it.
    fn stand_still(&self);
    /// # Safety
    /// After `stand_still`, when the process has forked; by the only thread in a child.
    unsafe fn go_on(&self, in_child: bool);
}

#[cfg(target_os = "linux")]
mod futex {
    use std::sync::atomic::{
        AtomicU32,
        Ordering::{Relaxed, Release, SeqCst},
    };
    use std::time::{Duration, Instant};

    use rustix::thread::futex::{self, Flags, Timespec};

    const FREE: u32 = 0;
    const TAKEN: u32 = 1;
    /// Taken, and perhaps somebody waits for it.
    const AWAITED: u32 = 2;

    /// How often a thread looks at a held lock before it blocks.
    const SPINS: u32 = 100;

    /// While the process forks: the locks of this level and of those below stand still.
    static FORKING: AtomicU32 = AtomicU32::new(0);

    /// A lock in one word: the second mutex of U. Drepper, "Futexes Are Tricky" (2011), as in the
    /// standard library; of a level, see [`set_forking`].
    pub(crate) struct RawLock<const LEVEL: u32>(AtomicU32);

    // SAFETY: `lock` and a successful `try_lock` have changed the word from `FREE` themselves, and
    // only `unlock` makes it `FREE` again (or `go_on`, in a process that has no other thread and
    // where nobody holds it): at any time at most one of them has returned without its `unlock`.
    unsafe impl<const LEVEL: u32> lock_api::RawMutex for RawLock<LEVEL> {
        const INIT: Self = RawLock(AtomicU32::new(FREE));

        type GuardMarker = lock_api::GuardNoSend;

        #[inline]
        fn lock(&self) {
            if !self.acquire_at_once() {
                self.acquire_slowly();
            }
            if Self::stands_still() {
                self.stand_aside();
            }
        }

        #[inline]
        fn try_lock(&self) -> bool {
            if !self.acquire_at_once() {
                return false;
            }
            if Self::stands_still() {
                self.release();
                return false;
            }
            true
        }

        #[inline]
        unsafe fn unlock(&self) {
            self.release();
        }
    }

    impl<const LEVEL: u32> RawLock<LEVEL> {
        #[inline]
        fn acquire_at_once(&self) -> bool {
            // Acquire, here and below: pairs with the Release in `release`. Sequentially consistent
            // for the look at `FORKING` that follows: either that sees the fork, or `stand_still`
            // sees the lock taken.
            self.0.compare_exchange(FREE, TAKEN, SeqCst, Relaxed).is_ok()
        }

        #[cold]
        #[inline(never)]
        fn acquire_slowly(&self) {
            let mut spins = 0;
            while self.0.load(Relaxed) == TAKEN && spins < SPINS {
                std::hint::spin_loop();
                spins += 1;
            }
            if self.acquire_at_once() {
                return;
            }
            // Marked as awaited, also if it is free: another may wait, whom this thread is to wake
            // then.
            while self.0.swap(AWAITED, SeqCst) != FREE {
                wait_while(&self.0, AWAITED, None);
            }
        }

        #[inline]
        fn release(&self) {
            // Release: what the holder did comes before what the next one does.
            if self.0.swap(FREE, Release) == AWAITED {
                wake(&self.0, 1);
            }
        }

        /// Must a thread that has acquired the lock give it back, because the process is being
        /// forked?
        #[inline]
        fn stands_still() -> bool {
            LEVEL > 0 && FORKING.load(SeqCst) >= LEVEL
        }

        /// Releases the lock, and acquires it again when the process has forked.
        #[cold]
        #[inline(never)]
        fn stand_aside(&self) {
            while Self::stands_still() {
                self.release();
                loop {
                    let level = FORKING.load(SeqCst);
                    if level < LEVEL {
                        break;
                    }
                    wait_while(&FORKING, level, None);
                }
                if !self.acquire_at_once() {
                    self.acquire_slowly();
                }
            }
        }
    }

    /// Has the locks up to this level stand still from now on; none if it is 0. A thread that
    /// acquires one then has not seen what it guards when it gives it back.
    pub(in super::super) fn set_forking(level: u32) {
        FORKING.store(level, SeqCst);
        if level == 0 {
            wake(&FORKING, u32::MAX >> 1);
        }
    }

    #[cfg(not(any(loom, shuttle)))]
    impl<const LEVEL: u32, T> super::StandStill for lock_api::Mutex<RawLock<LEVEL>, T> {
        /// Only reads, so that pages of memory go on being shared with the child.
        fn stand_still(&self) {
            // SAFETY: it is not unlocked through this.
            let word = &unsafe { self.raw() }.0;
            let mut looks = 0_u32;
            // Acquire: as that of another holder. A child sees all that was done under the lock.
            while word.load(SeqCst) != FREE {
                looks += 1;
                match looks {
                    0..SPINS => std::hint::spin_loop(),
                    SPINS..1_000 => std::thread::yield_now(),
                    // Its holder may be a thread that a yielding one is not to make way for.
                    _ => std::thread::sleep(Duration::from_micros(50)),
                }
            }
        }

        unsafe fn go_on(&self, in_child: bool) {
            // SAFETY: it is not unlocked through this, but where nobody holds it: see below.
            let word = &unsafe { self.raw() }.0;
            // By a thread that was about to stand aside, and is not there in the child.
            if in_child && word.load(Relaxed) != FREE {
                word.store(FREE, Relaxed);
            }
        }
    }

    /// Blocks while the word has this value, until it is woken (perhaps without a reason) or the
    /// deadline has come; false if that had come before.
    pub(crate) fn wait_while(word: &AtomicU32, value: u32, deadline: Option<Instant>) -> bool {
        /// The callers look again. So long a time is one that the kernel surely knows.
        const DAY: Duration = Duration::from_secs(86_400);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return false;
        }
        let timeout = left.and_then(|left| Timespec::try_from(left.min(DAY)).ok());
        // What fails is a signal, a change of the word, or the end of the time: reasons to look
        // again.
        let _ = futex::wait(word, Flags::PRIVATE, value, timeout.as_ref());
        true
    }

    /// Wakes so many of the threads that wait for this word.
    #[cold]
    pub(crate) fn wake(word: &AtomicU32, most: u32) {
        // It fails for addresses that are none.
        let _ = futex::wake(word, Flags::PRIVATE, most);
    }
}

/// Where there is no futex: see the file's head. All locks are acquired, of whatever level.
#[cfg(not(target_os = "linux"))]
mod portable {
    pub(crate) type RawLock<const LEVEL: u32> = parking_lot::RawMutex;

    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(in super::super) fn set_forking(_: u32) {}

    #[cfg(all(unix, not(any(loom, shuttle))))]
    impl<T> super::StandStill for super::Mutex<T> {
        fn stand_still(&self) {
            std::mem::forget(self.lock());
        }

        unsafe fn go_on(&self, _: bool) {
            // SAFETY: the caller's promise: `stand_still` has locked it and given up the guard.
            unsafe { self.force_unlock() };
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_lock_lets_one_in_at_a_time() {
        let count = Mutex::new(0_u64);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..20_000 {
                        let mut locked = count.lock();
                        let seen = *locked;
                        if round % 1_000 == 0 {
                            thread::yield_now();
                        }
                        *locked = seen + 1;
                    }
                });
            }
        });
        let held = count.lock();
        assert_eq!(*held, 80_000);
        assert!(count.try_lock().is_none());
        drop(held);
        assert!(count.try_lock().is_some());
    }

    /// As far as other tests of this process use locks meanwhile, they wait.
    #[test]
    #[cfg(target_os = "linux")]
    fn while_the_process_forks_nobody_acquires_what_stands_still() {
        let (outer, inner, held) = (OuterMutex::new(1), InnerMutex::new(1), Mutex::new(1));
        let can = || (outer.try_lock().is_some(), inner.try_lock().is_some());
        thread::scope(|scope| {
            set_forking(OUTER);
            outer.stand_still();
            // The holder of an outer lock would still get the inner one.
            assert_eq!(can(), (false, true));
            set_forking(INNER);
            inner.stand_still();
            assert_eq!((can(), held.try_lock().is_some()), ((false, false), true));
            let waits = scope.spawn(|| *outer.lock() += *inner.lock());
            // It is given back, whether or not the thread has come.
            outer.stand_still();
            set_forking(0);
            waits.join().unwrap();
        });
        assert_eq!((can(), outer.into_inner()), ((true, true), 2));
    }
}
