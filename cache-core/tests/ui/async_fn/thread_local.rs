//! A task has no thread of its own.

use cache_core::cached;

#[cached(thread_local)]
async fn asynchronous(n: u64) -> u64 {
    n
}

fn main() {
    drop(asynchronous(1));
}
