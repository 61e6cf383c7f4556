//! The options of a function's cache, under the names that they have in the attribute.

use crate::api::builder::CacheBuilder;
use crate::types::expiry::Negative;
use std::time::Duration;

/// The default capacity of the cache of a function.
pub const DEFAULT_CAPACITY: u64 = 10_000;

/// Sets the options of a cache.
pub type Set<K, V> = fn(Settings<K, V>) -> Settings<K, V>;

/// The cache of one function, before it is built.
pub struct Settings<K, V> {
    pub(super) builder: CacheBuilder<K, V>,
}

impl<K, V: 'static> Settings<K, V> {
    fn with(self, change: impl FnOnce(CacheBuilder<K, V>) -> CacheBuilder<K, V>) -> Self {
        Self { builder: change(self.builder) }
    }

    /// `max_capacity = ..`
    pub fn max_capacity(self, max_capacity: u64) -> Self {
        self.with(|builder| builder.max_capacity(max_capacity))
    }

    /// `weigher = |key, value| ..`
    pub fn weigher(self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.weigher(weigher))
    }

    /// `ttl = ..`
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|builder| builder.time_to_live(ttl))
    }

    /// `ttl_from = |value| ..`
    pub fn ttl_from(self, ttl: impl Fn(&V) -> Duration + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.own_ttl(move |value| Some(ttl(value))))
    }

    /// `tti = ..`
    pub fn tti(self, tti: Duration) -> Self {
        self.with(|builder| builder.time_to_idle(tti))
    }

    /// `jitter = ..`
    pub fn jitter(self, jitter: f64) -> Self {
        self.with(|builder| builder.ttl_jitter(jitter))
    }

    /// `refresh_after = ..`
    pub fn refresh_after(self, age: Duration) -> Self {
        self.with(|builder| builder.refresh_after(age))
    }

    /// `stale_while_revalidate = ..`
    pub fn stale_while_revalidate(self, window: Duration) -> Self {
        self.with(|builder| builder.stale_while_revalidate(window))
    }

    /// `stale_if_error = ..`
    pub fn stale_if_error(self, window: Duration) -> Self {
        self.with(|builder| builder.stale_if_error(window))
    }

    /// `negative_ttl = ..`
    pub fn negative_ttl(self, negative_ttl: Duration) -> Self
    where
        V: Negative,
    {
        self.with(|builder| builder.negative_ttl(negative_ttl))
    }

    /// `cache_if = |value| ..`
    ///
    /// A value that is not to be cached has a time to live of zero: all waiting callers receive it,
    /// it takes the place of an older one, and it is not stored.
    pub fn cache_if(self, keep: impl Fn(&V) -> bool + Send + Sync + 'static) -> Self {
        let ttl = move |value: &V| (!keep(value)).then_some(Duration::ZERO);
        self.with(|builder| builder.own_ttl(ttl))
    }
}

/// The name of the cache of a method: the path of its type, and its own.
///
/// Input: `Shop<u8>` of the crate `market`, `"total"`. Output: `market::Shop<u8>::total`.
pub fn method_name<T: ?Sized>(method: &str) -> String {
    format!("{}::{method}", std::any::type_name::<T>())
}
