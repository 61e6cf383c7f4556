//! Loads inside loads: who is inside whom, who waits for whom, and which wait would never end.
//!
//! # The question
//! A loader may ask for other keys, of this cache or another, and so wait for loads on other
//! threads, which may wait in turn. A loads B while B loads A: if both waited, neither would end.
//! So before a call that is made inside a load begins to wait, it asks whether the load it would wait
//! for can end at all without it ([`would_deadlock`]). If not, it does not wait, but loads by
//! itself.
//!
//! # Idea
//! A graph whose nodes are the loads that run in the process. A load cannot end before
//! * the load *inside* it has ended: each load knows the one that it was begun inside of;
//! * a load that it *waits* for has ended: each load knows the calls that wait for it, and from
//!   inside which load they were made.
//!
//! The call looks for the load it would wait for among all that cannot end before the caller does:
//! from its own loads outwards, and from each load to those who wait for it. Edges of waiting are
//! added under one lock of the process ([`lock_graph`]), together with the search; so of several calls
//! that would close a ring between them, the last one sees it. Calls that are not made inside a load
//! close no ring and do not take that lock.
//!
//! The cost of a search is the number of loads found and of calls that wait for them, usually one or
//! two.
//!
//! # Whose loads are the caller's
//! A thread keeps a stack of the loads whose loaders it is running ([`enter`]). A loader that is a
//! future is on the stack only while it is polled. So the stack is what the present call is inside
//! of, for threads and tasks alike. A thread pool that runs other jobs while one waits is covered as
//! well: whatever stands below on the stack cannot go on before this call returns.
//!
//! The stack is there for as long as the thread runs anything: destructors of thread-locals may
//! load, too, in whatever order they come.
//!
//! # What it cannot see
//! A future that was first polled outside of a load and is then awaited inside of it. And waiting that
//! does not go through a cache: for the latch of a thread pool, a channel, a lock. Such
//! rings are what [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout) is for.

mod stack;

use std::any::Any;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::table::SharedSlot;
use crate::util::hash::KeyHash;

/// A load that runs, or several that have one loader.
pub(crate) trait LoadNode: Any + Send + Sync {
    /// Shows the loads that cannot end before this one has: the one that it is inside of, and those
    /// that wait for it.
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>));
    /// Shows what is loaded.
    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt));
    /// Notes that the calling thread polls the loader, which is a future.
    fn note_poll(&self);
    /// Is it the load at this address, or one of several that is?
    fn includes(&self, address: usize) -> bool;
}

/// A key that is being loaded.
pub(crate) struct KeyAt {
    /// The cache, by its address.
    pub(crate) cache: usize,
    pub(crate) hash: KeyHash,
    /// What holds the key, until the load has ended.
    pub(crate) slot: SharedSlot,
}

/// Loads that one call of a loader serves. Whoever is inside of it is inside of them all.
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

    fn includes(&self, address: usize) -> bool {
        self.0.iter().any(|load| load.includes(address))
    }
}

/// The thread runs the loader of a load until the guard drops.
pub(crate) struct LoadScope(());

impl LoadScope {
    /// Puts a load on the calling thread's stack.
    #[inline]
    pub(crate) fn enter(load: Arc<dyn LoadNode>) -> LoadScope {
        stack::push(load);
        LoadScope(())
    }
}

impl Drop for LoadScope {
    #[inline]
    fn drop(&mut self) {
        // Guards are dropped in the reverse order of their making: they live in nested calls. What
        // comes off the stack is dropped here, not inside the borrow.
        let _left = stack::pop();
    }
}

/// The load whose loader the calling thread is running, if any.
#[inline]
pub(crate) fn current_load() -> Option<Arc<dyn LoadNode>> {
    stack::with(|loads| loads.as_slice().last().map(Arc::clone))
}

/// Is the calling thread inside of the load at this address?
pub(crate) fn is_inside(address: usize) -> bool {
    stack::with(|loads| loads.as_slice().iter().any(|load| load.includes(address)))
}

/// How many loads the calling thread is inside of.
#[inline]
pub(crate) fn depth() -> usize {
    stack::with(|loads| loads.as_slice().len())
}

/// The loads that the calling thread is inside of and that load a key of this cache with this hash,
/// if there are at least `least`; else none. O(1) where there are fewer.
pub(crate) fn loads_of(cache: usize, hash: KeyHash, least: usize) -> Vec<Arc<dyn LoadNode>> {
    stack::with(|loads| {
        if loads.as_slice().len() < least || loads.count_of(cache, hash) < least {
            return Vec::new();
        }
        let has_key = |load: &&Arc<dyn LoadNode>| {
            let mut has_key = false;
            load.for_each_key(&mut |at| has_key |= at.cache == cache && at.hash == hash);
            has_key
        };
        loads.as_slice().iter().filter(has_key).map(Arc::clone).collect()
    })
}

/// Runs user code as the loader of a load: calls that it makes know what they are inside of. So do
/// calls that are made when what the loader holds is dropped, even if that is before its end.
pub(crate) async fn run<T>(
    load: Arc<dyn LoadNode>,
    is_future: bool,
    loader: impl Future<Output = T>,
) -> T {
    let leave = LeaveAtLast(AtomicBool::new(false));
    let mut loader = pin!(loader);
    // Dropped before the loader, as `leave` is after it.
    let _enter = EnterAgain { load: &load, entered: &leave };
    poll_fn(|context| {
        if is_future {
            load.note_poll();
        }
        let _entered = LoadScope::enter(Arc::clone(&load));
        loader.as_mut().poll(context)
    })
    .await
}

/// Enters a load when it is dropped.
struct EnterAgain<'f> {
    load: &'f Arc<dyn LoadNode>,
    entered: &'f LeaveAtLast,
}

impl Drop for EnterAgain<'_> {
    fn drop(&mut self) {
        std::mem::forget(LoadScope::enter(Arc::clone(self.load)));
        self.entered.0.store(true, Relaxed);
    }
}

/// Leaves what was entered again. An atomic, because the future that it is part of may be sent.
struct LeaveAtLast(AtomicBool);

impl Drop for LeaveAtLast {
    fn drop(&mut self) {
        if *self.0.get_mut() {
            drop(LoadScope(()));
        }
    }
}

/// Held by who adds an edge, from the search to the adding.
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

/// Can `target` not end before the calling thread's present loads do? Then waiting for it from
/// inside them would never end. The caller holds the graph's lock, and drops what was `found` without
/// it: the last handle of a load may hold a value.
pub(crate) fn would_deadlock(
    target: &Arc<dyn LoadNode>,
    found: &mut Vec<Arc<dyn LoadNode>>,
) -> bool {
    *found = stack::with(|loads| loads.as_slice().to_vec());
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

/// What tells one load from another. The address alone: one type's vtable may exist several times.
fn address(load: &Arc<dyn LoadNode>) -> usize {
    Arc::as_ptr(load).cast::<()>() as usize
}
