//! Time as a number: clocks, which count nanoseconds since their origin, and the wheel, which sorts
//! deadlines.
//!
//! `shard`, `policy` and `table` take the time as an argument and read no clock. That keeps user
//! code (a clock may be the user's) out of all locks, and tests in control of time.

pub(crate) mod clock;
pub(crate) mod source;
pub(crate) mod system;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod ticking;
pub(crate) mod wheel;
