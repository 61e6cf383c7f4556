//! A type of the same name leaves no room for the companion.

use cache_core::cached;

#[allow(non_camel_case_types)]
struct price {
    _amount: u64,
}

#[cached]
fn price(qty: u64) -> u64 {
    qty
}

fn main() {}
