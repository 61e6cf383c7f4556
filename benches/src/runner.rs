//! One subject in one case: its threads, and the timing of a slot of a few milliseconds.
//!
//! A slot begins with a part that is not measured, because the subject before it has just filled
//! the processor's caches with its own entries. Threads are started for the slot and end with
//! it, so that a subject whose turn it is not costs nothing.
//!
//! Time per operation is wall time over the operations of ALL threads, the inverse of the
//! throughput: with two threads that do not hinder each other it is half of what one takes. The
//! wall time runs from the first thread's start to the last one's end. Adding up the rates of the
//! single threads would be wrong: where the scheduler lets them run one after the other, each has
//! the whole machine while it runs. The benchmark cannot make them run at once, so a [`Control`]
//! measures it and the tables say it.

use crate::{
    keys,
    stats::median,
    subject::{self, Label, Subject},
    workload::{Churn, Plan, Read, ReadWrite, Replant, Tally, Task},
};
use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Operations between two readings of the clock: microseconds, against which a reading costs
/// nothing.
const PORTION: usize = 1024;

/// The length of a slot.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Not measured, at the beginning.
    pub warm: Duration,
    /// Measured.
    pub measured: Duration,
}

impl Span {
    /// Makes a slot that measures for this long, after a quarter as much to warm up.
    pub fn measuring(measured: Duration) -> Span {
        Span { warm: measured / 4, measured }
    }
}

/// A subject with its threads, ready to be timed.
pub trait Runner {
    /// Returns the label of its subject.
    fn label(&self) -> Label;
    /// Works for a slot; returns the nanoseconds per operation.
    fn slot(&mut self, span: Span) -> f64;
    /// Does that many operations, shared among the threads; returns the wall time.
    fn iterate(&mut self, ops: u64) -> Duration;
    /// Returns what the gets of all threads found so far.
    fn tally(&self) -> Tally;
}

/// A subject from which runners are made; one filling serves several cases.
pub trait Source {
    /// Returns the label of the subject.
    fn label(&self) -> Label;
    /// Inserts the keys of the first `entries` ranks.
    fn fill(&mut self, entries: u64);
    /// Makes a runner whose threads follow the plan.
    fn runner(&self, plan: &Plan, threads: usize) -> Box<dyn Runner>;
}

impl<S: Subject> Source for S {
    fn label(&self) -> Label {
        Label::of::<S>()
    }

    fn fill(&mut self, entries: u64) {
        subject::fill(self, (0..entries).map(S::key));
    }

    fn runner(&self, plan: &Plan, threads: usize) -> Box<dyn Runner> {
        let label = Label::of::<S>();
        let (all, handle) = (0..threads, || self.clone());
        match plan {
            Plan::Read(keys) => {
                let task = |thread| Read::new(handle(), Arc::clone(keys), thread, threads);
                Box::new(Threads { label, tasks: all.map(task).collect() })
            }
            Plan::ReadWrite(words) => {
                let task = |thread| ReadWrite::new(handle(), Arc::clone(words), thread, threads);
                Box::new(Threads { label, tasks: all.map(task).collect() })
            }
            Plan::Replant(keys) => {
                let task = |thread| Replant::new(handle(), Arc::clone(keys), thread, threads);
                Box::new(Threads { label, tasks: all.map(task).collect() })
            }
            Plan::Churn => {
                Box::new(Threads { label, tasks: all.map(|_| Churn::new(handle())).collect() })
            }
        }
    }
}

/// Makes a subject and fills it with the first `entries` keys.
pub fn filled<S: Subject>(capacity: u64, entries: u64) -> Box<dyn Source> {
    let mut subject = S::with_capacity(capacity);
    subject::fill(&mut subject, (0..entries).map(S::key));
    Box::new(subject)
}

/// Returns a runner of other tasks than those of a [`Plan`], a thread for each.
pub fn of_tasks<T: Task>(label: Label, tasks: Vec<T>) -> Box<dyn Runner> {
    Box::new(Threads { label, tasks })
}

struct Threads<T> {
    label: Label,
    tasks: Vec<T>,
}

impl<T: Task> Runner for Threads<T> {
    fn label(&self) -> Label {
        self.label
    }

    fn slot(&mut self, span: Span) -> f64 {
        let intervals = self.on_all(|task, _| {
            work_for(task, span.warm);
            work_for(task, span.measured)
        });
        let ops: u64 = intervals.iter().map(|s| s.ops).sum();
        wall(&intervals).as_nanos() as f64 / ops as f64
    }

    fn iterate(&mut self, ops: u64) -> Duration {
        let threads = self.tasks.len() as u64;
        let intervals = self.on_all(|task, thread| {
            let share = ops / threads + u64::from((thread as u64) < ops % threads);
            let start = Instant::now();
            task.run(share as usize);
            Interval { start, end: Instant::now(), ops: share }
        });
        wall(&intervals)
    }

    fn tally(&self) -> Tally {
        self.tasks.iter().map(Task::tally).fold(Tally::default(), |sum, one| Tally {
            gets: sum.gets + one.gets,
            hits: sum.hits + one.hits,
        })
    }
}

impl<T: Task> Threads<T> {
    /// Runs the work on every task at once: on this thread, which has a core already, and on one
    /// more for each task after the first.
    fn on_all<R: Send>(&mut self, work: impl Fn(&mut T, usize) -> R + Sync) -> Vec<R> {
        let barrier = SpinBarrier { expected: self.tasks.len(), arrived: AtomicUsize::new(0) };
        let Some((first, others)) = self.tasks.split_first_mut() else { return Vec::new() };
        thread::scope(|scope| {
            let start = |(before, task)| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(task, before + 1)
                })
            };
            let running: Vec<_> = others.iter_mut().enumerate().map(start).collect();
            barrier.wait();
            let mut results = vec![work(first, 0)];
            let join = |t: thread::ScopedJoinHandle<_>| t.join().expect("a thread panicked");
            results.extend(running.into_iter().map(join));
            results
        })
    }
}

/// A barrier before the work: without it the first thread would run undisturbed for a while.
/// Threads spin, because one that sleeps is often woken on the core of the thread that wakes it.
struct SpinBarrier {
    expected: usize,
    arrived: AtomicUsize,
}

impl SpinBarrier {
    fn wait(&self) {
        // Relaxed: the barrier publishes no data, it only aligns the starts.
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let mut looks = 0_u32;
        while self.arrived.load(Ordering::Relaxed) < self.expected {
            looks += 1;
            // The others may need this core to arrive at all.
            if looks.is_multiple_of(4096) { thread::yield_now() } else { hint::spin_loop() }
        }
    }
}

/// What one thread did while it was timed.
struct Interval {
    start: Instant,
    end: Instant,
    ops: u64,
}

/// Returns the time from the first start to the last end.
fn wall(intervals: &[Interval]) -> Duration {
    let start = intervals.iter().map(|s| s.start).min();
    let end = intervals.iter().map(|s| s.end).max();
    end.zip(start).map_or(Duration::ZERO, |(end, start)| end - start)
}

/// Works until `span` has passed.
fn work_for(task: &mut impl Task, span: Duration) -> Interval {
    let start = Instant::now();
    let mut ops = 0;
    loop {
        task.run(PORTION);
        ops += PORTION as u64;
        let end = Instant::now();
        if end - start >= span {
            return Interval { start, end, ops };
        }
    }
}

/// Arithmetic that shares nothing between threads.
struct Spin(u64);

impl Task for Spin {
    fn run(&mut self, ops: usize) {
        self.0 = hint::black_box((0..ops as u64).fold(self.0, |x, rank| x ^ keys::key(x ^ rank)));
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// Measures how many cores the threads of a case really get: fewer than there are threads if other
/// programs run, or if cores share their units.
pub struct Control {
    threads: usize,
    span: Span,
    /// The quickest slot of one thread. The median would not do: on a busy machine one thread is
    /// delayed too, and two would seem to have more than two cores.
    one: f64,
    all: Vec<f64>,
}

impl Control {
    /// Makes a control for that many threads.
    pub fn new(threads: usize, span: Span) -> Control {
        Control { threads, span, one: f64::INFINITY, all: Vec::new() }
    }

    /// Runs arithmetic, a slot on one thread and a slot on all; does nothing for one thread.
    pub fn slot(&mut self) {
        if self.threads > 1 {
            self.one = self.one.min(self.time(1));
            self.all.push(self.time(self.threads));
        }
    }

    /// Returns the cores of the median round; `None` for one thread.
    pub fn cores(&self) -> Option<f64> {
        (!self.all.is_empty()).then(|| self.one / median(&self.all))
    }

    fn time(&self, threads: usize) -> f64 {
        let label = Label { name: "spin", lacks: "", ours: false };
        Threads { label, tasks: (0..threads as u64).map(Spin).collect() }.slot(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Popularity, peers::BareMap};

    fn runner(threads: usize) -> Box<dyn Runner> {
        let mut map = BareMap::with_capacity(0);
        map.fill(100);
        map.runner(&Plan::Read(keys::stream(Popularity::Uniform, 100, 1000)), threads)
    }

    #[test]
    fn a_slot_yields_a_plausible_time() {
        for threads in [1, 2] {
            let ns = runner(threads).slot(Span::measuring(Duration::from_millis(1)));
            assert!(ns > 0.0 && ns < 1e6, "{ns} ns with {threads} threads");
        }
    }

    #[test]
    fn iterations_are_shared_out_to_the_last() {
        let mut runner = runner(2);
        assert!(runner.iterate(1001) > Duration::ZERO);
        assert_eq!(runner.tally(), Tally { gets: 1001, hits: 1001 });
    }

    /// Two threads one after the other are no faster than one.
    #[test]
    fn wall_time_covers_threads_that_took_turns() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let turns = [(0, 5), (5, 10)].map(|(from, to)| Interval {
            start: start + ms(from),
            end: start + ms(to),
            ops: 1,
        });
        assert_eq!(wall(&turns), ms(10));
        assert_eq!(wall(&[]), Duration::ZERO);
    }

    #[test]
    fn threads_get_a_positive_number_of_cores() {
        let span = Span::measuring(Duration::from_millis(2));
        let [mut one, mut two] = [1, 2].map(|threads| Control::new(threads, span));
        one.slot();
        two.slot();
        assert_eq!(one.cores(), None);
        assert!(two.cores().is_some_and(|cores| cores > 0.0 && cores < 20.0));
    }
}
