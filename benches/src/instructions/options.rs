//! The command line of the benchmark `instructions`: that of the others, where there is something
//! to it, and how to write the file anew.

use crate::{args::Outputs, built::at_root};

/// The text for `--help`.
pub const USAGE: &str = "\
usage: cargo bench -p benches --bench instructions -- [OPTIONS] [TEXT]

  TEXT, --filter TEXT   only operations whose name contains TEXT
  --write               write benches/instructions.json anew instead of comparing with it
  --run NAME ROUNDS     do an operation that often and nothing else, for a profiler
  --quick               do each operation some times, uncounted (the default without --bench)
  --report DIR, --json FILE, --into FILE
                        as in the other benchmarks; with one of these nothing is refused
  --bench, --test       passed by cargo: count; as --quick
";

/// The most rounds, for which keys are prepared.
pub const MOST: usize = 101_000;

/// A parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Count nothing.
    pub quick: bool,
    /// Write the file.
    pub write: bool,
    /// Only operations whose name contains this.
    pub filter: Option<String>,
    /// Run this operation that often, and do nothing else.
    pub run: Option<(String, usize)>,
    /// Where to write the counts beside that.
    pub outputs: Outputs,
    /// Print the usage and stop.
    pub help: bool,
    /// A test runner asks for the list of tests; there are none.
    pub list: bool,
}

impl Options {
    /// Reads options; the error names the one that is wrong.
    pub fn parse(given: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let (mut measure, mut smoke) = (false, false);
        let mut given = given.into_iter();
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--bench" => measure = true,
                "--quick" | "--test" => smoke = true,
                "--write" => options.write = true,
                "--filter" => options.filter = Some(value()?),
                "--run" => options.run = Some((value()?, rounds(&value()?)?)),
                "--json" => options.outputs.json = Some(at_root(value()?)),
                "--report" => options.outputs.report = Some(at_root(value()?)),
                "--into" => options.outputs.into = Some(at_root(value()?)),
                "--help" | "-h" => options.help = true,
                "--list" => options.list = true,
                // Options of the other benchmarks, which may have been started together with it.
                "--rounds" | "--subjects" | "--format" => drop(value()?),
                "--criterion" => {}
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                text => options.filter = Some(text.to_owned()),
            }
        }
        options.quick = smoke || !measure;
        if options.write && options.filter.is_some() {
            return Err("--write writes all operations: it takes no filter".to_owned());
        }
        Ok(options)
    }

    /// Returns `true` if the operation of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    let rounds = text.parse().ok().filter(|rounds| *rounds <= MOST);
    rounds.ok_or_else(|| format!("there are up to {MOST} rounds, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn counts_only_when_cargo_bench_asks() {
        assert!(!parse("--bench").unwrap().quick);
        assert!(parse("").unwrap().quick && parse("--bench --quick").unwrap().quick);
    }

    #[test]
    fn an_operation_is_run_alone() {
        let options = parse("--run insert_evicts 1000").unwrap();
        assert_eq!(options.run, Some(("insert_evicts".to_owned(), 1000)));
        assert!(parse("--run insert_evicts").unwrap_err().contains("--run"));
        assert!(parse("--run insert_evicts 101001").unwrap_err().contains("101000"));
    }

    #[test]
    fn a_file_of_some_operations_is_not_written() {
        assert!(parse("--bench --write").unwrap().write);
        assert!(parse("--bench --write hit").unwrap_err().contains("--write"));
    }

    /// Cargo gives all benchmarks the same options.
    #[test]
    fn options_of_the_others_are_read() {
        let options = parse("--bench --rounds 5 --subjects a,b --report /tmp/dir hit").unwrap();
        assert_eq!(options.outputs.report.as_deref(), Some(std::path::Path::new("/tmp/dir")));
        assert!(options.wants("get_with_hit") && !options.wants("insert_evicts"));
        assert!(parse("--speed").unwrap_err().contains("--speed"));
    }
}
