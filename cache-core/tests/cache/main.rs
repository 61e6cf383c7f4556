//! The cache itself: what each operation does, in every configuration, among threads, and with user
//! code that panics or calls the cache back.

/// What this binary uses of the helpers of all.
#[path = "../common"]
mod common {
    pub(crate) mod census;
    pub(crate) mod configurations;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod crowd;
    pub(crate) mod ending;
    pub(crate) mod hashers;
    pub(crate) mod numbers;
    pub(crate) mod panics;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    pub(crate) mod threads;
}

mod auto_traits;
mod behaviour;
mod blocking;
mod collisions;
mod comparing;
mod concurrent;
mod garbage;
mod in_place;
mod keep_if;
mod keys_and_weights;
mod lifetimes;
mod listener;
mod model;
mod off;
mod panicking_drops;
mod panics;
mod peers;
mod remove_if;
mod spots;
mod stats_and_policy;
mod support;
mod time;
mod types;
mod value_sizes;
mod without_clone;
