//! The attribute `#[cached]`, as its users see it.

#![cfg(feature = "macros")]

/// What this binary uses of the helpers of all.
#[path = "../common"]
mod common {
    pub(crate) mod panics;
    pub(crate) mod runs;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

mod anew;
mod associated;
mod async_fns;
mod behaviour;
mod generics;
pub mod hygiene;
mod many;
mod methods;
mod moved;
mod one_thread;
mod options;
mod patterns;
mod recursion;
mod siblings;
mod threads;
mod tiers;
