//! The cache itself: what each operation does, whatever the configuration, the threads and the user's
//! code around it.

#[path = "../common/mod.rs"]
mod common;

mod behaviour;
mod collisions;
mod comparing;
mod concurrent;
mod garbage;
mod keys_and_weights;
mod lifetimes;
mod listener;
mod model;
mod off;
mod panicking_drops;
mod panics;
mod stats_and_policy;
mod time;
mod types;
mod value_sizes;
