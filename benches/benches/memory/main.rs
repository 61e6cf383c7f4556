//! Memory: live bytes per entry beyond the 16 that a `u64` key and a `u64` value need anyway.
//!
//! One subject after the other in one process, each against the bytes alive before it was made:
//! filled to capacity; churned with twice as many new keys, so that queues, memories of evicted
//! keys and timers are in use; emptied; dropped. After the drop of ours everything must be given
//! back: otherwise the exit status is 1. Counting is exact, so there is nothing to repeat.
//!
//! Then what an empty cache holds, see `empty.rs`; and one whose entries have expired without any
//! call since, see `idle.rs`; and one whose entries have expired while a few new ones came, see
//! `mass.rs`.
#![deny(unsafe_code)]

mod counting;
mod empty;
mod idle;
mod mass;

use benches::{
    args::Args,
    keys,
    markdown::Table,
    ours::{Ours, Ticking},
    peers::{BareMap, Cached, Foyer, LruMutex, MiniMoka, Moka, QuickCache, Scc, ShardedMap},
    publish::{Publication, Section},
    rows::{self, Column, count},
    subject::{self, Label, Subject},
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Key and value.
const PAYLOAD: f64 = 16.0;

/// Bytes that ours may leave behind: names of threads and the like, never entries.
const TOLERATED: i64 = 64 * 1024;

/// The subject after one of its stages.
struct Stage {
    name: &'static str,
    /// Bytes alive beyond those before the subject was made; negative if older ones were freed.
    bytes: i64,
    /// The most that was alive during the stage.
    peak: i64,
    entries: u64,
    /// The bytes of each part, if the subject knows them.
    parts: Vec<(&'static str, u64)>,
}

impl Stage {
    fn overhead(&self) -> Option<f64> {
        (self.entries > 0).then(|| self.bytes as f64 / self.entries as f64 - PAYLOAD)
    }

    fn peak_overhead(&self) -> Option<f64> {
        (self.entries > 0).then(|| self.peak as f64 / self.entries as f64 - PAYLOAD)
    }
}

struct Measured {
    label: Label,
    stages: Vec<Stage>,
    left_after_drop: i64,
}

fn main() -> ExitCode {
    if mass::is_child() {
        return ExitCode::SUCCESS;
    }
    let args = Args::from_env();
    let capacity = args.pick(10_000, 1_000_000);
    println!(
        "memory: u64 -> u64, capacity and first filling {capacity}, then twice that in new keys"
    );
    println!(
        "bytes per resident entry beyond the {PAYLOAD} of key and value; TTL where there is one"
    );
    if args.criterion {
        println!("(there is nothing for criterion to time here)");
    }
    let measured = measure_wanted(&args, capacity);
    println!(
        "\n{:<16}{:>8}{:>12}{:>10}{:>10}{:>14}",
        "", "", "entries", "live", "peak", "total KiB"
    );
    measured.iter().for_each(print);
    println!("\nwhat each lacks beside ours:");
    for one in &measured {
        println!("  {:<16}{}", one.label.name, one.label.lacks);
    }
    let empty = if args.wants("empty") { empty::run() } else { Value::Null };
    let idle = if args.wants("idle") { idle::run(args.quick) } else { Value::Null };
    let mass = if args.wants("mass") { mass::run(args.quick) } else { Value::Null };
    publish(&args, &measured, empty, idle, mass);
    verdict(&measured)
}

/// Writes what was asked for.
fn publish(args: &Args, measured: &[Measured], empty: Value, idle: Value, mass: Value) {
    let columns = [
        Column { key: "full", head: "full", format: count },
        Column { key: "idle", head: "expired, no call since", format: count },
        Column { key: "tidied", head: "after run_pending_tasks", format: count },
        Column { key: "empty", head: "when it was empty", format: count },
    ];
    let idle_table = rows::table(&idle, &columns).text();
    let columns = [
        Column { key: "full_resident", head: "full", format: count },
        Column { key: "then_resident", head: "two periods later", format: count },
        Column { key: "then_report", head: "by its own report", format: count },
        Column { key: "tidied_resident", head: "after run_pending_tasks", format: count },
        Column { key: "tidied_report", head: "by its own report then", format: count },
    ];
    let mass_table = rows::table(&mass, &columns).text();
    let sections = vec![
        Section::new("entries", per_entry(measured)),
        Section::new("parts", parts(measured)),
        Section::new("idle", format!("KiB:\n\n{idle_table}")),
        Section::new("mass", format!("KiB in memory:\n\n{mass_table}")),
    ];
    let subjects: Vec<Value> = measured.iter().map(to_json).collect();
    let json = json!({
        "bench": "memory",
        "quick": args.quick,
        "subjects": subjects,
        "empty": empty,
        "idle": idle,
        "mass": mass,
    });
    Publication::new("memory", args.quick, json, sections).publish(&args.outputs);
}

/// Returns the bytes of an entry in each stage that has entries.
fn per_entry(measured: &[Measured]) -> String {
    let mut table = Table::new("", measured.iter().map(|one| one.label.name));
    for (name, title) in
        [("fill", "filled, nothing evicted yet"), ("churn", "after twice as many new keys")]
    {
        let cell = |one: &Measured| {
            let stage = one.stages.iter().find(|stage| stage.name == name);
            let bytes = stage.and_then(Stage::overhead);
            bytes.map_or("-".to_owned(), |bytes| format!("{bytes:.1}"))
        };
        table.push(title, measured.iter().map(cell));
    }
    table.text()
}

/// Returns the bytes of an entry of ours by part, after the churn.
fn parts(measured: &[Measured]) -> String {
    let mut table = Table::new("", ["bytes for each entry, key and value included"]);
    let own = measured.iter().find(|one| one.label.ours);
    let stage = own.and_then(|one| one.stages.iter().find(|stage| stage.name == "churn"));
    for (part, bytes) in stage.iter().flat_map(|stage| &stage.parts) {
        let entries = stage.map_or(1, |stage| stage.entries.max(1));
        table.push(*part, [format!("{:.1}", *bytes as f64 / entries as f64)]);
    }
    table.text()
}

/// scc, mini-moka and moka come last: what a process-wide collector still holds after the drop
/// would be freed while another subject is measured.
fn measure_wanted(args: &Args, capacity: u64) -> Vec<Measured> {
    let mut measured = Vec::new();
    wanted::<Ours>(args, capacity, &mut measured);
    wanted::<Ours<Ticking>>(args, capacity, &mut measured);
    wanted::<QuickCache>(args, capacity, &mut measured);
    wanted::<Foyer>(args, capacity, &mut measured);
    wanted::<Cached>(args, capacity, &mut measured);
    wanted::<LruMutex>(args, capacity, &mut measured);
    wanted::<ShardedMap>(args, capacity, &mut measured);
    wanted::<BareMap>(args, capacity, &mut measured);
    wanted::<Scc>(args, capacity, &mut measured);
    wanted::<MiniMoka>(args, capacity, &mut measured);
    wanted::<Moka>(args, capacity, &mut measured);
    measured
}

fn wanted<S: Subject>(args: &Args, capacity: u64, measured: &mut Vec<Measured>) {
    if args.wants(S::NAME) && args.takes(S::NAME) {
        measured.push(measure::<S>(capacity));
    }
}

fn measure<S: Subject>(capacity: u64) -> Measured {
    // A small one first: what a process allocates once (a clock's thread, thread-local state) is
    // not a cost of the cache that is measured.
    subject::fill(&mut S::with_capacity(100), 0..1000);
    let baseline = counting::live() as i64;
    let mut stages = Vec::with_capacity(4);
    let mut subject = S::with_capacity(capacity);
    stages.push(stage("fill", baseline, &mut subject, |subject| {
        subject::fill(subject, (0..capacity).map(keys::key));
    }));
    if S::BOUNDED {
        stages.push(stage("churn", baseline, &mut subject, |subject| {
            subject::fill(subject, (capacity..3 * capacity).map(keys::key));
        }));
    }
    stages.push(stage("clear", baseline, &mut subject, |subject| {
        subject.clear();
        subject::settle_fully(subject);
    }));
    // The list of stages is not the subject's, but the benchmark's.
    let own = stages.capacity() * size_of::<Stage>();
    stages.iter_mut().for_each(|stage| stage.bytes -= own as i64);
    drop(subject);
    let parts: usize = stages.iter().map(|s| s.parts.capacity() * size_of::<(&str, u64)>()).sum();
    let left_after_drop = counting::live() as i64 - baseline - (own + parts) as i64;
    Measured { label: Label::of::<S>(), stages, left_after_drop }
}

fn stage<S: Subject>(
    name: &'static str,
    baseline: i64,
    subject: &mut S,
    work: impl FnOnce(&mut S),
) -> Stage {
    counting::forget_peak();
    work(subject);
    let (bytes, peak) = (counting::live() as i64 - baseline, counting::peak() as i64 - baseline);
    Stage { name, bytes, peak, entries: subject.entries(), parts: subject.breakdown() }
}

fn print(measured: &Measured) {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.1}"));
    for (i, stage) in measured.stages.iter().enumerate() {
        let name = if i == 0 { measured.label.name } else { "" };
        println!(
            "{name:<16}{:>8}{:>12}{:>10}{:>10}{:>14}",
            stage.name,
            stage.entries,
            figure(stage.overhead()),
            figure(stage.peak_overhead()),
            stage.bytes / 1024
        );
        for (part, bytes) in &stage.parts {
            let each = (stage.entries > 0).then(|| *bytes as f64 / stage.entries as f64);
            println!("{:>28}{:>8}{:>10}{:>10}{:>14}", part, "", figure(each), "", bytes / 1024);
        }
    }
    println!("{:<16}{:>8}{:>46}", "", "drop", measured.left_after_drop / 1024);
}

fn to_json(measured: &Measured) -> Value {
    let stage = |stage: &Stage| {
        let parts: serde_json::Map<String, Value> =
            stage.parts.iter().map(|(name, bytes)| ((*name).to_owned(), json!(bytes))).collect();
        json!({
            "stage": stage.name,
            "entries": stage.entries,
            "live_bytes": stage.bytes,
            "peak_bytes": stage.peak,
            "overhead_per_entry": stage.overhead(),
            "parts": parts,
        })
    };
    json!({
        "name": measured.label.name,
        "lacks": measured.label.lacks,
        "stages": measured.stages.iter().map(stage).collect::<Vec<_>>(),
        "left_after_drop": measured.left_after_drop,
    })
}

/// A peer that keeps memory is a fact to report; ours doing so is a fault.
fn verdict(measured: &[Measured]) -> ExitCode {
    let kept: Vec<&Measured> =
        measured.iter().filter(|m| m.label.ours && m.left_after_drop > TOLERATED).collect();
    for one in &kept {
        eprintln!("{} kept {} bytes after its drop", one.label.name, one.left_after_drop);
    }
    if kept.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
