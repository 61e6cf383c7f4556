//! Configuring a cache. The options of time stand in `times.rs`, what is wrong with values in `check.rs`.

mod check;
mod times;

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use crate::api::cache::Cache;
use crate::api::loading::LoadingCache;
use crate::store::store::{BoxedExpiry, Config, Listener, MOST_ENTRIES, OwnTtl, Store, Weigher};
use crate::time::clock::{Clock, MonotonicClock};
use crate::time::source::ClockSource;
use crate::types::error::BuildError;
use crate::types::executor::{Spawn, ThreadPerJob};
use crate::types::removal::RemovalCause;
use ahash::RandomState;

/// Configures a [`Cache`]; made by [`Cache::builder`].
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
    name: Option<String>,
    max_capacity: Option<u64>,
    most_entries: u64,
    initial_capacity: usize,
    weigher: Option<Weigher<K, V>>,
    time_to_live: Option<Duration>,
    time_to_idle: Option<Duration>,
    ttl_jitter: Option<f64>,
    expiry: Option<BoxedExpiry<K, V>>,
    own_ttl: Option<OwnTtl<V>>,
    negative_ttl: Option<Duration>,
    refresh_after: Option<Duration>,
    refresh_early: Option<f64>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    executor: Arc<dyn Spawn>,
    janitor: Option<Duration>,
    listener: Option<Listener<K, V>>,
    record_stats: bool,
    coalesce_timeout: Duration,
    clock: ClockSource,
}

impl<K, V> std::fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("max_capacity", &self.max_capacity)
            .field("initial_capacity", &self.initial_capacity)
            .field("time_to_live", &self.time_to_live)
            .field("time_to_idle", &self.time_to_idle)
            .field("ttl_jitter", &self.ttl_jitter)
            .field("expire_after", &self.expiry.is_some())
            .field("refresh_after", &self.refresh_after)
            .field("refresh_early", &self.refresh_early)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("stale_if_error", &self.stale_if_error)
            .field("janitor", &self.janitor)
            .field("weigher", &self.weigher.is_some())
            .field("eviction_listener", &self.listener.is_some())
            .field("record_stats", &self.record_stats)
            .field("coalesce_timeout", &self.coalesce_timeout)
            .finish_non_exhaustive()
    }
}

impl<K, V> Default for CacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> CacheBuilder<K, V> {
    pub(crate) fn new() -> Self {
        CacheBuilder {
            name: None,
            max_capacity: None,
            most_entries: MOST_ENTRIES,
            initial_capacity: 0,
            weigher: None,
            time_to_live: None,
            time_to_idle: None,
            ttl_jitter: None,
            expiry: None,
            own_ttl: None,
            negative_ttl: None,
            refresh_after: None,
            refresh_early: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            executor: Arc::new(ThreadPerJob),
            janitor: None,
            listener: None,
            record_stats: false,
            coalesce_timeout: DEFAULT_PATIENCE,
            clock: ClockSource::new(MonotonicClock::new()),
        }
    }

    /// A name for reports: [`Cache::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The most the cache holds: entries, or with a [`weigher`](Self::weigher) the sum of their
    /// weights. The bound holds at every instant, seen from any thread. Without it the cache grows
    /// as far as memory goes.
    ///
    /// 0 is "off": see [`Cache::disabled`].
    ///
    /// No cache has more than 1,000,000,000 entries at once. A larger number is accepted,
    /// `u32::MAX` or `i64::MAX` for "no bound" as well, and [`Cache::policy`] gives it back; a
    /// cache that reaches the most entries evicts, as at any other bound. So does one with a
    /// weigher, or without a bound. (With a weigher each shard has its part of that number, so that
    /// the first may have to evict a little before.)
    ///
    /// ```
    /// use cache_core::Cache;
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().max_capacity(1 << 40).build();
    /// cache.insert(1, 10);
    /// assert_eq!(cache.policy().max_capacity(), Some(1 << 40));
    /// ```
    pub fn max_capacity(mut self, max_capacity: u64) -> Self {
        self.max_capacity = Some(max_capacity);
        self
    }

    /// Has room for so many entries from the start, so that they come without the short pauses of
    /// growth. Memory for slots is taken as entries come, all the same.
    ///
    /// With a [`weigher`](Self::weigher), it also says how many entries to expect: a few heavy ones
    /// are kept in fewer shards than many light ones.
    pub fn initial_capacity(mut self, entries: usize) -> Self {
        self.initial_capacity = entries;
        self
    }

    /// Weighs each value once, when it is stored; the unit is the caller's, bytes for instance.
    /// Runs on the storing thread, without a lock. An entry of weight 0 takes no room from the
    /// bound.
    ///
    /// # Panics
    /// A panic of the weigher goes to the caller who wanted to store; nothing is stored.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Arc::new(weigher));
        self
    }

    /// Called for every entry that leaves the cache, promptly, on the thread whose call removed it,
    /// after that call has released its locks and before it returns. It may call the cache again.
    /// Called, too, for each value that is to be stored and cannot be: it is heavier than the whole
    /// cache, its time is over at once, or the cache is [off](Cache::disabled).
    ///
    /// Not called for the entries that are there when the last handle goes: they are dropped, with
    /// the cache, the listener included. A listener that has to see every value out (to close a
    /// file, to write back what has changed) needs an [`invalidate_all`](Cache::invalidate_all)
    /// before that, or values that do it in their `Drop`. Nor is it called for a value that was
    /// loaded and not stored, because a write to the key came before: that value only went to the
    /// callers of the load.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// use cache_core::Cache;
    ///
    /// let told = Arc::new(AtomicU32::new(0));
    /// let count = Arc::clone(&told);
    /// let cache: Cache<u32, u32> = Cache::builder()
    ///     .eviction_listener(move |_, _, _| _ = count.fetch_add(1, Relaxed))
    ///     .build();
    /// cache.insert(1, 10);
    /// cache.invalidate_all();
    /// assert_eq!(told.load(Relaxed), 1);
    /// cache.insert(2, 20);
    /// drop(cache);
    /// assert_eq!(told.load(Relaxed), 1);
    /// ```
    ///
    /// A listener that writes to its cache is told of what that removes after it has returned, not
    /// inside of itself: by the call that it was told by, in the order of the removals. So the
    /// stack holds one call of a cache's listener at most, whatever it does. What leaves is not
    /// dropped before that call ends; a listener that stores something each time it is told of a
    /// removal may keep it from ending.
    ///
    /// ```
    /// use std::sync::{LazyLock, Mutex};
    /// use cache_core::{Cache, RemovalCause};
    ///
    /// static TOLD: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    /// static CACHE: LazyLock<Cache<u32, u32>> = LazyLock::new(|| {
    ///     let listener = |key: &u32, _: &u32, _: RemovalCause| {
    ///         if *key == 1 {
    ///             CACHE.insert(3, 0); // evicts the entry of 2
    ///         }
    ///         TOLD.lock().unwrap().push(*key);
    ///     };
    ///     Cache::builder().max_capacity(1).eviction_listener(listener).build()
    /// });
    ///
    /// CACHE.insert(1, 0);
    /// CACHE.insert(2, 0); // evicts the entry of 1
    /// assert_eq!(*TOLD.lock().unwrap(), [1, 2]);
    /// ```
    ///
    /// # Panics
    /// A panic of the listener is caught and counted ([`Stats::listener_panics`]); it is called
    /// again the next time.
    ///
    /// [`Stats::listener_panics`]: crate::Stats::listener_panics
    pub fn eviction_listener(
        mut self,
        listener: impl Fn(&K, &V, RemovalCause) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Counts hits, misses, loads and removals: [`Cache::stats`]. Costs a hit less than a
    /// nanosecond: each thread counts on its own.
    pub fn record_stats(mut self) -> Self {
        self.record_stats = true;
        self
    }

    /// Where work is done that no caller waits for: refreshes of a [`LoadingCache`], and loads of
    /// [`try_get_within_async`](Cache::try_get_within_async) whose caller was served at its soft
    /// limit. See [`Spawn`], which has the recipe for tokio. If nothing else is said, each refresh
    /// has a thread of its own, and such loads are given up unless a task waits for them.
    pub fn executor(mut self, executor: impl Spawn) -> Self {
        self.executor = Arc::new(executor);
        self
    }

    /// Has memory freed by itself, also when nobody writes: a thread looks after the cache once in each
    /// `period`, frees what has expired, drops what no reader holds any more, and gives memory back that the
    /// cache has no use for. Without a janitor writes do the first two by small steps, and
    /// [`Cache::run_pending_tasks`] does all of it.
    ///
    /// There is one such thread for the process, named `cache-janitor`, however many caches it looks after.
    /// The first of them starts it; it ends with the last. It holds no handle to any of them (but for
    /// moments while it works: if the last handle is dropped just then, the values are dropped by that
    /// thread, a moment later). It goes by real time, whatever the cache's clock. Listeners and the drops of
    /// keys and values run on it; if they panic, it goes on.
    pub fn janitor(mut self, period: Duration) -> Self {
        self.janitor = Some(period);
        self
    }

    /// How long a caller waits for another caller's load of the same key before it loads by itself; a
    /// minute, if nothing else is said. [`Duration::MAX`] is "for ever"; so is any time where the
    /// platform has no clock (`wasm32-unknown-unknown`).
    ///
    /// Loads that would wait for each other are found out and do not wait, as far as the waiting goes
    /// through caches. What a cache cannot see is a wait for something else: a loader that waits for
    /// the latch of a thread pool whose threads wait for that load; a future that is never polled again
    /// and not dropped. This time puts an end to those.
    ///
    /// It is also how long a load may take before it is given up on by those who wait: the first of
    /// them then begins another, which the others join. Who has lost patience a second time loads
    /// alone. So give more than the slowest load takes. A computation ([`EntrySelector`]) that has
    /// waited so long for another of the same key panics: two cannot run at once.
    ///
    /// Real time, whatever the cache's clock. Threads wait by themselves; for tasks that wait there
    /// is one thread for the process, `cache-timer`, which ends when it is not needed.
    ///
    /// [`EntrySelector`]: crate::EntrySelector
    pub fn coalesce_timeout(mut self, wait_deadline: Duration) -> Self {
        self.coalesce_timeout = wait_deadline;
        self
    }

    /// The clock that deadlines are kept by; [`MonotonicClock`] if none is given. See
    /// [`TickingClock`](crate::TickingClock) for faster hits and [`FakeClock`](crate::FakeClock)
    /// for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = ClockSource::new(clock);
        self
    }
}

impl<K, V> CacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Sets the most entries that the cache may have, below the limit of all caches.
    pub(crate) fn most_entries(mut self, most: u64) -> Self {
        self.most_entries = most.clamp(1, MOST_ENTRIES);
        self
    }

    /// Builds the cache, with the default hasher (ahash, seeded at random in each cache).
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error, with the same text.
    pub fn build(self) -> Cache<K, V> {
        self.build_with_hasher(RandomState::new())
    }

    /// Builds the cache with any hasher.
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error, with the same text.
    pub fn build_with_hasher<S>(self, hasher: S) -> Cache<K, V, S>
    where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        self.try_build_with_hasher(hasher).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Builds the cache.
    ///
    /// # Errors
    /// If an option has a value that no cache can have: the error names it and says what to do.
    pub fn try_build(self) -> Result<Cache<K, V>, BuildError> {
        self.try_build_with_hasher(RandomState::new())
    }

    /// Builds the cache with any hasher.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_hasher<S>(self, hasher: S) -> Result<Cache<K, V, S>, BuildError>
    where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        self.check()?;
        let (bound, lifetimes, is_off) = (self.bound(), self.lifetimes(), self.is_off());
        let config = Config {
            name: self.name,
            max_capacity: self.max_capacity,
            bound,
            most_entries: self.most_entries,
            initial_capacity: self.initial_capacity,
            // Nobody need be asked about values that are not stored.
            weigher: self.weigher.filter(|_| !is_off),
            lifetimes,
            time_to_live: self.time_to_live,
            time_to_idle: self.time_to_idle,
            expiry: self.expiry.filter(|_| !is_off),
            own_ttl: self.own_ttl.filter(|_| !is_off),
            executor: self.executor,
            listener: self.listener,
            record_stats: self.record_stats,
            coalesce_timeout: self.coalesce_timeout,
        };
        Cache::from_store(Store::new(config, self.clock), hasher, self.janitor)
    }

    /// Builds a cache that loads what is missing with this function. For another hasher there is
    /// [`LoadingCache::new`].
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error, with the same text.
    pub fn build_with_loader<E>(
        self,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> LoadingCache<K, V, E>
    where
        E: Send + Sync + 'static,
    {
        LoadingCache::new(self.build(), loader)
    }

    /// As [`build_with_loader`](Self::build_with_loader).
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_loader<E>(
        self,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Result<LoadingCache<K, V, E>, BuildError>
    where
        E: Send + Sync + 'static,
    {
        Ok(LoadingCache::new(self.try_build()?, loader))
    }
}

impl<K, V> CacheBuilder<K, V> {
    /// Stores nothing: see [`Cache::disabled`].
    fn is_off(&self) -> bool {
        self.max_capacity == Some(0) || self.time_to_live == Some(Duration::ZERO)
    }

    /// What the entries may weigh together. In a cache that is off nothing is light enough.
    fn bound(&self) -> u64 {
        let asked = self.max_capacity.unwrap_or(u64::MAX);
        match &self.weigher {
            _ if self.is_off() => 0,
            Some(_) => asked,
            None => asked.min(self.most_entries),
        }
    }
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of at most so many entries, which do not expire. Of 0, it is [off](Self::disabled).
    #[must_use]
    pub fn new(max_capacity: u64) -> Self {
        Self::builder().max_capacity(max_capacity).build()
    }

    /// A cache that is off: for kill switches, and for tests. The same comes of a
    /// [`max_capacity`](CacheBuilder::max_capacity) of 0 and of a
    /// [`time_to_live`](CacheBuilder::time_to_live) of zero, whatever the other options, if each is valid by itself.
    ///
    /// It stores nothing. Look-ups miss; `insert` and computations do all that they do elsewhere but
    /// keep the value; each load runs. Still there is one flight per key, as in any cache: a caller
    /// that asks for a key while it is being loaded waits for that load and is given its value, and
    /// an invalidation supersedes the load. Refreshes and stale values there are none.
    ///
    /// Each value that it is given is turned away, as one too heavy for its cache is: the
    /// [`eviction_listener`](CacheBuilder::eviction_listener) is told of it once, with the cause
    /// [`Size`](RemovalCause::Size), and it counts as
    /// [`removed_size`](crate::Stats::removed_size). Where a time to live of zero turns the cache
    /// off, or the value has one of its own, the cause is [`Expired`](RemovalCause::Expired), because the value is dead on arrival.
    /// The weigher and [`expire_after`](CacheBuilder::expire_after) are not asked.
    ///
    /// It takes a few kilobytes of memory. A load takes the cache's one lock for a moment when it
    /// begins, and again when it ends.
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

    /// Configures a cache.
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::new()
    }
}

/// More than most loads take, and less than it takes to give a program up for dead.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
