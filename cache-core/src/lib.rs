// The front page of the documentation. Its examples use the attribute.
#![cfg_attr(any(not(doctest), feature = "macros"), doc = include_str!("../docs/front.md"))]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports))]

// Models of the whole cache share code with the tests of its users' side.
#[cfg(all(test, shuttle))]
extern crate self as cache_core;

mod api;
mod flight;
mod load;
mod policy;
mod shard;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod store;
mod table;
mod time;
mod types;
mod util;

#[doc(hidden)]
pub mod __private;
pub mod tier;

pub use ahash::RandomState;
#[cfg(feature = "macros")]
pub use cache_macros::cached;
pub use equivalent::Equivalent;

pub use crate::__private::macro_caches;
pub use crate::api::builder::CacheBuilder;
pub use crate::api::cache::Cache;
pub use crate::api::entry_selector::EntrySelector;
pub use crate::api::iter::Iter;
pub use crate::api::load_guard::{GuardError, LoadGuard};
pub use crate::api::loading::LoadingCache;
pub use crate::time::clock::{Clock, FakeClock, MonotonicClock, Tick};
pub use crate::time::ticking::TickingClock;
pub use crate::types::entry::{CompResult, Entry, Op};
pub use crate::types::error::{BuildError, LoadError};
pub use crate::types::eviction_policy::EvictionPolicy;
pub use crate::types::executor::{FutureJob, Job, Spawn};
pub use crate::types::expiry::{Expiry, Negative};
pub use crate::types::removal::RemovalCause;
pub use crate::types::report::{EntryInfo, Policy};
pub use crate::types::stats::Stats;
pub use crate::types::status::Status;
pub use crate::types::timeouts::LoadTimeouts;

/// The examples of the README are tested like those of the documentation.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So are those of the package's own README.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct PackageReadme;

/// So are those for programs that move in.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../docs/moving.md")]
struct Moving;

// Only in the documentation, so that a program finds no module of this name.
#[cfg(doc)]
pub mod guide;
