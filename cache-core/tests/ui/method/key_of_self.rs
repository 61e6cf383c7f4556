//! What of `self` cannot be part of a key.

use cache_core::cached;

#[derive(Clone)]
struct NotHash;

struct Shop {
    plain: NotHash,
    rate: f64,
}

impl Shop {
    #[cached(key(self.plain))]
    fn not_hash(&self) -> u64 {
        1
    }

    #[cached(key(self.rate))]
    fn float(&self) -> u64 {
        1
    }
}

fn main() {}
