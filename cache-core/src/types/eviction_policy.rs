//! The eviction policies that another cache lets its users choose from.

/// A choice of [`CacheBuilder::eviction_policy`](crate::CacheBuilder::eviction_policy), which
/// changes nothing.
///
/// Every cache has the one policy of the guide [to eviction](crate::guide::eviction).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvictionPolicy(());

impl EvictionPolicy {
    /// Returns what stands for TinyLFU.
    #[must_use]
    pub fn tiny_lfu() -> Self {
        EvictionPolicy(())
    }

    /// Returns what stands for "least recently used".
    #[must_use]
    pub fn lru() -> Self {
        EvictionPolicy(())
    }
}
