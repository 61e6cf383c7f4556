//! `impl Trait` has no name to keep it under, neither as an argument nor as a result.

use cache_core::cached;

#[cached]
fn argument(f: impl Fn() -> u64) -> u64 {
    f()
}

#[cached]
fn result(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

fn main() {}
