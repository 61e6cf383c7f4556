//! What every other wing uses and that knows nothing of caches: the primitives of threads (`sync`,
//! the one switch between the standard library's, loom's and shuttle's), locks that a forked child
//! can use (`fork`), a thread that runs items at their deadlines, a slot for each thread, hashing,
//! random numbers, panics of the user's code, and tuples of any few parts.
//!
//! `fork` and its `lock` are the only files outside the table with `unsafe` code: the system calls
//! of locks and of `fork` handlers.

pub(crate) mod cache_padded;
pub(crate) mod deadline_thread;
pub(crate) mod fork;
pub(crate) mod hash;
pub(crate) mod known_eq;
pub(crate) mod panics;
pub(crate) mod random;
pub(crate) mod signal;
pub(crate) mod sync;
pub(crate) mod thread_slot;
pub(crate) mod tuples;
