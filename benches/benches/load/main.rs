//! Loads: the loading call on keys that are present, on keys that are not, by many callers at once,
//! and of many keys at once.
//!
//! * `hit`: `get_with` of present keys, beside a plain `get` of the very same cache (`plain`).
//! * `miss`: `get_with` of keys never seen, with a loader that does nothing; a full cache, so each
//!   evicts. `plain` is an `insert` of such keys into a cache of ours.
//! * `many`: batches of a hundred keys beside a hundred single calls, on two caches of ours.
//! * `counted`: how often a loader runs for callers that arrive together, and how long that takes;
//!   see `counted.rs`.
#![forbid(unsafe_code)]

mod counted;
mod many;

use benches::{
    args::Args,
    keys::{self, Popularity},
    lists::List,
    loads::{GetWith, Plain},
    ours::{Ours, Ticking},
    peers::{Cached, Moka, QuickCache, Scc},
    runner::{self, Source},
    subject::Subject,
    suite::{Case, Suite},
    workload::Plan,
};

fn main() {
    let args = Args::from_env();
    let quick = args.quick;
    let hit: &[(u64, &str)] =
        args.pick(&[(1_000, "1k"), (10_000, "10k")], &[(1_000, "1k"), (100_000, "100k")]);
    let miss: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")]);
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut suite = Suite::start("load", args);
    for &(entries, size) in hit {
        suite.group(hits(entries, size, stream), |args| present(entries, args));
    }
    for &(capacity, size) in miss {
        suite.group(misses(capacity, size), |args| full(capacity, args));
    }
    many::group(&mut suite, quick);
    counted::run(&mut suite, quick);
    suite.finish_with(counted::sections);
}

fn hits(entries: u64, size: &str, stream: usize) -> Vec<Case> {
    let case = |threads| {
        let plan = move || Plan::Read(keys::stream(Popularity::Uniform, entries, stream));
        Case::new(format!("hit/{size}/{threads}t"), threads, plan)
    };
    [1, 2].map(case).into()
}

/// A whole capacity is replaced first, as in `churn`.
fn misses(capacity: u64, size: &str) -> Vec<Case> {
    let case = |threads| Case::new(format!("miss/{size}/{threads}t"), threads, || Plan::Churn);
    [1, 2].map(|threads| case(threads).after(capacity)).into()
}

/// Caches with twice the room that the entries take, so that nothing is evicted.
fn present(entries: u64, args: &Args) -> Vec<Box<dyn Source>> {
    let mut own = GetWith::<Ours>::with_capacity(2 * entries);
    own.fill(entries);
    let plain = own.0.used_as::<Plain>();
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(own), Box::new(plain)];
    sources.extend(others(args, 2 * entries).filled(entries));
    sources
}

fn full(capacity: u64, args: &Args) -> Vec<Box<dyn Source>> {
    let own = runner::filled::<GetWith<Ours>>(capacity, capacity);
    let plain = runner::filled::<Ours<Plain>>(capacity, capacity);
    let mut sources = vec![own, plain];
    sources.extend(others(args, capacity).filled(capacity));
    sources
}

/// Those that have a loading call.
fn others(args: &Args, capacity: u64) -> List<'_> {
    List::new(args, capacity)
        .with::<GetWith<Ours<Ticking>>>()
        .with::<GetWith<Moka>>()
        .with::<GetWith<QuickCache>>()
        .with::<GetWith<Scc>>()
        .with::<GetWith<Cached>>()
}
