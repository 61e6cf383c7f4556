//! What an empty cache takes: bytes asked of the allocator and not given back, when it has just
//! been made, when a thread has looked for a key, when it holds one entry, and when that has been
//! removed again. The parts are those of the cache just made. Exact, for a machine with so many
//! cores: the number of shards and of the per-thread cache lines follows from it.

use super::counting;
use ahash::RandomState;
use cache_core::__private::testing::memory;
use cache_core::{Cache, CacheBuilder, cached};
use serde_json::{Value, json};
use std::{thread::available_parallelism, time::Duration};

const TTL: Duration = Duration::from_secs(60);

type Build = fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>;

const OURS: [(&str, Build); 8] = [
    ("100", |b| b.max_capacity(100)),
    ("1,000", |b| b.max_capacity(1000)),
    ("1,000,000", |b| b.max_capacity(1_000_000)),
    ("unbounded", |b| b),
    ("100, ttl", |b| b.max_capacity(100).time_to_live(TTL)),
    ("100, ttl and tti", |b| b.max_capacity(100).time_to_live(TTL).time_to_idle(TTL)),
    ("100, statistics", |b| b.max_capacity(100).record_stats()),
    ("1,000,000 by weight", |b| b.max_capacity(1_000_000).weigher(|_, _| 1)),
];

/// The default: no bound, no time.
#[cached]
fn squared(n: u64) -> u64 {
    n * n
}

pub(crate) fn run() -> Value {
    let cores = available_parallelism().map_or(0, usize::from);
    println!("\nempty: bytes held by a cache of u64 -> u64 without entries, {cores} cores");
    println!("{:<22}{:>8}{:>11}{:>8}{:>12}", "", "made", "looked at", "one", "none again");
    let mut rows: Vec<Value> = OURS.into_iter().map(|(name, build)| ours(name, build)).collect();
    rows.extend([100, 1_000_000].map(moka));
    rows.extend([100, 1_000_000].map(quick_cache));
    rows.push(function());
    Value::Array(rows)
}

fn ours(name: &str, build: Build) -> Value {
    // What a process allocates once is not the cache's.
    drop(build(Cache::builder()).build());
    let before = counting::live();
    let cache = build(Cache::builder()).build();
    let get = || _ = cache.get(&1);
    let tidy = || {
        cache.invalidate_all();
        cache.run_pending_tasks();
    };
    let parts = || memory(&cache);
    row(name, before, get, || cache.insert(1, 1), tidy, parts)
}

fn moka(capacity: u64) -> Value {
    let build = || {
        let builder = moka::sync::Cache::<u64, u64>::builder().max_capacity(capacity);
        builder.time_to_live(TTL).build_with_hasher(RandomState::new())
    };
    drop(build());
    let before = counting::live();
    let cache = build();
    let tidy = || {
        cache.invalidate_all();
        cache.run_pending_tasks();
    };
    let name = format!("moka, {capacity}, ttl");
    row(&name, before, || _ = cache.get(&1), || cache.insert(1, 1), tidy, Vec::new)
}

fn quick_cache(capacity: usize) -> Value {
    let before = counting::live();
    let cache = quick_cache::sync::Cache::<u64, u64>::new(capacity);
    let name = format!("quick_cache, {capacity}");
    let get = || _ = cache.get(&1);
    row(&name, before, get, || cache.insert(1, 1), || cache.clear(), Vec::new)
}

/// The cache of a function is made by the first call, which leaves an entry.
fn function() -> Value {
    let before = counting::live();
    squared(3);
    let one = counting::live().saturating_sub(before);
    let parts = memory(squared::cache());
    println!("{:<22}{:>8}{:>11}{one:>8}", "#[cached]", "", "");
    print_parts(&parts);
    json!({ "name": "#[cached]", "one": one })
}

fn row(
    name: &str,
    before: usize,
    look: impl Fn(),
    insert: impl Fn(),
    tidy: impl Fn(),
    parts: impl Fn() -> Vec<(&'static str, usize)>,
) -> Value {
    let held = || counting::live().saturating_sub(before);
    let made = held();
    let made_of = parts();
    // The list of parts is not the cache's, but the benchmark's.
    let before = counting::live() - made;
    let held = || counting::live().saturating_sub(before);
    look();
    let looked_at = held();
    insert();
    let one = held();
    tidy();
    let none_again = held();
    println!("{name:<22}{made:>8}{looked_at:>11}{one:>8}{none_again:>12}");
    print_parts(&made_of);
    json!({
        "name": name,
        "made": made,
        "looked_at": looked_at,
        "one": one,
        "none_again": none_again,
    })
}

fn print_parts(parts: &[(&'static str, usize)]) {
    let some = parts.iter().filter(|(_, bytes)| *bytes > 0);
    let texts: Vec<String> = some.map(|(part, bytes)| format!("{part} {bytes}")).collect();
    if !texts.is_empty() {
        println!("    {}", texts.join(", "));
    }
}
