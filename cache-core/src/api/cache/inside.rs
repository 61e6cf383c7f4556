//! Figures and metadata.

use std::hash::{BuildHasher, Hash};

use super::Cache;
use crate::types::report::{EntryInfo, Policy};
use crate::types::stats::Stats;
use equivalent::Equivalent;

/// Looking inside: figures, the configuration, and metadata of entries.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
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

    /// Returns the number of entries, including those that have expired and are not removed yet, or
    /// are kept because they may be served stale.
    ///
    /// Without a weigher it is exact and never above the bound; an entry that a call is about to
    /// store may count already. O(1); with a weigher O(shards), acquiring their locks one at a
    /// time.
    #[must_use]
    #[doc(alias = "len")]
    #[doc(alias = "is_empty")]
    pub fn entry_count(&self) -> u64 {
        self.store().entry_count()
    }

    /// Returns the total weight of the entries; without a weigher, their number. Exact, and never
    /// above the bound. O(1), without a lock.
    #[must_use]
    #[doc(alias = "weight")]
    pub fn weighted_size(&self) -> u64 {
        self.store().budget.used()
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
    #[doc(alias = "cache_info")]
    pub fn stats(&self) -> Stats {
        self.store().stats()
    }
}
