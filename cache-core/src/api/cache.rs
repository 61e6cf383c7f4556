//! The cache, as its users see it: thin methods over the store. Those that load stand in files of
//! their own.

mod background_refresh;
pub(crate) mod fetch;
mod forked;
mod loads;
mod loads_async;
mod many;
mod time;
mod timeout;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::load::lookup::Lookup;
use crate::store::janitor::{self, JanitorRegistration};
use crate::store::store::{Store, StoreGuard};
use crate::types::error::BuildError;
use crate::types::removal::RemovalCause;
use crate::types::report::Policy;
use crate::types::stats::Stats;
use crate::types::status::Status;
use crate::util::fork::{self, ForkAware};
use crate::util::hash::{Hashed, KeyHash};
use ahash::RandomState;
use equivalent::Equivalent;

/// A bounded, concurrent, in-process cache from `K` to `V`.
///
/// It is a handle: cloning it gives another handle to the same cache, which lives as long as its
/// last handle. All methods take `&self` and may be called from any thread.
///
/// A hit takes no lock and allocates nothing; a thread that waits for a lock is always one that
/// writes. Lookups accept any form of the key that is [`Equivalent`] to it: `&str` for `String`.
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
/// # The user's code
/// `Hash` and `Eq` of keys, `Clone` of values, loaders, listeners, the weigher and the clock run
/// without any lock of the cache held. They may panic, be slow, or call the cache again. After a
/// panic the cache is whole, so it is [`UnwindSafe`](std::panic::UnwindSafe) whatever is in it.
/// Values are dropped by the thread of some later write, or of
/// [`run_pending_tasks`](Self::run_pending_tasks), at the latest with the last handle.
///
/// A call that compares keys looks again when a key of the same hash was stored meanwhile. An `Eq`
/// that stores one each time it is asked would keep its own call going for ever: after a hundred
/// times the call panics, with a text that says so.
///
/// Slow user code inside a look-up (`Clone`, a [`view`](Self::view) closure) delays nobody; while it
/// runs, memory of entries removed meanwhile is not reused.
pub struct Cache<K, V, S = RandomState> {
    pub(crate) inner: Arc<ForkAware<Inner<K, V, S>>>,
}

pub(crate) struct Inner<K, V, S> {
    pub(crate) store: Store<K, V>,
    pub(crate) hasher: S,
    /// Deregisters the cache from the janitor when it drops.
    _registration: Option<JanitorRegistration>,
}

impl<K, V, S> Clone for Cache<K, V, S> {
    /// Another handle to the same cache.
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

    pub(crate) fn hasher(&self) -> &S {
        &self.inner.hasher
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// With a janitor, if a period is given.
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
        match problem {
            None => Ok(Cache { inner }),
            Some(error) => Err(BuildError::new(
                "janitor",
                format!(
                    "the system could not start its thread ({error}); try again, or do without"
                ),
            )),
        }
    }

    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        crate::util::hash::hash(&self.inner.hasher, key)
    }

    #[inline]
    pub(crate) fn hashed(&self, key: K) -> Hashed<K>
    where
        K: Hash,
    {
        Hashed { hash: self.hash(&key), key }
    }

    /// Looks a key up and returns what `f` makes of its value. Counts a use, and a hit or miss.
    #[inline]
    pub(crate) fn lookup<Q, R>(&self, key: &Q, hash: KeyHash, f: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.lookup_pinned(&self.store().table.pin(), key, hash, f)
    }

    /// As `lookup`, by a thread that is pinned.
    #[inline]
    fn lookup_pinned<Q, R>(
        &self,
        guard: &StoreGuard<'_, K, V>,
        key: &Q,
        hash: KeyHash,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let store = self.store();
        let found = store.find_live(guard, hash, move |other| key.equivalent(other));
        if let Some(entry) = found {
            if store.config.record_stats {
                guard.counters().hits.add(1);
            }
            Some(f(entry.value()))
        } else {
            fork::catch_up();
            if store.config.record_stats {
                guard.counters().misses.add(1);
            }
            None
        }
    }

    /// As `lookup`, for a call that may load.
    #[inline]
    pub(crate) fn lookup_to_load<Q>(&self, key: &Q, hash: KeyHash) -> Lookup<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (store, guard) = (self.store(), self.store().table.pin());
        if store.serves_old_values {
            return store.find_or_claim(&guard, hash, move |other| key.equivalent(other));
        }
        match self.lookup_pinned(&guard, key, hash, V::clone) {
            Some(value) => Lookup::Hit(value, Status::Hit),
            None => Lookup::Miss,
        }
    }

    /// A clone of the key's value, if it is there and its time is not over.
    ///
    /// No lock, no allocation (but what `V::clone` does). O(1).
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, u32> = cache_core::Cache::new(10);
    /// cache.insert("a".to_owned(), 1);
    /// assert_eq!(cache.get("a"), Some(1));
    /// assert_eq!(cache.get("b"), None);
    /// ```
    #[inline]
    #[must_use = "to test for a key without counting a use, there is `contains_key`"]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.lookup(key, self.hash(key), V::clone)
    }

    /// Shows the key's value to `see` without cloning it. Counts as a use, like
    /// [`get`](Self::get).
    ///
    /// No lock, no allocation: `see` may take its time and may call the cache again, whatever
    /// other threads do to the entry. Memory of entries removed meanwhile is not reused before it
    /// returns.
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
        self.lookup(key, self.hash(key), f)
    }

    /// As [`get`](Self::get), but neither a use for the eviction policy nor a hit or miss for the
    /// statistics.
    #[inline]
    #[must_use = "a peek changes nothing"]
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = self.store().table.pin();
        let found =
            self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other));
        found.map(|entry| entry.value().clone())
    }

    /// Is there a live value for this key? Not a use, nor a hit or miss. No lock.
    #[inline]
    #[must_use = "asking changes nothing"]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = self.store().table.pin();
        self.store().peek_live(&guard, self.hash(key), move |other| key.equivalent(other)).is_some()
    }

    /// Stores a value, in the place of the one that is there. Its time to live begins anew.
    ///
    /// A load of the key that is running gives its value to those who asked for it before, and does
    /// not overwrite this one. A value heavier than the whole cache is not stored: what was there
    /// is removed, and the listener is told of both.
    ///
    /// Takes the lock of the key's shard. O(1) amortised; evicts as much as it needs room for.
    pub fn insert(&self, key: K, value: V) {
        let hash = self.hash(&key);
        self.store().insert(hash, key, value, None);
    }

    /// Removes a key's entry and gives a clone of its value (others may be reading the original).
    /// A load of the key that is running will not be stored. Takes the lock of the key's shard.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.store().remove_as(
            hash,
            RemovalCause::Explicit,
            move |other| key.equivalent(other),
            V::clone,
        )
    }

    /// Removes a key's entry. A load of the key that is running gives its value to those who asked
    /// before, and it will not be stored. Takes the lock of the key's shard.
    pub fn invalidate<Q>(&self, key: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.invalidate_live(key);
    }

    /// Empties the cache. No load that began before is stored after.
    ///
    /// Takes each shard's lock, one at a time and for a moment only; telling the listener of each
    /// entry and dropping the values, which takes time in proportion to their number, is done by
    /// this call without a lock.
    pub fn invalidate_all(&self) {
        self.store().remove_all();
    }

    /// Removes every entry that `condemned` picks, and says how many they were. Entries stored
    /// while it runs may or may not be looked at: one that is replaced before it can be removed is
    /// looked at again, a few hundred times at most. No load that began before is stored after.
    ///
    /// `condemned` runs without a lock, on all entries: O(n).
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

    /// How many entries the cache holds, those included that have expired and are not freed yet, or are
    /// kept because they may be served stale.
    /// Without a weigher it is exact and never above the bound; a call that has to make room for its entry in
    /// several shards counts it meanwhile. O(1); with a weigher O(shards), taking their locks one at a time.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.store().entry_count()
    }

    /// What the entries weigh together; without a weigher, how many they are. Exact, and never above
    /// the bound. O(1).
    #[must_use]
    pub fn weighted_size(&self) -> u64 {
        self.store().budget.used()
    }

    /// Frees all entries that have expired, and all memory that no reader holds any more; gives memory for
    /// entries that there are no more back to the allocator. Never needed for correctness: a cache that is
    /// written to does the first two by small steps, and a [`janitor`](crate::CacheBuilder::janitor) does
    /// all three. See also [`next_expiry`](Self::next_expiry).
    pub fn run_pending_tasks(&self) {
        self.store().run_pending_tasks();
    }

    /// The configuration.
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

    /// The name given to the builder.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.store().config.name.as_deref()
    }

    /// What the cache has counted, if it was built with
    /// [`record_stats`](crate::CacheBuilder::record_stats). O(threads).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store().stats()
    }

    /// As [`invalidate`](Self::invalidate). Returns `true` if there was a live value.
    pub(crate) fn invalidate_live<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let equal = move |other: &K| key.equivalent(other);
        self.store().remove_as(hash, RemovalCause::Explicit, equal, |_| ()).is_some()
    }
}
