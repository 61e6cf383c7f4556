//! The shards together, and everything that happens around a lock rather than under it.
//!
//! `store` holds the table, the shards, the configuration (`config`) and the budget. A call that
//! writes is a transaction (`txn`): it reserves weight, acquires locks one at a time, collects what
//! it removes, and when it ends releases what it has not used and notifies the listener. `write`
//! (with `plain`, its short way) and `bulk`, the calls that go through all shards, are made of such
//! transactions; `evict` evicts on demand, and asks the user what to keep. `deadlines` computes
//! when an entry expires; `janitor` is the thread that has expired entries freed. Weigher,
//! `Expiry`, clock, listener, `keep_if` and the drops of removed entries run here, without a lock.

mod bulk;
pub(crate) mod config;
pub(crate) mod deadlines;
mod evict;
pub(crate) mod janitor;
mod plain;
#[allow(clippy::module_inception)]
pub(crate) mod store;
pub(crate) mod txn;
pub(crate) mod write;
