//! All mistakes of one attribute are told at once, and the function is still there.

use cache_core::cached;

#[cached(tll = 60, max_capacity = 0, skip(nobody))]
fn wrong(rate: f64, out: &mut u64) -> &str {
    let _ = (rate, out);
    ""
}

fn main() {
    wrong(1.0, &mut 2);
}
