//! How a call that may load came by its value.

/// How a call that may load came by its value: [`Cache::get_with_status`](crate::Cache::get_with_status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It was in the cache.
    Hit,
    /// This call loaded it.
    Loaded,
    /// Another call was loading it, and this one waited for that.
    Coalesced,
}
