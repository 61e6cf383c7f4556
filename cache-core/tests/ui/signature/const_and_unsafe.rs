//! Functions whose calls are not all alike.

use cache_core::cached;

#[cached]
const fn constant(n: u64) -> u64 {
    n
}

#[cached]
unsafe fn dangerous(n: u64) -> u64 {
    n
}

fn main() {}
