//! How old what a process serves may be, after another has invalidated it.

use std::time::Duration;

use crate::args::Options;
use crate::report::{Table, millis, percent};
use crate::settings::Settings;
use crate::tally::{Tally, percentile};
use crate::verdict::Verdict;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn answer(options: &Options, verdict: &mut Verdict) -> Vec<Table> {
    let mut table = Table::new(
        "Stale reads: for how long another process had invalidated what was served",
        &[
            "heard of by",
            "invalidations",
            "stale reads, % of all",
            "p50, ms",
            "p90, ms",
            "p99, ms",
            "oldest, ms",
            "promised, ms",
        ],
    );
    let keys = if options.quick { 100 } else { 1_000 };
    let settings = Settings { keys, ..Settings::new(options) };
    let by_key = Settings { writes_a_second: 10.0, ..settings };
    let rows = [
        ("memory life of 5 s", by_key, "5000"),
        ("memory life of 1 s", Settings { memory_life: SECOND, ..by_key }, "2000 + a load"),
        ("watch, and memory life of 5 s", Settings { is_watching: true, ..by_key }, "5000"),
    ];
    for (name, settings, promised) in rows {
        let tally = run(settings, None, verdict, (name, options));
        let count = tally.invalidations;
        table.row(cells(name, &tally, count, promised));
    }
    for (name, settings) in [
        ("flush, poll of 1 s", settings),
        ("flush, poll of 5 s", Settings { poll_period: 5 * SECOND, ..settings }),
    ] {
        let every = 10 * SECOND;
        let tally = run(settings, Some(every), verdict, (name, options));
        let promised = millis(settings.poll_period);
        table.row(cells(name, &tally, tally.invalidations, &promised));
    }
    table.note(format!(
        "{} processes, {} reads/s each, {} keys by Zipf 0.99; a flush follows a change of all keys.",
        settings.processes, settings.reads_a_second, settings.keys,
    ));
    table.note(
        "Promised by key is the longer of the memory life and what a load without a lease may add: \
         two seconds from its end.",
    );
    vec![table]
}

/// Runs for ten seconds and more, with flushes by one process after another if they are asked for.
fn run(
    settings: Settings,
    flush_every: Option<Duration>,
    verdict: &mut Verdict,
    (name, options): (&str, &Options),
) -> Tally {
    let world = World::start(settings);
    let turns = if options.quick { 2 } else { 4 };
    world.run(5 * SECOND);
    world.take_tally();
    for turn in 0..turns {
        if flush_every.is_some() {
            world.flush(turn % settings.processes);
        }
        world.run(flush_every.unwrap_or(10 * SECOND));
    }
    let mut tally = world.take_tally();
    if flush_every.is_some() {
        tally.invalidations = turns as u64;
    }
    verdict.end(name, &world);
    tally
}

fn cells(name: &str, tally: &Tally, count: u64, promised: &str) -> Vec<String> {
    let age = |percent| percentile(&tally.stale, percent).map_or("-".to_owned(), millis);
    vec![
        name.to_owned(),
        count.to_string(),
        percent(tally.stale.len() as u64, tally.reads),
        age(50.0),
        age(90.0),
        age(99.0),
        age(100.0),
        promised.to_owned(),
    ]
}
