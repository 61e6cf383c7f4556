//! The wait-for graph of running loads, and deadlock avoidance.
//!
//! # The question
//! A loader may ask for other keys, of this cache or another, and so wait for loads on other
//! threads, which may wait in turn. A loads B while B loads A: if both waited, neither would end.
//! So before a call that is made inside a load begins to wait, it asks whether the load it would
//! wait for can end at all without it ([`would_deadlock`]). If not, it does not wait, but runs its
//! own load, unshared.
//!
//! # Idea
//! A graph whose nodes are the loads that run in the process. A load cannot end before
//! * the load that is *nested in* it has ended: each load knows the one that it was begun inside
//!   of;
//! * a load that it *waits* for has ended: each load knows the calls that wait for it, and from
//!   inside which load they were made.
//!
//! The call looks for the load it would wait for among all that cannot end before the caller does:
//! from its own loads outwards, and from each load to those that wait for it. Edges of waiting are
//! added under one lock of the process ([`lock_graph`]), together with the search; so of several
//! calls that would close a cycle between them, the last one sees it. Calls that are not made
//! inside a load close no cycle and do not acquire that lock.
//!
//! The cost of a search is the number of loads found and of calls that wait for them, usually one
//! or two.
//!
//! # Which loads a call is inside of
//! A thread keeps a stack of the loads whose loaders it is running ([`LoadScope`]). A loader that
//! is a future is on the stack only while it is polled. So the stack is what the present call is
//! inside of, for threads and tasks alike. A thread pool that runs other jobs while one waits is
//! covered as well: whatever stands below on the stack cannot go on before this call returns.
//!
//! The stack is there for as long as the thread runs anything: destructors of thread-locals may
//! load, too, in whatever order they come. So it has no destructor of its own, and its memory is
//! freed by another thread-local that has one, or after that as often as it is empty.
//!
//! # What it cannot see
//! A future that was first polled outside of a load and is then awaited inside of it. And waiting
//! that does not go through a cache: for the latch of a thread pool, a channel, a lock. Such cycles
//! are what [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout) is for.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::table::SharedSlot;
use crate::util::hash::KeyHash;
use crate::util::sync::thread_local;

/// A load that runs, or several that have one loader.
pub(crate) trait LoadNode: Any + Send + Sync {
    /// Visits the loads that cannot end before this one has: the one that it is nested in, and
    /// those that wait for it.
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>));
    /// Visits the keys that it loads.
    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt));
    /// Notes that the calling thread polls the loader, which is a future.
    fn note_poll(&self);
}

/// A key that is being loaded.
pub(crate) struct KeyAt {
    /// The cache, by its address.
    pub(crate) cache: usize,
    pub(crate) hash: KeyHash,
    /// What holds the key, until the load has ended.
    pub(crate) slot: SharedSlot,
}

/// Loads that one call of a loader serves. A call inside of it is inside of them all.
pub(crate) struct BatchNode(pub(crate) Vec<Arc<dyn LoadNode>>);

impl LoadNode for BatchNode {
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>)) {
        self.0.iter().for_each(visit);
    }

    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt)) {
        self.0.iter().for_each(|load| load.for_each_key(visit));
    }

    fn note_poll(&self) {
        self.0.iter().for_each(|load| load.note_poll());
    }
}

/// The thread runs the loader of a load until the guard drops.
pub(crate) struct LoadScope(());

impl LoadScope {
    /// Puts a load on the calling thread's stack.
    #[inline]
    pub(crate) fn enter(load: Arc<dyn LoadNode>) -> LoadScope {
        let _ = STACK.try_with(|stack| stack.push(load));
        LoadScope(())
    }
}

impl Drop for LoadScope {
    #[inline]
    fn drop(&mut self) {
        // Guards are dropped in the reverse order of their making: they live in nested calls. What
        // comes off the stack is dropped here, not inside the borrow.
        let _left = STACK.try_with(Stack::pop);
    }
}

/// Returns the load whose loader the calling thread is running, if any.
#[inline]
pub(crate) fn current_load() -> Option<Arc<dyn LoadNode>> {
    with_loads(|loads| loads.all.last().map(Arc::clone))
}

/// Returns the number of loads that the calling thread is inside of, and the innermost of them.
#[inline]
pub(crate) fn depth_and_load() -> (usize, Option<Arc<dyn LoadNode>>) {
    with_loads(|loads| (loads.all.len(), loads.all.last().map(Arc::clone)))
}

/// Returns `true` if the calling thread is inside of the load of this key: of this very load.
pub(crate) fn is_inside(key: &KeyAt) -> bool {
    let is_it = |at: &KeyAt| std::ptr::eq(at, key);
    with_loads(|loads| loads.all.iter().any(|load| has_key(load, is_it)))
}

/// Returns `true` if a key that the load loads is one of these.
fn has_key(load: &Arc<dyn LoadNode>, is_it: impl Fn(&KeyAt) -> bool) -> bool {
    let mut has_key = false;
    load.for_each_key(&mut |at| has_key |= is_it(at));
    has_key
}

/// Returns the number of loads that the calling thread is inside of.
#[inline]
pub(crate) fn depth() -> usize {
    with_loads(|loads| loads.all.len())
}

/// Returns the loads that the calling thread is inside of and that load a key of this cache with
/// this hash, if there are at least `least`; else none. O(1) where there are fewer.
pub(crate) fn loads_of(cache: usize, hash: KeyHash, least: usize) -> Vec<Arc<dyn LoadNode>> {
    with_loads(|loads| {
        if loads.all.len() < least || loads.count_of(cache, hash) < least {
            return Vec::new();
        }
        let is_it = |at: &KeyAt| at.cache == cache && at.hash == hash;
        loads.all.iter().filter(|load| has_key(load, is_it)).map(Arc::clone).collect()
    })
}

/// Runs a loader: calls that it makes know what they are inside of.
pub(crate) fn run<T>(load: Arc<dyn LoadNode>, loader: impl FnOnce() -> T) -> T {
    let _scope = LoadScope::enter(load);
    loader()
}

/// As [`run`], with a future, which is inside of the load also when it is dropped, even if that is
/// before its end.
pub(crate) async fn run_async<T>(load: Arc<dyn LoadNode>, loader: impl Future<Output = T>) -> T {
    let loader = pin!(Some(loader));
    let mut running = Running { load, loader };
    poll_fn(|context| running.poll(context)).await
}

/// A loader that is polled inside of its load, and dropped there.
struct Running<'f, F> {
    load: Arc<dyn LoadNode>,
    /// `None` once it is dropped.
    loader: Pin<&'f mut Option<F>>,
}

impl<F: Future> Running<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        self.load.note_poll();
        let _scope = LoadScope::enter(Arc::clone(&self.load));
        self.loader.as_mut().as_pin_mut().expect("not dropped yet").poll(context)
    }
}

impl<F> Drop for Running<'_, F> {
    fn drop(&mut self) {
        let _scope = LoadScope::enter(Arc::clone(&self.load));
        self.loader.set(None);
    }
}

/// Serialises "search for a cycle, then add the edge".
#[cfg(not(shuttle))]
pub(crate) fn lock_graph() -> impl Drop {
    static GRAPH: crate::util::fork::Global<()> = crate::util::fork::Global::plain(());
    GRAPH.lock()
}

/// As above, for models: a lock that the checker knows, and makes anew in each run.
#[cfg(shuttle)]
pub(crate) fn lock_graph() -> impl Drop {
    shuttle::lazy_static::lazy_static! {
        static ref GRAPH: crate::util::sync::Mutex<()> = crate::util::sync::Mutex::new(());
    }
    GRAPH.lock()
}

/// Returns `true` if `target` cannot end before the calling thread's present loads do: then waiting
/// for it from inside them would never end. The caller holds the graph's lock, and drops what was
/// `found` without it: the last handle of a load may hold wakers, which are user code.
pub(crate) fn would_deadlock(
    target: &Arc<dyn LoadNode>,
    found: &mut Vec<Arc<dyn LoadNode>>,
) -> bool {
    *found = with_loads(|loads| loads.all.to_vec());
    let mut known: HashSet<usize> = found.iter().map(address).collect();
    let mut next = 0;
    while let Some(load) = found.get(next).map(Arc::clone) {
        next += 1;
        if address(&load) == address(target) {
            return true;
        }
        load.for_each_dependent(&mut |load| {
            if known.insert(address(load)) {
                found.push(Arc::clone(load));
            }
        });
    }
    false
}

/// The identity of a load. The address alone: one type's vtable may exist several times.
fn address(load: &Arc<dyn LoadNode>) -> usize {
    Arc::as_ptr(load).cast::<()>() as usize
}

thread_local! {
    /// The loads whose loaders the thread is running.
    static STACK: Stack = const {
        Stack { loads: RefCell::new(ManuallyDrop::new(Loads::new())), ending: Cell::new(false) }
    };
    /// Touched when the stack first takes memory.
    static FREE: FreeAtExit = const { FreeAtExit };
}

struct Stack {
    /// Borrowed for moments, never while user code runs.
    loads: RefCell<ManuallyDrop<Loads>>,
    /// `FREE` is gone.
    ending: Cell<bool>,
}

impl Stack {
    #[inline]
    fn push(&self, load: Arc<dyn LoadNode>) {
        let mut loads = self.loads.borrow_mut();
        if loads.all.capacity() == 0 {
            let _ = FREE.try_with(|_| ());
        }
        loads.push(load);
    }

    #[inline]
    fn pop(&self) -> Option<Arc<dyn LoadNode>> {
        let load = self.loads.borrow_mut().pop();
        if self.ending.get() {
            self.free_if_empty();
        }
        load
    }

    fn free_if_empty(&self) {
        let mut loads = self.loads.borrow_mut();
        if loads.all.is_empty() {
            drop(std::mem::replace(&mut **loads, Loads::new()));
        }
    }
}

struct FreeAtExit;

impl Drop for FreeAtExit {
    fn drop(&mut self) {
        let _ = STACK.try_with(|stack| {
            stack.ending.set(true);
            stack.free_if_empty();
        });
    }
}

/// The loads on a stack, the innermost last.
struct Loads {
    all: Vec<Arc<dyn LoadNode>>,
    /// The number of them that load a key of a hash, by cache and hash; a load may be on the stack
    /// twice. Kept only while a call asks and there are many loads, so that the cost of asking does
    /// not grow with the nesting.
    counts: Option<KeyCounts>,
}

type KeyCounts = HashMap<(usize, KeyHash), usize, ahash::RandomState>;

impl Loads {
    const fn new() -> Self {
        Loads { all: Vec::new(), counts: None }
    }

    #[inline]
    fn push(&mut self, load: Arc<dyn LoadNode>) {
        if let Some(counts) = &mut self.counts {
            count(counts, &load);
        }
        self.all.push(load);
    }

    #[inline]
    fn pop(&mut self) -> Option<Arc<dyn LoadNode>> {
        let load = self.all.pop()?;
        if self.counts.is_some() {
            self.uncount(&load);
        }
        Some(load)
    }

    #[cold]
    fn uncount(&mut self, load: &Arc<dyn LoadNode>) {
        let counts = self.counts.as_mut().filter(|_| !self.all.is_empty());
        let Some(counts) = counts else { return self.counts = None };
        load.for_each_key(&mut |at| {
            let key = (at.cache, at.hash);
            if let Some(count) = counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&key);
                }
            }
        });
    }

    /// Returns the number of loads of a key of this hash, some perhaps counted twice.
    fn count_of(&mut self, cache: usize, hash: KeyHash) -> usize {
        let counts = self.counts.get_or_insert_with(|| {
            let mut counts = KeyCounts::default();
            self.all.iter().for_each(|load| count(&mut counts, load));
            counts
        });
        counts.get(&(cache, hash)).copied().unwrap_or(0)
    }
}

fn count(counts: &mut KeyCounts, load: &Arc<dyn LoadNode>) {
    load.for_each_key(&mut |at| *counts.entry((at.cache, at.hash)).or_insert(0) += 1);
}

/// Calls `work` with the loads on the thread's stack; with none where a thread of a model is ending
/// and has no stack any more.
#[inline]
fn with_loads<R>(work: impl Fn(&mut Loads) -> R) -> R {
    let done = STACK.try_with(|stack| work(&mut stack.loads.borrow_mut()));
    done.unwrap_or_else(|_| work(&mut Loads::new()))
}
