//! `cache_errors` and `cache_none` where there are none.

use cache_core::cached;

#[cached(cache_errors)]
fn plain(n: u64) -> u64 {
    n
}

#[cached(cache_none)]
fn result(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(cache_errors)]
fn option(n: u64) -> Option<u64> {
    Some(n)
}

fn main() {}
