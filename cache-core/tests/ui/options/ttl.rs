//! Durations that are none.

use cache_core::cached;

#[cached(ttl = "5 minuets")]
fn unit(n: u64) -> u64 {
    n
}

#[cached(ttl = 0)]
fn zero(n: u64) -> u64 {
    n
}

#[cached(ttl = "0s")]
fn zero_text(n: u64) -> u64 {
    n
}

#[cached(ttl = -1)]
fn negative(n: u64) -> u64 {
    n
}

#[cached(ttl = 1.5)]
fn fraction(n: u64) -> u64 {
    n
}

#[cached(ttl = "1.5s")]
fn fraction_text(n: u64) -> u64 {
    n
}

#[cached(ttl = 60 * 60)]
fn number(n: u64) -> u64 {
    n
}

fn main() {}
