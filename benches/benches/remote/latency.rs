//! The latency of single gets, by where the value is and by the number of client threads: keys of a
//! Zipf distribution, in this process, in two tiers of which memory holds a part, and in memcached.
//!
//! Every get is timed by itself, which adds the reading of the clock: `the clock alone` is that.
//! The subjects take turns in short slots, the first quarter of which is not measured. A figure is
//! the median, over the rounds, of the percentile within the round.

use crate::tier::{Tiered, bounded, patient, peer};
use benches::{
    args::Args,
    chart::{Bar, duration},
    histogram::Histogram,
    keys::{Cursor, Popularity, ranks},
    markdown::Table,
    rows::percent,
    stats::median,
    subject::TTL,
};
use cache_core::{Cache, tier::Tier};
use serde_json::{Value, json};
use std::{
    hint::black_box,
    net::SocketAddr,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

const THREADS: [usize; 3] = [1, 2, 4];

/// How much of all keys memory holds, in per cent.
const SHARES: [u64; 3] = [100, 10, 1];

/// Gets that a thread takes from the stream at once.
const PORTION: usize = 64;

/// A cache or client that returns the value of a key, given its number.
struct Subject {
    name: String,
    get: Box<dyn Fn(usize) + Send + Sync>,
    /// How often it has asked memcached; `None`: it is not two tiers.
    tiers: Option<Tiered>,
}

/// One slot of a subject.
struct Slot {
    histogram: Histogram,
    took: Duration,
}

/// What a subject has done with so many threads.
pub(crate) struct Measured {
    name: String,
    threads: usize,
    /// One of each for each round.
    p50: Vec<f64>,
    p99: Vec<f64>,
    rate: Vec<f64>,
    /// The share of gets that memory has served.
    in_memory: Option<f64>,
}

/// Measures and prints.
pub(crate) fn run(server: SocketAddr, args: &Args) -> Vec<Measured> {
    let keys = args.pick(500, 10_000);
    let rounds = args.rounds_or(21);
    let slot = Duration::from_millis(args.pick(4, 60));
    let mut subjects = subjects(server, keys);
    subjects.retain(|subject| THREADS.iter().any(|threads| args.wants(&case(*threads, subject))));
    let stream: Arc<[u64]> = ranks(Popularity::Zipf, keys as u64, 1 << 20, 1).into();
    warm(&subjects, &stream, keys);
    let mut all = Vec::new();
    for threads in THREADS {
        let wanted: Vec<&Subject> =
            subjects.iter().filter(|subject| args.wants(&case(threads, subject))).collect();
        let measured = take_turns(&wanted, (threads, rounds), &stream, slot);
        if !measured.is_empty() {
            print(&measured, keys, rounds);
        }
        all.extend(measured);
    }
    all
}

fn case(threads: usize, subject: &Subject) -> String {
    format!("latency/{threads}t/{}", subject.name)
}

fn subjects(server: SocketAddr, keys: usize) -> Vec<Subject> {
    let names: Arc<[String]> = (0..keys).map(|i| format!("latency:{i:06}")).collect();
    let subject =
        |name: String, get: Box<dyn Fn(usize) + Send + Sync>| Subject { name, get, tiers: None };
    let local = Cache::builder().max_capacity(2 * keys as u64).time_to_live(TTL).build();
    let (ours, peer) = (patient(server).build(), peer(server, THREADS[2]));
    for (i, name) in names.iter().enumerate() {
        local.insert(name.clone(), value(i));
        ours.put(name.as_bytes(), value(i).as_bytes(), Some(TTL)).expect("memcached responds");
    }
    let (own, tier, others) = (Arc::clone(&names), ours.clone(), Arc::clone(&names));
    let mut all = vec![
        subject("the clock alone".into(), Box::new(|i| _ = black_box(i))),
        subject(
            "in-process hit".into(),
            Box::new(move |i| drop(black_box(local.get(own[i].as_str()).expect("it is there")))),
        ),
    ];
    all.extend(SHARES.map(|share| two_tiers(share, &names, ours.clone())));
    all.push(subject(
        "memcached get".into(),
        Box::new(move |i| {
            let item = tier.get(others[i].as_bytes()).expect("memcached responds");
            black_box(item.expect("it is there").value);
        }),
    ));
    all.push(subject(
        "memcached get, peer".into(),
        Box::new(move |i| {
            let value: Option<Vec<u8>> = peer.get(&names[i]).expect("memcached responds");
            black_box(value.expect("it is there"));
        }),
    ));
    all
}

fn two_tiers(share: u64, names: &Arc<[String]>, tier: cache_memcached::Memcached) -> Subject {
    let (entries, names) = (names.len() as u64 * share / 100, Arc::clone(names));
    // All of one name, so that they share what is in memcached.
    let tiers = bounded("latency", entries.max(1), tier);
    let cache = tiers.clone();
    let get = move |i: usize| {
        drop(black_box(cache.get_with_by_ref(names[i].as_str(), || value(i))));
    };
    let name = format!("two tiers, {share} % in memory");
    Subject { name, get: Box::new(get), tiers: Some(tiers) }
}

/// Returns a hundred letters that differ from key to key.
fn value(i: usize) -> Arc<str> {
    format!("{i:0>100}").into()
}

/// Brings every value into memcached, by the first that can, and into each memory what stays there.
fn warm(subjects: &[Subject], stream: &[u64], keys: usize) {
    let mut tiers = subjects.iter().filter(|subject| subject.tiers.is_some()).peekable();
    if let Some(first) = tiers.peek() {
        (0..keys).for_each(|i| (first.get)(i));
    }
    for subject in tiers {
        stream.iter().rev().take(keys).for_each(|rank| (subject.get)(*rank as usize));
    }
}

fn take_turns(
    subjects: &[&Subject],
    (threads, rounds): (usize, usize),
    stream: &Arc<[u64]>,
    slot: Duration,
) -> Vec<Measured> {
    let mut all: Vec<Measured> = subjects.iter().map(|it| Measured::new(it, threads)).collect();
    let remote = |subject: &Subject| subject.tiers.as_ref().map(|it| it.stats().remote.hits);
    let mut served = vec![(0, 0); subjects.len()];
    for round in 0..rounds {
        for (at, subject) in subjects.iter().enumerate() {
            let before = remote(subject);
            // Each slot goes on where the one before has ended, about.
            let cursor = |thread| {
                Cursor::new(Arc::clone(stream), round * threads + thread, rounds * threads)
            };
            let (slot, gets) = one_slot(&*subject.get, (0..threads).map(cursor).collect(), slot);
            all[at].add(&slot);
            if let (Some(before), Some(after)) = (before, remote(subject)) {
                served[at].0 += gets - (after - before).min(gets);
                served[at].1 += gets;
                all[at].in_memory = Some(served[at].0 as f64 / served[at].1 as f64);
            }
        }
    }
    all
}

/// Returns what was measured, and how many gets there were, those of the first quarter included.
fn one_slot(
    get: &(dyn Fn(usize) + Send + Sync),
    cursors: Vec<Cursor>,
    slot: Duration,
) -> (Slot, u64) {
    let together = Barrier::new(cursors.len());
    let timed = |mut cursor: Cursor| {
        let (mut histogram, mut gets) = (Histogram::new(), 0);
        together.wait();
        let begin = Instant::now();
        let (warm, end) = (begin + slot / 4, begin + slot);
        loop {
            for rank in cursor.take(PORTION) {
                let start = Instant::now();
                get(*rank as usize);
                let took = start.elapsed();
                gets += 1;
                if start >= warm {
                    histogram.add(took.as_nanos() as u64);
                }
                if start >= end {
                    return (Slot { histogram, took: warm.elapsed() }, gets);
                }
            }
        }
    };
    thread::scope(|scope| {
        let all: Vec<_> = cursors.into_iter().map(|it| scope.spawn(|| timed(it))).collect();
        let mut sum = (Slot { histogram: Histogram::new(), took: Duration::ZERO }, 0);
        for thread in all {
            let (slot, gets) = thread.join().expect("it does not panic");
            sum.0.histogram.merge(&slot.histogram);
            sum.0.took = sum.0.took.max(slot.took);
            sum.1 += gets;
        }
        sum
    })
}

impl Measured {
    fn new(subject: &Subject, threads: usize) -> Measured {
        let (p50, p99, rate) = (Vec::new(), Vec::new(), Vec::new());
        Measured { name: subject.name.clone(), threads, p50, p99, rate, in_memory: None }
    }

    fn add(&mut self, slot: &Slot) {
        self.p50.push(slot.histogram.quantile(0.5) as f64);
        self.p99.push(slot.histogram.quantile(0.99) as f64);
        self.rate.push(slot.histogram.total() as f64 / slot.took.as_secs_f64());
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "threads": self.threads,
            "p50_ns": median(&self.p50),
            "p99_ns": median(&self.p99),
            "gets_per_second": median(&self.rate),
            "in_memory": self.in_memory,
            "rounds_p50_ns": self.p50,
            "rounds_p99_ns": self.p99,
        })
    }
}

fn print(all: &[Measured], keys: usize, rounds: usize) {
    let threads = all[0].threads;
    println!(
        "\nlatency, {threads} client thread{}: single gets, Zipf 0.99 over {keys} keys, {rounds} \
         rounds in turns",
        if threads == 1 { "" } else { "s" }
    );
    println!("\n  {:<28}{:>12}{:>12}{:>14}{:>12}", "", "p50 ns", "p99 ns", "gets/s", "in memory");
    for one in all {
        let (p50, p99, rate) = (median(&one.p50), median(&one.p99), median(&one.rate));
        let share = one.in_memory.map_or("-".to_owned(), |it| format!("{:.1} %", it * 100.0));
        println!("  {:<28}{p50:>12.0}{p99:>12.0}{rate:>14.0}{share:>12}", one.name);
    }
}

/// Returns the latencies: a row for each subject, columns for one thread, and for more.
pub(crate) fn table(all: &[Measured]) -> String {
    let heads = ["p50", "p99", "served by memory", "p50, 2 threads", "p50, 4 threads"];
    let mut table = Table::new("one client thread", heads);
    for one in all.iter().filter(|one| one.threads == 1) {
        let more = |threads| {
            let same = |other: &&Measured| other.threads == threads && other.name == one.name;
            all.iter().find(same).map_or("-".to_owned(), |it| duration(median(&it.p50)))
        };
        let share = one.in_memory.map_or_else(String::new, percent);
        let [p50, p99] = [&one.p50, &one.p99].map(|rounds| duration(median(rounds)));
        table.push(one.name.as_str(), [p50, p99, share, more(2), more(4)]);
    }
    table.text()
}

/// Returns what the picture shows: one thread, without the clock and the peer.
pub(crate) fn bars(all: &[Measured]) -> Vec<Bar> {
    let shown = |one: &&Measured| {
        one.threads == 1 && one.name != "the clock alone" && !one.name.ends_with("peer")
    };
    let bar = |one: &Measured| {
        let share =
            one.in_memory.map(|it| format!("memory serves {:.0} % of the gets", it * 100.0));
        let note = share.unwrap_or_else(|| match one.name.as_str() {
            "memcached get" => "over TCP, on the same machine".to_owned(),
            _ => "the value is in this process".to_owned(),
        });
        let is_ours = one.name != "memcached get";
        Bar { name: one.name.clone(), note, is_ours, nanos: [median(&one.p50), median(&one.p99)] }
    };
    all.iter().filter(shown).map(bar).collect()
}
