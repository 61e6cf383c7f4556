//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Exercises a few small caches with everything they can do, from threads and tasks
at once, and checks each second that nothing is stale, leaked, stuck or lost.

Usage: soak [OPTIONS]

  --seconds N   how long [default: 10]
  --threads T   threads; three times as many tasks come with them [default: 4]
  --seed S      for the choices that the workers make; the order in which the
                threads run is not repeated [default: from the clock]
  --calm        no load takes longer than callers wait, and no task blocks its
                thread; so a lost wake-up is found, which the wait limit of the
                callers would hide otherwise
  --help        print this

Exit code: 0, or 1 after the faults that were found and the seed.
";

/// The settings of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) seconds: u64,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) calm: bool,
}

/// Reads the arguments; returns `None` if the help is asked for.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    let mut options = Options { seconds: 10, threads: 4, seed: clock % 1_000_000_007, calm: false };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("seconds") => options.seconds = number(&mut parser, 1, u64::MAX)?,
            Long("threads") => options.threads = number(&mut parser, 1, 1_000)? as usize,
            Long("calm") => options.calm = true,
            Long("seed") => options.seed = number(&mut parser, 0, u64::MAX)?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn number(parser: &mut lexopt::Parser, least: u64, most: u64) -> Result<u64, lexopt::Error> {
    parser.value()?.parse_with(|text| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == u64::MAX => Err(format!("give a whole number, {least} or more")),
        _ => Err(format!("give a whole number, from {least} to {most}")),
    })
}
