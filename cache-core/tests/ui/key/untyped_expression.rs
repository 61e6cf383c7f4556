//! An expression has no name and no type by itself.

use cache_core::cached;

#[cached(key(user.0))]
fn user(user: &(u64, u64)) -> u64 {
    user.0
}

#[cached(key())]
fn empty(id: u64) -> u64 {
    id
}

fn main() {}
