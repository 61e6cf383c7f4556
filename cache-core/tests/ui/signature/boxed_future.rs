//! A future in a box, and `#[cached]` on what it does not go on.

use cache_core::cached;

use std::pin::Pin;

#[cached]
fn boxed(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    let more = n + 1;
    Box::pin(async move { more })
}

struct Shop;

#[cached]
impl Shop {
    fn price(&self) -> u64 {
        1
    }
}

fn main() {}
