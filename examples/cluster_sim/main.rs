//! What a second tier does for a hundred processes: hits, staleness, floods and failures, in
//! simulated time.
//!
//! Run with `cargo run --release --example cluster_sim`; `--help` lists the options.
//!
//! Each process has a real `TieredCache`, whose clocks are simulated, over ten simulated servers.
//! Chance is that of the seed. But caches hash in their own way in each run, which decides what a
//! memory tier evicts that is too small, and an envelope tells how long its load took in real time,
//! which decides what is distrusted after an outage. So the last digits of some figures differ from
//! run to run. Every read is checked against what is promised (`promise.rs`), so that this is a
//! test, too: `--fault` shows what it finds.
//!
//! `time.rs` and `tasks.rs` are the simulated time and what runs in it; `servers.rs`, `network.rs`,
//! `breaker.rs` and `watch.rs` the remote tier; `origin.rs`, `workload.rs`, `process.rs` and
//! `world.rs` the processes and what they do; `hits.rs`, `staleness.rs`, `flush.rs` and `loss.rs`
//! the questions.

mod args;
mod breaker;
mod flush;
mod hits;
mod loss;
mod network;
mod origin;
mod process;
mod promise;
mod random;
mod report;
mod servers;
mod settings;
mod staleness;
mod tally;
mod tasks;
mod time;
mod verdict;
mod watch;
mod workload;
mod world;

use std::process::ExitCode;

use args::{Options, Question};
use report::Table;
use verdict::Verdict;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            print!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cluster_sim: {error}; --help lists what there is");
            ExitCode::from(2)
        }
    }
}

/// Runs the simulations of one question. Returns its tables, and adds the reads that it has checked
/// to the verdict.
type Answer = fn(&Options, &mut Verdict) -> Vec<Table>;

fn run(options: &Options) -> ExitCode {
    let answers: [(Question, Answer); 4] = [
        (Question::Hits, hits::answer),
        (Question::Staleness, staleness::answer),
        (Question::Flush, flush::answer),
        (Question::Loss, loss::answer),
    ];
    let mut verdict = Verdict::default();
    for (question, answer) in answers {
        if options.question.is_none_or(|asked| asked == question) {
            for table in answer(options, &mut verdict) {
                table.print(options.markdown);
            }
        }
    }
    if verdict.print() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
