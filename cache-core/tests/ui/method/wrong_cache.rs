//! A cache of other keys or values than the function has.

use cache_core::{Cache, cached};

struct Shop {
    keys: Cache<u64, u64>,
    values: Cache<(u64,), String>,
    number: u64,
}

impl Shop {
    #[cached(cache = self.keys)]
    fn keys(&self, qty: u64) -> u64 {
        qty
    }

    #[cached(cache = self.values)]
    fn values(&self, qty: u64) -> u64 {
        qty
    }

    #[cached(cache = self.number)]
    fn no_cache(&self, qty: u64) -> u64 {
        qty
    }
}

fn main() {}
