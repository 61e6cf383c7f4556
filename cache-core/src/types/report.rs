//! What a cache reports of itself: an entry's metadata, and its configuration.

use std::time::Duration;

/// Metadata of one entry, as of the moment of the call: returned by
/// [`Cache::entry_info`](crate::Cache::entry_info).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryInfo {
    pub(crate) age: Option<Duration>,
    pub(crate) time_left: Option<Duration>,
    pub(crate) load_time: Option<Duration>,
    pub(crate) weight: u32,
}

impl EntryInfo {
    /// Returns the time since the value was stored, by the cache's clock. `None` if the cache was
    /// built without any option of time (a time to live, for instance) and so does not record it.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Returns the time until the entry expires, if it is neither used nor written before. `None`
    /// if it never expires.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    /// Returns the time that the load of the value took. `None` if the value was not loaded, or if
    /// the cache does not [refresh early](crate::CacheBuilder::refresh_early) and so does not
    /// measure it.
    #[must_use]
    pub fn load_time(&self) -> Option<Duration> {
        self.load_time
    }

    /// Returns the entry's weight: 1, if there is no [`weigher`](crate::CacheBuilder::weigher).
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

/// A cache's configuration: returned by [`Cache::policy`](crate::Cache::policy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) max_capacity: Option<u64>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) shards: usize,
}

impl Policy {
    /// Returns the bound on the number or the weight of entries as it was given, `None` if there is
    /// none. With 0, the cache is off.
    #[must_use]
    pub fn max_capacity(&self) -> Option<u64> {
        self.max_capacity
    }

    /// Returns how long an entry lives after it was stored, `None` if without limit. With zero, the
    /// cache is off.
    #[must_use]
    pub fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// Returns how long an entry lives after it was last used, `None` if without limit.
    #[must_use]
    pub fn time_to_idle(&self) -> Option<Duration> {
        self.time_to_idle
    }

    /// Returns the number of shards. Each has a lock for its writers.
    #[must_use]
    pub fn num_segments(&self) -> usize {
        self.shards
    }
}
