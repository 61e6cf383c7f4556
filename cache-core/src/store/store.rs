//! The table and its shards, and what all calls share: configuration, clock, budget, listener.
//!
//! # Room
//! The budget is the cache's, not the shard's, so chance may leave a shard with more or less than
//! its quota. A shard that needs room evicts its own entries if it holds its quota, give or take an
//! eighth; one that holds less releases its lock, and evicts from a shard that holds more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Instant;

use crate::flight::written::Batches;
use crate::shard::budget::Budget;
use crate::shard::shard::{Shard, ShardState};
use crate::shard::shards::Shards;
use crate::store::config::{Config, expected_threads, shards_for};
use crate::table::{ColumnSet, EntryRef, Guard, NEVER, Notices, Table, TableConfig};
use crate::time::source::ClockSource;
use crate::types::removal::RemovalCause;
use crate::types::stats::{Counter, Counters};
use crate::types::status::Status;
#[cfg(all(unix, not(any(loom, shuttle))))]
use crate::util::fork::{CacheLocks, OnlyThread};
use crate::util::hash::KeyHash;
use crate::util::panics::{drop_payload, title};

/// What a cache consists of, except for its hasher.
pub(crate) struct Store<K, V> {
    pub(crate) table: Table<K, V>,
    pub(crate) shards: Shards<V>,
    pub(crate) clock: ClockSource,
    pub(crate) config: Config<K, V>,
    pub(crate) budget: Budget,
    /// An entry has or had a deadline: writers must read the clock.
    pub(super) timed: AtomicBool,
    /// A use of an entry may move its deadline, so that the one in its slot is not all.
    pub(crate) extends_on_read: bool,
    /// Nothing of the user's has a say when a value is stored, and all entries live equally long,
    /// but for jitter: writes may go the short way.
    pub(crate) plain: bool,
    /// There is jitter.
    pub(super) jitters: bool,
    /// As of the configuration's `Lifetimes`. A copy for the hits of calls that may load, in a line
    /// that they read anyway.
    pub(crate) serves_old_values: bool,
    /// One moment by two clocks, for the moments that the user's `Expiry` is given.
    pub(super) anchor: Option<(Instant, u64)>,
    /// Where the search for a shard over its quota begins next.
    pub(crate) next_donor: AtomicUsize,
    /// The batches of loads that run.
    pub(crate) batches: Arc<Batches>,
}

pub(crate) type StoreGuard<'s, K, V> = Guard<'s, K, V>;

impl<K, V> Store<K, V> {
    pub(crate) fn new(config: Config<K, V>, clock: ClockSource) -> Self {
        let weighted = config.weigher.is_some();
        let (bound, most) = (config.bound, config.most_entries);
        // A bound beyond the most entries is none.
        let entries = (!weighted && bound < most).then_some(bound);
        let shards = shards_for(entries, bound, weighted, config.initial_capacity);
        let lifetimes = &config.lifetimes;
        let refresh_states = lifetimes.refresh_states() || config.expiry.is_some();
        // If deadlines follow from `time_to_live` alone, so do write times.
        let timed = lifetimes.limited() || refresh_states || config.own_ttl.is_some();
        let (jitters, own_ttls) = (lifetimes.jitter > 0.0, config.own_ttl.is_some());
        let write_times = refresh_states || jitters || own_ttls;
        let columns =
            ColumnSet { weights: weighted, write_times, refresh_states, idles: lifetimes.idles() };
        let (extends_on_read, grace) =
            (columns.idles || config.expiry.is_some(), lifetimes.grace());
        let asks = config.listener.is_some() || config.keep_if.is_some();
        let plan = TableConfig {
            name: config.name.clone(),
            shards,
            entries,
            weight: weighted.then_some(bound),
            initial: config.initial_capacity.min(usize::try_from(bound).unwrap_or(usize::MAX)),
            threads: (2 * expected_threads()).max(8),
            columns,
        };
        let quota = bound.div_ceil(shards as u64);
        // Without weights the bound is enough.
        let most = if weighted { most.div_ceil(shards as u64) } else { u64::MAX };
        let batches = Arc::default();
        let (table, writers) = Table::new(plan);
        let state = |writer| ShardState::new(writer, quota, most, grace, &batches);
        Store {
            table,
            shards: Shards::new(writers, state),
            budget: Budget::new(bound),
            timed: AtomicBool::new(timed),
            extends_on_read,
            plain: config.short_writes && !(weighted || asks || own_ttls || refresh_states),
            jitters,
            serves_old_values: lifetimes.serves_old_values(),
            // Read only if it is needed: there are platforms without a clock.
            anchor: config.expiry.is_some().then(|| (Instant::now(), clock.now())),
            clock,
            next_donor: AtomicUsize::new(0),
            batches,
            config,
        }
    }

    /// Returns how a message refers to the cache.
    pub(crate) fn title(&self) -> String {
        title(self.config.name.as_deref())
    }

    /// Pins the calling thread: what it finds from here on stays valid until the guard drops. No
    /// lock, except that the second thread that uses the cache acquires those of all shards once.
    #[inline]
    pub(crate) fn pin(&self) -> StoreGuard<'_, K, V> {
        self.table.pin(&self.shards)
    }

    /// Returns the calling thread's counters, if the cache records statistics.
    pub(crate) fn counting<'p>(&self, guard: &'p StoreGuard<'_, K, V>) -> Option<&'p Counters> {
        self.config.record_stats.then(|| guard.counters())
    }

    /// Adds one to a counter of the calling thread, if the cache counts.
    #[inline]
    pub(crate) fn count(
        &self,
        guard: &StoreGuard<'_, K, V>,
        counter: impl FnOnce(&Counters) -> &Counter,
    ) {
        if self.config.record_stats {
            counter(guard.counters()).add(1);
        }
    }

    /// Acquires the lock of a key's shard.
    pub(crate) fn lock<'p>(
        &'p self,
        guard: &'p StoreGuard<'p, K, V>,
        hash: KeyHash,
    ) -> Shard<'p, K, V> {
        self.shards.lock(guard, self.table.shard_of(hash))
    }

    /// Returns the fresh entry of a key. No lock. Neither misses nor hits on entries without a
    /// deadline read the clock.
    #[inline]
    pub(crate) fn peek_live<'p>(
        &self,
        guard: &'p StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'p, K, V>> {
        guard.find(hash, eq).filter(|entry| self.is_fresh(*entry))
    }

    /// Returns `true` if the entry has not expired.
    #[inline(always)]
    pub(crate) fn is_fresh(&self, entry: EntryRef<'_, K, V>) -> bool {
        if self.extends_on_read {
            return self.read_clock() < entry.deadline();
        }
        let deadline = entry.fixed_deadline();
        deadline == NEVER || self.clock.is_before(deadline)
    }

    /// As `peek_live`, and counts a use. Runs the user's `Expiry`.
    // Always inlined, as `Cache::lookup`.
    #[inline(always)]
    pub(crate) fn find_live<'p>(
        &self,
        guard: &'p StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'p, K, V>> {
        let entry = guard.find(hash, eq)?;
        if self.extends_on_read {
            return self.extend_if_fresh(guard, hash, entry).then_some(entry);
        }
        self.is_fresh(entry).then(|| {
            entry.touch();
            entry
        })
    }

    /// Returns `true` if the entry is fresh or may still be served stale.
    pub(crate) fn is_kept(&self, entry: EntryRef<'_, K, V>) -> bool {
        let end = entry.deadline().saturating_add(self.config.lifetimes.grace());
        end == NEVER || self.clock.now() < end
    }

    /// Counts a call that is served an expired value.
    pub(crate) fn count_status(&self, guard: &StoreGuard<'_, K, V>, status: Status) {
        if let Status::Stale | Status::Fallback = status {
            self.count(guard, |counters| &counters.stale);
        }
    }

    /// Notifies the listener of removed entries, and of those that are removed by what it does. If
    /// this thread is already notifying, leaves them to the call that is.
    pub(crate) fn notify_all<'p>(
        &self,
        guard: &'p StoreGuard<'p, K, V>,
        removed: impl Iterator<Item = (EntryRef<'p, K, V>, RemovalCause)>,
    ) {
        let Some(mut notices) = guard.begin_notices() else { return guard.defer(removed) };
        removed.for_each(|(entry, cause)| self.notify(guard, entry, cause));
        self.notify_deferred(guard, &mut notices);
    }

    /// Notifies the listener of what its own calls have removed.
    pub(crate) fn notify_deferred(
        &self,
        guard: &StoreGuard<'_, K, V>,
        notices: &mut Notices<'_, K, V>,
    ) {
        loop {
            let mut deferred = notices.take().peekable();
            if deferred.peek().is_none() {
                return;
            }
            deferred.for_each(|(entry, cause)| self.notify(guard, entry, cause));
        }
    }

    /// Notifies the listener. Its panics are caught and counted.
    pub(crate) fn notify(
        &self,
        guard: &StoreGuard<'_, K, V>,
        entry: EntryRef<'_, K, V>,
        cause: RemovalCause,
    ) {
        let Some(listener) = &self.config.listener else { return };
        let listen = || listener(entry.key(), entry.value(), cause);
        let notified = catch_unwind(AssertUnwindSafe(listen));
        if let Err(panic) = notified {
            drop_payload(panic);
            guard.counters().listener_panics.add(1);
        }
    }
}

#[cfg(all(unix, not(any(loom, shuttle))))]
impl<K, V> Store<K, V> {
    /// In a forked child, where there are no other threads and no lock is held: forgets what they
    /// were doing.
    pub(crate) fn after_fork(&self, thread: &OnlyThread) {
        let may_be_writing = self.table.forget_other_threads(thread);
        let weight = self.shards.forget_other_threads(thread);
        // What they had reserved comes back. Not if this thread forks inside of a call to this
        // cache, which may hold a reservation itself: then theirs is lost.
        let used = (!may_be_writing).then_some(weight);
        self.budget.forget_other_threads(crate::util::thread_slot::held(), used);
    }

    /// Returns its locks, for a fork.
    pub(crate) fn locks(&self) -> [&dyn CacheLocks; 2] {
        [&self.table, self.shards.locks()]
    }
}
