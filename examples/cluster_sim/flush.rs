//! A flush of everything while the processes are busy.

use std::time::Duration;

use crate::args::Options;
use crate::origin::SLICE;
use crate::report::{Table, millis, percent};
use crate::settings::{Settings, Tiers};
use crate::tally::percentile;
use crate::verdict::Verdict;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// For how long what was softly invalidated is still served.
const SOFT: Duration = Duration::from_secs(30);

/// Longer than an exchange with a server, in microseconds.
const WAITED: u32 = 5_000;

/// How everything becomes old.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// `invalidate_all`; without servers, in each process.
    Flush,
    /// Each key is marked as stale.
    Marks,
    /// What was loaded at one time ends at one time.
    Expiry,
}

pub(crate) fn answer(options: &Options, verdict: &mut Verdict) -> Vec<Table> {
    let mut table = Table::new(
        "All keys at once become old, under load",
        &[
            "how",
            "loads/s before",
            "peak, loads/s",
            "most loads at once",
            "in the 1st second",
            "2nd",
            "3rd",
            "4th to 10th, loads/s",
            "loads a key",
            "reads that waited, %",
            "read p99, ms",
        ],
    );
    let (keys, reads_a_second) = if options.quick { (300, 30.0) } else { (1_000, 50.0) };
    let load = [Duration::from_millis(100), Duration::from_millis(300)];
    let settings = Settings { keys, reads_a_second, load, ..Settings::new(options) };
    let memory = Settings { tiers: Tiers::Memory, memory_life: 60 * SECOND, ..settings };
    let alone = Settings { lease_wait: Duration::ZERO, ..settings };
    let ending = Settings { remote_life: 20 * SECOND, memory_life: 2 * SECOND, ..settings };
    let served = Settings { stale_while_revalidate: 10 * SECOND, ..ending };
    let rows = [
        ("no second tier: each memory is emptied", memory, How::Flush),
        ("flush; leases, waited for", settings, How::Flush),
        ("flush; leases, not waited for (`lease_wait` of zero)", alone, How::Flush),
        ("marked as stale (soft invalidation)", settings, How::Marks),
        ("the end of their lives, without stale values", ending, How::Expiry),
        ("the end of their lives, `stale_while_revalidate`", served, How::Expiry),
    ];
    for (name, settings, how) in rows {
        table.row(row((name, how), settings, verdict));
    }
    let Settings { processes, keys, reads_a_second, .. } = settings;
    table.note(format!(
        "{processes} processes with {reads_a_second} reads/s each of {keys} keys by Zipf 0.99; a load \
         takes 100 to 300 ms."
    ));
    table.note(format!(
        "The peak is that of {} ms; the reads are those of the first two seconds.",
        SLICE.as_millis()
    ));
    table.note("The last two rows count from the end of the first lives on.");
    vec![table]
}

fn row((name, how): (&str, How), settings: Settings, verdict: &mut Verdict) -> Vec<String> {
    let world = World::start(settings);
    // By then each key of any use was loaded. Lives end from the very beginning on.
    let at = if how == How::Expiry { settings.remote_life } else { 20 * SECOND };
    let before = 5 * SECOND;
    world.run(at);
    match how {
        How::Flush => world.flush(0),
        How::Marks => world.mark_all_stale(SOFT).expect("the servers answer"),
        How::Expiry => {}
    }
    world.take_tally();
    world.run(2 * SECOND);
    let tally = world.take_tally();
    let most = world.origin.most_running();
    world.run(8 * SECOND);
    let loads = |from: Duration, to: Duration| world.origin.loads(at + from, at + to);
    let all = loads(Duration::ZERO, 10 * SECOND);
    let cells = [
        name.to_owned(),
        (world.origin.loads(at - before, at) / before.as_secs()).to_string(),
        (u128::from(world.origin.peak(at, at + 10 * SECOND)) * (1_000 / SLICE.as_millis()))
            .to_string(),
        most.to_string(),
        loads(Duration::ZERO, SECOND).to_string(),
        loads(SECOND, 2 * SECOND).to_string(),
        loads(2 * SECOND, 3 * SECOND).to_string(),
        (loads(3 * SECOND, 10 * SECOND) / 7).to_string(),
        format!("{:.2}", all as f64 / world.origin.keys_loaded(at, at + 10 * SECOND) as f64),
        percent(tally.times.iter().filter(|time| **time >= WAITED).count() as u64, tally.reads),
        millis(Duration::from_micros(percentile(&tally.times, 99.0).unwrap_or(0).into())),
    ];
    verdict.end(name, &world);
    cells.to_vec()
}
