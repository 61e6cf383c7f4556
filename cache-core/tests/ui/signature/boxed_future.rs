//! What another attribute has made of an `async fn`.

use cache_core::cached;

use std::pin::Pin;

#[cached]
fn boxed(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { n })
}

fn main() {}
