//! The shards together, and what they share: configuration, clock, budget, listener.
//!
//! What calls do with them stands above: `write.rs` and `load.rs`.
//!
//! # How many shards
//! Shards exist for writers only, and each is a lock, a queue of garbage, a policy and a wheel.
//! There are four for each core, so that writers seldom meet; as many more as it takes for each to
//! fit a region of 4096 groups, so that the growth of a region, which happens under the shard's
//! lock, is a pause of about half a millisecond, and so that large caches fill their regions to the
//! three quarters they are meant for; but at least 64 entries each, because a policy cannot know
//! much about fewer. Where entries have weights, their number is what `initial_capacity` says, or
//! unknown.
//!
//! # The most entries
//! Slots are numbered in 32 bits, and some wait for readers or hold the keys of loads:
//! [`MOST_ENTRIES`] is as many as there may be at once, whatever the capacity. Where each entry
//! counts as one, the bound is no larger, so nothing else has to be seen to. Where entries have
//! weights, of which many may be small, each shard evicts one for each new entry beyond its part of
//! that number (`Shard::store`).
//!
//! A bound of 0 is a cache that is off: each value is heavier than that, so none is stored.
//!
//! # Room
//! The budget is the cache's, not the shard's, so chance may leave a shard with more or less than
//! its share. A shard in need of room evicts its own entries if it holds its share, give or take an
//! eighth; one that holds less lets go of its lock, and evicts from a shard that holds more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::flight::written::Batches;
use crate::shard::budget::Budget;
use crate::shard::lifetimes::Lifetimes;
use crate::shard::shard::{Shard, ShardBytes, ShardState};
use crate::shard::shards::Shards;
use crate::table::{
    ColumnSet, EntryRef, Guard, NEVER, Notices, Retries, SlotId, Table, TableConfig,
    entries_for_groups,
};
use crate::time::source::ClockSource;
use crate::types::executor::Spawn;
use crate::types::expiry::Expiry;
use crate::types::removal::RemovalCause;
use crate::types::stats::{Counters, Stats};
use crate::types::status::Status;
#[cfg(all(unix, not(any(loom, shuttle))))]
use crate::util::fork::{Alone, Locks};
use crate::util::hash::KeyHash;
use crate::util::panics::{drop_payload, title};

/// Entries that a shard is laid out for at most. By chance it may come to hold some four deviations
/// more.
const SHARD_MOST: u64 = {
    let most = entries_for_groups(4096) as u64;
    most - 4 * most.isqrt()
};
/// Entries below which a shard is too small for its policy.
const SHARD_LEAST: u64 = 64;

/// The most entries that a cache has at once: 73 million slots fewer than can be had, which are
/// left for what waits.
pub(crate) const MOST_ENTRIES: u64 = 1_000_000_000;

/// Enough for 100 million entries; an empty cache should not be large for what it may hold one day.
const MOST_SHARDS: u64 = 4096;

/// Entries that a cache without a bound is laid out for.
const UNBOUNDED: u64 = 1 << 20;

pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u32 + Send + Sync>;
pub(crate) type Listener<K, V> = Arc<dyn Fn(&K, &V, RemovalCause) + Send + Sync>;
pub(crate) type BoxedExpiry<K, V> = Arc<dyn Expiry<K, V> + Send + Sync>;
/// A time to live that the value itself asks for.
pub(crate) type OwnTtl<V> = Arc<dyn Fn(&V) -> Option<Duration> + Send + Sync>;

/// What the builder decided.
pub(crate) struct Config<K, V> {
    pub(crate) name: Option<String>,
    /// As it was given, for the user to be told.
    pub(crate) max_capacity: Option<u64>,
    /// What the entries may weigh together. Without a weigher at most `most_entries`.
    pub(crate) bound: u64,
    /// [`MOST_ENTRIES`], or less in a test.
    pub(crate) most_entries: u64,
    pub(crate) initial_capacity: usize,
    pub(crate) weigher: Option<Weigher<K, V>>,
    /// As they were given, for the user to be told.
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) expiry: Option<BoxedExpiry<K, V>>,
    pub(crate) own_ttl: Option<OwnTtl<V>>,
    pub(crate) executor: Arc<dyn Spawn>,
    pub(crate) listener: Option<Listener<K, V>>,
    pub(crate) record_stats: bool,
    pub(crate) coalesce_timeout: Duration,
}

/// See the module's head.
pub(crate) struct Store<K, V> {
    pub(crate) table: Table<K, V>,
    pub(crate) shards: Shards<V>,
    pub(crate) clock: ClockSource,
    pub(crate) config: Config<K, V>,
    pub(crate) budget: Budget,
    /// Some entry has had a deadline: writers must look at the clock.
    timed: AtomicBool,
    /// A use of an entry may move its deadline; so it may have others than the one in its slot.
    pub(crate) extends_on_read: bool,
    /// [`Lifetimes::serves_old_values`](crate::shard::lifetimes::Lifetimes::serves_old_values), for hits of calls that may
    /// load: one flag in a line that they read anyway.
    pub(crate) serves_old_values: bool,
    /// One moment by two clocks; where the user's `Expiry` is to be told moments.
    anchor: Option<(Instant, u64)>,
    /// Where the search for a shard with too much begins next.
    pub(crate) next_donor: AtomicUsize,
    /// The batches of loads that run.
    pub(crate) batches: Arc<Batches>,
}

pub(crate) type StoreGuard<'s, K, V> = Guard<'s, K, V>;

/// `entries`: the most there will be, where that is known. Else `bound` is a bound of weight, or
/// none to speak of.
fn shards_for(entries: Option<u64>, bound: u64, weighted: bool, initial: usize) -> usize {
    let at_least = 4 * expected_threads() as u64;
    let initial = initial as u64;
    let entries = match (entries, weighted, initial) {
        (Some(entries), ..) => entries,
        (None, false, _) => initial.max(UNBOUNDED),
        // How many entries a weight will be, nobody knows. Many light ones would like many shards;
        // a few heavy ones in as many would each be a shard's only one.
        (None, true, 0) => (bound / 64).min(at_least * SHARD_LEAST),
        (None, true, _) => initial.min(bound),
    };
    let for_pauses = entries.div_ceil(SHARD_MOST);
    let most = (entries / SHARD_LEAST).max(1);
    at_least.max(for_pauses).min(most).min(MOST_SHARDS) as usize
}

fn expected_threads() -> usize {
    // Asked once, or by several at once: to answer, the standard library reads files of the system.
    // Relaxed: the number stands for itself. (A cell that is set once would be left half set in the
    // child of a fork.)
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    match THREADS.load(Relaxed) {
        0 => {
            let threads = std::thread::available_parallelism().map_or(8, usize::from);
            THREADS.store(threads, Relaxed);
            threads
        }
        threads => threads,
    }
}

impl<K, V> Store<K, V> {
    pub(crate) fn new(config: Config<K, V>, clock: ClockSource) -> Self {
        let weighted = config.weigher.is_some();
        let (bound, most) = (config.bound, config.most_entries);
        // A cache without a bound, or with one that only says so, is laid out for what it comes to.
        let entries = (!weighted && bound < most).then_some(bound);
        let shards = shards_for(entries, bound, weighted, config.initial_capacity);
        let lifetimes = &config.lifetimes;
        let refresh_states = lifetimes.refresh_states() || config.expiry.is_some();
        // Where nothing but `time_to_live` says when entries expire, that also says when they were written.
        let timed = lifetimes.limited() || refresh_states || config.own_ttl.is_some();
        let write_times = refresh_states || lifetimes.jitter > 0.0 || config.own_ttl.is_some();
        let columns =
            ColumnSet { weights: weighted, write_times, refresh_states, idles: lifetimes.idles() };
        let (extends_on_read, grace) =
            (columns.idles || config.expiry.is_some(), lifetimes.grace());
        let plan = TableConfig {
            shards,
            entries,
            weight: weighted.then_some(bound),
            initial: config.initial_capacity.min(usize::try_from(bound).unwrap_or(usize::MAX)),
            threads: (2 * expected_threads()).max(8),
            columns,
        };
        let quota = bound.div_ceil(shards as u64);
        // Without weights the bound sees to it.
        let most = if weighted { most.div_ceil(shards as u64) } else { u64::MAX };
        let batches = Arc::default();
        let (table, writers) = Table::new(plan);
        let state = |writer| ShardState::new(writer, quota, most, grace, &batches);
        Store {
            table: table.named(config.name.clone()),
            shards: Shards::new(writers, state),
            budget: Budget::new(bound),
            timed: AtomicBool::new(timed),
            extends_on_read,
            serves_old_values: lifetimes.serves_old_values(),
            // A cache without times needs no clock, and there are platforms without one.
            anchor: config.expiry.is_some().then(|| (Instant::now(), clock.now())),
            clock,
            next_donor: AtomicUsize::new(0),
            batches,
            config,
        }
    }

    /// In a forked child, where there are no other threads and no lock is held: forgets what they
    /// were about.
    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(crate) fn after_fork(&self, alone: &Alone)
    where
        V: Send + Sync,
    {
        let may_be_writing = self.table.forget_other_threads(alone);
        self.budget.forget_other_threads(crate::util::thread_slot::held());
        let weight = self.shards.forget_other_threads(alone);
        // What they had reserved comes back. Not if this thread forks inside of a call to this
        // cache, which may hold a reservation itself: then theirs is lost.
        if !may_be_writing && self.budget.used() != weight {
            self.budget.set_used(weight);
        }
    }

    /// Its locks, for the process to fork.
    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(crate) fn locks(&self) -> [&dyn Locks; 2]
    where
        V: Send + Sync,
    {
        [&self.table, self.shards.locks()]
    }

    /// What to call the cache in a message.
    pub(crate) fn title(&self) -> String {
        title(self.config.name.as_deref())
    }

    /// The calling thread's counters, if the cache counts.
    pub(crate) fn counting<'p>(&self, guard: &'p StoreGuard<'_, K, V>) -> Option<&'p Counters> {
        self.config.record_stats.then(|| guard.counters())
    }

    pub(crate) fn stats(&self) -> Stats {
        if self.config.record_stats { Stats::sum(self.table.counters()) } else { Stats::default() }
    }

    /// Acquires the lock of a key's shard.
    pub(crate) fn lock<'p>(
        &'p self,
        guard: &'p StoreGuard<'p, K, V>,
        hash: KeyHash,
    ) -> Shard<'p, K, V> {
        self.shards.lock(guard, self.table.shard_of(hash))
    }

    /// As [`lock`](Self::lock), together with the key's entry as of that moment. `eq` runs without
    /// the lock.
    #[inline]
    pub(crate) fn lock_key<'p>(
        &'p self,
        guard: &'p StoreGuard<'p, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        self.shards.lock_key(guard, hash, eq, retries)
    }

    /// As [`lock_key`](Self::lock_key), for a key that was just looked for in vain.
    #[inline]
    pub(crate) fn lock_missing<'p>(
        &'p self,
        guard: &'p StoreGuard<'p, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        self.shards.lock_missing(guard, hash, eq, retries)
    }

    /// The live entry of a key, without a lock. Misses never read the clock; nor do hits on entries that have
    /// no deadline.
    #[inline]
    pub(crate) fn find<'p>(
        &self,
        guard: &'p StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'p, K, V>> {
        guard.find(hash, eq).filter(|entry| self.is_fresh(*entry))
    }

    /// Is it time yet for this entry to expire?
    #[inline]
    pub(crate) fn is_fresh(&self, entry: EntryRef<'_, K, V>) -> bool {
        if self.extends_on_read {
            return self.read_clock() < entry.deadline();
        }
        let deadline = entry.fixed_deadline();
        deadline == NEVER || self.clock.is_before(deadline)
    }

    /// As `find`, and counts a use. Runs the user's `Expiry`.
    #[inline]
    pub(crate) fn find_to_use<'p>(
        &self,
        guard: &'p StoreGuard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'p, K, V>> {
        let entry = guard.find(hash, eq)?;
        if self.extends_on_read {
            return self.extend_if_fresh(guard, hash, entry).then_some(entry);
        }
        let deadline = entry.fixed_deadline();
        if deadline == NEVER || self.clock.is_before(deadline) {
            entry.touch();
            return Some(entry);
        }
        None
    }

    /// Is an entry fresh, or may it at least be served stale?
    pub(crate) fn is_kept(&self, entry: EntryRef<'_, K, V>) -> bool {
        let end = entry.deadline().saturating_add(self.config.lifetimes.grace());
        end == NEVER || self.clock.now() < end
    }

    /// The time, where any entry can expire; else 0, which nothing compares with.
    pub(crate) fn now(&self) -> u64 {
        if self.timed.load(Relaxed) { self.read_clock() } else { 0 }
    }

    /// The clock, whose last tick is kept for "never".
    pub(crate) fn read_clock(&self) -> u64 {
        self.clock.now().min(NEVER - 1)
    }

    /// The time, for an entry with a term of its own. From now on, writers look at the clock; and note the
    /// time, if the cache has a time to live: the deadline does not tell it any more.
    pub(crate) fn begin_entry_ttls(&self) -> u64 {
        if !self.timed.load(Relaxed) {
            self.timed.store(true, Relaxed);
        }
        if self.config.lifetimes.ttl != NEVER {
            self.table.record_write_times();
        }
        self.read_clock()
    }

    /// When an entry was written, if that is known. In a cache that began to keep dates when it was given
    /// the first term of an entry's own, entries without a date have no such term.
    pub(crate) fn written(&self, entry: EntryRef<'_, K, V>) -> Option<u64> {
        // First: who changes the deadline has written the date down before.
        let (ttl, deadline) = (self.config.lifetimes.ttl, entry.fixed_deadline());
        let by_deadline = deadline.checked_sub(ttl).filter(|_| ttl != NEVER && deadline != NEVER);
        entry.written().or(by_deadline)
    }

    /// A tick as the standard library's moment, for the user's `Expiry`.
    pub(crate) fn instant(&self, tick: u64) -> Instant {
        let (instant, origin) = self.anchor.expect("there is an `Expiry`");
        let moved = if tick >= origin {
            instant.checked_add(Duration::from_nanos(tick - origin))
        } else {
            instant.checked_sub(Duration::from_nanos(origin - tick))
        };
        // Further from now than the platform can say.
        moved.unwrap_or(instant)
    }

    /// Counts that an old value is served, if it is one.
    pub(crate) fn count_status(&self, guard: &StoreGuard<'_, K, V>, status: Status) {
        if let (Status::Stale | Status::Fallback, Some(counters)) = (status, self.counting(guard)) {
            counters.stale.add(1);
        }
    }

    /// Tells the listener of entries that have left, and of those that leave because of what it
    /// does; if it is a listener of this cache that calls, after it has returned.
    pub(crate) fn notify_all<'p>(
        &self,
        guard: &'p StoreGuard<'p, K, V>,
        removed: impl Iterator<Item = (EntryRef<'p, K, V>, RemovalCause)>,
    ) {
        let Some(mut notices) = guard.begin_notices() else { return guard.defer(removed) };
        removed.for_each(|(entry, cause)| self.notify(guard, entry, cause));
        self.notify_deferred(guard, &mut notices);
    }

    /// Tells the listener of what calls have removed that it has made itself.
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

    /// Tells the listener. A panic of his is caught and counted.
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

    pub(crate) fn entry_count(&self) -> u64 {
        if self.config.weigher.is_none() {
            return self.budget.used();
        }
        let guard = self.table.pin();
        let entries = |index| self.shards.lock(&guard, index).entries() as u64;
        (0..self.shards.count()).map(entries).sum()
    }

    /// Bytes held, by part.
    pub(crate) fn memory(&self) -> Vec<(&'static str, usize)> {
        let table = self.table.bytes();
        let guard = self.table.pin();
        let mut shards = ShardBytes::default();
        (0..self.shards.count())
            .for_each(|index| shards += self.shards.lock(&guard, index).bytes());
        vec![
            ("slots", table.slots),
            ("table", table.regions),
            ("ghosts", shards.ghosts),
            ("timers", shards.timers),
            ("blocks and garbage queues", table.bookkeeping + shards.writer),
            ("shards", self.shards.bytes()),
            ("lines of threads", table.threads),
            ("lists of flights", shards.flights),
            ("writes during batches", shards.writes),
            ("the cache itself", size_of::<Self>()),
        ]
    }

    pub(crate) fn validate(&self) {
        let mut weight = 0;
        for index in 0..self.shards.count() {
            let guard = self.table.pin();
            let shard = self.shards.lock(&guard, index);
            shard.validate_shard();
            weight += shard.weight();
        }
        assert_eq!(weight, self.budget.used(), "the budget is what the entries weigh");
        assert!(weight <= self.budget.max());
    }
}
