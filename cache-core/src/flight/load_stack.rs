//! The calling thread's stack of loads: which loaders it is running.
//!
//! It is there for as long as the thread runs anything, its thread-locals' destructors included: so
//! it has no destructor of its own, and its memory is freed by another thread-local that has one,
//! or after that as often as it is empty.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::flight::load_node::LoadNode;
use crate::util::hash::KeyHash;
use crate::util::sync::thread_local;

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
    fn push(&self, load: Arc<dyn LoadNode>) {
        let mut loads = self.loads.borrow_mut();
        if loads.all.capacity() == 0 {
            let _ = FREE.try_with(|_| ());
        }
        loads.push(load);
    }

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
pub(super) struct Loads {
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
    pub(super) fn as_slice(&self) -> &[Arc<dyn LoadNode>] {
        &self.all
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
    pub(super) fn count_of(&mut self, cache: usize, hash: KeyHash) -> usize {
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

#[inline]
pub(super) fn push(load: Arc<dyn LoadNode>) {
    let _ = STACK.try_with(|stack| stack.push(load));
}

/// Returns what comes off the stack, for the caller to drop: not inside of a borrow.
#[inline]
pub(super) fn pop() -> Option<Arc<dyn LoadNode>> {
    STACK.try_with(Stack::pop).ok().flatten()
}

/// Calls `work` with the loads on the thread's stack; with none where a thread of a model is ending
/// and has no stack any more.
#[inline]
pub(super) fn with<R>(work: impl FnOnce(&mut Loads) -> R) -> R {
    let mut work = Some(work);
    let done = STACK.try_with(|stack| {
        let work = work.take().expect("called once");
        work(&mut stack.loads.borrow_mut())
    });
    done.unwrap_or_else(|_| work.take().expect("not called")(&mut Loads::new()))
}
