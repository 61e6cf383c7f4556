//! Without `self` and `Self` it looks like a free function, beside which a type stands.

use cache_core::cached;

struct Shop;

impl Shop {
    #[cached]
    fn price(qty: u64) -> u64 {
        qty
    }
}

fn main() {}
