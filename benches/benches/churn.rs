//! New keys: every operation inserts a key never seen before into a full cache, so each evicts.
//!
//! A whole capacity is replaced before the first round, so that queues, ghosts and the memory of
//! evicted keys are in their steady state. `str` has texts: a key that is made for the insert, and
//! a value that is shared. Maps without a bound do not take part, because they would just grow.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    lists::List,
    suite::{Case, Suite},
    texts::Vocabulary,
    workload::Plan,
};

/// The texts' table is so many times as large as the cache: a key that comes again has been
/// forgotten.
const FORGOTTEN: u64 = 8;

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")]);
    let (capacity, size) = args.pick((1_000, "1k"), (100_000, "100k"));
    let mut suite = Suite::start("churn", args);
    for &(capacity, size) in sizes {
        let cases = cases(size, capacity);
        suite.group(cases, |args| List::new(args, capacity).bounded().filled(capacity));
    }
    suite.group(cases(&format!("{size}/str"), capacity), |args| {
        let table = Vocabulary::new(FORGOTTEN * capacity);
        List::new(args, capacity).bounded_texts(&table).filled(capacity)
    });
    suite.finish();
}

fn cases(size: &str, capacity: u64) -> Vec<Case> {
    let case = |threads| Case::new(format!("churn/{size}/{threads}t"), threads, || Plan::Churn);
    [1, 2].map(|threads| case(threads).after(capacity)).into()
}
