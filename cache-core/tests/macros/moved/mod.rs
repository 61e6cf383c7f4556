//! Functions that were written for other caches, moved onto `#[cached]`: above each stands the
//! attribute that it had, and the test says what must be as it was.

mod crate_cached;
mod functools;
mod memoize;
