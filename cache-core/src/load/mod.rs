//! One load: which caller runs the loader, which wait, and what is stored.
//!
//! A call that may load looks the key up first. If it has to load, it *joins* the flight
//! that is registered for the key or *leads* its own: the state of that is an attempt (`attempt`),
//! which neither blocks nor awaits, so that threads, tasks and batches share it. The leader holds a
//! guard whose drop takes everything back (`guard`); how a flight ends under the lock is in
//! `ending`. A refresh is a load beside a value that is still served (`refresh`), a batch is many
//! loads with one loader (`batch`), a computation is a load that sees the old value and decides
//! (`compute`).

pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod compute;
mod ending;
pub(crate) mod guard;
pub(crate) mod handed_out;
pub(crate) mod refresh;
pub(crate) mod revalidate;
