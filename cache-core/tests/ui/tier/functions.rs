//! Functions whose instances nothing would tell apart in a tier.

use std::sync::LazyLock;

use cache_core::tier::FakeTier;
use cache_core::{FakeClock, cached};

static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));

#[cached(tier = &*TIER)]
fn generic<T: std::str::FromStr + Clone + Send + Sync + 'static>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cached(tier = &*TIER)]
fn sized<const N: usize>(n: u64) -> [u64; N] {
    [n; N]
}

#[cached(tier = &*TIER, companion = false)]
fn hidden(n: u64) -> u64 {
    n
}

fn main() {}
