//! Bodies that say `return`, and functions with `#[inline]`, under the lints that ask for them.

#![deny(clippy::implicit_return, clippy::missing_inline_in_public_items, reason = "all do")]
#![allow(clippy::needless_return, reason = "it asks for the opposite")]

use cache_core::cached;
use core::future::ready;
use core::num::ParseIntError;

/// Free.
#[cached]
#[inline]
#[must_use]
pub fn free(text: &str) -> u64 {
    return u64::from(text.is_empty());
}

/// What may fail, in a future.
///
/// # Errors
///
/// When `text` is no number.
#[cached(companion = false)]
#[inline]
pub async fn inside(text: &str) -> Result<u64, ParseIntError> {
    ready(()).await;
    return text.parse();
}

/// Over many keys.
#[cached(many = ids, thread_local)]
#[inline]
#[must_use]
pub fn several(ids: &[u64]) -> Vec<(u64, u64)> {
    return ids.iter().copied().zip(0..).collect();
}

/// With methods.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Shop;

impl Shop {
    /// With methods beside it.
    #[cached(skip(self), companion = true)]
    #[inline]
    #[must_use]
    pub fn beside(self, number: u64) -> Option<u64> {
        return Some(number);
    }

    /// With the body inside.
    #[cached(skip(self))]
    #[inline]
    #[must_use]
    pub fn inside(self, number: u64) -> u64 {
        return number;
    }
}
