//! When memory that was taken out of the table may be dropped and used again.
//!
//! `epoch` says what no reader can reach any more, by the lines of threads (`reader`) and the help
//! of `barrier`; `limbo` holds garbage until then, and `sweeper` knows which shards gather some.
//! `due` is what a call still has to do about garbage when it has released its locks; `notes` are a
//! thread's notes for its later calls.

mod barrier;
pub(crate) mod due;
pub(crate) mod epoch;
pub(crate) mod limbo;
mod notes;
pub(crate) mod reader;
pub(crate) mod sweeper;
