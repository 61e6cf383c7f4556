//! Functions whose calls are not all alike, or do not end like those of Rust.

use cache_core::cached;

#[cached]
const fn constant(n: u64) -> u64 {
    n
}

#[cached]
unsafe fn dangerous(n: u64) -> u64 {
    n
}

#[cached]
extern "C" fn foreign(n: u64) -> u64 {
    n
}

fn main() {}
