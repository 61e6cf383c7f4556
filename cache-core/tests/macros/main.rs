//! The attribute `#[cached]`, as its users see it.

#![cfg(feature = "macros")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/runs.rs"]
mod runs;

mod async_fns;
mod behaviour;
mod generics;
pub mod hygiene;
mod many;
mod methods;
mod options;
mod siblings;
mod threads;
