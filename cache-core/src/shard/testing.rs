//! A table and its locks for tests that leave out policy and timers.

use std::sync::Arc;

use super::shard::{NewEntry, Shard, ShardState};
use super::shards::Shards;
use crate::table::{
    ColumnSet, EntryRef, Guard, Reserved, Retries, SlotId, Table, TableConfig, Times,
};
use crate::util::hash::KeyHash;
use crate::util::panics::DeferredPanic;

/// A table, and the locks of its shards.
pub(super) struct BareTable<K, V> {
    pub(super) table: Table<K, V>,
    pub(super) shards: Shards<V>,
}

/// The configuration of a table without bounds.
pub(super) fn config(shards: usize) -> TableConfig {
    TableConfig {
        name: None,
        shards,
        entries: None,
        weight: None,
        initial: 0,
        threads: 4,
        columns: ColumnSet::default(),
    }
}

impl<K, V> BareTable<K, V> {
    pub(super) fn new(config: TableConfig) -> Self {
        let (table, writers) = Table::new(config);
        let state = |writer| ShardState::new(writer, 1, u64::MAX, 0, &Arc::default());
        BareTable { table, shards: Shards::new(writers, state) }
    }

    pub(super) fn pin(&self) -> Guard<'_, K, V> {
        self.table.pin(&self.shards)
    }

    pub(super) fn lock<'p>(&'p self, guard: &'p Guard<'_, K, V>, shard: usize) -> Shard<'p, K, V> {
        self.shards.lock(guard, shard)
    }

    pub(super) fn lock_key<'p>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        self.shards.lock_key(guard, hash, guard.find_hash(hash), eq, &Retries::new(guard))
    }

    pub(super) fn collect_all(&self, panics: &mut DeferredPanic) {
        self.shards.collect_all(&self.table, panics);
    }

    /// Checks the table's part of each shard.
    pub(super) fn validate(&self) {
        let guard = self.pin();
        (0..self.shards.count()).for_each(|shard| {
            self.lock(&guard, shard).state.writer.validate(&guard);
        });
    }
}

impl<'p, K, V> Shard<'p, K, V> {
    /// Gives a reserved slot its value, and puts it into the table, for `old` if that is given.
    /// Returns its number.
    pub(super) fn put(&mut self, slot: Reserved, value: V, old: Option<SlotId>) -> SlotId {
        let (guard, writer) = (self.guard, &mut self.state.writer);
        let new = NewEntry { value, weight: 1, times: Times::TIMELESS };
        let filled = writer.complete(guard, slot, new);
        let id = filled.slot().id();
        match old {
            Some(old) => _ = filled.replace(guard.slots().at(old)),
            None => _ = filled.enter(),
        }
        id
    }

    pub(super) fn unlink(&mut self, id: SlotId) -> EntryRef<'p, K, V> {
        self.state.writer.unlink(self.guard, self.guard.slots().at(id))
    }

    pub(super) fn shrink_table(&mut self) {
        self.state.writer.shrink(self.guard);
    }
}
