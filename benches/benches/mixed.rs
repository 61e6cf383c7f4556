//! Reads and writes of a cache that evicts: Zipf keys out of ten times the capacity.
//!
//! `95-5`, `75-25`, `50-50`: the percentages of gets, which insert on a miss, and of inserts. The
//! hit ratio is the policy's, and a cache that hits more inserts less; so it stands beside the
//! time. It is counted over the same operations for each subject, before the rounds: in the rounds
//! a quick subject gets through more of the stream than a slow one.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    lists::List,
    suite::{Case, Suite},
    workload::Plan,
};

/// The names of the mixtures, and their shares of inserts.
const MIXTURES: [(&str, f64); 3] = [("95-5", 0.05), ("75-25", 0.25), ("50-50", 0.5)];

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(100_000, "100k"), (1_000_000, "1M")]);
    let stream = args.pick(1 << 16, 1 << 24);
    let mut suite = Suite::start("mixed", args);
    for &(capacity, size) in sizes {
        for (at, mixture) in MIXTURES.into_iter().enumerate() {
            let cases = cases(mixture, (capacity, size), stream, 2 * at as u64);
            suite.group(cases, |args| List::new(args, capacity).bounded().filled(0));
        }
    }
    suite.finish();
}

/// The stream must be longer than what a cache could remember, and than what a quick one gets
/// through in all its rounds: a second lap would have only keys of the first. The first four
/// capacities' worth of operations fill the cache, the next two are counted.
fn cases(
    (mixture, writes): (&'static str, f64),
    (capacity, size): (u64, &str),
    stream: usize,
    seed: u64,
) -> Vec<Case> {
    let case = |threads| {
        let plan = move || {
            let (space, seed) = (10 * capacity, seed + threads as u64);
            Plan::ReadWrite(keys::words(Popularity::Zipf, space, stream, writes, seed))
        };
        let name = format!("mixed/{mixture}/{size}/{threads}t");
        Case::new(name, threads, plan).after(4 * capacity).counting(2 * capacity)
    };
    [1, 2].map(case).into()
}
