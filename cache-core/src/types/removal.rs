//! Why an entry left the cache.

/// Why an entry left the cache, as the eviction listener and the statistics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalCause {
    /// Its time was over; or its time to live was zero, and it was never stored.
    Expired,
    /// The user removed it: `remove`, `invalidate` and their kin.
    Explicit,
    /// A newer value took its place.
    Replaced,
    /// There was no room for it: it was evicted, or heavier than the whole cache and never stored.
    Size,
}

impl RemovalCause {
    /// Did the cache remove the entry by itself, rather than on somebody's order?
    #[must_use]
    pub fn was_evicted(self) -> bool {
        matches!(self, RemovalCause::Expired | RemovalCause::Size)
    }
}
