//! When memory that was taken out of the table may be dropped and used again.
//!
//! `epoch` says what no reader can reach any more, by the lines of threads (`reader`) and the help
//! of `barrier`; `limbo` holds garbage until then, and knows which shards gather some.

mod barrier;
pub(crate) mod epoch;
pub(crate) mod limbo;
pub(crate) mod reader;
