//! Exercises a few small caches with everything they can do, from threads and tasks at once, for a
//! given time, and checks each second that nothing is stale, leaked, stuck or lost.
//!
//! Run with `cargo run --release --example soak -- --seconds 3600`; `--help` lists the options.
//!
//! `world.rs` has the caches and says what stale means; `ops.rs` and `tasks.rs` the operations;
//! `loaders.rs` how loads go wrong; `verify.rs` the checks when all workers have stopped;
//! `tracked.rs` the keys and values, which are counted; `watch.rs` the watchdog.

mod actor;
mod cli;
mod faults;
mod kinds;
mod loaders;
mod ops;
mod random;
mod rounds;
mod tasks;
mod tracked;
mod verify;
mod watch;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use cli::Options;
use kinds::{GROUPS, Kind};
use random::Random;
use rounds::Crew;
use world::World;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Some(options)) => run(options),
        Ok(None) => {
            print!("{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("soak: {error}; --help lists what there is");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> ExitCode {
    watch::silence_expected_panics();
    println!("soak: seed {}, {} threads, {} s", options.seed, options.threads, options.seconds);
    let crew = match Crew::new(options) {
        Ok(crew) => crew,
        Err(error) => {
            eprintln!("soak: the runtimes do not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    world::set_calm(options.calm);
    let world = Arc::new(World::new(options.seed));
    let mut random = Random::seeded(!options.seed);
    let mut before = ([0; GROUPS.len()], world.tally.events());
    for second in 1..=options.seconds {
        crew.work(&world, second);
        verify::verify(&world, &mut random);
        before = report_second(second, &world, before);
        if !faults::found().is_empty() {
            return fail(&options);
        }
    }
    summarize(&world, &crew);
    match Arc::try_unwrap(world) {
        Ok(world) => verify::drop_all(world),
        Err(_) => faults::report("a worker still runs".to_owned()),
    }
    if !faults::found().is_empty() {
        return fail(&options);
    }
    println!("Nothing was stale, leaked, stuck or lost.");
    ExitCode::SUCCESS
}

fn fail(options: &Options) -> ExitCode {
    faults::found().iter().for_each(|fault| eprintln!("soak: WRONG: {fault}"));
    eprintln!("soak: seed {}, {} threads", options.seed, options.threads);
    ExitCode::FAILURE
}

type Counts = ([u64; GROUPS.len()], [(&'static str, u64); 7]);

/// Prints one line: what was done in this second.
fn report_second(second: u64, world: &World, before: Counts) -> Counts {
    let now = (world.tally.by_group(), world.tally.events());
    print!("{second:>5} s ");
    for ((group, done), earlier) in GROUPS.iter().zip(now.0).zip(before.0) {
        print!(" {group} {}", done - earlier);
    }
    print!(" |");
    for ((event, count), (_, earlier)) in now.1.into_iter().zip(before.1) {
        print!(" {event} {}", count - earlier);
    }
    println!();
    now
}

/// Prints what was done in all.
fn summarize(world: &World, crew: &Crew) {
    println!("\n{:<24}{:>14}{:>14}{:>14}", "operation", "times", "timed out", "slowest ms");
    for (kind, _) in Kind::all() {
        let slowest = world.tally.slowest(kind).as_secs_f64() * 1e3;
        let (done, slow) = (world.tally.done(kind), world.tally.slow(kind));
        println!("{:<24}{done:>14}{slow:>14}{slowest:>14.1}", format!("{kind:?}"));
    }
    for (event, count) in world.tally.events() {
        println!("{event:<24}{count:>14}");
    }
    let (fewest, name) = crew.watch().fewest();
    println!("\nThe worker with the fewest operations, {name}, completed {fewest}.");
}
