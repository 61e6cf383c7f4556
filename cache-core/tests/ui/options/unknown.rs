//! Names that are nearly right, from elsewhere, or not there yet.

use cache_core::cached;

#[cached(tll = 60)]
fn near(n: u64) -> u64 {
    n
}

#[cached(size = 60)]
fn elsewhere(n: u64) -> u64 {
    n
}

#[cached(tags("prices"))]
fn later(n: u64) -> u64 {
    n
}

#[cached(stale_while_revalidated = 60)]
fn near_and_long(n: u64) -> u64 {
    n
}

#[cached(frobnicate)]
fn nothing_alike(n: u64) -> u64 {
    n
}

fn main() {}
