//! The command line: that of the other benchmarks, where there is something to it, and traces.

use crate::subjects::ALL;
use benches::{args::Outputs, built::at_root};
use std::path::PathBuf;
use traces::{
    capacity::{self, Capacity},
    read::Format,
};

/// The text for `--help` and beside a wrong option.
const USAGE: &str = "\
usage: cargo bench -p benches --bench hit_ratio -- [OPTIONS] [TRACE..]

  TRACE..               files to replay; without any, the built-in streams
  --format FORMAT       text, bin, lis, csv or oracle; default: what a file's name says
  --capacities LIST     shares of the distinct keys (0.01) or numbers (5000), with commas
                        [default: 0.001,0.01,0.05,0.1,0.2]
  --synthetic           the built-in streams beside the traces
  --subjects LIST       only these, with commas between them; `none` for none
  --from FILE           take figures from FILE, which --json has written, except those of
                        --subjects; may be given several times
  --filter TEXT         only traces and streams whose name contains TEXT
  --threads N           cells at a time [default: one for each core]
  --json FILE           also write the results to FILE, after each trace
  --report DIR          also write JSON and tables, with machine and versions, into DIR
  --into FILE           put the digest into FILE, between its marks
                        `<!-- hit_ratio SECTION -->` and `<!-- end of SECTION -->`
  --section SECTION     which marks [default: now]
  --quick               small synthetic streams: does it work? (the default without --bench)
  --bench, --test       passed by cargo: measure in full; smoke test
  --rounds, --criterion are ignored: nothing is timed here

Relative paths start at the root of the workspace.
";

/// A parsed command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) traces: Vec<PathBuf>,
    pub(crate) format: Option<Format>,
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) synthetic: bool,
    pub(crate) subjects: Option<Vec<String>>,
    pub(crate) from: Vec<PathBuf>,
    pub(crate) filter: Option<String>,
    pub(crate) threads: usize,
    pub(crate) outputs: Outputs,
    pub(crate) section: String,
    pub(crate) quick: bool,
}

impl Options {
    /// Reads the options of this process. Ends it if they are wrong or only ask for information.
    pub(crate) fn from_env() -> Options {
        Options::parse(std::env::args().skip(1)).unwrap_or_else(|wrong| {
            eprint!("{wrong}\n\n{USAGE}");
            std::process::exit(2);
        })
    }

    fn parse(mut given: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let (mut measure, mut smoke) = (false, false);
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--bench" => measure = true,
                "--quick" | "--test" => smoke = true,
                "--format" => options.format(&value()?)?,
                "--capacities" => options.capacities = Capacity::list(&value()?)?,
                "--synthetic" => options.synthetic = true,
                "--subjects" => options.subjects = Some(subjects(&value()?)),
                "--from" => options.from.push(at_root(value()?)),
                "--filter" => options.filter = Some(value()?),
                "--threads" => options.threads = threads(&value()?)?,
                "--json" => options.outputs.json = Some(at_root(value()?)),
                "--report" => options.outputs.report = Some(at_root(value()?)),
                "--into" => options.outputs.into = Some(at_root(value()?)),
                "--section" => options.section = value()?,
                "--rounds" => drop(value()?),
                "--criterion" => {}
                "--help" | "-h" => {
                    print!("{USAGE}");
                    std::process::exit(0);
                }
                "--list" => std::process::exit(0),
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                text => options.bare(text)?,
            }
        }
        options.quick = smoke || !measure;
        options.synthetic |= options.traces.is_empty();
        Ok(options)
    }

    /// A file is a trace. Any other bare word filters, as in the other benchmarks, which may have
    /// been started together with this one; what looks like a path is a mistake.
    fn bare(&mut self, text: &str) -> Result<(), String> {
        if at_root(text).is_file() {
            self.traces.push(at_root(text));
        } else if text.contains(['/', '.']) {
            return Err(format!("there is no file {text}"));
        } else {
            self.filter = Some(text.to_owned());
        }
        Ok(())
    }

    /// Test runners ask for formats of their output by the same name; there is none here.
    fn format(&mut self, text: &str) -> Result<(), String> {
        if !["terse", "pretty"].contains(&text) {
            self.format = Some(text.parse()?);
        }
        Ok(())
    }

    /// Returns `true` if a trace of this name is to be replayed.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }

    /// Returns `true` if a subject of this name is to be replayed, given whether an earlier run has
    /// its figure.
    pub(crate) fn replays(&self, name: &str, is_known: bool) -> bool {
        self.subjects.as_ref().map_or(!is_known, |names| names.iter().any(|other| other == name))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            traces: Vec::new(),
            format: None,
            capacities: capacity::DEFAULT.to_vec(),
            synthetic: false,
            subjects: None,
            from: Vec::new(),
            filter: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            outputs: Outputs::default(),
            section: "now".to_owned(),
            quick: false,
        }
    }
}

/// Reads names of subjects; `none` is an empty list. Names of subjects that only other benchmarks
/// have are said and left out, because all may have been started together.
fn subjects(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text.split(',').map(str::to_owned).collect();
    names.retain(|name| {
        let is_known = ALL.iter().any(|subject| subject.name == name);
        if !is_known && name != "none" {
            eprintln!("there is no subject {name} here");
        }
        is_known
    });
    names
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("--threads takes a number from 1, not {text}")),
    }
}
