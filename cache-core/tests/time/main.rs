//! Deadlines, refreshes, stale values, and loads with timeouts.

#[path = "../common/mod.rs"]
mod common;

mod expiry;
mod janitor;
mod model;
mod refresh;
mod soft_limits;
mod soft_limits_runtimes;
mod timeouts;
