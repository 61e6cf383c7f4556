//! `companion = false` leaves only the function.

use cache_core::cached;

#[cached(companion = false)]
fn price(qty: u64) -> u64 {
    qty
}

fn main() {
    price(1);
    price::clear();
}
