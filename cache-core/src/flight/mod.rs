//! Running loads and the callers that wait for them.
//!
//! A *flight* is one run of a loader for a key, shared by all callers that want its value
//! (`flight`). While it is registered in the in-flight table of its key's shard (`in_flight`) it
//! can be joined and may store its value; a write to the key deregisters it, and so supersedes it.
//! Threads and tasks wait in the same way (`wait`): a thread's waker unparks it. Waits are bounded
//! by a timer thread (`timer`), and a wait that would close a cycle of loads that wait for each
//! other is refused (`wait_graph`). The answers of a batch whose keys have no flight are checked
//! against the writes that were made meanwhile (`written`).
//!
//! Nothing here takes a shard's lock or runs a loader: that is `load`'s.

#[allow(clippy::module_inception)]
pub(crate) mod flight;
pub(crate) mod handover;
pub(crate) mod in_flight;
pub(crate) mod share_error;
pub(crate) mod timer;
pub(crate) mod wait;
pub(crate) mod wait_graph;
pub(crate) mod written;
