//! Options that do not go with a tier, each with what to do instead.

use std::sync::LazyLock;

use cache_core::tier::FakeTier;
use cache_core::{Cache, FakeClock, cached};

static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));
static CACHE: LazyLock<Cache<(u64,), u64>> = LazyLock::new(|| Cache::new(10));

#[cached(tier = &*TIER, cache = CACHE)]
fn cache(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, thread_local)]
fn thread_local(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, ttl_from = |_| std::time::Duration::from_secs(1))]
fn ttl_from(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, tti = 60)]
fn tti(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, single_flight = false)]
fn unshared(n: u64) -> u64 {
    n
}

#[cached(tier = &*TIER, negative_ttl = 5)]
fn negative_error(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(tier = &*TIER, negative_ttl = 5, cache_none)]
fn negative_value(n: u64) -> Option<u64> {
    Some(n)
}

#[cached(tier = &*TIER, negative_ttl = 5, many = ids)]
fn negative_many(ids: &[u64]) -> Vec<(u64, u64)> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(tier = &*TIER, stale_if_error = 60)]
fn endless(n: u64) -> Result<u64, String> {
    Ok(n)
}

fn main() {}
