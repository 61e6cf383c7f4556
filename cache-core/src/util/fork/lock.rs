//! The locks of the crate, and what threads wait for without one. Waiting threads leave nothing of
//! them behind in a forked child.
//!
//! # Why not parking_lot's
//! In the child of a fork there is one thread, the one that forked; the memory is that of the
//! parent at that moment. parking_lot keeps the threads that wait for its locks in one table of the
//! process, with pointers into their stacks. In the child these entries still exist although their
//! threads do not: the next unlock would wake one, whose stack may be another thread's by then; and
//! if any thread of the program was just adding itself to the table, that part of it stays locked
//! for ever. Neither can be repaired from outside. A futex is nothing but its word: its waiters are
//! known to the kernel, in the parent only.
//!
//! # Why not the standard library's
//! It is built in the same way and would do, except for its guard, which remembers whether the
//! thread was panicking: two words where this one has one, so that a locked shard no longer fits
//! two registers, and a look at the count of panics at each lock and unlock. With it 8,000,000
//! inserts into a full cache took 0.69 s instead of 0.65, loads 1.71 instead of 1.53, updates 0.54
//! instead of 0.39 (medians of seven runs in turn, two shared cores). Nor can it release a lock
//! whose guard was forgotten.
//!
//! Where there is no futex, the lock is parking_lot's nevertheless, and a child is safe only if no
//! thread was waiting for a lock of parking_lot's when it was forked.

#[cfg(target_os = "linux")]
use self::futex as locks;
pub(super) use self::locks::set_forking;
pub(crate) use self::locks::{Condvar, Event};
#[cfg(not(target_os = "linux"))]
use self::portable as locks;

/// A mutex without poison. It is acquired before the process forks.
pub(crate) type Mutex<T> = lock_api::Mutex<locks::RawLock<HELD>, T>;
pub(crate) type MutexGuard<'m, T> = lock_api::MutexGuard<'m, locks::RawLock<HELD>, T>;
/// The lock of a shard. While the process forks it is free, and no thread can acquire it.
pub(crate) type OuterMutex<T> = lock_api::Mutex<locks::RawLock<OUTER>, T>;
pub(crate) type OuterMutexGuard<'m, T> = lock_api::MutexGuard<'m, locks::RawLock<OUTER>, T>;
/// As [`OuterMutex`], for locks that a thread may acquire while it holds one of those, but not the
/// other way round.
pub(crate) type InnerMutex<T> = lock_api::Mutex<locks::RawLock<INNER>, T>;

const HELD: u32 = 0;
pub(super) const OUTER: u32 = 1;
pub(super) const INNER: u32 = 2;

/// A lock that is suspended, free, while the process forks.
pub(crate) trait Suspend {
    /// Waits until no thread holds the lock. From then on none acquires it.
    fn suspend(&self);
    /// # Safety
    /// It is called after `suspend`, when the process has forked; in a child, by its only thread.
    unsafe fn resume(&self, in_child: bool);
}

#[cfg(target_os = "linux")]
mod futex {
    use std::sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    };
    use std::time::{Duration, Instant};

    use rustix::thread::futex::{self, Flags, Timespec};

    use super::MutexGuard;

    const FREE: u32 = 0;
    const TAKEN: u32 = 1;
    /// Taken, and another thread may be waiting for it.
    const AWAITED: u32 = 2;

    /// The number of times that a thread reads a held lock before it blocks.
    const SPINS: u32 = 100;

    /// Locks of this level and of those below are suspended, because the process forks.
    static FORKING: AtomicU32 = AtomicU32::new(0);

    /// A lock in one word: the second mutex of U. Drepper, "Futexes Are Tricky" (2011), as in the
    /// standard library; of a level, see [`set_forking`].
    pub(crate) struct RawLock<const LEVEL: u32>(AtomicU32);

    // SAFETY: `lock` and a successful `try_lock` have changed the word from `FREE` themselves, and
    // only `unlock` makes it `FREE` again (or `resume`, in a process that has no other thread and
    // where none holds it): at any time at most one of them has returned without its `unlock`.
    unsafe impl<const LEVEL: u32> lock_api::RawMutex for RawLock<LEVEL> {
        const INIT: Self = RawLock(AtomicU32::new(FREE));

        type GuardMarker = lock_api::GuardNoSend;

        #[inline]
        fn lock(&self) {
            if !self.try_acquire() {
                self.acquire_contended();
            }
            if Self::is_suspended() {
                self.wait_for_fork();
            }
        }

        #[inline]
        fn try_lock(&self) -> bool {
            let is_acquired = self.try_acquire();
            let is_refused = is_acquired && Self::is_suspended();
            if is_refused {
                self.release();
            }
            is_acquired && !is_refused
        }

        #[inline]
        unsafe fn unlock(&self) {
            self.release();
        }
    }

    impl<const LEVEL: u32> RawLock<LEVEL> {
        #[inline]
        fn try_acquire(&self) -> bool {
            // Acquire, here and below: pairs with the Release in `release`. SeqCst for the load of
            // `FORKING` that follows: either that sees the fork, or `suspend` sees the lock taken.
            self.0.compare_exchange(FREE, TAKEN, SeqCst, Relaxed).is_ok()
        }

        #[cold]
        #[inline(never)]
        fn acquire_contended(&self) {
            let is_taken = |_: &u32| self.0.load(Relaxed) == TAKEN;
            (0..SPINS).take_while(is_taken).for_each(|_| std::hint::spin_loop());
            if self.try_acquire() {
                return;
            }
            // Marked as awaited even if it was free: another thread may be waiting, which this one
            // wakes when it releases the lock.
            while self.0.swap(AWAITED, SeqCst) != FREE {
                wait_while(&self.0, AWAITED, None);
            }
        }

        #[inline]
        fn release(&self) {
            // Release: what this holder did happens before what the next one does.
            if self.0.swap(FREE, Release) == AWAITED {
                wake(&self.0, 1);
            }
        }

        /// Returns `true` if a thread that has acquired the lock must release it, because the
        /// process forks.
        #[inline]
        fn is_suspended() -> bool {
            LEVEL > 0 && FORKING.load(SeqCst) >= LEVEL
        }

        /// Releases the lock, and acquires it again when the process has forked.
        #[cold]
        #[inline(never)]
        fn wait_for_fork(&self) {
            while Self::is_suspended() {
                self.release();
                let mut level = FORKING.load(SeqCst);
                while level >= LEVEL {
                    wait_while(&FORKING, level, None);
                    level = FORKING.load(SeqCst);
                }
                self.acquire_contended();
            }
        }
    }

    /// Suspends the locks up to this level from now on; none if it is 0. A thread that acquires one
    /// then releases it before it has accessed what it guards.
    pub(in super::super) fn set_forking(level: u32) {
        FORKING.store(level, SeqCst);
        if level == 0 {
            wake(&FORKING, u32::MAX >> 1);
        }
    }

    impl<const LEVEL: u32, T> super::Suspend for lock_api::Mutex<RawLock<LEVEL>, T> {
        /// Only reads, so that the pages stay shared with the child.
        fn suspend(&self) {
            // SAFETY: the lock is not released through this.
            let word = &unsafe { self.raw() }.0;
            let mut looks = 0_u32;
            // Acquire, as for a next holder: a child sees all that was done under the lock.
            while word.load(SeqCst) != FREE {
                looks += 1;
                match looks {
                    0..SPINS => std::hint::spin_loop(),
                    SPINS..1_000 => std::thread::yield_now(),
                    // The holder may have a priority for which yielding makes no room.
                    _ => std::thread::sleep(Duration::from_micros(50)),
                }
            }
        }

        unsafe fn resume(&self, in_child: bool) {
            // SAFETY: the lock is released through this only where no thread holds it: see below.
            let word = &unsafe { self.raw() }.0;
            // Taken by a thread that was about to wait for the fork, and does not exist in the
            // child.
            if in_child && word.load(Relaxed) != FREE {
                word.store(FREE, Relaxed);
            }
        }
    }

    /// A condition variable: it counts notifications.
    pub(crate) struct Condvar(AtomicU32);

    impl Condvar {
        pub(crate) const fn new() -> Self {
            Condvar(AtomicU32::new(0))
        }

        /// The caller holds the mutex, or has held it since the condition became true.
        pub(crate) fn notify_all(&self) {
            // Relaxed: the mutex orders it after the load of a waiter that found the condition
            // false.
            self.0.fetch_add(1, Relaxed);
            wake(&self.0, u32::MAX >> 1);
        }

        /// Releases the mutex until a notification, perhaps a spurious one.
        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let seen = self.0.load(Relaxed);
            MutexGuard::unlocked(guard, || wait_while(&self.0, seen, None));
        }

        /// As `wait`, or until the deadline.
        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) {
            let seen = self.0.load(Relaxed);
            MutexGuard::unlocked(guard, || wait_while(&self.0, seen, Some(deadline)));
        }
    }

    /// A flag that one thread waits for.
    pub(crate) struct Event(AtomicU32);

    impl Event {
        pub(crate) fn new() -> Self {
            Event(AtomicU32::new(0))
        }

        pub(crate) fn set(&self) {
            // Release: pairs with the Acquire in `wait`.
            if self.0.swap(1, Release) == 0 {
                wake(&self.0, 1);
            }
        }

        /// Blocks until it is set, and clears it, or until the deadline.
        pub(crate) fn wait(&self, deadline: Option<Instant>) {
            // Acquire: pairs with the Release in `set`.
            while self.0.swap(0, Acquire) == 0 && wait_while(&self.0, 0, deadline) {}
        }
    }

    /// Blocks while the word has this value, until it is woken (perhaps spuriously) or the deadline
    /// has come. Returns `false` if that had come before.
    fn wait_while(word: &AtomicU32, value: u32, deadline: Option<Instant>) -> bool {
        /// Callers check again, so a bound is harmless; the kernel accepts one of this size.
        const DAY: Duration = Duration::from_secs(86_400);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return false;
        }
        let timeout = left.and_then(|left| Timespec::try_from(left.min(DAY)).ok());
        // It fails because of a signal, a change of the word, or the timeout: each is a reason to
        // check again.
        let _ = futex::wait(word, Flags::PRIVATE, value, timeout.as_ref());
        true
    }

    /// Wakes at most `most` of the threads that wait for this word.
    #[cold]
    fn wake(word: &AtomicU32, most: u32) {
        // It fails only for invalid addresses.
        let _ = futex::wake(word, Flags::PRIVATE, most);
    }
}

/// For systems without futexes: see the head of the file. Locks of all levels are acquired.
#[cfg(not(target_os = "linux"))]
mod portable {
    use std::time::Instant;

    pub(crate) use parking_lot::Condvar;

    use super::Mutex;

    pub(crate) type RawLock<const LEVEL: u32> = parking_lot::RawMutex;

    pub(in super::super) fn set_forking(_: u32) {}

    impl<T> super::Suspend for Mutex<T> {
        fn suspend(&self) {
            std::mem::forget(self.lock());
        }

        unsafe fn resume(&self, _: bool) {
            // SAFETY: the caller's promise: `suspend` has acquired it and forgotten the guard.
            unsafe { self.force_unlock() };
        }
    }

    /// A flag that one thread waits for.
    pub(crate) struct Event(Mutex<bool>, Condvar);

    impl Event {
        pub(crate) fn new() -> Self {
            Event(Mutex::new(false), Condvar::new())
        }

        pub(crate) fn set(&self) {
            *self.0.lock() = true;
            self.1.notify_all();
        }

        /// Blocks until it is set, and clears it, or until the deadline.
        pub(crate) fn wait(&self, deadline: Option<Instant>) {
            let mut set = self.0.lock();
            while !*set && deadline.is_none_or(|deadline| Instant::now() < deadline) {
                match deadline {
                    None => self.1.wait(&mut set),
                    Some(deadline) => _ = self.1.wait_until(&mut set, deadline),
                }
            }
            *set = false;
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_lock_has_one_holder_at_a_time() {
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

    /// Other tests of this process that use such locks meanwhile wait.
    #[test]
    #[cfg(target_os = "linux")]
    fn while_the_process_forks_no_thread_acquires_a_suspended_lock() {
        let (outer, inner, held) = (OuterMutex::new(1), InnerMutex::new(1), Mutex::new(1));
        let can = || (outer.try_lock().is_some(), inner.try_lock().is_some());
        thread::scope(|scope| {
            set_forking(OUTER);
            outer.suspend();
            // The holder of an outer lock would still get the inner one.
            assert_eq!(can(), (false, true));
            set_forking(INNER);
            inner.suspend();
            assert_eq!((can(), held.try_lock().is_some()), ((false, false), true));
            let waits = scope.spawn(|| *outer.lock() += *inner.lock());
            // It is free again, whether or not the thread has acquired it meanwhile.
            outer.suspend();
            set_forking(0);
            waits.join().unwrap();
        });
        assert_eq!((can(), outer.into_inner()), ((true, true), 2));
    }
}
