//! Where reads are served, and what the origin has to bear.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::args::Options;
use crate::report::{Table, millis, percent};
use crate::settings::{Settings, Tiers};
use crate::tally::percentile;
use crate::verdict::Verdict;
use crate::world::World;

/// How the keys are kept.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    tiers: Tiers,
    /// Of all keys, in percent.
    memory: u64,
}

const KINDS: [Kind; 7] = [
    Kind { name: "memory only", tiers: Tiers::Memory, memory: 1 },
    Kind { name: "memory only", tiers: Tiers::Memory, memory: 10 },
    Kind { name: "memory only", tiers: Tiers::Memory, memory: 100 },
    Kind { name: "remote only", tiers: Tiers::Both, memory: 0 },
    Kind { name: "both", tiers: Tiers::Both, memory: 1 },
    Kind { name: "both", tiers: Tiers::Both, memory: 10 },
    Kind { name: "both", tiers: Tiers::Both, memory: 100 },
];

pub(crate) fn answer(options: &Options, verdict: &mut Verdict) -> Vec<Table> {
    let exponents: &[f64] = if options.quick { &[0.99] } else { &[0.8, 0.99, 1.2] };
    exponents.iter().map(|exponent| table(options, *exponent, verdict)).collect()
}

fn table(options: &Options, exponent: f64, verdict: &mut Verdict) -> Table {
    let settings = Settings { exponent, writes_a_second: 5.0, ..Settings::new(options) };
    let (keys, life) = if options.quick { (300, 10) } else { (1_000, 15) };
    let settings = Settings { keys, remote_life: Duration::from_secs(life), ..settings };
    let mut table = Table::new(
        format!("Where reads are served, keys asked for by Zipf {exponent}"),
        &[
            "tiers",
            "memory tier, % of the keys",
            "memory %",
            "remote %",
            "origin %",
            "origin loads/s",
            "requests to servers/s",
            "read p99, ms",
        ],
    );
    for kind in KINDS {
        let memory = settings.keys as u64 * kind.memory / 100;
        table.row(row(kind, Settings { memory, tiers: kind.tiers, ..settings }, verdict));
    }
    let Settings { processes, keys, reads_a_second, writes_a_second, .. } = settings;
    table.note(format!(
        "{processes} processes with {reads_a_second} reads/s each of {keys} keys, {writes_a_second} \
         invalidations/s in all; remote life {life} s, memory life {} s (also where there is memory only).",
        settings.memory_life.as_secs(),
    ));
    table
}

fn row(kind: Kind, settings: Settings, verdict: &mut Verdict) -> Vec<String> {
    let world: Rc<World> = World::start(settings);
    let (warm, length) = (settings.remote_life, settings.remote_life);
    world.run(warm);
    let hits = world.sum(|stats| stats.hits);
    let requests = world.network.requests.load(Relaxed);
    world.take_tally();
    world.run(length);
    let tally = world.take_tally();
    let remote = world.sum(|stats| stats.hits) - hits;
    let a_second = |count: u64| format!("{:.0}", count as f64 / length.as_secs_f64());
    let p99 = percentile(&tally.times, 99.0).unwrap_or(0);
    let cells = [
        kind.name.to_owned(),
        kind.memory.to_string(),
        percent(tally.reads.saturating_sub(remote + tally.loads), tally.reads),
        percent(remote, tally.reads),
        percent(tally.loads, tally.reads),
        a_second(world.origin.loads(warm, warm + length)),
        a_second(world.network.requests.load(Relaxed) - requests),
        millis(Duration::from_micros(p99.into())),
    ];
    verdict.end(kind.name, &world);
    cells.to_vec()
}
