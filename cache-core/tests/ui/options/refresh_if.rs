//! A flag that asks for a refresh is no part of the key.

use cache_core::cached;

#[cached(refresh_if = fresh)]
fn part_of_the_key(day: u64, fresh: bool) -> u64 {
    let _ = fresh;
    day
}

#[cached(refresh_if = !kept, key(day, kept))]
fn named_in_the_key(day: u64, kept: bool) -> u64 {
    let _ = kept;
    day
}

#[cached(refresh_if)]
fn no_condition(day: u64) -> u64 {
    day
}

#[cached(refresh_if = day + 1)]
fn no_bool(day: u64, n: u64) -> u64 {
    day
}

#[cached(refresh_if = "day > 1")]
fn a_text(day: u64) -> u64 {
    day
}

fn main() {}
