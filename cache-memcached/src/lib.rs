//! memcached as a tier behind the in-process cache of [`cache_core`].
//!
//! [`Memcached`] is a [`Tier`](cache_core::tier::Tier) over one server or several, with its own
//! client of memcached's meta protocol:
//!
//! * Every fill depends on the lease that its miss was given (the CAS of the lease), so that what
//!   was loaded before an invalidation is not stored after it. Every other write of a value depends
//!   on what it replaces, so that one that arrives late replaces no later one.
//! * Each call has a time limit: 100 ms for a connection, 50 ms for the whole exchange. A
//!   connection on which anything went wrong is discarded, so a late reply answers no other
//!   request, and every reply must echo the number of its command.
//! * A server that fails repeatedly is left alone for a while (a circuit breaker for each server).
//! * Keys are distributed by rendezvous hashing with a fixed hash, and stay where they are when a
//!   server fails. What a server has from before an outage is told to be distrusted.
//! * No key can bring a command with it, no reply takes more memory than the limit allows, and no
//!   connection is shared with a forked child.
//! * If asked to, other processes' memory tiers hear of a write within milliseconds: see
//!   [`MemcachedBuilder::watch`].
//!
//! ```
//! use cache_core::tier::Tier;
//! use cache_memcached::Memcached;
//!
//! // Nothing is connected yet, and nothing fails because a server is down.
//! let tier = Memcached::builder()
//!     .server("cache1.internal:11211")
//!     .server("cache2.internal:11211")
//!     .namespace("shop")
//!     .build();
//! tier.check().expect("the addresses can be read");
//! ```
//!
//! memcached 1.6.12 or later is needed, for its meta commands; nothing else has to be configured.
//! A server's idle timeout (`-o idle_timeout`) should be off: a connection that the server has
//! closed looks like a restart, after which what was stored before is distrusted.
//!
//! # What it is bad at
//! * Any failed exchange, be it a single one that took too long, has this process distrust what
//!   that server had before: whether an invalidation of another process failed at the same time is
//!   not known. So the time limits should be well above what the network needs.
//! * A key lives on one server. Nothing is replicated, and nothing moves when a server fails.
//! * A name that the system looks up slowly costs a thread for each attempt to connect.
//! * Text only: no TLS, no authentication, no UDP.
//!
//! # The files
//! `wire` makes bytes of commands and replies of bytes, `server` does one exchange with one server,
//! `dialogue` is what is said for each operation, `route` chooses the server, `memcached` is the
//! handle, `blocking` and `tasks` are the two traits, `watch` hears of others' writes.

#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blocking;
mod builder;
mod dialogue;
mod memcached;
mod process;
mod route;
mod server;
#[cfg(feature = "tokio")]
mod tasks;
mod watch;
mod wire;

pub use crate::builder::MemcachedBuilder;
pub use crate::memcached::Memcached;
pub use crate::watch::Hearing;

/// The example of the README is tested like those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are those of the guide for operators, which use both crates.
#[cfg(doctest)]
#[doc = include_str!("../../docs/scaling.md")]
struct Scaling;
