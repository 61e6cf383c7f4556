//! An embeddable, in-process, bounded, concurrent cache with expiry and memoization.
//!
//! A hit takes no lock, allocates nothing, and costs little more than a look-up in a bare hash map.
//! The bound is never exceeded, an expired value is never served, and a value whose load began
//! before an invalidation of its key is never given to a call that began after it.
//!
//! ```
//! use std::time::Duration;
//! use cache_core::Cache;
//!
//! let cache: Cache<String, usize> =
//!     Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(60)).build();
//! let length = cache.get_with_by_ref("some key", || "an expensive result".len());
//! assert_eq!(cache.get("some key"), Some(length));
//! ```
//!
//! # Reading the code
//! From the ground up: `util` and `sync`; the leaves (`clock`, `stats`, `budget`, `key`, `executor`, `janitor`, ...); `table`,
//! the only part that is used without a lock and, with `util/fork.rs`, the only one with `unsafe` code, `policy` (eviction),
//! `wheel` (timers) and `freshness` (fresh, due, stale, over: the one place that decides); `nesting`,
//! `flight`, `written`, `register` and `wait`, the loads that run and those who wait for them; `shard`, all that
//! happens under one lock; `store`, `call`, `dating` and `write`, what happens around the locks; `lead`,
//! `load`, `refresh`, `batch` and `compute`, what a load does; and the face: `cache`, `selector`,
//! `loading`, `builder`, `iter`, `unwind`. A file uses only what stands below it. Each begins with what it is,
//! what it costs and why it is so.
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]
#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports))]

// Models of the whole cache share code with the tests of its users' side.
#[cfg(all(test, shuttle))]
extern crate self as cache_core;

mod alarm;
mod batch;
mod budget;
mod builder;
mod cache;
mod call;
mod clock;
mod compute;
mod dating;
mod entry;
mod error;
mod executor;
mod expiry;
mod flight;
mod freshness;
mod info;
mod iter;
mod janitor;
mod key;
mod lead;
mod load;
mod loading;
mod nesting;
mod panics;
mod policy;
mod policy_view;
mod random;
mod refresh;
mod register;
mod removal;
mod selector;
mod shard;
mod share;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod signal;
mod stats;
mod status;
mod store;
mod sync;
mod table;
mod thread_index;
mod timeouts;
mod unwind;
mod util;
mod wait;
mod wheel;
mod write;
mod written;

#[doc(hidden)]
pub mod __private;
pub mod macro_caches;

pub use ahash::RandomState;
#[cfg(feature = "macros")]
pub use cache_macros::cached;
pub use equivalent::Equivalent;

pub use crate::builder::CacheBuilder;
pub use crate::cache::Cache;
pub use crate::clock::{Clock, FakeClock, MonotonicClock, Tick, TickingClock};
pub use crate::entry::{CompResult, Entry, Op};
pub use crate::error::{BuildError, LoadError};
pub use crate::executor::{FutureJob, Job, Spawn};
pub use crate::expiry::{Expiry, Negative};
pub use crate::info::EntryInfo;
pub use crate::iter::Iter;
pub use crate::loading::LoadingCache;
pub use crate::policy_view::Policy;
pub use crate::removal::RemovalCause;
pub use crate::selector::EntrySelector;
#[doc(hidden)]
pub use crate::share::{CloneError, KeepError, ShareError};
pub use crate::stats::Stats;
pub use crate::status::Status;
pub use crate::timeouts::LoadTimeouts;

/// The examples of the README are tested like those of the documentation.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../README.md")]
struct Readme;

// Only in the documentation, so that a program finds no module of this name.
#[cfg(doc)]
pub mod guide;
