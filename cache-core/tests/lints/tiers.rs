//! Functions with a tier behind their caches.

use cache_core::tier::{FakeTier, Raw};
use cache_core::{FakeClock, cached};
use core::future::ready;
use core::num::ParseIntError;
use std::sync::LazyLock;

/// Of all of them.
static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));

/// Free.
#[cached(tier = &*TIER, codec = Raw, schema = 2, ttl = 60, l1_ttl = 5)]
#[must_use]
pub fn free(sku: &str, number: u64) -> String {
    format!("{sku}{number}")
}

/// In a future.
///
/// # Errors
///
/// Never.
#[cached(tier = &*TIER, codec = Raw, name = "later", cache_if = |text: &String| text != "1")]
pub async fn later(number: u64) -> Result<String, ParseIntError> {
    ready(()).await;
    Ok(number.to_string())
}

/// Over many keys.
#[cached(tier = &*TIER, codec = Raw, many = ids, name = "many")]
#[must_use]
pub async fn several(ids: &[u64]) -> Vec<(u64, String)> {
    ready(()).await;
    ids.iter().map(|id| (*id, id.to_string())).collect()
}

/// With methods.
#[derive(Debug)]
#[non_exhaustive]
pub struct Shop {
    /// A number.
    pub id: u64,
}

impl Shop {
    /// With methods beside it.
    #[cached(tier = &*TIER, codec = Raw, companion = true, key(id: u64 = self.id, number))]
    #[must_use]
    pub async fn beside(&self, number: u64) -> Option<String> {
        ready(()).await;
        Some(format!("{}{number}", self.id))
    }

    /// With the body inside.
    #[cached(tier = &*TIER, codec = Raw, name = "inside", key(self.id, number))]
    #[must_use]
    pub fn inside(&self, number: u64) -> String {
        format!("{}{number}", self.id)
    }
}
