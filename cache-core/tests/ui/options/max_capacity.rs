//! Capacities that are none.

use cache_core::cached;

#[cached(max_capacity = 0)]
fn zero(n: u64) -> u64 {
    n
}

#[cached(max_capacity = "10")]
fn text(n: u64) -> u64 {
    n
}

fn main() {}
