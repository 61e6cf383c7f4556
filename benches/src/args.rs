//! The command line that all benchmarks share.
//!
//! Cargo runs these programs in two ways: `cargo bench` passes `--bench`, `cargo test` over all
//! targets does not. Without `--bench` a benchmark only shows that it works, as `--quick` does: a
//! test run must not take minutes.

use crate::built::at_root;
use std::path::PathBuf;

/// The text for `--help` and beside a wrong option.
pub const USAGE: &str = "\
usage: cargo bench -p benches --bench NAME -- [OPTIONS] [TEXT]

  TEXT, --filter TEXT   only cases whose name contains TEXT
  --subjects LIST       only these subjects, with commas between their names
  --rounds N            go round the subjects N times
  --quick               smoke test: small sizes, few short rounds (the default without --bench)
  --json FILE           also write the results to FILE
  --report DIR          also write JSON, tables and charts, with machine and versions, into DIR
  --into FILE           also put the tables into FILE, between their marks
                        `<!-- BENCH SECTION -->` and `<!-- end of SECTION -->`, and the charts
                        that it shows beside it
  --criterion           criterion's groups instead of the interleaved table
  --bench, --test       passed by cargo: measure in full; smoke test

Relative paths start at the root of the workspace.
";

/// Where the results go beside the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// A file of JSON.
    pub json: Option<PathBuf>,
    /// A folder.
    pub report: Option<PathBuf>,
    /// A document.
    pub into: Option<PathBuf>,
}

impl Outputs {
    /// Returns `true` if they go anywhere.
    pub fn any(&self) -> bool {
        self.json.is_some() || self.report.is_some() || self.into.is_some()
    }
}

/// A parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// Small sizes and few rounds.
    pub quick: bool,
    /// Run criterion's groups.
    pub criterion: bool,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// Only these subjects.
    pub subjects: Option<Vec<String>>,
    /// How often to go round; the default depends on the benchmark.
    pub rounds: Option<usize>,
    /// Where to write the results.
    pub outputs: Outputs,
    /// Print the usage and stop.
    pub help: bool,
    /// A test runner asks for the list of tests; there are none.
    pub list: bool,
}

impl Args {
    /// Reads the options of this process. Ends it if they are wrong, with a line saying why, or if
    /// they only ask for information.
    pub fn from_env() -> Args {
        let args = Args::parse(std::env::args().skip(1)).unwrap_or_else(|wrong| {
            eprint!("{wrong}\n\n{USAGE}");
            std::process::exit(2);
        });
        if args.help {
            print!("{USAGE}");
        }
        if args.help || args.list {
            std::process::exit(0);
        }
        args
    }

    /// Reads options; the error names the one that is wrong.
    pub fn parse(options: impl IntoIterator<Item = String>) -> Result<Args, String> {
        let mut args = Args::default();
        let (mut measure, mut smoke) = (false, false);
        let mut options = options.into_iter();
        while let Some(option) = options.next() {
            let mut value = || options.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--bench" => measure = true,
                "--quick" | "--test" => smoke = true,
                "--criterion" => args.criterion = true,
                "--filter" => args.filter = Some(value()?),
                "--subjects" => {
                    args.subjects = Some(value()?.split(',').map(str::to_owned).collect());
                }
                "--rounds" => args.rounds = Some(rounds(&value()?)?),
                "--json" => args.outputs.json = Some(at_root(value()?)),
                "--report" => args.outputs.report = Some(at_root(value()?)),
                "--into" => args.outputs.into = Some(at_root(value()?)),
                "--help" | "-h" => args.help = true,
                "--list" => args.list = true,
                // Output formats of test runners; there is nothing here for them to format.
                "--format" => drop(value()?),
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                text => args.filter = Some(text.to_owned()),
            }
        }
        args.quick = smoke || !measure;
        if args.criterion && args.outputs.any() {
            return Err("--json, --report and --into go with the interleaved table; criterion \
                        keeps its own JSON under target/criterion"
                .to_owned());
        }
        Ok(args)
    }

    /// Returns `true` if a case of this name is to run.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }

    /// Returns `true` if the subject of this name takes part.
    pub fn takes(&self, subject: &str) -> bool {
        self.subjects.as_ref().is_none_or(|names| names.iter().any(|name| name == subject))
    }

    /// Returns one of two settings: for the smoke test, in full.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Returns how often to go round, given the default of the benchmark.
    pub fn rounds_or(&self, full: usize) -> usize {
        self.rounds.unwrap_or(self.pick(3, full))
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("--rounds takes a number from 1, not {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn full_only_when_cargo_bench_asks() {
        assert!(!parse("--bench").unwrap().quick);
        assert!(parse("").unwrap().quick);
        assert!(parse("--test").unwrap().quick);
        assert!(parse("--bench --quick").unwrap().quick);
    }

    #[test]
    fn every_option_is_read() {
        let args = parse("--bench --rounds 7 --json out.json --filter zipf/2t").unwrap();
        assert_eq!((args.rounds, args.rounds_or(31)), (Some(7), 7));
        assert_eq!(args.outputs.json, Some(at_root("out.json")));
        assert!(args.wants("hit/1k/zipf/2t") && !args.wants("hit/1k/zipf/1t"));
        assert!(parse("--bench --criterion").unwrap().criterion);
        let args = parse("--subjects moka,scc").unwrap();
        assert!(args.takes("moka") && args.takes("scc") && !args.takes("mok"));
        assert!(parse("").unwrap().takes("anything"));
        let outputs = parse("--bench --report /tmp/dir --into docs/a.md").unwrap().outputs;
        assert_eq!(outputs.report.as_deref(), Some(std::path::Path::new("/tmp/dir")));
        assert_eq!(outputs.into, Some(at_root("docs/a.md")));
        assert!(outputs.any() && !parse("--bench").unwrap().outputs.any());
    }

    /// The user is at the root, cargo starts the program in the folder of its package.
    #[test]
    fn relative_paths_start_at_the_root() {
        assert!(at_root("docs/figures.md").is_file());
        assert_eq!(at_root("/tmp"), std::path::Path::new("/tmp"));
    }

    #[test]
    fn a_bare_word_filters() {
        let args = parse("churn --bench").unwrap();
        assert_eq!(args.filter.as_deref(), Some("churn"));
        assert!(parse("--bench").unwrap().wants("anything"));
    }

    #[test]
    fn defaults_depend_on_quick() {
        assert_eq!(parse("--bench").unwrap().rounds_or(31), 31);
        assert_eq!(parse("--bench --quick").unwrap().rounds_or(31), 3);
        assert_eq!(parse("--quick").unwrap().pick(1, 2), 1);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(parse("--rounds").unwrap_err().contains("--rounds"));
        assert!(parse("--rounds 0").unwrap_err().contains("from 1"));
        assert!(parse("--speed 9").unwrap_err().contains("--speed"));
        assert!(parse("--criterion --json x").unwrap_err().contains("--json"));
    }

    #[test]
    fn a_test_runner_that_lists_is_tolerated() {
        assert!(parse("--list --format terse").unwrap().list);
    }
}
