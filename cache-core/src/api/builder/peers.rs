//! Names of other caches, for programs that move in.

use std::hash::Hash;
use std::sync::Arc;

use super::CacheBuilder;
use crate::types::eviction_policy::EvictionPolicy;
use crate::types::removal::RemovalCause;

/// For programs that move in from other caches.
impl<K, V> CacheBuilder<K, V> {
    /// Returns a builder for a cache of at most `max_capacity` entries, or of that weight: as
    /// [`Cache::builder`](crate::Cache::builder) and [`max_capacity`](Self::max_capacity).
    ///
    /// ```
    /// use cache_core::{Cache, CacheBuilder};
    ///
    /// let cache: Cache<u32, &str> = CacheBuilder::new(100).name("names").build();
    /// assert_eq!(cache.policy().max_capacity(), Some(100));
    /// ```
    pub fn new(max_capacity: u64) -> Self
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Self::default().max_capacity(max_capacity)
    }

    /// As [`eviction_listener`](Self::eviction_listener), for a listener that keeps what it is
    /// notified of: it is given a clone of the key, in an `Arc`, and a clone of the value. The
    /// clones are made for it because readers may be looking at the entry still, and without any
    /// lock of the cache held, for one entry after another.
    ///
    /// A cache has one listener: of the two methods the last call counts.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::mpsc::channel;
    /// use cache_core::{Cache, RemovalCause};
    ///
    /// let (sender, removed) = channel();
    /// let cache: Cache<u32, String> = Cache::builder()
    ///     .max_capacity(1)
    ///     .eviction_listener_owned(move |key: Arc<u32>, value: String, cause| {
    ///         sender.send((*key, value, cause)).unwrap();
    ///     })
    ///     .build();
    /// cache.insert(1, "one".to_owned());
    /// cache.insert(2, "two".to_owned());
    /// assert_eq!(removed.recv(), Ok((1, "one".to_owned(), RemovalCause::Size)));
    /// ```
    ///
    /// # Panics
    /// A panic of the listener, of a clone or of its drop is caught and counted, as there.
    pub fn eviction_listener_owned(
        self,
        listener: impl Fn(Arc<K>, V, RemovalCause) + Send + Sync + 'static,
    ) -> Self
    where
        K: Clone,
        V: Clone,
    {
        self.eviction_listener(move |key, value, cause| {
            listener(Arc::new(key.clone()), value.clone(), cause);
        })
    }

    /// Changes nothing.
    #[deprecated(note = "there is one eviction policy, which the guide to eviction describes: \
                         leave the call out")]
    pub fn eviction_policy(self, _policy: EvictionPolicy) -> Self {
        self
    }

    /// Changes nothing.
    #[deprecated(note = "`invalidate_entries_if` works in every cache, needs no support to be \
                         switched on, and removes at once: leave the call out")]
    pub fn support_invalidation_closures(self) -> Self {
        self
    }
}
