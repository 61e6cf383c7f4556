//! One of the ten servers is lost, and comes back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cache_core::tier::FakeSnapshot;

use crate::args::Options;
use crate::network::Network;
use crate::process::NAME;
use crate::report::{Table, millis, percent};
use crate::servers::{Reach, SERVERS, server_of};
use crate::settings::Settings;
use crate::tally::Tally;
use crate::verdict::Verdict;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const BLIP: Duration = Duration::from_millis(200);

/// How a server is lost, and what it has when it is back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It ends, and starts with nothing.
    Empty,
    /// It ends, and starts with what it had ten seconds before.
    OldData,
    /// It is cut off from everybody, and has kept what it had.
    CutOff,
    /// All servers are, for a fifth of a second only.
    Blip,
}

struct Case {
    name: &'static str,
    loss: Loss,
    /// It is the server that has the counter of the cache's generation.
    has_counter: bool,
    has_gutter: bool,
}

const CASE: Case = Case { name: "", loss: Loss::Empty, has_counter: false, has_gutter: false };

const CASES: [Case; 7] = [
    Case { name: "back empty", ..CASE },
    Case { name: "back with old data", loss: Loss::OldData, ..CASE },
    Case { name: "cut off", loss: Loss::CutOff, ..CASE },
    Case { name: "the counter's, back empty", has_counter: true, ..CASE },
    Case { name: "the counter's, with old data", loss: Loss::OldData, has_counter: true, ..CASE },
    Case { name: "the counter's, with a gutter", has_counter: true, has_gutter: true, ..CASE },
    Case { name: "all ten silent for 0.2 s", loss: Loss::Blip, ..CASE },
];

/// What was counted in one span of time.
struct Span {
    tally: Tally,
    remote: u64,
}

/// When what happens.
struct Plan {
    lost: Duration,
    back: Duration,
    end: Duration,
    step: Duration,
}

impl Plan {
    fn new(options: &Options) -> Self {
        match options.quick {
            true => {
                Plan { lost: 12 * SECOND, back: 18 * SECOND, end: 26 * SECOND, step: 2 * SECOND }
            }
            false => {
                Plan { lost: 30 * SECOND, back: 50 * SECOND, end: 90 * SECOND, step: 5 * SECOND }
            }
        }
    }
}

pub(crate) fn answer(options: &Options, verdict: &mut Verdict) -> Vec<Table> {
    let plan = Plan::new(options);
    let settings = Settings { writes_a_second: 20.0, ..Settings::new(options) };
    let runs: Vec<Vec<Span>> =
        CASES.iter().map(|case| run(case, settings, &plan, verdict)).collect();
    let loads = |span: &Span| format!("{:.0}", span.tally.loads as f64 / plan.step.as_secs_f64());
    let hits = |span: &Span| {
        let Tally { reads, loads, .. } = span.tally;
        let memory = reads.saturating_sub(loads + span.remote);
        format!("{} + {}", percent(memory, reads), percent(span.remote, reads))
    };
    let mut tables = vec![
        over_time("Loss of a server: loads at the origin, a second", &runs, &plan, loads),
        over_time("Loss of a server: hits in memory + in the servers, %", &runs, &plan, hits),
        staleness(&runs),
    ];
    let Settings { processes, keys, reads_a_second, writes_a_second, .. } = settings;
    tables[0].note(format!(
        "One of {SERVERS} servers is lost at {} s and back at {} s.",
        plan.lost.as_secs(),
        plan.back.as_secs(),
    ));
    tables[0].note(format!(
        "{processes} processes with {reads_a_second} reads/s each of {keys} keys by Zipf 0.99, \
         {writes_a_second} invalidations/s in all; remote life 60 s, memory life 5 s, poll of 1 s."
    ));
    tables[0].note(
        "Without the server that has the counter, and without a gutter, no process uses any server.",
    );
    tables
}

fn over_time(
    title: &str,
    runs: &[Vec<Span>],
    plan: &Plan,
    cell: impl Fn(&Span) -> String,
) -> Table {
    let mut head = vec!["until, s"];
    head.extend(CASES.iter().map(|case| case.name));
    let mut table = Table::new(title, &head);
    for turn in 0..runs[0].len() {
        let end = plan.step * (turn as u32 + 1);
        // What comes before is the beginning, in which the servers are filled.
        if end > plan.lost - plan.step {
            let cells = runs.iter().map(|run| cell(&run[turn]));
            table.row([end.as_secs().to_string()].into_iter().chain(cells));
        }
    }
    table
}

fn staleness(runs: &[Vec<Span>]) -> Table {
    let mut table = Table::new(
        "Loss of a server: stale reads",
        &[
            "case",
            "invalidations",
            "of these failed",
            "stale reads after one that succeeded",
            "oldest, ms",
            "stale reads after one that failed",
            "oldest, ms",
        ],
    );
    for (case, run) in CASES.iter().zip(runs) {
        let sum = |count: fn(&Tally) -> u64| -> String {
            run.iter().map(|span| count(&span.tally)).sum::<u64>().to_string()
        };
        let oldest = |ages: fn(&Tally) -> &[Duration]| {
            let oldest = run.iter().flat_map(|span| ages(&span.tally)).max();
            oldest.map_or("-".to_owned(), |age| millis(*age))
        };
        table.row([
            case.name.to_owned(),
            sum(|tally| tally.invalidations),
            sum(|tally| tally.failed_invalidations),
            sum(|tally| tally.stale.len() as u64),
            oldest(|tally| &tally.stale),
            sum(|tally| tally.stale_after_error.len() as u64),
            oldest(|tally| &tally.stale_after_error),
        ]);
    }
    table.note("Of an invalidation that fails its caller is told; it is made later.");
    table.note("Until then, other processes may serve the old value.");
    table
}

fn run(case: &Case, settings: Settings, plan: &Plan, verdict: &mut Verdict) -> Vec<Span> {
    let world = World::start(Settings { has_gutter: case.has_gutter, ..settings });
    let of_counter = server_of(format!("{NAME}:generation").as_bytes());
    let server = if case.has_counter { of_counter } else { (of_counter + 1) % SERVERS };
    let mut data = FakeSnapshot::default();
    let mut spans = Vec::new();
    while world.time.now() < plan.end {
        let now = world.time.now();
        if now + 10 * SECOND == plan.lost && case.loss == Loss::OldData {
            data = world.network.servers.snapshot(server);
        }
        if now == plan.lost {
            lose(&world.network, server, case.loss);
        }
        if now == plan.back {
            match case.loss {
                Loss::CutOff => world.network.servers.set_reach(server, Reach::Answers),
                Loss::Empty | Loss::OldData => world.network.servers.restart(server, &data),
                Loss::Blip => {}
            }
        }
        spans.push(span(&world, plan.step));
    }
    verdict.end(case.name, &world);
    spans
}

fn lose(network: &Arc<Network>, server: usize, loss: Loss) {
    match loss {
        Loss::Empty | Loss::OldData => network.servers.set_reach(server, Reach::Refuses),
        Loss::CutOff => network.servers.set_reach(server, Reach::IsSilent),
        Loss::Blip => {
            (0..SERVERS).for_each(|server| network.servers.set_reach(server, Reach::IsSilent));
            let again = Arc::clone(network);
            let end = move || {
                (0..SERVERS).for_each(|server| again.servers.set_reach(server, Reach::Answers));
            };
            network.time.call_in(BLIP, end);
        }
    }
}

fn span(world: &Rc<World>, length: Duration) -> Span {
    let hits = world.sum(|stats| stats.hits);
    world.run(length);
    Span { tally: world.take_tally(), remote: world.sum(|stats| stats.hits) - hits }
}
