//! Options that say something of a tier, without one; and a tier that is nothing.

use cache_core::cached;

#[cached(schema = 2)]
fn schema(n: u64) -> u64 {
    n
}

#[cached(l1_ttl = 5, ttl = 60)]
fn memory(n: u64) -> u64 {
    n
}

#[cached(codec = cache_core::tier::Raw)]
fn codec(n: u64) -> String {
    n.to_string()
}

#[cached(tier)]
fn flag(n: u64) -> u64 {
    n
}

#[cached(l2 = TIER, version = 3)]
fn elsewhere(n: u64) -> u64 {
    n
}

fn main() {}
