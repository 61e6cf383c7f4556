//! Lints about what the user wrote are not lost.

#![deny(warnings)]

use cache_core::cached;

#[cached]
fn unused_inside(n: u64) -> u64 {
    let nothing = n;
    n
}

#[cached(cache_if = |kept: &u64| { let inside_an_option = kept; true })]
fn unused_in_an_option(n: u64) -> u64 {
    n
}

#[cached]
#[must_use]
fn important(n: u64) -> u64 {
    n
}

fn main() {
    unused_inside(1);
    unused_in_an_option(1);
    important(1);
}
