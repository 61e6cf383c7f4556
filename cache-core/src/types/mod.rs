//! Small public types that every wing above `util` may use: what a user configures, implements or
//! is given, without behaviour beyond itself. They are re-exported at the root of the crate.
//!
//! A type belongs here if it uses nothing but `util`.

pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod eviction_policy;
pub(crate) mod executor;
pub(crate) mod expiry;
pub(crate) mod removal;
pub(crate) mod report;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod timeouts;
