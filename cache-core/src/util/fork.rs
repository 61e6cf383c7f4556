//! Forks: what a child of the process finds. The locks that make that possible stand in `lock.rs`.
//!
//! In the child of a fork there is one thread, the one that forked; the memory is that of the
//! parent at that moment. If another thread was just changing something, it stays half changed, and
//! locked. So nobody holds a lock of the crate while the process forks, but the thread that forks
//! it ([`prepare`], [`release`]).
//! * The locks of what stands in a `static` are acquired: each [`Global`] is listed when it is
//!   first used.
//! * So are the [gates](gate), for what has no place on a list: the locks of flights, cells that
//!   are set once.
//! * The locks of caches are many: they stand still, free. A thread that acquires one finds that a
//!   fork is under way, gives it back and waits. So the memory of caches is looked at and not
//!   written to: to lock and unlock it would copy its pages twice. With 16,000 caches of 8 shards a
//!   fork took 610 to 850 ms that way.
//!
//! The locks are held for moments and never while code of the user's runs, so a fork waits for
//! moments.
//!
//! In the child, other threads' part of things is then forgotten: see `in_child` of each [`Global`]
//! and [`Stands::after_fork`]. What a handler of a fork may not do, which is to start threads and
//! to drop values, is left for the next call that writes or misses ([`catch_up`]).
//!
//! A fork by `_Fork`, `vfork` or a system call of one's own calls no handlers.
#![allow(unsafe_code)]
#![cfg_attr(not(unix), allow(dead_code))]

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed},
    fence,
};
use std::sync::{Arc, Weak};

#[cfg(all(unix, not(any(loom, shuttle))))]
use crate::util::sync::CachePadded;

mod lock;

#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) use self::lock::StandStill;
#[cfg(all(unix, not(any(loom, shuttle))))]
use self::lock::{INNER, OUTER, set_forking};
pub(crate) use self::lock::{InnerMutex, Mutex, MutexGuard, OuterMutex, OuterMutexGuard};
#[cfg(target_os = "linux")]
pub(crate) use self::lock::{wait_while, wake};

/// A value in a `static`, under a lock that is held while the process forks.
pub(crate) struct Global<T: 'static> {
    mutex: Mutex<T>,
    /// It stands in [`PARTS`].
    listed: AtomicBool,
    in_child: fn(&mut T),
    afterwards: fn(),
}

impl<T: Send> Global<T> {
    /// `in_child` makes of the value what a child is to have, with the lock held: it takes no other
    /// lock and runs no code of the user's. `afterwards` is called by the child's first call that
    /// may take its time, see [`catch_up`].
    pub(crate) const fn new(value: T, in_child: fn(&mut T), afterwards: fn()) -> Self {
        Global { mutex: Mutex::new(value), listed: AtomicBool::new(false), in_child, afterwards }
    }

    /// As `new`, of a value that a child may take over as it is.
    pub(crate) const fn plain(value: T) -> Self {
        Self::new(value, |_| (), || ())
    }

    #[inline]
    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        // Relaxed: a thread that sees it before it has the list's lock sees it from a thread that
        // has listed it; a fork that comes then finds it there.
        if !self.listed.load(Relaxed) {
            self.list();
        }
        self.mutex.lock()
    }

    #[cold]
    fn list(&'static self) {
        install();
        let mut parts = PARTS.lock();
        if !self.listed.load(Relaxed) {
            parts.push(self);
            self.listed.store(true, Relaxed);
        }
    }
}

/// A [`Global`] of any type.
trait Part: Sync {
    fn hold(&self);
    /// # Safety
    /// The calling thread, or the one that it is the image of, has called `hold`, and not yet this.
    unsafe fn release(&self, in_child: bool);
    fn afterwards(&self);
}

impl<T: Send> Part for Global<T> {
    fn hold(&self) {
        std::mem::forget(self.mutex.lock());
    }

    unsafe fn release(&self, in_child: bool) {
        // SAFETY: the caller's promise: `hold` has locked it and given up the guard.
        let mut value = unsafe { self.mutex.make_guard_unchecked() };
        if in_child {
            (self.in_child)(&mut value);
        }
    }

    fn afterwards(&self) {
        (self.afterwards)();
    }
}

static PARTS: Mutex<Vec<&'static dyn Part>> = Mutex::new(Vec::new());

/// Locks of a cache.
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) trait Locks {
    /// Has all locks of this level stand still.
    fn stand_still(&self, level: Level);
    /// # Safety
    /// As of [`StandStill::go_on`].
    unsafe fn go_on(&self, in_child: bool);
}

/// The locks of a cache's shards.
#[cfg(all(unix, not(any(loom, shuttle))))]
impl<T: Send> Locks for Box<[CachePadded<OuterMutex<T>>]> {
    fn stand_still(&self, level: Level) {
        if level == Level::Outer {
            self.iter().for_each(|lock| lock.stand_still());
        }
    }

    unsafe fn go_on(&self, in_child: bool) {
        // SAFETY: the caller's promise.
        self.iter().for_each(|lock| unsafe { lock.go_on(in_child) });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Outer,
    Inner,
}

/// Shows that the process has one thread, which holds no lock.
pub(crate) struct Alone(());

#[cfg(all(unix, not(any(loom, shuttle))))]
impl Alone {
    /// Changes what a lock guards, without acquiring it: nothing is written where `change` does not
    /// write. It gets nothing but the value, so it cannot reach the lock.
    pub(crate) fn change<T, R>(&self, lock: &OuterMutex<T>, change: fn(&mut T) -> R) -> R {
        // SAFETY: there is no other thread, and this one holds no lock.
        change(unsafe { &mut *lock.data_ptr() })
    }
}

/// What stands still while the process forks: a cache.
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) trait Stands: Send + Sync {
    /// Its locks, first the inner ones.
    fn locks(&self) -> [&dyn Locks; 2];
    /// In the child. Runs no code of the user's.
    fn after_fork(&self, alone: &Alone);
}

/// Makes of models and of systems without `fork` what they need: nothing.
#[cfg(any(not(unix), loom, shuttle))]
pub(crate) trait Stands {}

static CACHES: Mutex<Caches> = Mutex::new(Caches { by_number: BTreeMap::new(), next: 0 });

struct Caches {
    by_number: BTreeMap<u64, Listed>,
    next: u64,
}

struct Listed {
    cache: Weak<dyn Stands + Send + Sync>,
    /// It was there when the fork that is under way began, and stands still for it.
    stands: bool,
}

/// A cache, with a place on the list of those that stand still while the process forks. It lives in
/// its `Arc` from its making to its end, and nobody takes it out of that.
pub(crate) struct Standing<T> {
    // The first field: it is the first to be dropped.
    _stand: Stand,
    it: T,
}

/// A place on the list. Dropping it takes it off.
struct Stand {
    number: u64,
}

impl<T: 'static> Standing<T>
where
    Self: Stands + Send + Sync,
{
    /// Puts what `make` makes on the list.
    pub(crate) fn new(make: impl FnOnce(&Weak<Self>) -> T) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            install();
            let mut caches = CACHES.lock();
            let number = caches.next;
            caches.next += 1;
            caches.by_number.insert(number, Listed { cache: weak.clone(), stands: false });
            drop(caches);
            Standing { _stand: Stand { number }, it: make(weak) }
        })
    }
}

impl<T> Deref for Standing<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.it
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let left = CACHES.lock().by_number.remove(&self.number);
        drop(left);
    }
}

#[cfg(all(unix, not(any(loom, shuttle))))]
impl Caches {
    /// Marks the caches that are to stand still. One that is being made, or dropped, by another
    /// thread is none: in a child it is nobody's.
    fn choose(&mut self) {
        for listed in self.by_number.values_mut() {
            listed.stands = listed.cache.strong_count() > 0;
        }
        // Pairs with the making of the first reference: what is in the caches can be seen.
        fence(Acquire);
    }

    /// The caches that stand still.
    fn each(&self, mut visit: impl FnMut(&dyn Stands)) {
        for listed in self.by_number.values().filter(|listed| listed.stands) {
            // SAFETY: it is initialised, as there was a reference to it when it was marked, under
            // the lock that `self` lies under ever since. The last one may be dropped meanwhile, but
            // not what is in it: a `Standing` is dropped in its place, beginning with its `Stand`,
            // which waits for that lock. An upgrade would do without all this; but it would write to
            // the memory of each cache, and might have to drop the cache.
            visit(unsafe { &*listed.cache.as_ptr() });
        }
    }
}

/// For what is short and has a lock of its own that no list knows, or none: a fork waits for the
/// guard. Under it, a thread takes no lock of this file and none of a cache.
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) fn gate() -> Gate {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    install();
    // The thread's own place in memory spreads the threads over the gates; they lie pages apart.
    let here = HERE.with(|here| std::ptr::from_ref(here) as usize);
    GATES[(here >> 12) % GATES.len()].0.lock()
}

#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) type Gate = MutexGuard<'static, ()>;

#[cfg(all(unix, not(any(loom, shuttle))))]
#[repr(align(128))]
struct Stripe(Mutex<()>);

#[cfg(all(unix, not(any(loom, shuttle))))]
static GATES: [Stripe; 16] = [const { Stripe(Mutex::new(())) }; 16];

/// Where nothing forks.
#[cfg(any(not(unix), loom, shuttle))]
pub(crate) struct Gate;

#[cfg(any(not(unix), loom, shuttle))]
pub(crate) fn gate() -> Gate {
    Gate
}

/// How many forks lie between this process and the first.
static GENERATION: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it is changed while there is one thread.
    GENERATION.load(Relaxed)
}

/// Something is to be done that a handler of a fork may not do.
static BEHIND: AtomicBool = AtomicBool::new(false);

/// Does what a fork has left for later, if anything: starts threads anew. For calls that do not
/// hold a lock and may take their time.
#[inline]
pub(crate) fn catch_up() {
    if BEHIND.load(Relaxed) {
        catch_up_slowly();
    }
}

#[cold]
#[inline(never)]
fn catch_up_slowly() {
    if BEHIND.swap(false, Relaxed) {
        let parts = PARTS.lock().clone();
        parts.iter().for_each(|part| part.afterwards());
    }
}

/// Has the handlers called from now on.
#[cfg(any(not(unix), loom, shuttle))]
fn install() {}

#[cfg(all(unix, not(any(loom, shuttle))))]
fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    #[cold]
    fn register() {
        // Not under a lock: a fork that comes now would leave it locked in its child. Another
        // thread may go on before the handlers are there, once in the life of the process.
        if !INSTALLED.swap(true, Relaxed) {
            // SAFETY: the functions have no conditions, and are there for as long as this code is.
            // That there is no memory for them is no reason not to go on: then it is as without.
            unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        }
    }
    if !INSTALLED.load(Relaxed) {
        register();
    }
}

/// Before the process forks, in the thread that forks it: waits for the holders of all locks, in
/// the order in which they are acquired elsewhere, and keeps others from acquiring them. No holder
/// of one runs code of the user's, so this takes moments.
#[cfg(all(unix, not(any(loom, shuttle))))]
extern "C" fn prepare() {
    let mut caches = CACHES.lock();
    caches.choose();
    // One level after the other: the holder of an outer lock must still get the inner ones.
    for (level, number) in [(Level::Outer, OUTER), (Level::Inner, INNER)] {
        set_forking(number);
        caches.each(|cache| cache.locks().iter().for_each(|locks| locks.stand_still(level)));
    }
    std::mem::forget(caches);
    let parts = PARTS.lock();
    parts.iter().for_each(|part| part.hold());
    std::mem::forget(parts);
    GATES.iter().for_each(|gate| std::mem::forget(gate.0.lock()));
}

#[cfg(all(unix, not(any(loom, shuttle))))]
extern "C" fn in_parent() {
    // SAFETY: it is called after `prepare`, by the same thread.
    unsafe { release(false) };
}

#[cfg(all(unix, not(any(loom, shuttle))))]
extern "C" fn in_child() {
    // SAFETY: it is called after `prepare`, by the image of the same thread.
    unsafe { release(true) };
}

/// # Safety
/// `prepare` was called, and not yet this.
#[cfg(all(unix, not(any(loom, shuttle))))]
unsafe fn release(in_child: bool) {
    if in_child {
        GENERATION.fetch_add(1, Relaxed);
    }
    // SAFETY: the caller's promise, of each lock below: `prepare` has locked it and given up the
    // guard.
    unsafe {
        GATES.iter().for_each(|gate| gate.0.force_unlock());
        let parts = PARTS.make_guard_unchecked();
        parts.iter().for_each(|part| part.release(in_child));
    }
    // SAFETY: as above.
    let mut caches = unsafe { CACHES.make_guard_unchecked() };
    if in_child {
        // Another thread may have finished a cache since `prepare`, and left it where this one
        // finds it.
        caches.choose();
    }
    caches.each(|cache| {
        for locks in cache.locks() {
            // SAFETY: they stand still since `prepare`. In a child those of a cache may be among them
            // that was still being made then: nobody holds its locks either, see
            // `RawLock::stand_aside`.
            unsafe { locks.go_on(in_child) };
        }
    });
    set_forking(0);
    if in_child {
        caches.each(|cache| cache.after_fork(&Alone(())));
        BEHIND.store(true, Relaxed);
    }
}
