//! The manual: guides to the parts of the cache that are worth more than a paragraph.
//!
//! To begin with, a page for each of these:
//!
//! * [`slow_function`]: "I have a slow function."
//! * [`service`]: "I have a service."
//! * [`batch_job`]: "I have a batch job."
//!
//! Then:
//!
//! * [`testing`]: testing code that caches, with a clock that stands still.
//! * [`loads`]: which caller runs a loader, which callers wait, and what is stored.
//! * [`expiry`]: deadlines, refreshes, stale values and clocks, and what they cost.
//! * [`eviction`]: the eviction policy in figures.
//! * [`processes`]: what a forked child may rely on.
//! * [`hit`]: a hit, step by step, and why it is right without a lock.

// The texts are files of the package that also read well on their own, and link to each other as
// files. Of several definitions of a link the first one counts, so those here lead the links to the
// modules.

// The examples of some use the attribute.

/// [testing]: crate::guide::testing
/// [service]: crate::guide::service
///
#[cfg(any(not(doctest), feature = "macros"))]
#[doc = include_str!("../docs/slow-function.md")]
pub mod slow_function {}

/// [loads]: crate::guide::loads
/// [expiry]: crate::guide::expiry
/// [testing]: crate::guide::testing
/// [processes]: crate::guide::processes
///
#[doc = include_str!("../docs/service.md")]
pub mod service {}

/// [slow-function]: crate::guide::slow_function
/// [loads]: crate::guide::loads
/// [eviction]: crate::guide::eviction
///
#[cfg(any(not(doctest), feature = "macros"))]
#[doc = include_str!("../docs/batch-job.md")]
pub mod batch_job {}

/// [processes]: crate::guide::processes
/// [testing]: crate::guide::testing
///
#[doc = include_str!("../docs/loads.md")]
pub mod loads {}

/// [loads]: crate::guide::loads
///
#[doc = include_str!("../docs/expiry.md")]
pub mod expiry {}

#[cfg(any(not(doctest), feature = "macros"))]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/eviction.md")]
pub mod eviction {}

#[doc = include_str!("../docs/processes.md")]
pub mod processes {}

/// [expiry]: crate::guide::expiry
///
#[doc = include_str!("../docs/hit.md")]
pub mod hit {}
