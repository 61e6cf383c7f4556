//! How a call that may load came by its value.

/// How a call that may load came by its value: [`Cache::get_with_status`](crate::Cache::get_with_status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It was in the cache.
    Hit,
    /// It was in the cache and had expired, not longer ago than
    /// [`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate) allows. Somebody is loading
    /// it anew, or has just tried to.
    Stale,
    /// This call loaded it.
    Loaded,
    /// Another call was loading it, and this one waited for that.
    Coalesced,
    /// It was in the cache and had expired, and a load of it has failed, or takes longer than its
    /// caller waits ([`LoadTimeouts`](crate::LoadTimeouts)); not longer after than
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error) allows.
    Fallback,
}
