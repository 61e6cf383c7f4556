//! Types that are only called `Result`, with as many arguments as can be: one error for each function,
//! wherever its cache and its body are.

use cache_core::{Cache, cached};
use std::collections::HashMap;
use std::sync::LazyLock;

mod none {
    #[derive(Clone)]
    pub struct Result;
}

mod one {
    #[derive(Clone)]
    pub struct Result<T>(pub T);
}

mod two {
    #[derive(Clone)]
    pub enum Result<T, E> {
        Good(T),
        Bad(E),
    }
}

static CACHE: LazyLock<Cache<(u64,), u64>> = LazyLock::new(|| Cache::new(1));

#[cached]
fn without(_n: u64) -> none::Result {
    none::Result
}

#[cached]
fn with_one(n: u64) -> one::Result<u64> {
    one::Result(n)
}

#[cached]
fn with_two(n: u64) -> two::Result<u64, String> {
    if n > 1 { two::Result::Good(n) } else { two::Result::Bad(n.to_string()) }
}

#[cached]
async fn later(n: u64) -> one::Result<u64> {
    one::Result(n)
}

#[cached]
fn generic<T: Clone + Default + Send + Sync + 'static>(_n: u64) -> one::Result<T> {
    one::Result(T::default())
}

#[cached(thread_local)]
fn on_each_thread(n: u64) -> one::Result<u64> {
    one::Result(n)
}

#[cached(cache = CACHE)]
fn in_a_given_cache(n: u64) -> one::Result<u64> {
    one::Result(n)
}

#[cached(many = ids)]
fn many(ids: &[u64]) -> one::Result<HashMap<u64, u64>> {
    one::Result(ids.iter().map(|id| (*id, *id)).collect())
}

struct Shop;

impl Shop {
    #[cached(skip(self))]
    fn inside(&self, n: u64) -> one::Result<u64> {
        one::Result(n)
    }

    #[cached(skip(self))]
    async fn later(&self, n: u64) -> two::Result<u64, String> {
        two::Result::Good(n)
    }

    #[cached(skip(self), companion = true)]
    fn beside(&self, n: u64) -> one::Result<u64> {
        one::Result(n)
    }
}

#[cached(cache_errors)]
fn as_the_error_says(n: u64) -> one::Result<u64> {
    one::Result(n)
}

fn main() {
    let _ = as_the_error_says(1).0;
}
