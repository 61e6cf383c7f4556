//! The cache: a handle to a store and a hasher. Its methods are thin, and stand in groups, each an
//! `impl` block of its own: reading, writing, loading, time, looking inside. (Entries are in
//! `entry_selector.rs`.) A method needs `V: Clone` only if it makes a clone.

mod inside;
mod loads;
mod reading;
mod revalidate;
mod time;
mod timeout;
mod writing;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::store::janitor::{self, JanitorRegistration, Maintain};
use crate::store::store::Store;
use crate::types::error::BuildError;
use crate::util::fork::{AtFork, ForkAware};
use crate::util::hash::{Hashed, KeyHash};
use ahash::RandomState;

/// A bounded, concurrent, in-process cache from `K` to `V`.
///
/// It is a handle: a clone is another handle to the same cache, which lives until its last handle
/// is dropped. All methods take `&self` and may be called from any thread.
///
/// A hit acquires no lock and allocates nothing. Lookups accept any form of the key that is
/// [`Equivalent`](crate::Equivalent) to it: `&str` for `String`.
///
/// `V: Clone` is needed where a clone is made: to [`get`](Self::get) a value or load it, to
/// [`remove`](Self::remove) and return it, to iterate. Values that cannot be cloned can be stored,
/// [viewed](Self::view) and invalidated; or put them into an `Arc`.
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
impl<K, V, S> AtFork for ForkAware<Inner<K, V, S>> {
    fn locks(&self) -> [&dyn crate::util::fork::CacheLocks; 2] {
        self.store.locks()
    }

    fn after_fork(&self, thread: &crate::util::fork::OnlyThread) {
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
    /// Shows the name, the capacity and the total weight, and no entries: there may be millions, or
    /// secrets among them, and keys and values need not be `Debug`. To show the entries, collect
    /// [`iter`](Cache::iter). O(1), without a lock; runs none of your code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.inner.store.config.name)
            .field("max_capacity", &self.inner.store.config.max_capacity)
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
    V: Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Makes the first handle. With a period, the janitor maintains the cache.
    pub(crate) fn from_store(
        store: Store<K, V>,
        hasher: S,
        janitor: Option<Duration>,
    ) -> Result<Self, BuildError> {
        let mut problem = None;
        let cache = Self::registered(store, hasher, |weak| {
            let registered = janitor::register(weak.clone(), janitor?);
            registered.map_err(|error| problem = Some(error)).ok()
        });
        if let Some(error) = problem {
            let text = format!(
                "the system could not start its thread ({error}); try again, or do without"
            );
            return Err(BuildError::new("janitor", text));
        }
        Ok(cache)
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Makes the first handle of a cache whose keys and values may belong to the calling thread:
    /// no other thread maintains it.
    pub(crate) fn on_this_thread(store: Store<K, V>, hasher: S) -> Self {
        Self::registered(store, hasher, |_| None)
    }

    fn registered(
        store: Store<K, V>,
        hasher: S,
        register: impl FnOnce(&Weak<ForkAware<Inner<K, V, S>>>) -> Option<JanitorRegistration>,
    ) -> Self {
        let make = |weak: &Weak<_>| Inner { store, hasher, _registration: register(weak) };
        Cache { inner: ForkAware::new(make) }
    }

    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        crate::util::hash::hash(&self.inner.hasher, key)
    }

    #[inline]
    pub(crate) fn hashed(&self, key: K) -> Hashed<K> {
        Hashed { hash: self.hash(&key), key }
    }
}
