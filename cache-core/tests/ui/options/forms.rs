//! Options in a form that is not theirs.

use cache_core::cached;

#[cached(ttl)]
fn no_value(n: u64) -> u64 {
    n
}

#[cached(skip = n)]
fn no_list(n: u64) -> u64 {
    n
}

#[cached(name = prices)]
fn no_text(n: u64) -> u64 {
    n
}

#[cached(companion = "Prices")]
fn no_name(n: u64) -> u64 {
    n
}

#[cached(crate = 1)]
fn no_path(n: u64) -> u64 {
    n
}

#[cached(cache_errors = 1)]
fn no_flag(n: u64) -> u64 {
    n
}

fn main() {}
