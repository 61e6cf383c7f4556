//! Enriches a year of flights through cached functions and shows what the caches were worth.
//!
//! Run with `cargo run --release --example flights`; add `-- --help` for the options.

use std::process::ExitCode;

use examples::cli::{self, Command};

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let done = match cli::parse(std::env::args_os()) {
        Ok(Command::Help) => examples::print(&mut out, cli::HELP),
        Ok(Command::Run(options)) => examples::run(&options, &mut out),
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("flights: {problem}");
            ExitCode::FAILURE
        }
    }
}
