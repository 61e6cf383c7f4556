//! Loads and computations: which caller runs them, which wait, and what each is given.

/// What this binary uses of the helpers of all.
#[path = "../common"]
mod common {
    pub(crate) mod configurations;
    pub(crate) mod crowd;
    pub(crate) mod hashers;
    pub(crate) mod history;
    pub(crate) mod numbers;
    pub(crate) mod panics;
    pub(crate) mod tasks;
    pub(crate) mod threads;
}

mod bulk_loader;
mod cycles;
mod entry;
mod entry_conditions;
mod guards;
mod linearizability;
mod loading_cache;
mod many;
mod many_unasked;
mod nesting;
mod revalidate;
mod runtimes;
mod superseded;
mod tasks;
mod threads;
mod timing_out;
mod two_threads;
mod user_code;
mod wait_limit;
mod waiting;
