//! Tiers, keys and values that a tiered cache cannot have.

use cache_core::FakeClock;
use cache_core::tier::{Chain, FakeTier, TieredCache};

#[derive(Clone)]
struct Price(u64);

#[derive(PartialEq, Eq, Hash)]
struct Sku(u64);

fn main() {
    let tier = FakeTier::new(&FakeClock::new());
    let _ = TieredCache::<u64, String>::builder("address").tier("127.0.0.1:11211");
    let _ = TieredCache::<u64, String>::builder("chain").tier_async(Chain::new(tier.clone()));
    let _ = TieredCache::<Sku, String>::builder("key").tier(tier.clone());
    let _ = TieredCache::<u64, Price>::builder("value").tier(tier).build();
}
