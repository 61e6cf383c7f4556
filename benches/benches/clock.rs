//! What the reading of the time costs in a hit: the clocks that were candidates for the default,
//! and those that come with the cache.
//!
//! * `clock/read`: nothing but readings, in a loop. They do not depend on each other, so the
//!   processor may overlap them where the clock's instructions allow it.
//! * `clock/hit`: gets that find their entry, in caches that differ only in their clock, beside one
//!   without a deadline, which reads none. What a clock costs is the difference to that one.
//! * `clock/step`: the difference between two successive readings that are not equal; not timed.
//!
//! A clock that does not come with the cache is called through a table of functions.
//! `coarse, by table` is the default clock called so: subtract what it costs beyond `coarse` from
//! `Instant` and `quanta`.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    ours::{Builder, Ours, Variant},
    runner::{self, Runner, Source},
    stats::median,
    subject::{Label, TTL},
    suite::{Case, Suite},
    workload::{Plan, Tally, Task},
};
use cache_core::{Clock, FakeClock, MonotonicClock, Tick, TickingClock};
use serde_json::{Value, json};
use std::{hint::black_box, marker::PhantomData, sync::Arc, time::Instant};

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] = args.pick(&[(1_000, "1k")], &[(1_000, "1k"), (100_000, "100k")]);
    let stream = args.pick(1 << 16, keys::STREAM);
    let steps = args.pick(3, 101);
    let mut suite = Suite::start("clock", args);
    suite.group(vec![Case::new("clock/read/1t".to_owned(), 1, || Plan::Churn)], |_| readers());
    for &(entries, size) in sizes {
        let plan = move || Plan::Read(keys::stream(Popularity::Uniform, entries, stream));
        let case = Case::new(format!("clock/hit/{size}/1t"), 1, plan);
        suite.group(vec![case], |_| caches(entries));
    }
    suite.count("clock/step", || count_steps(steps));
    suite.finish();
}

/// A clock under test.
trait Candidate: Clock + Clone {
    /// For tables.
    const NAME: &'static str;
    /// What it cannot do that the default can.
    const LACKS: &'static str;
    /// The default: the one that the others are compared with.
    const DEFAULT: bool = false;
    /// `true` if entries have a deadline, so that the clock is read.
    const READ: bool = true;

    fn start() -> Self;
}

impl Candidate for MonotonicClock {
    const NAME: &'static str = "coarse";
    const LACKS: &'static str = "nothing: the default (outside Linux the same as Instant)";
    const DEFAULT: bool = true;

    fn start() -> Self {
        MonotonicClock::new()
    }
}

/// The default clock in a type that the cache does not know.
#[derive(Clone)]
struct Stranger(MonotonicClock);

impl Clock for Stranger {
    #[inline]
    fn now(&self) -> Tick {
        self.0.now()
    }
}

impl Candidate for Stranger {
    const NAME: &'static str = "coarse, by table";
    const LACKS: &'static str = "a name: called through a table of functions";

    fn start() -> Self {
        Stranger(MonotonicClock::new())
    }
}

/// A clock that is never read.
#[derive(Clone)]
struct Unread(MonotonicClock);

impl Clock for Unread {
    fn now(&self) -> Tick {
        self.0.now()
    }
}

impl Candidate for Unread {
    const NAME: &'static str = "no deadline";
    const LACKS: &'static str = "deadlines: reads no clock";
    const READ: bool = false;

    fn start() -> Self {
        Unread(MonotonicClock::new())
    }
}

/// The standard library's. Counts from its making, because an `Instant` is not a number.
#[derive(Clone)]
struct Standard(Instant);

impl Clock for Standard {
    #[inline]
    fn now(&self) -> Tick {
        Tick::from(self.0.elapsed())
    }
}

impl Candidate for Standard {
    const NAME: &'static str = "Instant";
    const LACKS: &'static str = "nothing, and is finer; called through a table of functions";

    fn start() -> Self {
        Standard(Instant::now())
    }
}

/// quanta's, by the quickest of its ways to a number of nanoseconds.
#[derive(Clone)]
struct Quanta {
    clock: quanta::Clock,
    origin: u64,
}

impl Clock for Quanta {
    #[inline]
    fn now(&self) -> Tick {
        Tick::from_nanos(self.clock.delta_as_nanos(self.origin, self.clock.raw()))
    }
}

impl Candidate for Quanta {
    const NAME: &'static str = "quanta";
    const LACKS: &'static str = "the kernel's care for the counter; called through a table";

    fn start() -> Self {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        Quanta { clock, origin }
    }
}

impl Candidate for TickingClock {
    const NAME: &'static str = "TickingClock";
    const LACKS: &'static str = "exactness: late when its thread does not run";

    fn start() -> Self {
        TickingClock::new()
    }
}

impl Candidate for FakeClock {
    const NAME: &'static str = "FakeClock";
    const LACKS: &'static str = "time: it stands still";

    fn start() -> Self {
        FakeClock::new()
    }
}

fn readers() -> Vec<Box<dyn Source>> {
    fn reader<C: Candidate>() -> Box<dyn Source> {
        Box::new(Reader(C::start()))
    }
    vec![
        reader::<MonotonicClock>(),
        reader::<Standard>(),
        reader::<Quanta>(),
        reader::<TickingClock>(),
        reader::<FakeClock>(),
    ]
}

/// A clock without a cache.
struct Reader<C>(C);

impl<C: Candidate> Source for Reader<C> {
    fn label(&self) -> Label {
        Label { name: C::NAME, lacks: C::LACKS, ours: C::DEFAULT }
    }

    /// Does nothing: a clock holds no keys.
    fn fill(&mut self, _: u64) {}

    fn runner(&self, _: &Plan, threads: usize) -> Box<dyn Runner> {
        runner::of_tasks(self.label(), (0..threads).map(|_| Readings(self.0.clone())).collect())
    }
}

struct Readings<C>(C);

impl<C: Candidate> Task for Readings<C> {
    fn run(&mut self, ops: usize) {
        let sum = (0..ops).fold(0_u64, |sum, _| sum.wrapping_add(self.0.now().as_nanos()));
        black_box(sum);
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// Twice the room that the entries take, so that nothing is evicted, as in `hit`.
fn caches(entries: u64) -> Vec<Box<dyn Source>> {
    fn filled<C: Candidate>(entries: u64) -> Box<dyn Source> {
        runner::filled::<Ours<Timed<C>>>(2 * entries, entries)
    }
    vec![
        filled::<MonotonicClock>(entries),
        filled::<Stranger>(entries),
        filled::<Standard>(entries),
        filled::<Quanta>(entries),
        filled::<TickingClock>(entries),
        filled::<FakeClock>(entries),
        filled::<Unread>(entries),
    ]
}

/// The variant of our cache with this clock.
struct Timed<C>(PhantomData<C>);

impl<C: Candidate> Variant for Timed<C> {
    const NAME: &'static str = C::NAME;
    const LACKS: &'static str = C::LACKS;
    const OURS: bool = C::DEFAULT;

    fn configure(builder: Builder) -> Builder {
        let builder = builder.clock(C::start());
        if C::READ { builder.time_to_live(TTL) } else { builder }
    }
}

/// Prints each clock's step. `FakeClock` has none.
fn count_steps(steps: usize) -> Value {
    println!("\nclock/step: from one reading to the next that differs, median of {steps}");
    let clocks: [(&str, Arc<dyn Clock>); 4] = [
        (MonotonicClock::NAME, Arc::new(MonotonicClock::start())),
        (Standard::NAME, Arc::new(Standard::start())),
        (Quanta::NAME, Arc::new(Quanta::start())),
        (TickingClock::NAME, Arc::new(TickingClock::start())),
    ];
    let step = |(name, clock): (&str, Arc<dyn Clock>)| {
        // The first begins in the middle of a step of the clock, so it is not counted.
        next_reading(&*clock);
        let seen: Vec<f64> = (0..steps).map(|_| next_reading(&*clock)).collect();
        let ns = median(&seen);
        println!("  {name:<16}{ns:>12.0} ns");
        json!({ "clock": name, "step_ns": ns, "steps": seen })
    };
    json!({ "case": "clock/step", "clocks": clocks.map(step) })
}

/// Waits for the clock to move on; returns by how many nanoseconds it did.
fn next_reading(clock: &dyn Clock) -> f64 {
    let before = clock.now();
    loop {
        let now = clock.now();
        if now != before {
            return now.saturating_duration_since(before).as_nanos() as f64;
        }
    }
}
