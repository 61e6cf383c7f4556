//! Deadlines, refreshes, stale values, and loads with timeouts.

/// What this binary uses of the helpers of all.
#[path = "../common"]
mod common {
    pub(crate) mod census;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod hashers;
    pub(crate) mod panics;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

mod expiry;
mod janitor;
mod limits;
mod model;
mod outdated;
mod refresh;
mod soft_limits;
mod soft_limits_runtimes;
mod timed;
mod timeouts;
mod timer;
