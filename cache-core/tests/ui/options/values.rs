//! Values of options that cannot be.

use cache_core::cached;

#[cached(ttl = 60, jitter = 1.0)]
fn all_of_it(n: u64) -> u64 {
    n
}

#[cached(ttl = 60, jitter = -0.5)]
fn longer(n: u64) -> u64 {
    n
}

#[cached(tti = 0)]
fn never_idle(n: u64) -> u64 {
    n
}

#[cached(ttl = 60, negative_ttl = "0s")]
fn never_negative(n: u64) -> Option<u64> {
    Some(n)
}

#[cached(ttl = 60, stale_while_revalidate = "5 minuets")]
fn unit(n: u64) -> u64 {
    n
}

#[cached(ttl_from = 60)]
fn no_closure(n: u64) -> u64 {
    n
}

#[cached(weigher = |value| 1, max_capacity = 5)]
fn one_parameter(n: u64) -> u64 {
    n
}

#[cached(cache_if = |key, value| true)]
fn two_parameters(n: u64) -> u64 {
    n
}

#[cached(single_flight = 0)]
fn no_flag(n: u64) -> u64 {
    n
}

#[cached(cache)]
fn no_cache(n: u64) -> u64 {
    n
}

fn main() {}
