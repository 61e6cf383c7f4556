//! Methods are not there yet.

use cache_core::cached;

struct Shop(u64);

impl Shop {
    #[cached]
    fn price(&self, qty: u64) -> u64 {
        self.0 * qty
    }

    #[cached]
    fn copy(shop: &Self) -> u64 {
        shop.0
    }
}

fn main() {
    Shop(1).price(2);
    Shop::copy(&Shop(1));
}
