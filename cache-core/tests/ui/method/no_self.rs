//! Where the place of a function in the source is that of another macro, it looks like a free
//! function, beside which a type stands.

use cache_core::cached;

struct Shop;

macro_rules! price {
    () => {
        #[cached]
        fn price(qty: u64) -> u64 {
            qty
        }
    };
}

impl Shop {
    price!();
}

fn main() {}
