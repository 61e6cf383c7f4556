//! What is known of an entry beside its value.

use std::time::Duration;

/// What a cache knows of an entry, as of the moment it was asked:
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
    /// How long ago the value was stored, by the cache's clock. Known to caches that were built with any option
    /// of time (a time to live, say); others answer `None`.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// How long until the entry expires, if it is not used or written before; `None` is never.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    /// How long the value took to load, if it was loaded. Measured by caches that
    /// [refresh early](crate::CacheBuilder::refresh_early); others answer `None`.
    #[must_use]
    pub fn load_time(&self) -> Option<Duration> {
        self.load_time
    }

    /// What the entry weighs: 1, if there is no [`weigher`](crate::CacheBuilder::weigher).
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}
