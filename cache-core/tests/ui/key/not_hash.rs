//! The compiler finds what the text does not show: a key part without `Hash`.

use cache_core::cached;

#[derive(Clone, PartialEq, Eq)]
struct Opaque;

#[cached]
fn opaque(value: &Opaque) -> u64 {
    let _ = value;
    1
}

fn main() {}
