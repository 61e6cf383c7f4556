//! A float is no key: `NaN` is not equal to itself.

use cache_core::cached;

#[cached]
fn plain(rate: f64) -> u64 {
    rate as u64
}

#[cached]
fn inside(rates: &[(u8, f32)], maybe: Option<&f64>) -> usize {
    rates.len() + usize::from(maybe.is_some())
}

#[cached(key(rate: f64 = rate))]
fn named(rate: f64) -> u64 {
    rate as u64
}

#[cached(key(rate: u64 = rate.to_bits()))]
fn allowed(rate: f64) -> u64 {
    rate as u64
}

fn main() {
    allowed(1.0);
}
