//! The shards of a cache, each behind its lock.
//!
//! Only the holder of a shard's lock changes the shard: the table's writer lies under it. Readers
//! of the table take no lock.
//!
//! Garbage is collected by calls that hold no lock: the table decides what is free; slots then go
//! back to the shard that they belong to, under its lock.

use super::shard::{Shard, ShardState};
use crate::table::{AllWriters, Due, EmptySlots, Guard, Live, Table, Writer};
use crate::util::cache_padded::CachePadded;
#[cfg(all(unix, not(any(loom, shuttle))))]
use crate::util::fork::{CacheLocks, OnlyThread};
use crate::util::panics::DeferredPanic;
use crate::util::sync::{OuterMutex as Mutex, OuterMutexGuard as MutexGuard};

/// The shards of one table, each with its lock.
pub(crate) struct Shards<V>(Box<[CachePadded<Mutex<ShardState<V>>>]>);

impl<V> Shards<V> {
    /// `state` makes what a shard's lock guards, given the shard's writer.
    pub(crate) fn new(writers: Vec<Writer>, state: impl FnMut(Writer) -> ShardState<V>) -> Self {
        let states = writers.into_iter().map(state);
        Shards(states.map(|state| CachePadded(Mutex::new(state))).collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Acquires a shard's lock.
    #[inline]
    pub(crate) fn lock<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        shard: usize,
    ) -> Shard<'p, K, V> {
        Shard { guard, state: self.state(shard) }
    }

    /// Acquires a shard's lock.
    #[inline]
    pub(super) fn state(&self, shard: usize) -> MutexGuard<'_, ShardState<V>> {
        self.0[shard].lock()
    }

    /// Acquires a shard's lock if no thread holds it.
    pub(crate) fn try_lock<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        shard: usize,
    ) -> Option<Shard<'p, K, V>> {
        Some(Shard { guard, state: self.0[shard].try_lock()? })
    }

    /// Runs `f` with a shard's writer, under its lock. The caller need not be pinned.
    fn with_writer<R>(&self, shard: usize, f: impl FnOnce(&mut Writer) -> R) -> R {
        f(&mut self.0[shard].lock().writer)
    }

    /// A step of garbage collection, at the end of a call whose [`Due`] asks for it. Runs the
    /// user's `Drop`, so the caller holds no lock; acquires the lock of one shard at a time. Does
    /// nothing if called from such a `Drop`.
    #[cold]
    pub(crate) fn collect_due<K>(
        &self,
        table: &Table<K, V>,
        due: &Due,
        live: Live,
        panics: &mut DeferredPanic,
    ) {
        let Some(collector) = table.begin_collecting() else { return };
        if due.sweep {
            collector.sweep(|shard| self.with_writer(shard, |writer| writer.seal(table)));
        }
        collector.collect(Some(live), panics, |slots| self.free(table, slots));
    }

    /// Collects all garbage that no reader can reach. As `collect_due`.
    pub(crate) fn collect_all<K>(&self, table: &Table<K, V>, panics: &mut DeferredPanic) {
        (0..self.count()).for_each(|shard| self.with_writer(shard, |writer| writer.seal(table)));
        let Some(collector) = table.begin_collecting() else { return };
        collector.collect(None, panics, |slots| self.free(table, slots));
        collector.shrink();
    }

    fn free<K>(&self, table: &Table<K, V>, slots: EmptySlots) {
        self.with_writer(slots.shard, |writer| writer.free_slots(table, slots));
    }
}

/// Acquires the lock of each shard for a moment.
impl<V> AllWriters for Shards<V> {
    fn show(&self, see: &mut dyn FnMut(&Writer)) {
        self.0.iter().for_each(|shard| see(&shard.lock().writer));
    }
}

impl<V> Shards<V> {
    /// Memory of the shards and their locks, without what they hold on the heap.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(all(unix, not(any(loom, shuttle))))]
impl<V> Shards<V> {
    /// The locks, for the process to fork.
    pub(crate) fn locks(&self) -> &dyn CacheLocks {
        &self.0
    }

    /// In a forked child: forgets the loads of other threads. Returns the weight of all entries. No
    /// lock is contended there.
    pub(crate) fn forget_other_threads(&self, _: &OnlyThread) -> u64 {
        let forget = |shard: &CachePadded<Mutex<ShardState<V>>>| {
            let mut state = shard.lock();
            state.loads.forget_other_threads();
            state.policy.weight()
        };
        self.0.iter().map(forget).sum()
    }
}
