//! What is no list of options is told where it stops being one, and does not hide what else is wrong.

use cache_core::cached;

#[cached("60")]
fn text(n: u64) -> u64 {
    n
}

#[cached(60, tll = 5)]
fn number(n: u64) -> u64 {
    n
}

#[cached(ttl: 60, max_capacity = 0)]
fn colon(n: u64) -> u64 {
    n
}

#[cached(ttl =, max_capacity =)]
fn no_value(n: u64) -> u64 {
    n
}

#[cached(ttl = 60 max_capacity = 5)]
fn no_comma(n: u64) -> u64 {
    n
}

#[cached(ttl = 60; max_capacity = 5, name = "")]
fn semicolon(n: u64) -> u64 {
    n
}

#[cached(key(n: u64), jitter = 0.1)]
fn no_expression(n: u64) -> u64 {
    n
}

#[cached(weigher = |key, value| , max_capacity = 0)]
fn half_a_closure(n: u64) -> u64 {
    n
}

struct Shop;

impl Shop {
    #[cached(key(n =), ttl = 0)]
    fn not_undecided(&self, n: u64) -> u64 {
        n
    }
}

fn main() {
    let _ = (text(1), number(1), colon(1), no_value(1), no_comma(1), semicolon(1));
    let _ = (no_expression(1), half_a_closure(1), Shop.not_undecided(1));
}
