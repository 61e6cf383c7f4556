//! Tiers: a fake one for tests, and a chain of several.

/// What this binary uses of the helpers of all.
#[path = "../common"]
mod common {
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

mod chain_generations;
mod chain_model;
mod chain_reads;
mod chain_support;
mod chain_writes;
mod fake_held;
mod fake_leases;
mod fake_model;
mod fake_orders;
mod support;
mod tiered;
mod tiered_builder;
mod tiered_chain;
mod tiered_clocks;
mod tiered_dropped;
mod tiered_failures;
mod tiered_flushes;
mod tiered_loads;
mod tiered_model;
mod tiered_promise;
mod tiered_stale;
mod tiered_writes;
