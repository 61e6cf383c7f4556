//! Loads and computations: who runs them, who waits, and what each caller is given.

#[path = "../common/mod.rs"]
mod common;

mod cycles;
mod entry;
mod entry_conditions;
mod levels;
mod linearizability;
mod loading_cache;
mod many;
mod many_unasked;
mod superseded;
mod tasks;
mod threads;
mod user_code;
mod waiting;
