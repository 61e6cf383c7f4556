//! Writes: new keys into a full cache, a read-through workload that evicts, updates in place.
//!
//! * `churn`: every operation inserts a key never seen before; a full cache, so each evicts.
//! * `mixed`: Zipf keys out of ten times the capacity; 5 % insert, the others get, and insert
//!   on a miss. The hit ratio is the policy's and stands in the table: a cache that hits more
//!   inserts less.
//! * `update`: 50 % get, 50 % replace, Zipf keys that are all present; nothing is evicted.
//!
//! The bare map takes part in `update` only: it never evicts, so churn would just grow it.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    runner::{bounded, every, fill_all},
    suite::{Case, Suite},
    workload::Plan,
};

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(100_000, "100k"), (1_000_000, "1M")]);
    let mixed_len = args.pick(1 << 16, 1 << 24);
    let mut suite = Suite::start("insert_evict", args);
    for &(capacity, size) in sizes {
        suite.group(churn(capacity, size), || fill_all(bounded(capacity), capacity));
        suite.group(mixed(capacity, size, mixed_len), || bounded(capacity));
        suite.group(update(capacity, size), || fill_all(every(2 * capacity), capacity));
    }
    suite.finish();
}

/// A whole capacity is replaced first, so that the queues and the memory of evicted keys are in
/// their steady state.
fn churn(capacity: u64, size: &str) -> Vec<Case> {
    let case = |threads| Case::new(format!("churn/{size}/{threads}t"), threads, || Plan::Churn);
    [1, 2].map(|threads| case(threads).after(capacity)).into()
}

/// The stream must be longer than what a cache could remember, and than what a quick one gets
/// through in all its rounds: a second lap would have only keys of the first. The first four
/// capacities' worth of operations fill the cache.
fn mixed(capacity: u64, size: &str, len: usize) -> Vec<Case> {
    let case = |threads| {
        let plan = move || {
            let (space, seed) = (10 * capacity, threads as u64);
            Plan::ReadWrite(keys::words(Popularity::Zipf, space, len, 0.05, seed))
        };
        Case::new(format!("mixed/{size}/{threads}t"), threads, plan).after(4 * capacity)
    };
    [1, 2].map(case).into()
}

fn update(entries: u64, size: &str) -> Vec<Case> {
    let plan =
        move || Plan::ReadWrite(keys::words(Popularity::Zipf, entries, keys::STREAM, 0.5, 1));
    let case = |threads| Case::new(format!("update/{size}/{threads}t"), threads, plan);
    [1, 2].map(case).into()
}
