//! How well would this cache do on my traffic?
//!
//! Write down the keys that your program asks its cache for, one a line, and replay them:
//!
//! ```text
//! cargo run --release --example hit_ratio -- keys.txt
//! cargo run --release --example hit_ratio -- keys.txt --capacities 100,1000,10000 --svg chart.svg
//! ```
//!
//! For each capacity the share of accesses that find their entry: in the cache, in an exact LRU,
//! and in Belady's MIN, which knows the future and shows what any cache could attain at best. Other
//! formats, with sizes: see `--help`.

mod chart;
mod cli;

use cache_core::Cache;
use chart::{Curve, Point};
use cli::Options;
use std::process::ExitCode;
use traces::{
    lru::Lru,
    min::{Future, min},
    read,
    replay::{Held, Store, replay},
    trace::{Trace, Unit, scattered},
};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(None) => print!("{}", cli::HELP),
        Ok(Some(options)) => {
            if let Err(why) = run(&options) {
                eprintln!("hit_ratio: {why}");
                return ExitCode::FAILURE;
            }
        }
        Err(why) => {
            eprintln!("hit_ratio: {why}; --help lists what there is");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(options: &Options) -> Result<(), String> {
    let trace = read::read(&options.trace, options.format)?;
    let unit = if options.bytes { Unit::Bytes } else { Unit::Entries };
    if options.bytes && trace.sizes.is_none() {
        return Err(format!("{} has no sizes for --bytes", options.trace.display()));
    }
    println!("{}: {} accesses of {} keys", trace.name, trace.ids.len(), trace.distinct);
    let curves = curves(&trace, unit, options);
    print!("{}", chart::bars(&curves, &options.capacities));
    if let Some(path) = &options.svg {
        let svg = chart::svg(&trace.name, &curves);
        std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("\nchart written to {}", path.display());
    }
    Ok(())
}

/// Replays the trace for each capacity. By bytes there is no MIN: what is best then is not known.
fn curves(trace: &Trace, unit: Unit, options: &Options) -> Vec<Curve> {
    let future = Future::of(trace);
    let curve = |name, percent: &dyn Fn(u64) -> f64| {
        let point = |capacity: u64| Point { capacity, percent: percent(capacity) };
        let capacities = options.capacities.iter().map(|asked| asked.of(trace, unit).max(1));
        Curve { name, points: capacities.map(point).collect() }
    };
    let ours =
        |capacity| replay(trace, unit, &mut Replayed::with_capacity(capacity, unit)).percent();
    let lru = |capacity| replay(trace, unit, &mut Lru::new(trace, capacity)).percent();
    let mut curves = vec![curve("cache-core", &ours), curve("LRU", &lru)];
    if unit == Unit::Entries {
        curves.push(curve("MIN", &|capacity| min(trace, &future, capacity).percent()));
    }
    curves
}

/// The cache, as a program uses it: `get`, and `insert` on a miss.
struct Replayed(Cache<u64, Held>);

impl Replayed {
    fn with_capacity(capacity: u64, unit: Unit) -> Replayed {
        let builder = Cache::builder().max_capacity(capacity);
        Replayed(match unit {
            Unit::Entries => builder.build(),
            Unit::Bytes => builder.weigher(|_: &u64, held: &Held| held.weight).build(),
        })
    }
}

impl Store for Replayed {
    fn get(&mut self, id: u32) -> Option<Held> {
        self.0.get(&scattered(id))
    }

    fn insert(&mut self, id: u32, held: Held) {
        self.0.insert(scattered(id), held);
    }
}
