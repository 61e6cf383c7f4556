//! Whether results depend on `self` has to be said.

use cache_core::{Cache, cached};

static SHARED: std::sync::LazyLock<Cache<(u64,), u64>> =
    std::sync::LazyLock::new(|| Cache::new(10));

struct Shop(u64);

impl Shop {
    #[cached]
    fn price(&self, qty: u64) -> u64 {
        self.0 * qty
    }

    #[cached(skip(qty))]
    fn skips_another(&mut self, qty: u64) -> u64 {
        self.0 * qty
    }

    // A cache that all of them share decides nothing.
    #[cached(cache = SHARED)]
    fn shares(self, qty: u64) -> u64 {
        self.0 * qty
    }
}

fn main() {
    // The methods are still there: no error here.
    Shop(1).price(2);
    Shop(1).skips_another(2);
    Shop(1).shares(2);
}
