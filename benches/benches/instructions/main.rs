//! Instructions of eight operations, counted by callgrind and compared with a file: the guard
//! against a change that makes an operation dearer unnoticed.
//!
//! The program runs itself under valgrind, for each operation with few rounds and with many; the
//! difference, divided, is what one round takes, with the loop around it. Nothing is timed, so a
//! busy machine does not matter. Kernel calls are not counted, nor is the reading of the exact
//! clock where that needs none (some 45 instructions). With another compiler or target than the
//! file's, nothing is refused; without valgrind, nothing is counted.
#![forbid(unsafe_code)]

mod operations;

use benches::{
    args::Outputs,
    built::at_root,
    figures::number,
    instructions::{Figures, TOLERANCE, Verdict, collected},
    markdown::Table,
    publish::{Publication, Section},
};
use operations::{ALL, MOST, Operation, named};
use std::{
    env, fs,
    process::{Command, ExitCode},
};

/// The rounds that are subtracted.
const FEW: usize = 1_000;
/// The file of figures.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

const USAGE: &str = "\
usage: cargo bench -p benches --bench instructions -- [OPTIONS] [TEXT]

  TEXT, --filter TEXT   only operations whose name contains TEXT
  --write               write benches/instructions.json anew instead of comparing with it
  --run NAME ROUNDS     do an operation that often and nothing else, for a profiler
  --quick               do each operation a few times, without valgrind (the default without --bench)
  --report DIR, --json FILE, --into FILE: as in the other benchmarks
  --bench, --test       passed by cargo: count; as --quick
";

#[derive(Debug, Default, PartialEq)]
struct Options {
    quick: bool,
    write: bool,
    filter: Option<String>,
    run: Option<(String, usize)>,
    outputs: Outputs,
    help: bool,
}

impl Options {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let (mut measure, mut smoke) = (false, false);
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--bench" => measure = true,
                "--quick" | "--test" => smoke = true,
                "--write" => options.write = true,
                "--filter" => options.filter = Some(value()?),
                "--run" => options.run = Some((value()?, rounds(&value()?)?)),
                "--help" | "-h" | "--list" => options.help = true,
                // Options of the other benchmarks, which may have been started together with it.
                "--rounds" | "--subjects" | "--format" => drop(value()?),
                "--json" => options.outputs.json = Some(at_root(value()?)),
                "--report" => options.outputs.report = Some(at_root(value()?)),
                "--into" => options.outputs.into = Some(at_root(value()?)),
                "--criterion" => {}
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                text => options.filter = Some(text.to_owned()),
            }
        }
        options.quick = smoke || !measure;
        if options.write && options.filter.is_some() {
            return Err("--write writes all operations: no filter".to_owned());
        }
        Ok(options)
    }

    fn wanted(&self) -> impl Iterator<Item = &'static Operation> {
        ALL.iter().filter(|operation| {
            self.filter.as_ref().is_none_or(|text| operation.name.contains(text.as_str()))
        })
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    let rounds = text.parse().ok().filter(|rounds| *rounds <= MOST);
    rounds.ok_or_else(|| format!("there are up to {MOST} rounds, not {text}"))
}

fn main() -> ExitCode {
    let options = Options::parse(env::args().skip(1));
    match options.and_then(|options| act(&options)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn act(options: &Options) -> Result<ExitCode, String> {
    if options.help {
        print!("{USAGE}");
    } else if let Some((name, rounds)) = &options.run {
        let operation = named(name).ok_or_else(|| format!("there is no operation {name}"))?;
        (operation.run)(*rounds);
    } else if options.quick {
        options.wanted().for_each(|operation| (operation.run)(FEW));
        println!("instructions: every operation works; nothing was counted");
    } else if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, valgrind is not installed");
    } else {
        return count(options);
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts, and compares with the file or writes it.
fn count(options: &Options) -> Result<ExitCode, String> {
    let file = match fs::read_to_string(FILE) {
        Ok(text) => Some(Figures::parse(&text).map_err(|why| format!("{FILE}: {why}"))?),
        Err(_) => None,
    };
    println!("instructions: of one operation, counted by callgrind, and those of the file\n");
    let mut counts = Vec::new();
    let mut dearer = Vec::new();
    for operation in options.wanted() {
        let (name, now) = (operation.name, per_round(operation)?);
        let before = file.as_ref().and_then(|file| file.count(name));
        let verdict = Verdict::of(now, before);
        let shown = before.map_or("-".to_owned(), |before| format!("{before:.1}"));
        println!("  {name:<18}{now:>9.1}{shown:>9}  {verdict}   ({})", operation.about);
        if let Verdict::Dearer(_) = verdict {
            dearer.push(name);
        }
        counts.push((name.to_owned(), now));
    }
    let now = Figures::of_this_build(counts);
    publication(&now).publish(&options.outputs);
    if options.write {
        fs::write(FILE, now.text()).map_err(|why| format!("{FILE}: {why}"))?;
        println!("\nwritten to {FILE}");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(judge(file.and_then(|file| file.foreign(&now)), &dearer))
}

fn publication(now: &Figures) -> Publication {
    let mut table = Table::new("", ["instructions"]);
    for operation in &ALL {
        if let Some(count) = now.count(operation.name) {
            table.push(operation.about, [number(count)]);
        }
    }
    let sections = vec![Section::new("counts", table.text())];
    Publication::new("instructions", false, now.json(), sections)
}

/// Says what the counts come to.
fn judge(foreign: Option<String>, dearer: &[&str]) -> ExitCode {
    if let Some(why) = foreign {
        println!("\nThis decides nothing: {why}.");
    } else if !dearer.is_empty() {
        println!(
            "\nMore than {TOLERANCE} % dearer: {}. If it has to be so, say why in the change and\n\
             write the file anew: cargo bench -p benches --bench instructions -- --write",
            dearer.join(", ")
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn per_round(operation: &Operation) -> Result<f64, String> {
    let (few, many) = (callgrind(operation, FEW)?, callgrind(operation, MOST)?);
    let more = many.checked_sub(few).ok_or("many rounds took fewer instructions than few")?;
    Ok(more as f64 / (MOST - FEW) as f64)
}

/// Runs this program under callgrind; returns the instructions of the whole run.
fn callgrind(operation: &Operation, rounds: usize) -> Result<u64, String> {
    let this = env::current_exe().map_err(|why| why.to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(this).args(["--run", operation.name, &rounds.to_string()]);
    let output = valgrind.output().map_err(|why| format!("valgrind: {why}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total = collected(&report).filter(|_| output.status.success());
    total.ok_or_else(|| format!("valgrind, {}: {}\n{report}", operation.name, output.status))
}
