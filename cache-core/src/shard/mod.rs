//! Everything that happens under one shard's lock.
//!
//! A shard is single-threaded code behind a lock: its table's writer, the eviction policy, the
//! timer wheel and the in-flight table, kept in step (`shard`). The time is an argument, removed
//! entries go into a buffer of the caller, and no user code runs. `shards` has the locks, and
//! gives collected slots back; `lock_key` finds a key under its lock without running the user's
//! `Eq` there; `plain` is the short way of most writes. `lifetimes` decides whether an entry is
//! fresh, due, stale or over; `budget` is the capacity that all shards share; `ledger` is what a
//! write carries from one shard to the next.

pub(crate) mod budget;
pub(crate) mod ledger;
pub(crate) mod lifetimes;
mod lock_key;
#[cfg(all(test, loom))]
mod loom_tests;
pub(crate) mod plain;
#[allow(clippy::module_inception)]
pub(crate) mod shard;
pub(crate) mod shards;
#[cfg(test)]
mod testing;
#[cfg(all(test, not(loom)))]
mod tests;
