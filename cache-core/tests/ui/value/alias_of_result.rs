//! An alias hides whether there is an error not to be cached.

use cache_core::cached;

type Fallible = Result<u64, String>;
type Maybe = Option<u64>;

#[cached]
fn fallible(n: u64) -> Fallible {
    Ok(n)
}

#[cached]
fn maybe(n: u64) -> Maybe {
    Some(n)
}

fn main() {}
