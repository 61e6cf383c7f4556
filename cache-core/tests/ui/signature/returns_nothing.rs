//! There must be something to cache.

use cache_core::cached;

#[cached]
fn nothing(_n: u64) {}

#[cached]
fn unit(_n: u64) -> () {}

#[cached]
fn never(_n: u64) -> ! {
    panic!()
}

fn main() {}
