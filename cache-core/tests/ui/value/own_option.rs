//! Types that are only called `Option`.

use cache_core::cached;

mod none {
    #[derive(Clone)]
    pub struct Option;
}

mod one {
    #[derive(Clone)]
    pub struct Option<T>(pub T);
}

#[cached]
fn without(_n: u64) -> none::Option {
    none::Option
}

#[cached]
fn with_one(n: u64) -> one::Option<u64> {
    one::Option(n)
}

struct Shop;

impl Shop {
    #[cached(skip(self))]
    async fn later(&self, n: u64) -> one::Option<u64> {
        one::Option(n)
    }
}

#[cached(cache_none)]
fn as_the_error_says(n: u64) -> one::Option<u64> {
    one::Option(n)
}

fn main() {
    let _ = as_the_error_says(1).0;
}
