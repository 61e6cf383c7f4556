//! What a cache holds when nearly all of its entries have expired while a few new ones came: two
//! periods of its janitor later, and after the call that frees all that can be freed.
//!
//! Three measures, because they differ: bytes asked of the allocator and not given back; memory
//! that the process has (pages that were given back inside an allocation count only here); and what
//! the cache reports. Each subject runs in a process of its own, so that none finds memory that
//! another has left to the allocator.

use super::counting;
use ahash::RandomState;
use cache_core::{__private::testing::memory, Cache};
use serde_json::{Value, json};
use std::{env, fs, process::Command, thread, time::Duration};

/// Names the subject to a process that measures it.
const SUBJECT: &str = "MEMORY_AFTER_MASS_EXPIRY";
const SUBJECTS: [&str; 4] = ["ours, janitor", "ours", "ours, new ones only", "moka"];

/// Longer than any subject takes to be filled.
const TTL: Duration = Duration::from_secs(5);
const PERIOD: Duration = Duration::from_millis(250);

struct Scale {
    old: u64,
    new: u64,
    ttl: Duration,
    period: Duration,
}

fn scale(quick: bool) -> Scale {
    match quick {
        true => Scale { old: 20_000, new: 1_000, ttl: TTL / 10, period: PERIOD / 10 },
        false => Scale { old: 1_000_000, new: 50_000, ttl: TTL, period: PERIOD },
    }
}

/// Measures a subject, if this process was started for that. Returns `true` if so.
pub(crate) fn is_child() -> bool {
    let Ok(arguments) = env::var(SUBJECT) else { return false };
    let (name, quick) = arguments.split_once('/').expect("a name, and whether it is quick");
    println!("{}", measure(name, &scale(quick == "quick")));
    true
}

pub(crate) fn run(quick: bool) -> Value {
    let Scale { old, new, .. } = scale(quick);
    println!(
        "\nmass: KiB held when {old} entries have expired and {new} new ones have come, two \
         periods of the janitor later; and after `run_pending_tasks`"
    );
    println!(
        "{:<20}{:>12}{:>10}{:>10}{:>12}{:>10}{:>10}{:>12}{:>10}{:>10}",
        "",
        "full: heap",
        "resident",
        "report",
        "then: heap",
        "resident",
        "report",
        "tidy: heap",
        "resident",
        "report"
    );
    Value::Array(SUBJECTS.iter().map(|name| in_a_process(name, quick)).collect())
}

fn in_a_process(name: &str, quick: bool) -> Value {
    let program = env::current_exe().expect("a benchmark is a program");
    let arguments = format!("{name}/{}", if quick { "quick" } else { "full" });
    let output = Command::new(program).env(SUBJECT, arguments).output().expect("it starts");
    let row: Value = serde_json::from_slice(&output.stdout).expect("a row");
    print!("{name:<20}");
    for (stage, width) in [("full", 12), ("then", 12), ("tidied", 12)] {
        for (measure, width) in [("heap", width), ("resident", 10), ("report", 10)] {
            let kib = row[format!("{stage}_{measure}")].as_u64();
            print!("{:>width$}", kib.map_or("-".to_owned(), |kib| kib.to_string()));
        }
    }
    println!();
    row
}

fn measure(name: &str, scale: &Scale) -> Value {
    if name == "moka" {
        let builder = moka::sync::Cache::builder().time_to_live(scale.ttl);
        let cache = builder.build_with_hasher(RandomState::new());
        return stages(name, scale, |n| cache.insert(n, n), || cache.run_pending_tasks(), || None);
    }
    let mut builder = Cache::<u64, u64>::builder().time_to_live(scale.ttl);
    if name == "ours, janitor" {
        builder = builder.janitor(scale.period);
    }
    let cache = builder.build();
    let report = || Some(memory(&cache).iter().map(|part| part.1).sum::<usize>() / 1024);
    stages(name, scale, |n| cache.insert(n, n), || cache.run_pending_tasks(), report)
}

fn stages(
    name: &str,
    scale: &Scale,
    insert: impl Fn(u64),
    tidy: impl Fn(),
    report: impl Fn() -> Option<usize>,
) -> Value {
    let (heap, base) = (counting::live(), resident());
    let mut row = json!({ "name": name });
    let mut note = |stage: &str| {
        let held = counting::live().saturating_sub(heap) / 1024;
        row[format!("{stage}_heap")] = held.into();
        row[format!("{stage}_resident")] =
            resident().zip(base).map(|(now, base)| now.saturating_sub(base) / 1024).into();
        row[format!("{stage}_report")] = report().into();
    };
    if name != "ours, new ones only" {
        (0..scale.old).for_each(&insert);
    }
    note("full");
    thread::sleep(scale.ttl);
    (scale.old..scale.old + scale.new).for_each(&insert);
    thread::sleep(2 * scale.period);
    note("then");
    tidy();
    note("tidied");
    row
}

/// Bytes that the process has in memory, where the system says so as Linux does.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}
