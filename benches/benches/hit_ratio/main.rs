//! Hit ratios: traces and built-in streams, replayed single-threaded through caches and references.
//!
//! An access is a get and, on a miss, an insertion. A cell is a trace and a capacity. In the means
//! those cells count whose capacity is 32 entries or more and where MIN attains 1 % or more. Regret
//! is by how many points a subject stays below the best released crate in a cell. Nothing is timed;
//! several cells are replayed at a time.
//!
//! A cache of ours, or LRU, that beats MIN shows a fault of the benchmark or of the cache's bound:
//! then the exit status is 1.
#![forbid(unsafe_code)]

mod cli;
mod earlier;
mod mixed;
mod parallel;
mod subjects;
mod synthetic;
mod tables;

use benches::{
    cells::{Cell, Role, Score},
    publish::{Publication, Section},
};
use cli::Options;
use earlier::Earlier;
use parallel::parallel;
use serde_json::{Value, json};
use std::{iter, path::Path, process::ExitCode};
use subjects::{ALL, Job, Subject};
use synthetic::Stream;
use traces::{
    capacity::Capacity,
    min::Future,
    read,
    trace::{Trace, Unit},
};

/// Cells of fewer entries are not replayed, unless the capacity was asked for as a number.
const LEAST: u64 = 32;

fn main() -> ExitCode {
    let options = Options::from_env();
    println!("# Hit ratios\n");
    println!("Hit % and, in brackets, % of MIN; capacities as shares of the distinct keys.");
    if options.quick {
        println!("QUICK: this shows that the benchmark works; the figures mean little.");
    }
    let replayed = Earlier::read(&options.from).and_then(|earlier| {
        let cells = replay_all(&options, &earlier)?;
        let is_wanted = options.synthetic && options.wants("mixed");
        let mixtures = if is_wanted { mixed::run(&options, &earlier) } else { Vec::new() };
        Ok((cells, mixtures))
    });
    match replayed {
        Ok((cells, mixtures)) => finish(&options, &cells, &mixtures),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Replays what was asked for; prints and saves each trace as soon as it is done.
fn replay_all(options: &Options, earlier: &Earlier) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    let mut add = |stream: &Stream, synthetic| {
        let of_stream = replay_one(stream, options, earlier);
        cells.extend(of_stream.into_iter().map(|cell| Cell { synthetic, ..cell }));
        match &options.outputs.json {
            Some(path) => save(path, &to_json(options, &cells, &[])),
            None => Ok(()),
        }
    };
    for path in &options.traces {
        let trace = read::read(path, options.format)?;
        if options.wants(&trace.name) {
            add(&Stream { trace, capacities: None }, false)?;
        }
    }
    let names = synthetic::names().filter(|name| options.synthetic && options.wants(name));
    for name in names {
        add(&synthetic::stream(name, options.quick), true)?;
    }
    Ok(cells)
}

fn save(path: &Path, json: &Value) -> Result<(), String> {
    std::fs::write(path, json.to_string()).map_err(|why| format!("{}: {why}", path.display()))
}

fn replay_one(stream: &Stream, options: &Options, earlier: &Earlier) -> Vec<Cell> {
    let Stream { trace, capacities } = stream;
    let (accesses, keys) = (trace.ids.len(), trace.distinct);
    println!("\n## {}\n\n{accesses} accesses of {keys} keys\n", trace.name);
    let units: &[Unit] = match trace.sizes {
        Some(_) => &[Unit::Entries, Unit::Bytes],
        None => &[Unit::Entries],
    };
    let mut all = Vec::new();
    for &unit in units {
        let asked = capacities.as_ref().unwrap_or(&options.capacities);
        let mut cells: Vec<Cell> = asked.iter().map(|asked| empty(stream, *asked, unit)).collect();
        cells.retain(|cell| cell.capacity >= LEAST || matches!(cell.asked, Capacity::Count(_)));
        fill(&mut cells, trace, options, earlier);
        match cells.is_empty() {
            true => println!("(too few keys for these capacities)"),
            false => println!("{}", tables::of_trace(&cells)),
        }
        all.extend(cells);
    }
    all
}

fn empty(stream: &Stream, asked: Capacity, unit: Unit) -> Cell {
    let capacity = asked.of(&stream.trace, unit);
    let trace = stream.trace.name.clone();
    Cell { trace, synthetic: false, unit, asked, capacity, scores: Vec::new() }
}

/// Runs all subjects in all cells, or takes what is known of them.
fn fill(cells: &mut [Cell], trace: &Trace, options: &Options, earlier: &Earlier) {
    let future = Future::of(trace);
    let pairs: Vec<(usize, &Subject)> =
        (0..cells.len()).flat_map(|place| iter::repeat(place).zip(&ALL)).collect();
    let scores = parallel(options.threads, &pairs, |(place, subject)| {
        let (cell, Subject { name, role, .. }) = (&cells[*place], *subject);
        let known = earlier.tally(cell, name, trace.ids.len());
        let tally = match options.replays(name, known.is_some()) {
            true => subject.run(&Job::new(trace, &future, cell)),
            false => known,
        };
        tally.map(|tally| Score { name, role: *role, tally })
    });
    for ((place, _), score) in pairs.into_iter().zip(scores) {
        cells[place].scores.extend(score);
    }
}

/// Prints and writes what it comes to.
fn finish(options: &Options, cells: &[Cell], mixtures: &[mixed::Mixed]) -> ExitCode {
    println!("\n# Summary\n");
    println!("Cells that count: 32 entries or more, MIN at 1 % or more.");
    println!(
        "Regret: points below the best of the released crates; lost: cells so far below it.\n"
    );
    if cells.is_empty() && mixtures.is_empty() {
        println!("(no trace and no stream has this in its name)");
    }
    let digest = tables::digest(cells, mixtures);
    println!("{digest}");
    for Subject { name, about, .. } in &ALL {
        println!("* `{name}`: {about}");
    }
    let sections = vec![Section::new(&options.section, digest)];
    let json = to_json(options, cells, mixtures);
    Publication::new("hit_ratio", options.quick, json, sections).publish(&options.outputs);
    verdict(cells)
}

fn to_json(options: &Options, cells: &[Cell], mixtures: &[mixed::Mixed]) -> Value {
    let standings = |synthetic: bool| -> Vec<Value> {
        let of_kind = cells.iter().filter(|cell| cell.synthetic == synthetic);
        let standings = benches::cells::standings(of_kind).into_iter();
        standings
            .map(|standing| {
                json!({
                    "name": standing.name,
                    "cells": standing.cells,
                    "hit_percent": standing.hit,
                    "percent_of_min": standing.of_bound,
                    "worst_percent_of_min": standing.worst_of_bound,
                    "regret": standing.regret,
                    "lost_by_more_than_1": standing.behind_by_1,
                    "lost_by_more_than_3": standing.behind_by_3,
                })
            })
            .collect()
    };
    json!({
        "bench": "hit_ratio",
        "quick": options.quick,
        "cells": cells.iter().map(Cell::json).collect::<Vec<_>>(),
        "traces": standings(false),
        "synthetic": standings(true),
        "mixed": mixtures.iter().map(mixed::Mixed::json).collect::<Vec<_>>(),
    })
}

/// Peers may exceed their bounds; ours may not, and LRU cannot.
fn verdict(cells: &[Cell]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for cell in cells {
        let Some(bound) = cell.best(Role::Bound) else { continue };
        let is_held = |score: &&Score| matches!(score.role, Role::Ours | Role::Reference);
        for score in cell.scores.iter().filter(is_held) {
            if score.tally.percent() > bound {
                eprintln!("{} beats MIN in {} at {}", score.name, cell.trace, cell.capacity);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
