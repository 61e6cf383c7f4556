//! How a call that may load obtained its value.

/// How a call that may load obtained its value: returned by
/// [`Cache::get_with_status`](crate::Cache::get_with_status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The value was in the cache.
    Hit,
    /// The value was in the cache and had expired, no longer ago than
    /// [`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate) allows. A refresh is
    /// running, or was tried within the last second.
    Stale,
    /// This call loaded the value.
    Loaded,
    /// Another call was loading the value, and this one waited for it.
    Coalesced,
    /// The value was in the cache and had expired, no longer ago than
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error) allows; and a load of it has failed,
    /// or takes longer than its caller waits ([`LoadTimeouts`](crate::LoadTimeouts)).
    Fallback,
}
