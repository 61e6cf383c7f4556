//! Options that contradict each other, or say nothing without another.

use cache_core::{Cache, cached};
use std::sync::LazyLock;

static CACHE: LazyLock<Cache<(u64,), u64>> = LazyLock::new(|| Cache::new(10));

#[cached(key(id), skip(db))]
fn key_and_skip(db: u8, id: u64) -> u64 {
    u64::from(db) + id
}

#[cached(cache_errors, cache_none)]
fn errors_and_none(id: u64) -> u64 {
    id
}

#[cached(cache = CACHE, ttl = 60, max_capacity = 5, name = "prices", cache_if = |n| *n > 1)]
fn given_and_set(id: u64) -> u64 {
    id
}

#[cached(cache = CACHE, thread_local)]
fn given_and_local(id: u64) -> u64 {
    id
}

#[cached(ttl = 60, refresh_after = 30, stale_if_error = 5, single_flight = false)]
fn refreshed_alone(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached(stale_while_revalidate = 60)]
fn never_stale(id: u64) -> u64 {
    id
}

#[cached(jitter = 0.1)]
fn nothing_to_shorten(id: u64) -> u64 {
    id
}

#[cached(ttl = 60, refresh_after = "1m")]
fn refreshed_too_late(id: u64) -> u64 {
    id
}

#[cached(ttl = 60, negative_ttl = 60)]
fn negative_as_long(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(weigher = |_, value| *value as u32)]
fn weighed_against_nothing(id: u64) -> u64 {
    id
}

fn main() {}
