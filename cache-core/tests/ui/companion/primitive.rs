//! A companion would hide a primitive type.

use cache_core::cached;

#[cached]
fn u64(n: u32) -> u32 {
    n
}

#[cached(companion = str)]
fn text(n: u32) -> u32 {
    n
}

fn main() {}
