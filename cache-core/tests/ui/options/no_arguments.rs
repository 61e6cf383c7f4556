//! Options of the cache are evaluated once, for all calls: there are no arguments.

use cache_core::cached;

struct Shop;

impl Shop {
    #[cached(skip(self), max_capacity = n)]
    fn inside(&self, n: u64) -> u64 {
        n
    }
}

#[cached(max_capacity = n)]
fn beside(n: u64) -> u64 {
    n
}

#[cached(cache_if = |value| *value > limit, weigher = |_, n| *n as u32, max_capacity = 5)]
fn closure(n: u64, limit: u64) -> u64 {
    n.min(limit)
}

fn main() {}
