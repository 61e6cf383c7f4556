//! Configuring a cache. The options of time are in `times.rs`, those with the names of other caches
//! in `peers.rs`, the checks of values in `check.rs`.

mod build;
mod check;
mod peers;
mod times;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::api::cache::Cache;
use crate::shard::lifetimes::Lifetimes;
use crate::store::config::{Config, MOST_ENTRIES};
use crate::time::clock::{Clock, MonotonicClock};
use crate::time::source::ClockSource;
use crate::types::error::BuildError;
use crate::types::executor::{Spawn, ThreadPerJob};
use crate::types::removal::RemovalCause;

/// Configures a [`Cache`]; made by [`Cache::builder`], or with a capacity by
/// [`CacheBuilder::new`].
///
/// ```
/// use std::time::Duration;
/// use cache_core::Cache;
///
/// let prices: Cache<String, f64> = Cache::builder()
///     .name("prices")
///     .max_capacity(10_000)
///     .time_to_live(Duration::from_secs(60))
///     .build();
/// prices.insert("tea".to_owned(), 4.5);
/// assert_eq!(prices.get("tea"), Some(4.5));
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct CacheBuilder<K, V> {
    /// All but its `bound` and `lifetimes`, which [`try_build`](Self::try_build) computes.
    config: Config<K, V>,
    ttl_jitter: Option<f64>,
    negative_ttl: Option<Duration>,
    refresh_after: Option<Duration>,
    refresh_early: Option<f64>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    janitor: Option<Duration>,
    clock: ClockSource,
}

impl<K, V> std::fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.config.name)
            .field("max_capacity", &self.config.max_capacity)
            .field("initial_capacity", &self.config.initial_capacity)
            .field("time_to_live", &self.config.time_to_live)
            .field("time_to_idle", &self.config.time_to_idle)
            .field("ttl_jitter", &self.ttl_jitter)
            .field("expire_after", &self.config.expiry.is_some())
            .field("refresh_after", &self.refresh_after)
            .field("refresh_early", &self.refresh_early)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("stale_if_error", &self.stale_if_error)
            .field("janitor", &self.janitor)
            .field("weigher", &self.config.weigher.is_some())
            .field("eviction_listener", &self.config.listener.is_some())
            .field("keep_if", &self.config.keep_if.is_some())
            .field("record_stats", &self.config.record_stats)
            .field("coalesce_timeout", &self.config.coalesce_timeout)
            .finish_non_exhaustive()
    }
}

impl<K, V> Default for CacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn default() -> Self {
        Self::unset()
    }
}

impl<K, V> CacheBuilder<K, V> {
    /// A builder without options.
    pub(crate) fn unset() -> Self {
        let config = Config {
            name: None,
            max_capacity: None,
            bound: 0,
            most_entries: MOST_ENTRIES,
            short_writes: true,
            initial_capacity: 0,
            weigher: None,
            time_to_live: None,
            time_to_idle: None,
            lifetimes: Lifetimes::default(),
            expiry: None,
            own_ttl: None,
            executor: Arc::new(ThreadPerJob),
            listener: None,
            keep_if: None,
            record_stats: false,
            coalesce_timeout: DEFAULT_WAIT_LIMIT,
        };
        CacheBuilder {
            config,
            ttl_jitter: None,
            negative_ttl: None,
            refresh_after: None,
            refresh_early: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            janitor: None,
            clock: ClockSource::new(MonotonicClock::new()),
        }
    }
}

impl<K, V> CacheBuilder<K, V> {
    /// Sets a name, for messages and reports: [`Cache::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// Bounds the cache: the number of its entries, or with a [`weigher`](Self::weigher) the sum of
    /// their weights. The bound holds at every instant, for every thread. Default: none, the cache
    /// grows until memory is exhausted.
    ///
    /// With 0 the cache is off: see [`Cache::disabled`].
    ///
    /// No cache has more than 1,000,000,000 entries at once. A larger bound is accepted (`u32::MAX`
    /// or `i64::MAX` for "no bound", for instance) and returned by [`Cache::policy`]; a cache that
    /// reaches that many entries evicts, as at any other bound. So does one with a weigher, or
    /// without a bound. (With a weigher each shard has its part of that number, so that the first
    /// may have to evict a little earlier.)
    ///
    /// ```
    /// use cache_core::Cache;
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().max_capacity(1 << 40).build();
    /// cache.insert(1, 10);
    /// assert_eq!(cache.policy().max_capacity(), Some(1 << 40));
    /// ```
    #[doc(alias = "set_capacity")]
    pub fn max_capacity(mut self, max_capacity: u64) -> Self {
        self.config.max_capacity = Some(max_capacity);
        self
    }

    /// Allocates the index for this many entries from the start, so that inserting them causes none
    /// of the short pauses of growth. Memory for the entries is still allocated as they come.
    ///
    /// With a [`weigher`](Self::weigher), it is also the expected number of entries: a few heavy
    /// ones are kept in fewer shards than many light ones. Default: 0.
    pub fn initial_capacity(mut self, entries: usize) -> Self {
        self.config.initial_capacity = entries;
        self
    }

    /// Weighs each value once, when it is stored, in any unit, bytes for instance. An entry of
    /// weight 0 does not count towards the bound. Default: each entry weighs 1.
    ///
    /// The weigher runs on the storing thread, without any lock of the cache held.
    ///
    /// # Panics
    /// A panic of the weigher goes to the storing caller; nothing is stored.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.config.weigher = Some(Arc::new(weigher));
        self
    }

    /// Notifies a listener of every entry that leaves the cache, on the thread whose call removed
    /// it, after that call has released its locks and before it returns. The listener may call the
    /// cache. It is also notified of each value that cannot be stored: one that is heavier than the
    /// whole cache, or that expires at once, or any value if the cache is [off](Cache::disabled).
    ///
    /// It is not notified of the entries that are in the cache when the last handle is dropped:
    /// they are dropped with the cache, as is the listener. A listener that must see every value
    /// (to close a file, to write back what has changed) needs an
    /// [`invalidate_all`](Cache::invalidate_all) before that, or values that do it in their `Drop`.
    /// Nor is it notified of a value that was loaded and not stored because a write to the key
    /// superseded the load: the callers of the load received that value.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// use cache_core::Cache;
    ///
    /// let notified = Arc::new(AtomicU32::new(0));
    /// let count = Arc::clone(&notified);
    /// let cache: Cache<u32, u32> = Cache::builder()
    ///     .eviction_listener(move |_, _, _| _ = count.fetch_add(1, Relaxed))
    ///     .build();
    /// cache.insert(1, 10);
    /// cache.invalidate_all();
    /// assert_eq!(notified.load(Relaxed), 1);
    /// cache.insert(2, 20);
    /// drop(cache);
    /// assert_eq!(notified.load(Relaxed), 1);
    /// ```
    ///
    /// A listener that writes to its cache is notified of what that removes after it has returned,
    /// never recursively: by the call that notified it first, in the order of the removals. The
    /// removed entries are dropped when that call ends; a listener that stores something at each
    /// notification may keep it from ending.
    ///
    /// ```
    /// use std::sync::{LazyLock, Mutex};
    /// use cache_core::{Cache, RemovalCause};
    ///
    /// static REMOVED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    /// static CACHE: LazyLock<Cache<u32, u32>> = LazyLock::new(|| {
    ///     let listener = |key: &u32, _: &u32, _: RemovalCause| {
    ///         if *key == 1 {
    ///             CACHE.insert(3, 0); // evicts the entry of 2
    ///         }
    ///         REMOVED.lock().unwrap().push(*key);
    ///     };
    ///     Cache::builder().max_capacity(1).eviction_listener(listener).build()
    /// });
    ///
    /// CACHE.insert(1, 0);
    /// CACHE.insert(2, 0); // evicts the entry of 1
    /// assert_eq!(*REMOVED.lock().unwrap(), [1, 2]);
    /// ```
    ///
    /// # Panics
    /// A panic of the listener is caught and counted ([`Stats::listener_panics`]); the listener is
    /// called again the next time.
    ///
    /// [`Stats::listener_panics`]: crate::Stats::listener_panics
    pub fn eviction_listener(
        mut self,
        listener: impl Fn(&K, &V, RemovalCause) + Send + Sync + 'static,
    ) -> Self {
        self.config.listener = Some(Arc::new(listener));
        self
    }

    /// Asks which entries to keep when room has to be made: for entries that are in use, or that
    /// are costly to have again.
    ///
    /// The eviction policy names the candidates, and the first for which `keep` returns `false` is
    /// evicted. An entry that is kept is passed over: the policy comes back to it after others. The
    /// bound holds all the same: an eviction asks about at most 16 candidates, and if all are to be
    /// kept, the oldest of them, which is the one asked about first, is evicted. So this is a wish,
    /// and no pin.
    ///
    /// `keep` runs on the storing thread, without any lock of the cache held, and its answer counts
    /// only if the value was not replaced meanwhile. An insert that needs room acquires the lock of
    /// a shard once more for each candidate. `keep` may call the cache; what that evicts is not
    /// asked about. Expired entries are evicted without asking, and so is the excess of a cache
    /// that has the most entries there can be ([`max_capacity`](Self::max_capacity)). Removals by
    /// the user and expiry do not ask.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cache_core::Cache;
    ///
    /// // Values that others still hold are kept.
    /// let cache: Cache<u32, Arc<u32>> = Cache::builder()
    ///     .max_capacity(2)
    ///     .keep_if(|_, value| Arc::strong_count(value) > 1)
    ///     .build();
    /// let held = Arc::new(1);
    /// cache.insert(1, Arc::clone(&held));
    /// (2..10).for_each(|n| cache.insert(n, Arc::new(n)));
    /// assert!(cache.contains_key(&1) && cache.entry_count() == 2);
    /// ```
    ///
    /// # Panics
    /// A panic of `keep` is caught, and counts as `false`.
    pub fn keep_if(mut self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.config.keep_if = Some(Arc::new(keep));
        self
    }

    /// Counts hits, misses, loads and removals: [`Cache::stats`]. It costs a hit less than a
    /// nanosecond, because each thread has its own counters. Default: nothing is counted.
    pub fn record_stats(mut self) -> Self {
        self.config.record_stats = true;
        self
    }

    /// Runs background work: refreshes of a [`LoadingCache`](crate::LoadingCache), and loads of
    /// [`try_get_within_async`](Cache::try_get_within_async) whose caller was served at its soft
    /// limit. [`Spawn`] has the recipe for tokio. Default: one new thread per refresh; such loads
    /// are abandoned unless a task waits for them.
    pub fn executor(mut self, executor: impl Spawn) -> Self {
        self.config.executor = Arc::new(executor);
        self
    }

    /// Frees memory also when there are no writes: once in each `period` a thread frees what has
    /// expired, drops what no reader holds any more, and returns unused memory to the allocator.
    /// Without a janitor writes do the first two in small steps, and [`Cache::run_pending_tasks`]
    /// does all of it. Default: none.
    ///
    /// There is one such thread for the process, named `cache-janitor`, however many caches it
    /// maintains. The first of them starts it; it ends with the last. It holds no handle to any of
    /// them (except for moments while it works: if the last handle is dropped just then, that
    /// thread drops the values, a moment later). It goes by real time, whatever the cache's clock.
    /// Listeners and the drops of keys and values run on it; if they panic, it goes on.
    pub fn janitor(mut self, period: Duration) -> Self {
        self.janitor = Some(period);
        self
    }

    /// Limits how long a caller waits for another caller's load of the same key. Default: one
    /// minute. [`Duration::MAX`] is no limit; nor is there one on a platform without a clock
    /// (`wasm32-unknown-unknown`).
    ///
    /// Set it above the slowest load: when it elapses, the first waiter starts another load, which
    /// the others join; a waiter that times out twice loads unshared. A computation
    /// ([`EntrySelector`]) that times out on another of the same key panics, because two cannot run
    /// at once.
    ///
    /// Loads that would wait for each other through caches are detected and do not wait. Other
    /// deadlocks a cache cannot see: a loader that waits for the latch of a thread pool whose
    /// threads wait for that load; a future that is neither polled again nor dropped. The limit
    /// ends those.
    ///
    /// It is real time, whatever the cache's clock. For tasks that wait, one thread of the process
    /// measures it, `cache-timer`, which ends when it is not needed.
    ///
    /// [`EntrySelector`]: crate::EntrySelector
    pub fn coalesce_timeout(mut self, limit: Duration) -> Self {
        self.config.coalesce_timeout = limit;
        self
    }

    /// Sets the clock for all deadlines. Default: [`MonotonicClock`]. See
    /// [`TickingClock`](crate::TickingClock) for faster hits and [`FakeClock`](crate::FakeClock)
    /// for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = ClockSource::new(clock);
        self
    }

    /// Makes it the memory tier of a cache of this name, whose entries live no longer than this.
    ///
    /// # Errors
    /// If entries would be gone before they are refreshed.
    pub(crate) fn for_memory_tier(
        mut self,
        name: &str,
        longest: Duration,
    ) -> Result<Self, BuildError> {
        self.config.name.get_or_insert_with(|| name.to_owned());
        let ttl = self.config.time_to_live.map_or(longest, |ttl| ttl.min(longest));
        self.config.time_to_live = Some(ttl);
        if let Some(refresh) = self.refresh_after
            && refresh >= longest
            && ttl == longest
            && !self.is_off()
        {
            let text = format!(
                "an entry would leave memory, after {longest:?}, before its refresh is due, after \
                 {refresh:?}; give less, or a longer memory_time_to_live (by default a tenth of \
                 time_to_live, at most 5 s)"
            );
            return Err(BuildError::new("refresh_after", text));
        }
        Ok(self)
    }

    /// Returns `true` if the cache stores nothing: see [`Cache::disabled`].
    fn is_off(&self) -> bool {
        self.config.max_capacity == Some(0) || self.config.time_to_live == Some(Duration::ZERO)
    }
}

/// Making a cache.
impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Returns a cache of at most `max_capacity` entries, which do not expire. With 0 it is
    /// [off](Self::disabled).
    #[must_use]
    pub fn new(max_capacity: u64) -> Self {
        Self::builder().max_capacity(max_capacity).build()
    }

    /// Returns a cache that is off: for kill switches, and for tests. A
    /// [`max_capacity`](CacheBuilder::max_capacity) of 0 or a
    /// [`time_to_live`](CacheBuilder::time_to_live) of zero turns a cache off, whatever the other
    /// options, if each is valid by itself.
    ///
    /// It stores nothing. Look-ups miss; `insert` and computations do all that they do in other
    /// caches, except that they do not keep the value; each load runs. There is still one flight
    /// per key: a caller that asks for a key while it is being loaded waits for that load and
    /// receives its value, and an invalidation supersedes the load. There are no refreshes and no
    /// stale values.
    ///
    /// Each value is rejected, like one that is too heavy for its cache: the
    /// [`eviction_listener`](CacheBuilder::eviction_listener) is notified of it once, with the
    /// cause [`Size`](RemovalCause::Size), and it counts as
    /// [`removed_size`](crate::Stats::removed_size). If a time to live of zero turned the cache
    /// off, or the value has its own of zero, the cause is [`Expired`](RemovalCause::Expired). The
    /// weigher and [`expire_after`](CacheBuilder::expire_after) are not called.
    ///
    /// It takes a few kilobytes of memory. A load acquires the cache's one lock for a moment when
    /// it begins, and again when it ends.
    ///
    /// ```
    /// use cache_core::Cache;
    ///
    /// let cache = Cache::disabled();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.get(&1), None);
    /// assert_eq!(cache.get_with(1, || "uno"), "uno");
    /// assert_eq!(cache.get_with(1, || "eins"), "eins");
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(0)
    }

    /// Returns a builder, to configure a cache.
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::default()
    }
}

/// Longer than most loads take, and short enough for a program that hangs to recover by itself.
const DEFAULT_WAIT_LIMIT: Duration = Duration::from_secs(60);
