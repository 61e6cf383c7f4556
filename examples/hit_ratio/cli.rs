//! The command line.

use lexopt::prelude::*;
use std::{ffi::OsString, path::PathBuf};
use traces::{
    capacity::{self, Capacity},
    read::Format,
};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Replays a trace of keys and says which share of them the cache would have had.

Usage: hit_ratio [OPTIONS] TRACE

TRACE has one key a line. Other formats are known by the ends of their names:
  .bin            keys of 8 bytes, little-endian; sizes of 4 bytes in NAME.sz
  .lis            the ARC paper's: first block, number of blocks, ..
  .csv            a header that names the columns obj_id and size (or key, lbn),
                  or without one: time, key, size
  .oracleGeneral  libCacheSim's binary records

  --capacities LIST   shares of the distinct keys (0.01) or numbers (5000), with
                      commas [default: 0.001,0.01,0.05,0.1,0.2]
  --bytes             capacities in bytes, entries as large as the trace says
  --format FORMAT     text, bin, lis, csv or oracle, whatever the name says
  --svg FILE          also write a chart
  --help              print this

Exit code: 0, 1 if something could not be done, 2 for a wrong command line.
";

/// The settings of a run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) trace: PathBuf,
    pub(crate) format: Option<Format>,
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) bytes: bool,
    pub(crate) svg: Option<PathBuf>,
}

/// Reads the arguments, the first of which is the program's name; `None` asks for the help.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<Options>, String> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let mut trace = None;
    let mut options = Options {
        trace: PathBuf::new(),
        format: None,
        capacities: capacity::DEFAULT.to_vec(),
        bytes: false,
        svg: None,
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("bytes") => options.bytes = true,
            Long("capacities") => options.capacities = Capacity::list(&text(&mut parser)?)?,
            Long("format") => options.format = Some(text(&mut parser)?.parse()?),
            Long("svg") => options.svg = Some(text(&mut parser)?.into()),
            Value(path) if trace.is_none() => trace = Some(path),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let trace = trace.ok_or("no trace is given")?.into();
    Ok(Some(Options { trace, ..options }))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.into_string().map_err(|value| format!("{} is no text", value.display()))
}
