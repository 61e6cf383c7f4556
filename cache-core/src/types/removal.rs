//! Why an entry left the cache.

/// Why an entry left the cache: for the eviction listener and the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalCause {
    /// It expired; or its time to live was zero, and it was never stored.
    Expired,
    /// The user removed it: `remove`, `invalidate`, `invalidate_all` and similar calls.
    Explicit,
    /// A newer value replaced it.
    Replaced,
    /// It was evicted to make room; or it is heavier than the whole cache, and was never stored.
    Size,
}

impl RemovalCause {
    /// Returns `true` if the cache removed the entry, rather than the user.
    #[must_use]
    pub fn was_evicted(self) -> bool {
        matches!(self, RemovalCause::Expired | RemovalCause::Size)
    }
}
