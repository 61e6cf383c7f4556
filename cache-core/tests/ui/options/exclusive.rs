//! Options that contradict each other.

use cache_core::cached;

#[cached(key(id), skip(db))]
fn key_and_skip(db: u8, id: u64) -> u64 {
    u64::from(db) + id
}

#[cached(cache_errors, cache_none)]
fn errors_and_none(id: u64) -> u64 {
    id
}

fn main() {}
