//! Methods.

use super::User;
use alloc::sync::Arc;
use cache_core::{Cache, cached};
use core::fmt::Debug;
use core::future::ready;
use core::num::ParseIntError;

/// With a cache.
#[derive(Debug)]
#[non_exhaustive]
pub struct Shop {
    /// A number.
    pub id: u64,
    /// The cache.
    pub prices: Cache<(u64,), u64>,
}

#[deny(clippy::arbitrary_source_item_ordering, reason = "they are in order")]
impl Shop {
    /// Takes no `self`.
    #[cached]
    #[must_use]
    pub fn at_home(id: u64) -> Arc<Self> {
        Arc::new(Self { id, prices: Cache::new(5) })
    }

    /// Takes an `Arc`.
    #[cached(skip(self))]
    #[must_use]
    pub fn by_arc(self: Arc<Self>, number: u64) -> u64 {
        number.saturating_add(self.id)
    }

    /// With patterns, and an option with a name that an argument has as well.
    #[cached(
        key(self.id, text),
        weigher = |_, text| u32::try_from(*text).unwrap_or(1),
        max_capacity = 3,
    )]
    #[must_use]
    pub fn inside(&self, text: &str, (left, _): (u64, u8)) -> Option<u64> {
        Some(self.id.saturating_add(u64::from(text.is_empty())).saturating_add(left))
    }

    /// With methods beside it.
    #[cached(companion = next, key(id: u64 = self.id, number))]
    #[must_use]
    pub fn neighbours(&self, number: u64) -> u64 {
        number.saturating_add(self.id)
    }

    /// With methods beside it, for each thread.
    #[cached(companion = true, key(id: u64 = self.id), thread_local)]
    #[must_use]
    pub fn on_thread_(&self) -> u64 {
        self.id
    }

    /// Over many keys.
    #[cached(many = ids, key(self.id, ids))]
    #[must_use]
    pub async fn several(&self, ids: &[u64], qty: u8) -> Vec<(u64, u64)> {
        ready(()).await;
        ids.iter().map(|id| (*id, self.id.saturating_add(u64::from(qty)))).collect()
    }

    /// Over many keys, with methods beside it.
    #[cached(many = ids, companion = true, key(id: u64 = self.id, ids))]
    #[must_use]
    pub fn several_beside(&self, ids: &[u64]) -> Vec<(u64, u64)> {
        ids.iter().map(|id| (*id, self.id)).collect()
    }

    /// In a cache of its own.
    ///
    /// # Errors
    ///
    /// Never.
    #[cached(cache = self.prices)]
    pub async fn within(&self, mut number: u64) -> Result<u64, ParseIntError> {
        ready(()).await;
        number = number.saturating_add(self.id);
        Ok(number)
    }

    /// In a cache of its own, with methods beside it.
    #[cached(companion = true, cache = self.prices)]
    #[must_use]
    pub async fn within_beside(&self, number: u64) -> u64 {
        ready(()).await;
        self.id.saturating_add(number)
    }
}

/// Of any type.
#[derive(Debug)]
#[non_exhaustive]
pub struct Wrap<T> {
    /// A value.
    pub value: T,
}

impl<T: Debug + Send + Sync + 'static> Wrap<T> {
    /// With methods beside it.
    #[cached(skip(self), companion = true)]
    #[must_use]
    pub fn beside<U>(&self, number: u64) -> String {
        format!("{:?}{}{number}", self.value, size_of::<U>())
    }

    /// With the body inside.
    #[cached(skip(self))]
    #[must_use]
    pub fn inside<U>(&self, number: u64) -> String {
        format!("{:?}{}{number}", self.value, size_of::<U>())
    }
}

/// Of a trait.
pub trait Named {
    /// A number.
    fn id(&self) -> u64;

    /// Implemented where it is.
    #[must_use]
    fn name(&self, number: u64) -> String;

    /// With a body here.
    #[cached(key(self.id(), number))]
    #[must_use]
    fn provided(&self, number: u64) -> String {
        format!("{}{number}", self.id())
    }
}

impl Named for User {
    fn id(&self) -> u64 {
        self.id
    }

    #[cached(key(self.id, number))]
    fn name(&self, number: u64) -> String {
        format!("{}{number}", self.id)
    }
}
