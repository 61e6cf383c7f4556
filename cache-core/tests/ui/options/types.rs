//! Expressions of the wrong type are the compiler's business, where they stand.

use cache_core::cached;

#[cached(ttl_from = |n: &u64| *n)]
fn no_duration(n: u64) -> u64 {
    n
}

#[cached(cache_if = |n: &u64| *n)]
fn no_condition(n: u64) -> u64 {
    n
}

#[cached(weigher = |_: &(u64,), n: &u64| *n, max_capacity = 5)]
fn no_weight(n: u64) -> u64 {
    n
}

#[cached(bypass = n)]
fn no_bypass(n: u64) -> u64 {
    n
}

#[cached(bypass = m > 1)]
fn no_argument(n: u64) -> u64 {
    n
}

fn main() {}
