//! What is said of `self` says one thing.

use cache_core::{Cache, cached};

struct Shop {
    id: u64,
    cache: Cache<(u64,), u64>,
}

impl Shop {
    #[cached(cache = self.cache, skip(self))]
    fn own_and_skipped(&self, qty: u64) -> u64 {
        self.id * qty
    }

    #[cached(key(self.id, qty), skip(self))]
    fn key_and_skipped(&self, qty: u64) -> u64 {
        self.id * qty
    }
}

#[cached(skip(self))]
fn has_none(qty: u64) -> u64 {
    qty
}

fn main() {}
