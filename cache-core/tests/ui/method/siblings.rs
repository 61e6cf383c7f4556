//! The types of the key show in methods beside a method.

use cache_core::cached;

struct Shop(u64);

impl Shop {
    #[cached(companion = true, key(self.0))]
    fn untyped(&self) -> u64 {
        self.0
    }
}

fn main() {}
