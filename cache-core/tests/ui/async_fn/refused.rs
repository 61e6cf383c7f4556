//! What is refused of a function is refused of an `async` one.

use cache_core::cached;

struct NotClone;

#[cached]
async fn nothing(n: u64) {
    drop(n);
}

#[cached]
async fn borrowed(text: &str) -> &str {
    text
}

#[cached]
async fn not_clone(n: u64) -> NotClone {
    drop(n);
    NotClone
}

fn main() {}
