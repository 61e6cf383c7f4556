//! `skip` and `key` name arguments.

use cache_core::cached;

#[cached(skip(dbb))]
fn skipped(db: &u8, id: u64) -> u64 {
    u64::from(*db) + id
}

#[cached(key(idd))]
fn keyed(id: u64) -> u64 {
    id
}

#[cached(skip(id, id))]
fn doubled(id: u64) -> u64 {
    id
}

fn main() {}
