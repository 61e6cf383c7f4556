//! What an idle cache holds: bytes that it has asked the allocator for and not given back, a while
//! after the last entry has expired, without any call since; and after the call that frees all that
//! can be freed.

use super::counting;
use ahash::RandomState;
use cache_core::Cache;
use serde_json::{Value, json};
use std::{thread, time::Duration};

/// Longer than any subject takes to be filled.
const TTL: Duration = Duration::from_secs(5);
const PERIOD: Duration = Duration::from_millis(250);

/// Scaled down for a smoke test.
struct Scale {
    entries: u64,
    ttl: Duration,
    period: Duration,
}

pub(crate) fn run(quick: bool) -> Value {
    let scale = match quick {
        true => Scale { entries: 10_000, ttl: TTL / 20, period: PERIOD / 10 },
        false => Scale { entries: 1_000_000, ttl: TTL, period: PERIOD },
    };
    println!(
        "\nidle: KiB held by a cache of {} entries that have expired, two periods of its janitor \
         later, without any call since; and after `run_pending_tasks`",
        scale.entries
    );
    println!("{:<20}{:>10}{:>10}{:>10}{:>10}", "", "empty", "full", "idle", "tidied");
    Value::Array(vec![
        ours("ours, janitor", true, &scale),
        ours("ours", false, &scale),
        moka(&scale),
    ])
}

fn ours(name: &str, janitor: bool, scale: &Scale) -> Value {
    let before = counting::live();
    let mut builder = Cache::builder().max_capacity(scale.entries).time_to_live(scale.ttl);
    if janitor {
        builder = builder.janitor(scale.period);
    }
    let cache: Cache<u64, u64> = builder.build();
    measure(name, before, scale, |key| cache.insert(key, key), || cache.run_pending_tasks())
}

fn moka(scale: &Scale) -> Value {
    let before = counting::live();
    let builder = moka::sync::Cache::builder().max_capacity(scale.entries).time_to_live(scale.ttl);
    let cache = builder.build_with_hasher(RandomState::new());
    let tidy = || {
        while cache.entry_count() > 0 {
            cache.run_pending_tasks();
        }
    };
    measure("moka", before, scale, |key| cache.insert(key, key), tidy)
}

fn measure(
    name: &str,
    before: usize,
    scale: &Scale,
    insert: impl Fn(u64),
    tidy: impl Fn(),
) -> Value {
    let held = || counting::live().saturating_sub(before) / 1024;
    // What the first use by a thread allocates is not the entries'.
    insert(0);
    let empty = held();
    (1..scale.entries).for_each(insert);
    let full = held();
    thread::sleep(scale.ttl + 2 * scale.period);
    let idle = held();
    tidy();
    let tidied = held();
    println!("{name:<20}{empty:>10}{full:>10}{idle:>10}{tidied:>10}");
    json!({ "name": name, "empty": empty, "full": full, "idle": idle, "tidied": tidied })
}
