//! Access traces: which keys a program asked its cache for, one after the other.
//!
//! Shared by the benchmark and the example `hit_ratio`; without dependencies. Each line uses only
//! what stands above it:
//!
//! * [`trace`]: a trace in memory; [`capacity`]: how large a cache is to be.
//! * [`read`]: the formats of files.
//! * [`replay`]: a trace against a store; [`lru`], [`min`]: two references.
#![forbid(unsafe_code)]

pub mod capacity;
pub mod lru;
pub mod min;
pub mod read;
pub mod replay;
pub mod trace;
