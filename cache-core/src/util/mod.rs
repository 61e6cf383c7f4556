//! What every other wing stands on and that knows nothing of caches: the primitives of threads
//! (`sync`, the one switch between the standard library's, loom's and shuttle's), what a forked
//! child finds (`fork`), a number for each thread, hashing, random numbers, and panics of the
//! user's code.
//!
//! `fork` is the only file outside the table with `unsafe` code: the system calls of locks and of
//! `fork` handlers.

pub(crate) mod deadline_thread;
pub(crate) mod fork;
pub(crate) mod hash;
pub(crate) mod panics;
pub(crate) mod random;
pub(crate) mod signal;
pub(crate) mod sync;
pub(crate) mod thread_slot;
