//! The cache: thin methods over the store. Those that load have files of their own.

mod loads;
mod timeout;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::load::attempt::Lookup;
use crate::store::janitor::{self, JanitorRegistration, Maintain};
use crate::store::store::{Store, StoreGuard};
use crate::types::error::BuildError;
use crate::types::removal::RemovalCause;
use crate::types::report::{EntryInfo, Policy};
use crate::types::stats::Stats;
use crate::types::status::Status;
use crate::util::fork::{self, AtFork, ForkAware};
use crate::util::hash::{Hashed, KeyHash};
use ahash::RandomState;
use equivalent::Equivalent;

/// A bounded, concurrent, in-process cache from `K` to `V`.
///
/// It is a handle: a clone is another handle to the same cache, which lives until its last handle
/// is dropped. All methods take `&self` and may be called from any thread.
///
/// A hit acquires no lock and allocates nothing. Lookups accept any form of the key that is
/// [`Equivalent`] to it: `&str` for `String`.
///
/// ```
/// use cache_core::Cache;
///
/// let cache: Cache<String, u32> = Cache::new(1_000);
/// cache.insert("a".to_owned(), 1);
/// assert_eq!(cache.get("a"), Some(1));
/// assert_eq!(cache.get_with("b".to_owned(), || 2), 2);
/// assert_eq!(cache.remove("a"), Some(1));
/// assert_eq!(cache.get("a"), None);
/// ```
///
/// # Where your code runs
/// `Hash` and `Eq` of keys, `Clone` of values, loaders, listeners, the weigher and the clock run
/// without any lock of the cache held. They may panic, be slow, or call the cache. After a panic
/// the cache is whole, so it is [`UnwindSafe`](std::panic::UnwindSafe) whatever it holds. Values
/// are dropped by the thread of some later write, or of
/// [`run_pending_tasks`](Self::run_pending_tasks), at the latest with the last handle.
///
/// A call that compares keys retries when a key of the same hash was stored meanwhile. An `Eq` that
/// stores one at each comparison would make it retry for ever: the call panics after a hundred such
/// retries.
///
/// Slow user code inside a lookup (`Clone`, a [`view`](Self::view) closure) delays no other call;
/// while it runs, the memory of entries removed meanwhile is not reused.
pub struct Cache<K, V, S = RandomState> {
    pub(crate) inner: Arc<ForkAware<Inner<K, V, S>>>,
}

pub(crate) struct Inner<K, V, S> {
    pub(crate) store: Store<K, V>,
    pub(crate) hasher: S,
    /// Deregisters the cache from the janitor when it drops.
    _registration: Option<JanitorRegistration>,
}

#[cfg(all(unix, not(any(loom, shuttle))))]
impl<K: Send + Sync, V: Send + Sync, S: Send + Sync> AtFork for ForkAware<Inner<K, V, S>> {
    fn locks(&self) -> [&dyn fork::CacheLocks; 2] {
        self.store.locks()
    }

    fn after_fork(&self, thread: &fork::OnlyThread) {
        self.store.after_fork(thread);
    }
}

#[cfg(any(not(unix), loom, shuttle))]
impl<K, V, S> AtFork for ForkAware<Inner<K, V, S>> {}

impl<K: Send + Sync, V: Send + Sync, S: Send + Sync> Maintain for ForkAware<Inner<K, V, S>> {
    fn maintain(&self, step: usize) -> bool {
        self.store.maintain(step)
    }
}

impl<K, V, S> Clone for Cache<K, V, S> {
    /// Returns another handle to the same cache.
    fn clone(&self) -> Self {
        Cache { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.inner.store.config.name)
            .field("weighted_size", &self.inner.store.budget.used())
            .finish_non_exhaustive()
    }
}

impl<K, V, S> Cache<K, V, S> {
    #[inline]
    pub(crate) fn store(&self) -> &Store<K, V> {
        &self.inner.store
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Makes the first handle. With a period, the janitor maintains the cache.
    pub(crate) fn from_store(
        store: Store<K, V>,
        hasher: S,
        janitor: Option<Duration>,
    ) -> Result<Self, BuildError> {
        let mut problem = None;
        let inner = ForkAware::new(|weak: &Weak<ForkAware<Inner<K, V, S>>>| {
            let registration = janitor.and_then(|period| {
                let registered = janitor::register(weak.clone(), period);
                registered.map_err(|error| problem = Some(error)).ok()
            });
            Inner { store, hasher, _registration: registration }
        });
        if let Some(error) = problem {
            let text = format!(
                "the system could not start its thread ({error}); try again, or do without"
            );
            return Err(BuildError::new("janitor", text));
        }
        Ok(Cache { inner })
    }

    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        crate::util::hash::hash(&self.inner.hasher, key)
    }

    #[inline]
    pub(crate) fn hashed(&self, key: K) -> Hashed<K> {
        Hashed { hash: self.hash(&key), key }
    }

    /// Looks a key up and returns what `f` makes of its value. Counts a use, and a hit or a miss.
    // Always inlined: as a function of its own, it is a fifth of a hit's instructions that only
    // save and restore registers.
    #[inline(always)]
    fn lookup<Q: Hash + Equivalent<K> + ?Sized, R>(
        &self,
        guard: &StoreGuard<'_, K, V>,
        key: &Q,
        hash: KeyHash,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let store = self.store();
        let found = store.find_live(guard, hash, move |other| key.equivalent(other));
        if let Some(entry) = found {
            store.count(guard, |counters| &counters.hits);
            Some(f(entry.value()))
        } else {
            fork::catch_up();
            store.count(guard, |counters| &counters.misses);
            None
        }
    }

    /// As [`lookup`](Self::lookup), for a call that may load.
    #[inline]
    pub(crate) fn lookup_to_load<Q>(&self, key: &Q, hash: KeyHash) -> Lookup<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (store, guard) = (self.store(), self.store().pin());
        if store.serves_old_values {
            return store.find_or_claim(&guard, hash, move |other| key.equivalent(other));
        }
        match self.lookup(&guard, key, hash, V::clone) {
            Some(value) => Lookup::Hit(value, Status::Hit),
            None => Lookup::Miss,
        }
    }

    /// Returns a clone of the key's value, if the key is present and not expired. Counts a use for
    /// the eviction policy, and a hit or a miss.
    ///
    /// O(1), without a lock and without an allocation (except what `V::clone` does): [A hit, step
    /// by step](crate::guide::hit). Runs `Hash` and `Eq` of the key and `V::clone`.
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, u32> = cache_core::Cache::new(10);
    /// cache.insert("a".to_owned(), 1);
    /// assert_eq!(cache.get("a"), Some(1));
    /// assert_eq!(cache.get("b"), None);
    /// ```
    #[inline]
    #[must_use = "to test for a key without counting a use, there is `contains_key`"]
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.view(key, V::clone)
    }

    /// Calls `f` with the key's value, without cloning it, and returns what `f` returns; `None` if
    /// there is no live value. Counts as [`get`](Self::get) does.
    ///
    /// O(1), without a lock and without an allocation. `f` may be slow and may call the cache,
    /// whatever other threads do to the entry. The memory of entries removed meanwhile is not
    /// reused before `f` returns.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, Vec<u8>> = cache_core::Cache::new(10);
    /// cache.insert(1, vec![1, 2, 3]);
    /// assert_eq!(cache.view(&1, |bytes| bytes.len()), Some(3));
    /// ```
    #[inline]
    pub fn view<Q, R>(&self, key: &Q, f: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.lookup(&self.store().pin(), key, hash, f)
    }

    /// As [`get`](Self::get), but neither a use for the eviction policy nor a hit or miss for the
    /// statistics.
    ///
    /// ```
    /// # use cache_core::Cache;
    /// let cache: Cache<u32, u32> = Cache::builder().record_stats().build();
    /// cache.insert(1, 10);
    /// assert_eq!(cache.peek(&1), Some(10));
    /// assert_eq!(cache.stats().hits, 0);
    /// ```
    #[inline]
    #[must_use = "a peek changes nothing"]
    pub fn peek<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let guard = self.store().pin();
        let found =
            self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other));
        found.map(|entry| entry.value().clone())
    }

    /// Returns `true` if the key is present and not expired. Not a use, nor a hit or miss. O(1),
    /// without a lock.
    #[inline]
    #[must_use = "asking changes nothing"]
    pub fn contains_key<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        let guard = self.store().pin();
        self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other)).is_some()
    }

    /// Stores a value, in place of the key's present one. The entry's time to live begins anew.
    ///
    /// The write supersedes a running load of the key: callers that wait for that load receive its
    /// value, which is not stored. A value heavier than the whole cache is not stored: the present
    /// value is removed all the same, and the listener is notified of both.
    ///
    /// Acquires the lock of the key's shard, and of others, one at a time, if they have to give up
    /// room. O(1) amortised; evicts as many entries as the new one needs room for. Runs the
    /// weigher, and the listener for what was removed.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, &str> = cache_core::Cache::new(10);
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// assert_eq!(cache.get(&1), Some("uno"));
    /// ```
    pub fn insert(&self, key: K, value: V) {
        let hash = self.hash(&key);
        self.store().insert(hash, key, value, None);
    }

    /// Removes the key's entry, and returns a clone of its value if it had not expired (others may
    /// be reading the original). Supersedes a running load of the key, as [`insert`](Self::insert)
    /// does.
    ///
    /// Acquires the lock of the key's shard. O(1). Runs the listener.
    pub fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        let eq = move |other: &K| key.equivalent(other);
        self.store().remove_as(self.hash(key), RemovalCause::Explicit, eq, V::clone)
    }

    /// As [`remove`](Self::remove), without cloning the value.
    pub fn invalidate<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.invalidate_live(key);
    }

    /// Removes all entries. Supersedes all running loads: no load that began before is stored
    /// after.
    ///
    /// Acquires each shard's lock, one at a time and for a moment only. Notifying the listener and
    /// dropping the values, O(n), is done by this call without a lock.
    pub fn invalidate_all(&self) {
        self.store().remove_all();
    }

    /// Removes every entry for which `predicate` returns `true`, and returns how many these were.
    /// Supersedes all running loads: no load that began before is stored after.
    ///
    /// Entries stored during the call may or may not be shown to `predicate`. One that is replaced
    /// before it can be removed is shown again, a few hundred times at most.
    ///
    /// O(n). `predicate` runs without a lock, on every entry that could still be served. The call
    /// acquires each shard's lock, one at a time, and runs the listener.
    ///
    /// # Panics
    /// With a panic of `predicate`; what was removed before stays removed.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// for n in 0..6 {
    ///     cache.insert(n, n * n);
    /// }
    /// assert_eq!(cache.invalidate_entries_if(|key, _| key % 2 == 0), 3);
    /// ```
    pub fn invalidate_entries_if(&self, predicate: impl FnMut(&K, &V) -> bool) -> u64 {
        self.store().remove_if(predicate)
    }

    /// As [`insert`](Self::insert), with a time to live for this entry. If the cache has a
    /// [`time_to_live`](crate::CacheBuilder::time_to_live), too, the earlier deadline counts. With
    /// zero, the old entry is removed, and nothing is stored. A time beyond the range of the clock
    /// is "never".
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// let cache: Cache<u32, u32> = Cache::builder().clock(clock.clone()).build();
    /// cache.insert_with_ttl(1, 10, Duration::from_secs(5));
    /// clock.advance(Duration::from_secs(4));
    /// assert_eq!(cache.get(&1), Some(10));
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(cache.get(&1), None);
    /// ```
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Duration) {
        let hash = self.hash(&key);
        self.store().insert(hash, key, value, Some(ttl));
    }

    /// Sets the time to live of one entry, from now on, longer or shorter than before. If the cache
    /// has a [`time_to_live`](crate::CacheBuilder::time_to_live), that still counts from when the
    /// entry was stored, and the earlier deadline counts. With zero, the entry expires at once.
    /// Returns `false` if there is no live entry.
    ///
    /// Neither a use nor a write: a running load of the key is stored. Acquires the lock of the
    /// key's shard. O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// let cache: Cache<u32, u32> = Cache::builder().clock(clock.clone()).build();
    /// cache.insert_with_ttl(1, 10, Duration::from_secs(5));
    /// clock.advance(Duration::from_secs(4));
    /// assert!(cache.set_ttl(&1, Duration::from_secs(5)));
    /// clock.advance(Duration::from_secs(4));
    /// assert_eq!(cache.get(&1), Some(10));
    /// assert!(!cache.set_ttl(&2, Duration::from_secs(5)));
    /// ```
    pub fn set_ttl<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, ttl: Duration) -> bool {
        self.store().set_ttl(self.hash(key), move |other| key.equivalent(other), ttl)
    }

    /// Returns metadata of a live entry: its age, the time that is left to it, its weight. Not a
    /// use, nor a hit or miss. No lock. O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let (clock, minute) = (FakeClock::new(), Duration::from_secs(60));
    /// let cache = Cache::builder().time_to_live(minute).clock(clock.clone()).build();
    /// cache.insert("a", 1);
    /// clock.advance(minute / 3);
    /// let info = cache.entry_info("a").unwrap();
    /// assert_eq!(info.age(), Some(minute / 3));
    /// assert_eq!(info.time_left(), Some(minute / 3 * 2));
    /// assert_eq!(info.weight(), 1);
    /// ```
    #[must_use = "asking changes nothing"]
    pub fn entry_info<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<EntryInfo> {
        self.store().info(self.hash(key), move |other| key.equivalent(other))
    }

    /// Returns the time until [`run_pending_tasks`](Self::run_pending_tasks) may find an entry to
    /// free: for programs that call it on a schedule. Zero if there may be one now; `None` if no
    /// entry will expire.
    ///
    /// Exact, unless a read has moved a deadline or an entry was removed or replaced: there is one
    /// timer for up to 64 entries, and it may then be early. Never late; but an entry that is
    /// stored afterwards may expire earlier. Acquires the locks of the shards, one at a time, and
    /// looks at a part of their timers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build();
    /// assert_eq!(cache.next_expiry(), None);
    /// cache.insert_with_ttl(1, 10, Duration::from_secs(5));
    /// clock.advance(cache.next_expiry().unwrap());
    /// cache.run_pending_tasks();
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[must_use = "asking changes nothing"]
    pub fn next_expiry(&self) -> Option<Duration> {
        self.store().next_expiry()
    }

    /// Returns the number of entries, including those that have expired and are not removed yet, or
    /// are kept because they may be served stale.
    ///
    /// Without a weigher it is exact and never above the bound; an entry that a call is about to
    /// store may count already. O(1); with a weigher O(shards), acquiring their locks one at a
    /// time.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.store().entry_count()
    }

    /// Returns the total weight of the entries; without a weigher, their number. Exact, and never
    /// above the bound. O(1), without a lock.
    #[must_use]
    pub fn weighted_size(&self) -> u64 {
        self.store().budget.used()
    }

    /// Removes all expired entries, drops what no reader holds any more, and returns the memory of
    /// removed entries to the allocator.
    ///
    /// Never needed for correctness: a cache that is written to does the first two in small steps,
    /// and a [`janitor`](crate::CacheBuilder::janitor) does all three.
    /// [`next_expiry`](Self::next_expiry) says when to call it.
    ///
    /// O(n) in the worst case. Acquires each shard's lock, one at a time. Runs the listener and the
    /// drops of keys and values.
    ///
    /// # Panics
    /// With the first panic of a drop, when all the work is done.
    pub fn run_pending_tasks(&self) {
        self.store().run_pending_tasks();
    }

    /// Returns the configuration.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let config = &self.store().config;
        Policy {
            max_capacity: config.max_capacity,
            time_to_live: config.time_to_live,
            time_to_idle: config.time_to_idle,
            shards: self.store().table.shards(),
        }
    }

    /// Returns the name given to the builder.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.store().config.name.as_deref()
    }

    /// Returns what the cache has counted, if it was built with
    /// [`record_stats`](crate::CacheBuilder::record_stats); otherwise zeros. O(threads), without a
    /// lock.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store().stats()
    }

    /// As [`invalidate`](Self::invalidate). Returns `true` if there was a live value.
    pub(crate) fn invalidate_live<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        let eq = move |other: &K| key.equivalent(other);
        self.store().remove_as(self.hash(key), RemovalCause::Explicit, eq, |_| ()).is_some()
    }
}
