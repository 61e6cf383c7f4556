//! One load: who runs the loader, who waits, and what is stored.
//!
//! A caller that misses a key either *joins* the flight that is registered for it or *leads* one of
//! its own (`load`). The leader holds a guard whose drop takes everything back (`guard`). A refresh
//! is a load beside a value that is still served (`refresh`), a batch is many loads with one loader
//! (`batch`), a computation is a load that sees the old value and decides (`compute`).

pub(crate) mod batch;
pub(crate) mod compute;
pub(crate) mod guard;
#[allow(clippy::module_inception)]
pub(crate) mod load;
pub(crate) mod refresh;
mod timer;
