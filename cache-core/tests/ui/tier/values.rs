//! Values of the options of a tier that say nothing, or nothing that can be.

use std::sync::LazyLock;

use cache_core::tier::FakeTier;
use cache_core::{FakeClock, cached};

static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));

#[cached(tier = &*TIER, ttl = 60, l1_ttl = 61)]
fn longer_in_memory(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, l1_ttl = 0)]
fn never_in_memory(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, ttl = 60, refresh_after = 50)]
fn refreshed_too_late(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, l1_ttl = 5, refresh_after = 5)]
fn refreshed_at_the_end(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, schema = "two")]
fn schema_text(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, schema = -1)]
fn schema_below_zero(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, name = "shop: prices")]
fn name(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, schema = n)]
fn schema_of_a_call(n: u64) -> u64 {
    n
}

fn main() {}
