//! Instructions of ten operations, counted by callgrind and compared with a file: the guard
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
    figures::number,
    instructions::{Figures, MOST, Options, TOLERANCE, USAGE, Verdict, collected},
    markdown::Table,
    publish::{Publication, Section},
};
use operations::{ALL, Operation, named};
use std::{
    env, fs,
    process::{Command, ExitCode},
};

/// The rounds that are subtracted.
const FEW: usize = 1_000;
/// The file of figures.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

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
    } else if options.list {
        // There is nothing to list.
    } else if let Some((name, rounds)) = &options.run {
        let operation = named(name).ok_or_else(|| format!("there is no operation {name}"))?;
        (operation.run)(*rounds);
    } else if options.quick {
        wanted(options).for_each(|operation| (operation.run)(FEW));
        println!("instructions: every operation works; nothing was counted");
    } else if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, valgrind is not installed");
    } else {
        return count(options);
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(options: &Options) -> impl Iterator<Item = &'static Operation> {
    ALL.iter().filter(|operation| options.wants(operation.name))
}

/// Counts, and compares with the file or writes it.
fn count(options: &Options) -> Result<ExitCode, String> {
    let file = match fs::read_to_string(FILE) {
        Ok(text) => Some(Figures::parse(&text).map_err(|why| format!("{FILE}: {why}"))?),
        Err(_) => None,
    };
    println!("instructions: of one operation, counted by callgrind, and those of the file\n");
    let mut counts = Vec::new();
    let mut refused = Vec::new();
    for operation in wanted(options) {
        let (name, now) = (operation.name, per_round(operation)?);
        let before = file.as_ref().and_then(|file| file.count(name));
        let verdict = Verdict::of(now, before);
        let shown = before.map_or("-".to_owned(), |before| format!("{before:.1}"));
        println!("  {name:<18}{now:>9.1}{shown:>9}  {verdict}   ({})", operation.about);
        if matches!(verdict, Verdict::Dearer(_) | Verdict::Unknown) {
            refused.push(name);
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
    let code = judge(file.and_then(|file| file.foreign(&now)), &refused);
    // Cargo would not run the benchmarks that come after a failure.
    Ok(if options.outputs.any() { ExitCode::SUCCESS } else { code })
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
fn judge(foreign: Option<String>, refused: &[&str]) -> ExitCode {
    if let Some(why) = foreign {
        println!("\nThis decides nothing: {why}.");
    } else if !refused.is_empty() {
        println!(
            "\nMore than {TOLERANCE} % dearer, or not in the file: {}. If it has to be so, say why in\n\
             the change, and write the file anew:\n\
             cargo bench -p benches --bench instructions -- --write",
            refused.join(", ")
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
