//! A cache's configuration, read back.

use std::time::Duration;

/// What a cache was configured to do: [`Cache::policy`](crate::Cache::policy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) max_capacity: Option<u64>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) shards: usize,
}

impl Policy {
    /// The bound on the number or the weight of entries, as it was given, if it was. 0: the cache is
    /// off.
    #[must_use]
    pub fn max_capacity(&self) -> Option<u64> {
        self.max_capacity
    }

    /// How long entries live after they were stored, if not for ever. Zero: the cache is off.
    #[must_use]
    pub fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// How long entries live after they were used, if not for ever.
    #[must_use]
    pub fn time_to_idle(&self) -> Option<Duration> {
        self.time_to_idle
    }

    /// In how many shards, each with a lock for its writers, the entries are kept.
    #[must_use]
    pub fn num_segments(&self) -> usize {
        self.shards
    }
}
