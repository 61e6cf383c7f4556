//! What time costs: a look-up in caches with and without it, and a million entries that expire in
//! one instant under traffic. What an idle cache still holds is measured in `memory`.
//!
//! * `hit`: gets of present keys, none of which expires meanwhile, beside a cache without time; see
//!   `hits.rs`.
//! * `load`: the same through `get_with`, in caches that refresh or serve stale values.
//! * `mass`: the latency of single operations while a million entries expire; see `mass.rs`.
#![forbid(unsafe_code)]

mod hits;
mod mass;

use benches::{args::Args, suite::Suite};

fn main() {
    let args = Args::from_env();
    let quick = args.quick;
    let rounds = args.rounds;
    let mut suite = Suite::start("expiry", args);
    hits::groups(&mut suite, quick);
    suite.count("mass", || mass::run(quick, rounds));
    suite.finish_with(mass::sections);
}
