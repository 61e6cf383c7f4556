//! What the expansion of `#[cached]` calls; no part of the public interface.
//!
//! The attribute writes as little code as it can: a wrapper that borrows the arguments and asks
//! [`CacheValue::find`], and a companion whose methods are one line each. The thinking stands here, where it
//! is compiled, tested and read like any other code:
//!
//! * [`View`] and [`Part`]: the arguments of a call as a key that borrows, which hashes and
//!   compares like the tuple of owned values kept in the cache;
//! * [`CacheKey`] and [`CacheValue`]: what keys and values must be, and what is done with them;
//! * [`Slot`] and [`ByType`]: where the cache of a function lives, one per function, or one per
//!   instance of a generic function;
//! * [`Fallible`], [`Optional`], [`Probe`] and [`ErrorOf`]: what can be learnt of a return type
//!   without knowing more of it than its name.
//!
//! Nothing here is stable: an expansion and this module are always of one version.

mod check;
mod outcome;
mod slot;
mod view;

pub use check::{CacheKey, CacheValue, Fits, Impossible, Key, Never, check_key};
pub use outcome::{
    CloneShared, ErrorOf, Fallible, KeepOwn, NotOptional, NotResult, Optional, Probe, error_of,
};
pub use slot::{ByType, Slot};
pub use view::{Part, View, key_of};

/// How many entries a cache of a function keeps unless it says otherwise.
pub const DEFAULT_CAPACITY: u64 = 10_000;
