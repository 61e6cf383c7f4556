//! `async fn` is not there yet, a boxed future never will be.

use cache_core::cached;

use std::pin::Pin;

#[cached]
async fn asynchronous(n: u64) -> u64 {
    n
}

#[cached]
fn boxed(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { n })
}

fn main() {}
