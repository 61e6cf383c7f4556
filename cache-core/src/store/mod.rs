//! The shards together, and everything that happens around a lock rather than under it.
//!
//! `store` holds the table, the configuration and the budget. A call that writes is a transaction
//! (`txn`): it reserves weight, acquires locks one at a time, collects what it removes, and when it
//! ends gives back what it has not used and notifies the listener. `write` is made of such
//! transactions; `deadlines` computes when an entry ends; `janitor` frees expired entries when
//! nobody calls. Weigher, `Expiry`, clock, listener and the drops of removed entries run here,
//! without a lock.

pub(crate) mod deadlines;
pub(crate) mod janitor;
#[allow(clippy::module_inception)]
pub(crate) mod store;
pub(crate) mod txn;
pub(crate) mod write;
