//! A part of a key that cannot go to another thread. The static of the cache says so as well.

use cache_core::cached;
use std::rc::Rc;

#[cached]
fn not_shared(value: Rc<u64>) -> u64 {
    *value
}

fn main() {}
