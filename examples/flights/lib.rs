//! Flights: a year of air traffic, enriched through cached functions.
//!
//! For each of the 336,776 flights that left New York in 2013 three facts are added: which plane it
//! was, what the weather was, how much of the way was dark. Two come from a database, one is
//! computed, and all three come from ordinary functions with `#[cached]` on them: see
//! [`functions`]. The program shows what that one line is worth: it does the job through the
//! caches, then part of it again without, and prints both speeds. With a memcached behind the
//! caches (see [`tiers`]) several runs share what they have looked up.
//!
//! This is a library so that the tests can call it; the program around it is `main.rs`.

pub mod cli;
pub mod data;
pub mod database;
pub mod enrich;
pub mod functions;
pub mod hour;
pub mod input;
pub mod lines;
pub mod output;
pub mod pipeline;
pub mod problem;
pub mod progress;
pub mod report;
pub mod sample;
pub mod tiers;
pub mod track;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use cli::Options;
use enrich::Mode;
use input::Source;
use output::Output;
use pipeline::{Job, Pass};
use problem::Problem;
use progress::Progress;
use report::{Kind, Report};
use sample::Sample;
use tiers::Tiers;

/// Does what the options say and reports it in `out`.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Problem> {
    refuse_overwriting(options)?;
    functions::set_capacity(options.capacity);
    let mut output = Output::create(&options.output)?;
    if database::ensure(&options.database)? {
        let content = database::describe(&options.database)?;
        print(out, &format!("built {} with {content}\n\n", options.database.display()))?;
    }
    let tiers = options.tier.as_deref().map(Tiers::connect).transpose()?;
    let mode = match &tiers {
        _ if !options.cache => Mode::Uncached,
        Some(tiers) => Mode::Tiered(tiers),
        None => Mode::Cached,
    };
    let mut sample = Sample::new(if options.cache { options.baseline_rows } else { 0 });
    let job = Job {
        source: options.source.clone(),
        database: &options.database,
        mode,
        threads: options.threads,
        limit: options.limit,
    };
    let progress = Progress::on_terminal("enriching");
    let main = pipeline::run(&job, &mut sample, &progress, &mut |text| output.write(text))?;
    output.finish()?;
    let kind = match mode {
        Mode::Uncached => Kind::Uncached,
        Mode::Cached => {
            let counters = functions::counters().to_vec();
            Kind::Cached { counters, baseline: baseline(&job, &sample)? }
        }
        Mode::Tiered(tiers) => {
            let server = options.tier.clone().unwrap_or_default();
            let counters = tiers.counters().to_vec();
            Kind::Tiered { server, counters, baseline: baseline(&job, &sample)? }
        }
    };
    let report = Report {
        input: options.source.label(),
        output: options.output.clone(),
        threads: options.threads,
        main,
        kind,
    };
    print(out, &report.text())
}

/// Times the sampled rows without the caches, by the same code on the same number of threads, and
/// checks that the rows come out as they do through the caches. The main pass has more to do: it
/// also unpacks its input and writes to a file.
fn baseline(job: &Job<'_>, sample: &Sample) -> Result<Option<Pass>, Problem> {
    if sample.rows().next().is_none() {
        return Ok(None);
    }
    let text = sample.csv()?;
    let again = |mode, progress| -> Result<(Pass, Vec<u8>), Problem> {
        let source = Source::Memory(Arc::from(text.as_slice()));
        let job = Job { source, mode, limit: None, ..job.clone() };
        let mut bytes = Vec::new();
        let pass = pipeline::run(&job, &mut Sample::new(0), &progress, &mut |text| {
            bytes.extend_from_slice(text);
            Ok(())
        })?;
        Ok((pass, bytes))
    };
    let (pass, uncached) = again(Mode::Uncached, Progress::on_terminal("without cache"))?;
    let (_, cached) = again(job.mode, Progress::hidden())?;
    if cached != uncached {
        return Err(Problem::new("cached and uncached rows differ; that is a bug, report it"));
    }
    Ok(Some(pass))
}

/// The output must not take the place of what is read.
fn refuse_overwriting(options: &Options) -> Result<(), Problem> {
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    let refuse = |what: &str| {
        let what = format!("is {what} and cannot be the output as well");
        Err(Problem::in_file(&options.output, what, "name another file with --output"))
    };
    match &options.source {
        Source::File(input) if same(&options.output, input) => refuse("the input"),
        _ if same(&options.output, &options.database) => refuse("the database"),
        _ => Ok(()),
    }
}

/// Prints. A closed pipe is no error: the reader (`flights | head -1`) has seen what it wanted.
pub fn print(out: &mut dyn Write, text: &str) -> Result<(), Problem> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::new(format!("the report cannot be printed ({error})")))
        }
        _ => Ok(()),
    }
}
