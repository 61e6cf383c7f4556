//! An option has one value.

use cache_core::cached;

#[cached(ttl = 60, max_capacity = 5, ttl = 70)]
fn twice(n: u64) -> u64 {
    n
}

#[cached]
#[cached(ttl = 60)]
fn two_attributes(n: u64) -> u64 {
    n
}

fn main() {}
