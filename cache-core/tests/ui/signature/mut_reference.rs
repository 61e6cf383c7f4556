//! A `&mut` argument changes what the caller has; a hit would not.

use cache_core::cached;

#[cached]
fn plain(out: &mut u64) -> u64 {
    *out
}

#[cached]
fn inside(out: Option<&mut u64>) -> u64 {
    out.map_or(0, |out| *out)
}

fn main() {
    // The functions themselves are still there: no error here.
    plain(&mut 1);
    inside(None);
}
