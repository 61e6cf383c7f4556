//! One run of a benchmark: its cases, and how the subjects of a case take turns.
//!
//! The rounds go A B C D, A B C D, ...: a slot each, so that whatever slows the machine for a while
//! slows all subjects alike.

use crate::{
    args::Args,
    figures,
    machine::Circumstances,
    outcome::{Outcome, Series},
    publish::{Publication, Section},
    report,
    runner::{Control, Runner, Source, Span},
    workload::{Plan, Tally},
};
use criterion::{Criterion, Throughput};
use serde_json::Value;
use std::time::Duration;

/// Measured time of one slot.
const SLOT: Duration = Duration::from_millis(20);

/// One table of figures: what the subjects are asked to do.
pub struct Case {
    /// `bench/size/keys/threads`; filters look at this.
    pub name: String,
    /// The number of threads that work at once.
    pub threads: usize,
    /// Operations before the first round, so that what is measured is a cache in use.
    pub settle: u64,
    /// Operations after those, and before the first round, over which the hits are counted: the
    /// same number for each subject. 0: hits are counted in the rounds.
    pub counted: u64,
    /// Makes the streams; called only if the case is to run.
    pub plan: Box<dyn Fn() -> Plan>,
}

impl Case {
    /// A case without operations before the first round.
    pub fn new(name: String, threads: usize, plan: impl Fn() -> Plan + 'static) -> Case {
        Case { name, threads, settle: 0, counted: 0, plan: Box::new(plan) }
    }

    /// Sets the number of operations before the first round.
    pub fn after(self, settle: u64) -> Case {
        Case { settle, ..self }
    }

    /// Sets the number of operations over which hits are counted.
    pub fn counting(self, counted: u64) -> Case {
        Case { counted, ..self }
    }
}

/// Goes round the runners. `control` is called at the beginning of each round.
pub fn interleave(
    runners: &mut [Box<dyn Runner>],
    rounds: usize,
    span: Span,
    mut control: impl FnMut(),
) -> Vec<Series> {
    let start = |runner: &mut Box<dyn Runner>| Series {
        label: runner.label(),
        ns: Vec::with_capacity(rounds),
        tally: runner.tally(),
    };
    let mut all: Vec<Series> = runners.iter_mut().map(start).collect();
    for _ in 0..rounds {
        control();
        for (runner, series) in runners.iter_mut().zip(&mut all) {
            series.ns.push(runner.slot(span));
        }
    }
    for (runner, series) in runners.iter().zip(&mut all) {
        series.tally = runner.tally().since(series.tally);
    }
    all
}

/// A running benchmark.
pub struct Suite {
    bench: &'static str,
    args: Args,
    rounds: usize,
    span: Span,
    criterion: Option<Criterion>,
    outcomes: Vec<Outcome>,
    /// The results of the cases that are counted, for the JSON file.
    counted: Vec<Value>,
}

impl Suite {
    /// Prints what the tables mean and prepares the run.
    pub fn start(bench: &'static str, args: Args) -> Suite {
        let (rounds, slot) = (args.rounds_or(31), args.pick(Duration::from_millis(1), SLOT));
        let criterion = args.criterion.then(|| configure(args.quick));
        if criterion.is_none() {
            print!("{}", report::preamble(bench, rounds, slot, args.quick));
        }
        let span = Span::measuring(slot);
        Suite { bench, args, rounds, span, criterion, outcomes: Vec::new(), counted: Vec::new() }
    }

    /// Runs the cases that the filter selects on one set of subjects, which is made only if there
    /// are any.
    pub fn group(&mut self, cases: Vec<Case>, setup: impl FnOnce(&Args) -> Vec<Box<dyn Source>>) {
        let wanted: Vec<Case> = cases.into_iter().filter(|c| self.args.wants(&c.name)).collect();
        if wanted.is_empty() {
            return;
        }
        let mut sources = setup(&self.args);
        sources.retain(|source| self.args.takes(source.label().name));
        if sources.is_empty() {
            return;
        }
        for case in wanted {
            let plan = (case.plan)();
            let runners = sources.iter().map(|source| source.runner(&plan, case.threads)).collect();
            self.run(&case, runners);
        }
    }

    /// Runs a case that is counted, not timed in rounds: `count` prints the result, and returns it
    /// for the JSON file.
    pub fn count(&mut self, name: &str, count: impl FnOnce() -> Value) {
        if self.criterion.is_none() && self.args.wants(name) {
            self.counted.push(count());
        }
    }

    fn run(&mut self, case: &Case, mut runners: Vec<Box<dyn Runner>>) {
        let counted = prepare(case, &mut runners);
        if let Some(criterion) = &mut self.criterion {
            with_criterion(criterion, &case.name, runners);
            return;
        }
        let mut control = Control::new(case.threads, Span::measuring(self.span.measured / 4));
        let mut series = interleave(&mut runners, self.rounds, self.span, || control.slot());
        if let Some(counted) = counted {
            series.iter_mut().zip(counted).for_each(|(series, tally)| series.tally = tally);
        }
        let cores = control.cores();
        let outcome = Outcome { name: case.name.clone(), cores, series };
        print!("{}", report::table(&outcome));
        self.outcomes.push(outcome);
    }

    /// Prints the legend, and writes what was asked for.
    pub fn finish(self) {
        self.finish_with(|_| Vec::new());
    }

    /// Finishes with sections beside that of the timed cases, given what was counted.
    pub fn finish_with(self, sections: impl FnOnce(&[Value]) -> Vec<Section>) {
        if self.criterion.is_some() {
            return;
        }
        if self.outcomes.is_empty() && self.counted.is_empty() {
            println!("no case matches the filter");
            return;
        }
        if !self.outcomes.is_empty() {
            print!("{}", report::legend(&self.outcomes));
        }
        let more = sections(&self.counted);
        self.publish(more);
    }

    fn publish(self, more: Vec<Section>) {
        let Suite { bench, args, outcomes, counted, .. } = self;
        if !args.outputs.any() {
            return;
        }
        let mut json = report::json(bench, args.quick, &outcomes);
        if !counted.is_empty() {
            json["counted"] = Value::Array(counted);
        }
        let timed = (!outcomes.is_empty()).then(|| figures::overview(&outcomes));
        let sections = timed.into_iter().chain(more).collect();
        let now = Circumstances::now();
        let caption = format!("Commit {}, {}, {}.", now.commit, now.date, now.machine);
        let publication = Publication {
            details: figures::details(&outcomes),
            pictures: figures::pictures(bench, &outcomes, &caption),
            ..Publication::new(bench, args.quick, json, sections)
        };
        publication.publish(&args.outputs);
    }
}

/// Does the operations before the first round; returns what was hit in those that are counted.
fn prepare(case: &Case, runners: &mut [Box<dyn Runner>]) -> Option<Vec<Tally>> {
    let one = |runner: &mut Box<dyn Runner>| {
        runner.iterate(case.settle);
        let before = runner.tally();
        runner.iterate(case.counted);
        runner.tally().since(before)
    };
    let tallies = runners.iter_mut().map(one).collect();
    (case.counted > 0).then_some(tallies)
}

fn configure(quick: bool) -> Criterion {
    let criterion = Criterion::default().without_plots();
    if quick {
        let ms = Duration::from_millis;
        return criterion.sample_size(10).warm_up_time(ms(10)).measurement_time(ms(10));
    }
    criterion
}

/// Measures the same runners as a criterion group. Criterion finishes one before it begins the
/// next.
fn with_criterion(criterion: &mut Criterion, name: &str, runners: Vec<Box<dyn Runner>>) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for mut runner in runners {
        group.bench_function(runner.label().name, |b| b.iter_custom(|ops| runner.iterate(ops)));
    }
    group.finish();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        peers::LruMutex,
        subject::{Label, Subject},
    };
    use std::{cell::RefCell, rc::Rc};

    struct Logged {
        name: &'static str,
        log: Rc<RefCell<String>>,
        ns: f64,
    }

    impl Runner for Logged {
        fn label(&self) -> Label {
            Label { name: self.name, lacks: "", ours: self.name == "a" }
        }
        fn slot(&mut self, _: Span) -> f64 {
            self.log.borrow_mut().push_str(self.name);
            self.ns
        }
        fn iterate(&mut self, ops: u64) -> Duration {
            (0..ops).for_each(|_| self.log.borrow_mut().push('.'));
            Duration::ZERO
        }
        fn tally(&self) -> Tally {
            Tally { gets: self.log.borrow().len() as u64, hits: 0 }
        }
    }

    #[test]
    fn rounds_alternate_between_subjects() {
        let log = Rc::new(RefCell::new(String::new()));
        let runner =
            |name, ns| Box::new(Logged { name, log: Rc::clone(&log), ns }) as Box<dyn Runner>;
        let mut runners = vec![runner("a", 1.0), runner("b", 4.0)];
        let series =
            interleave(&mut runners, 3, Span::measuring(SLOT), || log.borrow_mut().push('|'));
        assert_eq!(*log.borrow(), "|ab|ab|ab");
        assert_eq!(series[1].ns, [4.0; 3]);
        assert_eq!(series[1].ratio_of(&series[0]), 0.25);
        assert_eq!(series[0].tally.gets, 9);
    }

    #[test]
    fn hits_are_counted_over_as_many_operations_for_each() {
        let log = Rc::new(RefCell::new(String::new()));
        let runner = |name| Box::new(Logged { name, log: Rc::clone(&log), ns: 1.0 }) as _;
        let mut runners: Vec<Box<dyn Runner>> = vec![runner("a"), runner("b")];
        let case = Case::new("test".to_owned(), 1, || Plan::Churn).after(3);
        assert_eq!(prepare(&case, &mut runners), None);
        let counted = prepare(&case.counting(5), &mut runners).unwrap();
        assert_eq!(counted.iter().map(|tally| tally.gets).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(log.borrow().len(), 2 * (3 + 3 + 5));
    }

    #[test]
    fn a_case_without_subjects_is_not_run() {
        let subjects = Some(vec!["moka".to_owned()]);
        let args = Args { quick: true, subjects, ..Args::default() };
        let mut suite = Suite::start("test", args);
        let case = Case::new("test/1k".to_owned(), 1, || Plan::Churn);
        suite.group(vec![case], |_| vec![Box::new(<LruMutex>::with_capacity(10))]);
        assert!(suite.outcomes.is_empty());
    }

    #[test]
    fn an_unwanted_group_is_never_set_up() {
        let args = Args { quick: true, filter: Some("none".to_owned()), ..Args::default() };
        let mut suite = Suite::start("test", args);
        let case = Case::new("test/1k".to_owned(), 1, || Plan::Churn);
        suite.group(vec![case], |_| panic!("set up for nothing"));
        suite.finish();
    }
}
