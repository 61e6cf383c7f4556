//! How long entries live, and what is done about those that have expired.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use super::Cache;
use equivalent::Equivalent;

/// Time: how long single entries live. The [builder](crate::CacheBuilder) says it for all.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
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
}
