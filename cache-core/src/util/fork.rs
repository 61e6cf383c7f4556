//! Forks: how a child of the process finds every cache whole. The locks that make that possible
//! stand in `lock.rs`.
//!
//! In the child of a fork there is one thread, the one that forked; the memory is that of the
//! parent at that moment. If another thread was just changing something, it stays half changed, and
//! locked. So no thread but the one that forks holds a lock of the crate while the process forks
//! (`prepare`, `release`).
//! * The locks of what stands in a `static` are acquired: each [`Global`] is listed when it is
//!   first used.
//! * So are the [gates](gate), for what is on no list: the locks of flights, cells that are set
//!   once.
//! * The locks of caches are many: they are *suspended*, free. A thread that acquires one finds
//!   that a fork is under way, releases it and waits. So the memory of caches is read and not
//!   written: to lock and unlock it would copy its pages twice. With 16,000 caches of 8 shards a
//!   fork took 610 to 850 ms that way.
//!
//! The locks are held for moments and never while the user's code runs, so a fork waits for moments
//! only.
//!
//! In the child, what belonged to other threads is then forgotten: see `in_child` of each
//! [`Global`] and [`AtFork::after_fork`]. A handler of a fork must neither start threads nor drop
//! values; that is left for the next call that writes or misses ([`catch_up`]).
//!
//! A fork by `_Fork`, `vfork` or a direct system call runs no handlers.
#![allow(unsafe_code)]
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crate::util::cache_padded::CachePadded;

mod lock;

use self::handlers::install;
pub(crate) use self::handlers::{AtFork, Gate, gate};
pub(crate) use self::lock::{
    Condvar, Event, InnerMutex, Mutex, MutexGuard, OuterMutex, OuterMutexGuard, Suspend,
};

/// A value in a `static`, under a lock that is held while the process forks.
pub(crate) struct Global<T: 'static> {
    mutex: Mutex<T>,
    /// It is in [`GLOBALS`].
    listed: AtomicBool,
    in_child: fn(&mut T),
    afterwards: fn(),
}

impl<T: Send> Global<T> {
    /// `in_child` turns the value into what a child is to find, with the lock held: it acquires no
    /// other lock and runs no user code. `afterwards` is called by the child's first call that may
    /// take its time, see [`catch_up`].
    pub(crate) const fn new(value: T, in_child: fn(&mut T), afterwards: fn()) -> Self {
        Global { mutex: Mutex::new(value), listed: AtomicBool::new(false), in_child, afterwards }
    }

    /// As `new`, for a value that a child may take over unchanged.
    pub(crate) const fn plain(value: T) -> Self {
        Self::new(value, |_| (), || ())
    }

    #[inline]
    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        // Relaxed: it is set after the value was listed, under the list's lock. A thread that sees
        // it set need not see more: a fork that comes then acquires that lock and finds the value.
        if !self.listed.load(Relaxed) {
            self.list();
        }
        self.mutex.lock()
    }

    #[cold]
    fn list(&'static self) {
        install();
        let mut globals = GLOBALS.lock();
        if !self.listed.load(Relaxed) {
            globals.push(self);
            self.listed.store(true, Relaxed);
        }
    }
}

/// A [`Global`] of any type.
trait AnyGlobal: Sync {
    fn hold(&self);
    /// # Safety
    /// The calling thread, or the parent's thread of which it is the image, has called `hold`, and
    /// not yet this.
    unsafe fn release(&self, in_child: bool);
    fn afterwards(&self);
}

impl<T: Send> AnyGlobal for Global<T> {
    fn hold(&self) {
        std::mem::forget(self.mutex.lock());
    }

    unsafe fn release(&self, in_child: bool) {
        // SAFETY: the caller's promise: `hold` has acquired the lock and forgotten the guard.
        let mut value = unsafe { self.mutex.make_guard_unchecked() };
        if in_child {
            (self.in_child)(&mut value);
        }
    }

    fn afterwards(&self) {
        (self.afterwards)();
    }
}

static GLOBALS: Mutex<Vec<&'static dyn AnyGlobal>> = Mutex::new(Vec::new());

/// Some of the locks of a cache.
pub(crate) trait CacheLocks {
    /// Suspends all locks of this level: see [`Suspend::suspend`].
    fn suspend(&self, level: Level);
    /// # Safety
    /// That of [`Suspend::resume`].
    unsafe fn resume(&self, in_child: bool);
}

/// The locks of a cache's shards.
impl<T> CacheLocks for Box<[CachePadded<OuterMutex<T>>]> {
    fn suspend(&self, level: Level) {
        if level == Level::Outer {
            self.iter().for_each(|lock| lock.suspend());
        }
    }

    unsafe fn resume(&self, in_child: bool) {
        // SAFETY: the caller's promise.
        self.iter().for_each(|lock| unsafe { lock.resume(in_child) });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Outer,
    Inner,
}

/// Proof that the process has one thread, which holds no lock.
pub(crate) struct OnlyThread(());

static CACHES: Mutex<Caches> = Mutex::new(Caches { by_number: BTreeMap::new(), next: 0 });

struct Caches {
    by_number: BTreeMap<u64, Listed>,
    next: u64,
}

struct Listed {
    cache: Weak<dyn AtFork>,
    /// It existed when the fork that is under way began, and its locks are suspended.
    is_suspended: bool,
}

// SAFETY: a cache of keys or values that may not leave their thread is listed as well, and the
// thread that forks reaches it. While there are other threads, all that is called of it is `locks`,
// which leads to the words of its locks alone, and those are atomic. `after_fork` is called when
// there is no other thread; by the rule of `AtFork` it neither uses nor drops a key or a value.
// The reference is never upgraded, so the cache is not dropped through it.
unsafe impl Send for Listed {}

/// A cache, on the list of those whose locks are suspended while the process forks. It stays in its
/// `Arc` from its making to its drop.
pub(crate) struct ForkAware<T> {
    // The first field: it is the first to be dropped.
    _listing: Listing,
    it: T,
}

/// An entry of the list; removed on drop.
struct Listing(u64);

impl<T: 'static> ForkAware<T>
where
    Self: AtFork,
{
    /// Makes the value that `make` returns, and lists it.
    pub(crate) fn new(make: impl FnOnce(&Weak<Self>) -> T) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            install();
            let mut caches = CACHES.lock();
            let number = caches.next;
            caches.next += 1;
            caches.by_number.insert(number, Listed { cache: weak.clone(), is_suspended: false });
            drop(caches);
            ForkAware { _listing: Listing(number), it: make(weak) }
        })
    }
}

impl<T> Deref for ForkAware<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.it
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let _left = CACHES.lock().by_number.remove(&self.0);
    }
}

/// The number of forks between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it changes only while there is one thread.
    GENERATION.load(Relaxed)
}

/// There is work that a handler of a fork must not do.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Does what a fork has left for later, if anything: starts threads again. For calls that hold no
/// lock and may take their time.
#[inline]
pub(crate) fn catch_up() {
    if PENDING.load(Relaxed) {
        catch_up_now();
    }
}

#[cold]
#[inline(never)]
fn catch_up_now() {
    if PENDING.swap(false, Relaxed) {
        let globals = GLOBALS.lock().clone();
        globals.iter().for_each(|global| global.afterwards());
    }
}

/// What the handlers do.
#[cfg(all(unix, not(any(loom, shuttle))))]
mod handlers {
    use std::sync::atomic::{Ordering::Acquire, fence};

    use super::lock::{INNER, OUTER, set_forking};
    use super::*;

    /// A cache, as a fork sees it. Its keys and values may belong to another thread than the one
    /// that calls this: it neither uses nor drops any.
    pub(crate) trait AtFork {
        /// Returns its locks, first the inner ones. It reads nothing that changes.
        fn locks(&self) -> [&dyn CacheLocks; 2];
        /// Called in the child. Runs no user code.
        fn after_fork(&self, thread: &OnlyThread);
    }

    impl Caches {
        /// Marks the caches whose locks are to be suspended. Not one that is being made, or
        /// dropped, by another thread: no thread of a child can reach it.
        fn mark(&mut self) {
            for listed in self.by_number.values_mut() {
                listed.is_suspended = listed.cache.strong_count() > 0;
            }
            // Pairs with the making of the first reference: the contents of the caches are visible.
            fence(Acquire);
        }

        /// Shows the marked caches.
        fn each(&self, mut visit: impl FnMut(&dyn AtFork)) {
            for listed in self.by_number.values().filter(|listed| listed.is_suspended) {
                // SAFETY: it is initialised, as there was a reference to it when it was marked,
                // under the lock of `self`, held ever since. The last reference may be dropped
                // meanwhile, but not the contents: a `ForkAware` is dropped in its place, beginning
                // with its `Listing`, which waits for that lock. An upgrade would be safe code, but
                // would write to the memory of each cache, and might have to drop the cache.
                visit(unsafe { &*listed.cache.as_ptr() });
            }
        }
    }

    /// Keeps the process from forking until the guard is dropped. For short work under a lock that
    /// is on no list, or under none. Under it, a thread acquires no lock of this file and none of a
    /// cache.
    pub(crate) fn gate() -> Gate {
        thread_local! {
            static HERE: u8 = const { 0 };
        }
        install();
        // The address of a thread-local spreads the threads over the gates; they lie pages apart.
        let here = HERE.with(|here| std::ptr::from_ref(here) as usize);
        GATES[(here >> 12) % GATES.len()].0.lock()
    }

    pub(crate) type Gate = MutexGuard<'static, ()>;

    static GATES: [CachePadded<Mutex<()>>; 16] = [const { CachePadded(Mutex::new(())) }; 16];

    /// Installs the handlers.
    pub(super) fn install() {
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        // Not under a lock: a fork that comes now would leave it locked in its child. Another
        // thread may continue before the handlers are installed, once in the life of the process.
        if !INSTALLED.load(Relaxed) && !INSTALLED.swap(true, Relaxed) {
            // SAFETY: the functions exist for as long as this code does. `prepare` has no
            // conditions; each `release` is called after it, once, on the same thread or, in the
            // child, its image. Without memory for them the process continues, as if there were no
            // handlers.
            unsafe {
                libc::pthread_atfork(Some(prepare), Some(release::<false>), Some(release::<true>))
            };
        }
    }

    /// Runs before the process forks, on the thread that forks it: waits for the holders of all
    /// locks, in the order in which they are acquired elsewhere, and keeps others from acquiring
    /// them. No holder of one runs user code, so this takes moments.
    extern "C" fn prepare() {
        let mut caches = CACHES.lock();
        caches.mark();
        // One level after the other: the holder of an outer lock must still get the inner ones.
        for (level, number) in [(Level::Outer, OUTER), (Level::Inner, INNER)] {
            set_forking(number);
            caches.each(|cache| cache.locks().iter().for_each(|locks| locks.suspend(level)));
        }
        std::mem::forget(caches);
        let globals = GLOBALS.lock();
        globals.iter().for_each(|global| global.hold());
        std::mem::forget(globals);
        GATES.iter().for_each(|gate| std::mem::forget(gate.0.lock()));
    }

    /// # Safety
    /// `prepare` was called, and not yet this.
    unsafe extern "C" fn release<const IN_CHILD: bool>() {
        if IN_CHILD {
            GENERATION.fetch_add(1, Relaxed);
        }
        // SAFETY: the caller's promise, for each lock below: `prepare` has acquired it and
        // forgotten the guard.
        unsafe {
            GATES.iter().for_each(|gate| gate.0.force_unlock());
            let globals = GLOBALS.make_guard_unchecked();
            globals.iter().for_each(|global| global.release(IN_CHILD));
        }
        // SAFETY: as above.
        let mut caches = unsafe { CACHES.make_guard_unchecked() };
        if IN_CHILD {
            // Another thread may have finished making a cache since `prepare`, and left it where
            // this one finds it.
            caches.mark();
        }
        caches.each(|cache| {
            for locks in cache.locks() {
                // SAFETY: they stand still since `prepare`. In a child those of a cache may be
                // among them that was still being made then: nobody holds its locks either, see
                // `RawLock::wait_for_fork`.
                unsafe { locks.resume(IN_CHILD) };
            }
        });
        set_forking(0);
        if IN_CHILD {
            caches.each(|cache| cache.after_fork(&OnlyThread(())));
            PENDING.store(true, Relaxed);
        }
    }
}

/// Where no process forks.
#[cfg(any(not(unix), loom, shuttle))]
mod handlers {
    pub(crate) trait AtFork {}

    pub(crate) struct Gate;

    pub(crate) fn gate() -> Gate {
        Gate
    }

    pub(super) fn install() {}
}
