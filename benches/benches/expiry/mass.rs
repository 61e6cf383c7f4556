//! A million entries expire in one instant, under traffic: the latency of single operations.
//!
//! Traffic: four gets of any of these keys to one insert of another key that does not expire. All
//! operations from a little before the instant are timed one by one, which adds some 45 ns to each.
//! Each subject has a twin whose entries do not expire meanwhile, timed for just as long: what the
//! expiry adds is the difference. (Not so for the median: gets of expired entries are misses, which
//! are cheaper.) `nothing` does no operation at all: it shows the machine, which takes the
//! processor away now and then, whatever runs on it.

use ahash::RandomState;
use benches::{
    histogram::Histogram,
    publish::Section,
    rows::{self, Column, millis, nanos},
    stats::median,
};
use cache_core::Cache;
use serde_json::{Value, json};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// The phases of a measurement.
struct Times {
    /// Until the instant of expiry; longer than any subject takes to be filled.
    until_expiry: Duration,
    /// How long before the instant the timing of operations begins.
    before: Duration,
    /// How long after the instant it ends: not much longer than ours takes to free what has
    /// expired, so that the figures are about that.
    after: Duration,
}

/// What is done to a cache.
trait Traffic: Clone + Send + Sync + 'static {
    fn insert(&self, key: u64, expires: Option<Instant>);
    fn get(&self, key: u64) -> bool;
    fn entries(&self) -> u64;
}

impl Traffic for Cache<u64, u64> {
    fn insert(&self, key: u64, expires: Option<Instant>) {
        match expires {
            Some(at) => {
                self.insert_with_ttl(key, key, at.saturating_duration_since(Instant::now()))
            }
            None => self.insert(key, key),
        }
    }
    fn get(&self, key: u64) -> bool {
        self.get(&key).is_some()
    }
    fn entries(&self) -> u64 {
        self.entry_count()
    }
}

/// The value says when it expires.
type MokaByValue = moka::sync::Cache<u64, Option<Instant>, RandomState>;

struct AtInstant;

impl moka::Expiry<u64, Option<Instant>> for AtInstant {
    fn expire_after_create(&self, _: &u64, at: &Option<Instant>, now: Instant) -> Option<Duration> {
        at.map(|at| at.saturating_duration_since(now))
    }
}

impl Traffic for MokaByValue {
    fn insert(&self, key: u64, expires: Option<Instant>) {
        self.insert(key, expires);
    }
    fn get(&self, key: u64) -> bool {
        self.get(&key).is_some()
    }
    fn entries(&self) -> u64 {
        self.entry_count()
    }
}

#[derive(Clone)]
struct Nothing;

impl Traffic for Nothing {
    fn insert(&self, key: u64, _: Option<Instant>) {
        black_box(key);
    }
    fn get(&self, key: u64) -> bool {
        black_box(key) == 0
    }
    fn entries(&self) -> u64 {
        0
    }
}

/// One measurement of one subject.
struct Observed {
    histogram: Histogram,
    left: u64,
}

pub(crate) fn run(quick: bool, rounds: Option<usize>) -> Value {
    let entries = if quick { 10_000 } else { 1_000_000 };
    let rounds = rounds.unwrap_or(if quick { 1 } else { 5 });
    let millis = Duration::from_millis;
    let times = if quick {
        Times { until_expiry: millis(100), before: millis(10), after: millis(50) }
    } else {
        Times { until_expiry: millis(3_000), before: millis(50), after: millis(250) }
    };
    println!(
        "\nmass: {entries} entries expire in one instant; nanoseconds, median of {rounds} rounds"
    );
    println!(
        "{:<26}{:>9}{:>9}{:>9}{:>11}{:>12}{:>9}{:>10}",
        "", "p50", "p99", "p99.9", "max", "worst max", "M ops", "left"
    );
    let mut rows = Vec::new();
    for threads in [1, 2] {
        let mut all: Vec<(String, Vec<Observed>)> = Vec::new();
        for _ in 0..rounds {
            for (at, (name, measured)) in round(entries, threads, &times).into_iter().enumerate() {
                if all.len() <= at {
                    all.push((format!("{name}/{threads}t"), Vec::new()));
                }
                all[at].1.push(measured);
            }
        }
        rows.extend(all.iter().map(|(name, measured)| row(name, measured)));
    }
    json!({ "mass": rows })
}

/// Returns the table of latencies.
pub(crate) fn sections(counted: &[Value]) -> Vec<Section> {
    let columns = [
        Column { key: "p50", head: "p50", format: nanos },
        Column { key: "p99", head: "p99", format: nanos },
        Column { key: "p99.9", head: "p99.9", format: nanos },
        Column { key: "max", head: "max", format: |value| millis(value / 1e6) },
        Column { key: "worst_max", head: "max of all rounds", format: |it| millis(it / 1e6) },
    ];
    let table = |mass: &Value| Section::new("mass", rows::table(&mass["mass"], &columns).text());
    counted.iter().map(table).collect()
}

fn round(entries: u64, threads: usize, times: &Times) -> Vec<(&'static str, Observed)> {
    // With room from the start: the cost of growth is not measured here.
    let room = 2 * entries as usize;
    let builder = || Cache::<u64, u64>::builder().max_capacity(4 * entries).initial_capacity(room);
    let ours = || builder().build();
    let with_janitor = || builder().janitor(Duration::from_millis(50)).build();
    let moka = || {
        let builder = moka::sync::Cache::builder();
        let builder = builder.max_capacity(4 * entries).initial_capacity(room);
        builder.expire_after(AtInstant).build_with_hasher(RandomState::new())
    };
    vec![
        ("nothing", measure(&Nothing, entries, threads, times, true)),
        ("ours, no expiry", measure(&ours(), entries, threads, times, false)),
        ("ours", measure(&ours(), entries, threads, times, true)),
        ("ours, janitor", measure(&with_janitor(), entries, threads, times, true)),
        ("moka, no expiry", measure(&moka(), entries, threads, times, false)),
        ("moka", measure(&moka(), entries, threads, times, true)),
    ]
}

fn measure(
    subject: &impl Traffic,
    entries: u64,
    threads: usize,
    times: &Times,
    expires: bool,
) -> Observed {
    let at = Instant::now() + times.until_expiry;
    for key in 0..entries {
        subject.insert(key, expires.then_some(at));
    }
    let begin = at - times.before;
    thread::sleep(begin.saturating_duration_since(Instant::now()));
    let stop = Arc::new(AtomicBool::new(false));
    let all: Vec<_> = (0..threads as u64)
        .map(|number| {
            let (subject, stop) = (subject.clone(), Arc::clone(&stop));
            thread::spawn(move || traffic(&subject, entries, number, &stop))
        })
        .collect();
    thread::sleep((at + times.after).saturating_duration_since(Instant::now()));
    stop.store(true, Relaxed);
    let mut histogram = Histogram::new();
    all.into_iter()
        .for_each(|thread| histogram.merge(&thread.join().expect("the thread does not panic")));
    Observed { histogram, left: subject.entries() }
}

fn traffic(subject: &impl Traffic, entries: u64, number: u64, stop: &AtomicBool) -> Histogram {
    let mut histogram = Histogram::new();
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while !stop.load(Relaxed) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (key, is_insert) = (state % entries, state >> 40 & 0xff < 51);
        let start = Instant::now();
        if is_insert {
            // Other keys, a tenth as many.
            subject.insert(entries + key / 10, None);
        } else {
            black_box(subject.get(key));
        }
        histogram.add(start.elapsed().as_nanos() as u64);
    }
    histogram
}

fn row(name: &str, measured: &[Observed]) -> Value {
    let of = |figure: &dyn Fn(&Observed) -> u64| {
        median(&measured.iter().map(|one| figure(one) as f64).collect::<Vec<_>>()) as u64
    };
    let quantile = |part: f64| of(&move |one: &Observed| one.histogram.quantile(part));
    let (p50, p99, p999) = (quantile(0.5), quantile(0.99), quantile(0.999));
    let max = of(&|one| one.histogram.max());
    let worst = measured.iter().map(|one| one.histogram.max()).max().unwrap_or(0);
    let (ops, left) = (of(&|one| one.histogram.total()), of(&|one| one.left));
    println!(
        "{name:<26}{p50:>9}{p99:>9}{p999:>9}{max:>11}{worst:>12}{:>9.1}{left:>10}",
        ops as f64 / 1e6
    );
    json!({
        "name": name, "p50": p50, "p99": p99, "p99.9": p999, "max": max, "worst_max": worst,
        "ops": ops, "left": left,
    })
}
