//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Simulates a hundred processes with a TieredCache each, over ten servers, and
prints what that does for them. The time is simulated; the caches are real.

Usage: cluster_sim [OPTIONS]

  --question Q  answer one only: hits, staleness, flush or loss
  --seed S      for all that is left to chance [default: 1]
  --quick       less of everything, in a moment: does it work?
  --markdown    print the tables as Markdown
  --fault F     break the tiers, to see that the check finds it: trust (what a
                server had before its outage is trusted), lease (what is loaded
                is stored although its lease is dead), deaf (no process hears of
                a flush)
  --help        print this

Exit code: 0; 1 if a process was served an older value than is promised; 2 for
wrong arguments.
";

/// The settings of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) question: Option<Question>,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    pub(crate) markdown: bool,
    pub(crate) fault: Option<Fault>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Hits,
    Staleness,
    Flush,
    Loss,
}

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Trust,
    Lease,
    Deaf,
}

/// Reads the arguments; returns `None` if the help is asked for.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let mut options =
        Options { question: None, seed: 1, quick: false, markdown: false, fault: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("question") => options.question = Some(parser.value()?.parse_with(question)?),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("markdown") => options.markdown = true,
            Long("fault") => options.fault = Some(parser.value()?.parse_with(fault)?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn question(text: &str) -> Result<Question, &'static str> {
    match text {
        "hits" => Ok(Question::Hits),
        "staleness" => Ok(Question::Staleness),
        "flush" => Ok(Question::Flush),
        "loss" => Ok(Question::Loss),
        _ => Err("give hits, staleness, flush or loss"),
    }
}

fn fault(text: &str) -> Result<Fault, &'static str> {
    match text {
        "trust" => Ok(Fault::Trust),
        "lease" => Ok(Fault::Lease),
        "deaf" => Ok(Fault::Deaf),
        _ => Err("give trust, lease or deaf"),
    }
}
