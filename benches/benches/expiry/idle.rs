//! What a cache holds when nobody uses it any more: bytes that it has asked the allocator for, and the
//! resident pages of the process, which are the allocator's affair.

use super::counting;
use ahash::RandomState;
use cache_core::Cache;
use serde_json::{Value, json};
use std::{fs, thread, time::Duration};

pub(crate) fn run(quick: bool) -> Value {
    let entries: u64 = if quick { 10_000 } else { 1_000_000 };
    let (ttl, period) = (Duration::from_millis(1_500), Duration::from_millis(250));
    let (ttl, period) = if quick { (ttl / 10, period / 10) } else { (ttl, period) };
    println!(
        "\nidle: KiB held by a cache of {entries} entries that have expired, without any call since"
    );
    println!("{:<26}{:>10}{:>10}{:>10}{:>14}", "", "empty", "full", "idle", "RSS MiB");

    let ours = |janitor: bool| {
        let mut builder = Cache::builder().max_capacity(entries).time_to_live(ttl);
        if janitor {
            builder = builder.janitor(period);
        }
        builder.build()
    };
    let builder = moka::sync::Cache::builder().max_capacity(entries).time_to_live(ttl);
    let mut rows = Vec::new();
    for (name, janitor) in [("ours, janitor", true), ("ours, no janitor", false)] {
        let before = counting::live();
        let cache: Cache<u64, u64> = ours(janitor);
        rows.push(measure(name, before, entries, ttl, period, |key| cache.insert(key, key)));
    }
    let before = counting::live();
    let cache = builder.build_with_hasher(RandomState::new());
    rows.push(measure("moka", before, entries, ttl, period, |key| cache.insert(key, key)));
    json!({ "idle": rows })
}

fn measure(
    name: &str,
    before: usize,
    entries: u64,
    ttl: Duration,
    period: Duration,
    insert: impl Fn(u64),
) -> Value {
    let held = || counting::live().saturating_sub(before) / 1024;
    // The first use of a thread, and of the allocator's.
    insert(0);
    let empty = held();
    (1..entries).for_each(insert);
    let (full, rss_full) = (held(), resident());
    thread::sleep(ttl + 2 * period);
    let (idle, rss_idle) = (held(), resident());
    let rss = format!("{rss_full} to {rss_idle}");
    println!("{name:<26}{empty:>10}{full:>10}{idle:>10}{rss:>14}");
    json!({
        "name": name, "empty_kib": empty, "full_kib": full, "idle_kib": idle,
        "rss_full_mib": rss_full, "rss_idle_mib": rss_idle,
    })
}

/// MiB of the process, where the system says.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
