//! Where the body is inside of the method, the value is told of as well, and once.

use cache_core::cached;

struct Shop;

struct NotClone;

type Alias = Result<u64, String>;

impl Shop {
    #[cached(skip(self))]
    fn not_clone(&self, n: u64) -> NotClone {
        let _ = n;
        NotClone
    }

    #[cached(skip(self))]
    fn alias(&self, n: u64) -> Alias {
        Ok(n)
    }
}

fn main() {
    let _ = (Shop.not_clone(1), Shop.alias(1));
}
