//! Options that are about errors and `None`, where there are none.

use cache_core::cached;

#[cached(negative_ttl = 5)]
fn never_negative(n: u64) -> u64 {
    n
}

#[cached(ttl = 60, stale_if_error = 5)]
fn never_fails(n: u64) -> u64 {
    n
}

#[cached(ttl = 60, stale_if_error = 5)]
fn absent(n: u64) -> Option<u64> {
    Some(n)
}

#[cached(ttl = 60, stale_if_error = 5, cache_errors)]
fn keeps_errors(n: u64) -> Result<u64, String> {
    Ok(n)
}

fn main() {}
