//! Invalidation: every operation removes a key that is present, and inserts it again.
//!
//! Uniform keys, twice the room that they take. With two threads a key may be gone already when it
//! is removed, because the other thread is between its two calls; that is rare.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    lists::List,
    suite::{Case, Suite},
    workload::Plan,
};

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")]);
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut suite = Suite::start("invalidate", args);
    for &(entries, size) in sizes {
        let plan = move || Plan::Replant(keys::stream(Popularity::Uniform, entries, stream));
        let case = |threads| Case::new(format!("invalidate/{size}/{threads}t"), threads, plan);
        let cases = [1, 2].map(case).into();
        suite.group(cases, |args| List::new(args, 2 * entries).every().filled(entries));
    }
    suite.finish();
}
