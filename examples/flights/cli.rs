//! The command line.
//!
//! Read with `lexopt`, which has no dependencies and leaves the wording to the program: every
//! mistake gets one line that names the option and what it takes.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::functions::DEFAULT_CAPACITY;
use crate::input::Source;
use crate::problem::{Problem, quoted};

/// What `--help` prints.
pub const HELP: &str = "\
Adds to every flight its plane, the weather at its departure and the share of
its way that lies in the dark, through cached functions and, to compare,
without.

Usage: flights [OPTIONS] [FILE]

FILE is a csv file, plain or gzip, whose header names at least time_hour,
tailnum, origin and dest; other columns are kept as they are. Without FILE:
the 336,776 flights that left New York in 2013, which come with the program.

  --output PATH         where the enriched csv goes
                        [default: flights-enriched.csv in the target folder
                        under cargo, else in the current folder]
  --tier HOST:PORT      a memcached behind the caches: what one run has looked
                        up, the next finds there
  --no-cache            call the functions without their caches
  --capacity N          entries that each of the three caches may hold
                        [default: 100000]
  --threads N           threads that enrich [default: one per processor]
  --limit N             stop after N rows
  --baseline-rows N     rows to time once more without cache, taken at even
                        distances; 0 for no comparison [default: 20000]
  --database PATH       the SQLite database of planes, weather and airports,
                        built when missing or outdated [default:
                        flights.sqlite in the target folder under cargo,
                        else in the folder for temporary files]
  --help                print this

Examples:
  flights --limit 20000                        the first 20,000 flights
  flights --output enriched.csv flights.csv    flights of your own
  flights --capacity 1000 --threads 4          what small caches are worth
  flights --no-cache                           what no cache costs
  flights --tier 127.0.0.1:11211               twice: the second run starts warm

Exit code: 0, or 1 after one line on standard error that says what was wrong.
";

const MOST_THREADS: u64 = 1_024;
const DEFAULT_BASELINE_ROWS: u64 = 20_000;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Print [`HELP`].
    Help,
    /// Enrich flights.
    Run(Options),
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the flights come from.
    pub source: Source,
    /// Where the enriched flights go.
    pub output: PathBuf,
    /// The database for the lookups.
    pub database: PathBuf,
    /// Call the functions through their caches.
    pub cache: bool,
    /// The memcached behind the caches, if there is to be one.
    pub tier: Option<String>,
    /// Entries that each cache may hold.
    pub capacity: u64,
    /// Threads that enrich.
    pub threads: usize,
    /// Stop after so many rows.
    pub limit: Option<u64>,
    /// Rows to time without a cache after a cached run.
    pub baseline_rows: usize,
}

impl Default for Options {
    fn default() -> Options {
        let target = target_folder();
        let database = target.clone().unwrap_or_else(std::env::temp_dir);
        Options {
            source: Source::Bundled,
            output: target.unwrap_or_default().join("flights-enriched.csv"),
            database: database.join("flights.sqlite"),
            cache: true,
            tier: None,
            capacity: DEFAULT_CAPACITY,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            limit: None,
            baseline_rows: DEFAULT_BASELINE_ROWS as usize,
        }
    }
}

/// Returns cargo's target folder, if the program still lies where cargo built it:
/// `<target>/<profile>/examples/flights`.
fn target_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let built = folder.file_name()? == "examples";
    built.then(|| folder.ancestors().nth(2).map(PathBuf::from)).flatten()
}

/// Reads the arguments, the first of which is the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Problem> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let mut options = Options::default();
    let mut file: Option<PathBuf> = None;
    while let Some(argument) = parser.next().map_err(misused)? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("no-cache") => options.cache = false,
            Long("tier") => {
                let address = parser.value().map_err(misused)?;
                options.tier = Some(address.to_string_lossy().into_owned());
            }
            Long("capacity") => options.capacity = number(&mut parser, "--capacity", 1, u64::MAX)?,
            Long("threads") => {
                options.threads = number(&mut parser, "--threads", 1, MOST_THREADS)? as usize;
            }
            Long("limit") => options.limit = Some(number(&mut parser, "--limit", 1, u64::MAX)?),
            Long("baseline-rows") => {
                let most = u64::from(u32::MAX);
                options.baseline_rows = number(&mut parser, "--baseline-rows", 0, most)? as usize;
            }
            Long("output") => options.output = parser.value().map_err(misused)?.into(),
            Long("database") => options.database = parser.value().map_err(misused)?.into(),
            Value(path) if file.is_none() => file = Some(path.into()),
            other => return Err(misused(other.unexpected())),
        }
    }
    if let Some(path) = file {
        options.source = Source::File(path);
    }
    if options.tier.is_some() && !options.cache {
        return Err(Problem::new("--tier and --no-cache exclude each other; leave one out"));
    }
    Ok(Command::Run(options))
}

fn misused(error: lexopt::Error) -> Problem {
    Problem::new(format!("{error}; --help lists what there is"))
}

fn number(
    parser: &mut lexopt::Parser,
    option: &str,
    least: u64,
    most: u64,
) -> Result<u64, Problem> {
    let given = parser.value().map_err(misused)?;
    let given = given.to_string_lossy();
    given.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let range = if most == u64::MAX {
            format!("{least} or more")
        } else {
            format!("from {least} to {most}")
        };
        Problem::new(format!("{option} {}: give a whole number, {range}", quoted(&given)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_help_are_command_lines() {
        let examples = HELP.lines().filter(|line| line.starts_with("  flights "));
        let commands = examples.filter_map(|line| line.trim_start().split("   ").next());
        let commands: Vec<_> = commands.collect();
        assert_eq!(commands.len(), 5);
        for command in commands {
            let parsed = parse(command.split_whitespace().map(OsString::from));
            assert!(matches!(parsed, Ok(Command::Run(_))), "{command}: {parsed:?}");
        }
    }

    #[test]
    fn the_help_fits_eighty_columns() {
        for line in HELP.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
