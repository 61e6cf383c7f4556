//! The attribute on something else; the item stays.

use cache_core::cached;

#[cached]
struct Price(u64);

trait Shop {
    #[cached]
    fn price(qty: u64) -> u64;
}

fn main() {
    let _ = Price(1).0;
}
