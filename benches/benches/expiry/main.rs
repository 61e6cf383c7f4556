//! What time costs: a look-up in caches with and without it, a million entries that expire in one
//! instant under traffic, and what an idle cache goes on holding.
//!
//! * `hit`: gets of present keys, none of which expires meanwhile, beside a cache without time; see
//!   `hits.rs`.
//! * `load`: the same through `get_with`, in caches that refresh or serve stale values.
//! * `mass`: the latency of single operations while a million entries expire; see `mass.rs`.
//! * `idle`: bytes held before, with, and after a million entries; see `idle.rs`.
#![deny(unsafe_code)]

#[path = "../memory/counting.rs"]
#[expect(dead_code, reason = "the peak is the affair of `memory`")]
mod counting;
mod histogram;
mod hits;
mod idle;
mod mass;

use benches::{args::Args, suite::Suite};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() {
    let args = Args::from_env();
    let quick = args.quick;
    let rounds = args.rounds;
    let mut suite = Suite::start("expiry", args);
    hits::groups(&mut suite, quick);
    suite.count("mass", || mass::run(quick, rounds));
    suite.count("idle", || idle::run(quick));
    suite.finish();
}
