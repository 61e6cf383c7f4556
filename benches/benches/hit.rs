//! Hits: nothing but gets that find their entry.
//!
//! Three sizes (in the first-level cache, in the last-level cache, beyond) with uniform and Zipf
//! keys, one and two threads; then two threads that ask for one and the same key, where any cache
//! line that a hit writes moves to and fro between the cores. `str`: keys that are looked up as
//! `&str`, values that are `Arc<str>`. Capacity is twice the entries, so that nothing is evicted
//! even from an uneven shard.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    lists::List,
    suite::{Case, Suite},
    texts::Vocabulary,
    workload::Plan,
};

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] = args.pick(
        &[(1_000, "1k"), (10_000, "10k")],
        &[(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")],
    );
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut suite = Suite::start("hit", args);
    for &(entries, size) in sizes {
        let mut cases = spread_cases(entries, size, stream);
        if entries == 1_000 {
            cases.push(Case::new("hit/1k/one-key/2t".to_owned(), 2, || {
                Plan::Read([keys::key(0); 4096].into())
            }));
        }
        suite.group(cases, |args| List::new(args, 2 * entries).every().filled(entries));
    }
    for &(entries, size) in &sizes[..2] {
        suite.group(text_cases(entries, size, stream), |args| {
            let table = Vocabulary::new(entries);
            List::new(args, 2 * entries).every_text(&table).filled(entries)
        });
    }
    suite.finish();
}

fn spread_cases(entries: u64, size: &str, stream: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for popularity in [Popularity::Uniform, Popularity::Zipf] {
        for threads in [1, 2] {
            let name = format!("hit/{size}/{}/{threads}t", popularity.name());
            let plan = move || Plan::Read(keys::stream(popularity, entries, stream));
            cases.push(Case::new(name, threads, plan));
        }
    }
    cases
}

fn text_cases(entries: u64, size: &str, stream: usize) -> Vec<Case> {
    let plan = move || Plan::Read(keys::rank_stream(Popularity::Uniform, entries, stream));
    let case = |threads| Case::new(format!("hit/{size}/str/{threads}t"), threads, plan);
    [1, 2].map(case).into()
}
