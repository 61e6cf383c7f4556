//! A hit of a `#[cached]` function beside a plain `get` of the same key on the very same cache, and
//! beside other ways to cache a function: the attributes of `cached` and `memoize`, moka and
//! quick_cache by hand.
//!
//! Three signatures: a number; a text and a number that give a `String`, or an `Arc<str>`. All ways
//! walk one table of 1000 sets of arguments in the same order. `macro` borrows the arguments out of
//! the table and calls the function; `get` is what a user would write without the attribute,
//! `f::cache().get(&key)`, with its key made beforehand. So the ratio of the two is the price of
//! what the function adds: a view of the arguments, hashed and compared in place of the key.
//!
//! Before the rounds each way is called once for each set of arguments while allocations are
//! counted. The program ends with status 1 if a hit of ours allocates more than its value does, or
//! if a body of ours runs while hits are measured.
#![deny(unsafe_code)]

mod functions;
mod watching;

use benches::{
    args::Args,
    keys::{self, Popularity},
    markdown::Table,
    publish::Section,
    runner::Source,
    subject::Subject,
    suite::{Case, Suite},
    workload::Plan,
};
use functions::{Function, ReturnValue, number, text_to_arc, text_to_string};
use std::{hint::black_box, process::ExitCode, sync::Arc};

#[global_allocator]
static ALLOCATOR: watching::Watching = watching::Watching;

const ENTRIES: u64 = 1_000;

/// A function as a subject; a key is the rank of its arguments.
#[derive(Clone)]
struct FunctionSubject<F: Function> {
    args: Arc<[F::Arguments]>,
}

impl<F: Function> Subject for FunctionSubject<F> {
    const NAME: &'static str = F::NAME;
    const LACKS: &'static str = F::LACKS;
    const OURS: bool = F::OURS;

    fn with_capacity(capacity: u64) -> Self {
        FunctionSubject { args: (0..capacity).map(F::args).collect() }
    }
    #[inline]
    fn get(&self, rank: u64) -> Option<u64> {
        Some(F::call(&self.args[rank as usize]))
    }
    /// The cache belongs to the function, which fills it itself.
    fn insert(&mut self, rank: u64, _: u64) {
        F::call(&self.args[rank as usize]);
    }
    /// Does nothing: the cache is the function's, and no case here removes or clears.
    fn remove(&mut self, _: u64) {}
    fn entries(&self) -> u64 {
        self.args.len() as u64
    }
    fn clear(&mut self) {}
}

fn main() -> ExitCode {
    let args = Args::from_env();
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut suite = Suite::start("macro_hit", args);
    let (mut faults, mut allocations) = (Vec::new(), Vec::new());
    let string = (String::NAME, String::ALLOCATES);
    let arc = (<Arc<str>>::NAME, <Arc<str>>::ALLOCATES);
    for (signature, ways) in
        [(("u64", 0), number::WAYS), (string, text_to_string::WAYS), (arc, text_to_arc::WAYS)]
    {
        let seen = measure(&mut suite, stream, signature, ways);
        faults.extend(excesses(signature, &seen));
        allocations.push((signature, seen));
    }
    suite.finish_with(|_| vec![section(&allocations)]);
    let loads = [
        ("u64", number::ours::stats().loads),
        (string.0, text_to_string::ours::stats().loads),
        (arc.0, text_to_arc::ours::stats().loads),
    ];
    faults.extend(loads.into_iter().filter_map(|(signature, loads)| body_ran(signature, loads)));
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A way that is prepared to be timed.
struct Ready {
    source: Box<dyn Source>,
    name: &'static str,
    /// The allocations of a thousand hits.
    allocations: usize,
    /// `true` if more allocations than the value takes are a fault.
    strict: bool,
}

/// Fills the cache of a way, and counts the allocations of a pass of hits.
fn way<F: Function>() -> Ready {
    let mut subject = FunctionSubject::<F>::with_capacity(ENTRIES);
    if F::NAME != "get" {
        subject.fill_all();
    }
    let pass = |subject: &FunctionSubject<F>| {
        for rank in 0..ENTRIES {
            black_box(subject.get(rank));
        }
    };
    // Once uncounted: what is set up for each thread is no part of a hit.
    pass(&subject);
    let allocations = watching::allocations(|| pass(&subject));
    Ready { source: Box::new(subject), name: F::NAME, allocations, strict: !F::ALLOCATES }
}

impl<F: Function> FunctionSubject<F> {
    fn fill_all(&mut self) {
        (0..ENTRIES).for_each(|rank| self.insert(rank, 0));
    }
}

/// What was counted of a way: its name, the allocations of a thousand hits, and whether more than
/// the values take are a fault.
type Seen = (&'static str, usize, bool);

/// Measures one signature: prepares all ways, then times them in turns. Returns what was counted.
fn measure(
    suite: &mut Suite,
    stream: usize,
    (signature, needed): (&str, usize),
    ways: &[fn() -> Ready],
) -> Vec<Seen> {
    let name = format!("macro_hit/1k/{signature}/1t");
    let plan = move || {
        Plan::Read(keys::ranks(Popularity::Uniform, ENTRIES, stream, 1).into_iter().collect())
    };
    let mut seen = Vec::new();
    suite.group(vec![Case::new(name, 1, plan)], |_| {
        let ways: Vec<Ready> = ways.iter().map(|way| way()).collect();
        seen.extend(ways.iter().map(|way| (way.name, way.allocations, way.strict)));
        ways.into_iter().map(|way| way.source).collect()
    });
    let needed = needed * ENTRIES as usize;
    if !seen.is_empty() {
        let counts: Vec<String> =
            seen.iter().map(|(name, count, _)| format!("{name} {count}")).collect();
        println!("  allocations by {ENTRIES} hits: {} (the value: {needed})", counts.join(", "));
    }
    seen
}

/// Returns a fault for each way that allocates more than its values take, and shall not.
fn excesses((signature, needed): (&str, usize), seen: &[Seen]) -> Vec<String> {
    let most = needed * ENTRIES as usize;
    let faults = seen.iter().filter(|(_, count, strict)| *strict && *count > most);
    faults.map(|(name, count, _)| format!("{signature}: {name} allocates {count} times")).collect()
}

/// Returns the table of allocations: of a hit, beyond those of its value.
fn section(all: &[((&str, usize), Vec<Seen>)]) -> Section {
    let names = all.first().map_or(&[][..], |(_, seen)| seen).iter().map(|(name, ..)| *name);
    let mut table = Table::new("", names);
    for ((signature, needed), seen) in all {
        let beyond = |count: usize| count as f64 / ENTRIES as f64 - *needed as f64;
        table.push(*signature, seen.iter().map(|(_, count, _)| format!("{:.1}", beyond(*count))));
    }
    Section::new("allocations", table.text())
}

/// Returns a fault if a body ran more often than once for each key.
fn body_ran(signature: &str, loads: u64) -> Option<String> {
    // There are no loads where the filter left the signature out.
    (loads > ENTRIES).then(|| format!("{signature}: {loads} loads for {ENTRIES} keys"))
}
