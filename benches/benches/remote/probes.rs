//! How far away a remote cache is: a hit in this process beside a hit in memcached, the same values
//! of 100 bytes, one thread and one connection.
//!
//! A remote get is timed as a single call. A local one takes less time than reading the clock, so
//! one sample there is a run of gets, divided.

use crate::tier::{Client, patient, peer};
use benches::{
    args::Args,
    stats::{median, median_ratio, quantile},
    subject::TTL,
};
use cache_core::{Cache, tier::Tier};
use cache_memcached::Memcached;
use serde_json::{Value, json};
use std::{hint::black_box, net::SocketAddr, sync::Arc, time::Instant};

/// Keys in use, on both sides.
const KEYS: usize = 1000;
const VALUE_BYTES: usize = 100;
/// Keys in one multi-get.
const BATCH: usize = 100;
/// Gets in one sample of a local probe.
const RUN: usize = 256;

/// Something to time: one call is one sample. The call through the box adds a nanosecond to a
/// sample of at least 256 gets, or of a round trip.
struct Probe<'a> {
    name: &'static str,
    remote: bool,
    /// Samples in each round.
    samples: usize,
    /// Keys that one sample looks up.
    keys: usize,
    /// Looks them up, from this key on.
    sample: Box<dyn FnMut(usize) + 'a>,
    /// Nanoseconds per key: every sample; the median of each round.
    all: Vec<f64>,
    rounds: Vec<f64>,
}

/// Measures, prints, and returns the figures.
pub(crate) fn run(server: SocketAddr, args: &Args) -> Value {
    let (ours, peer) = (patient(server).build(), peer(server, 1));
    let names: Vec<String> = (0..KEYS).map(|i| format!("bench:{i:06}")).collect();
    fill(&peer, &names);
    let locals = Locals::filled(&names);
    let mut probes = locals.probes(&names);
    probes.extend(remote_probes(&ours, &peer, &names, args.pick(20, 500)));
    probes.retain(|probe| args.wants(probe.name));
    let rounds = args.rounds_or(31);
    for _ in 0..rounds {
        probes.iter_mut().for_each(Probe::round);
    }
    if !probes.is_empty() {
        print(&probes, rounds);
    }
    probes.iter().map(|probe| to_json(probe, &probes)).collect()
}

/// Returns bytes that differ from key to key.
fn value(i: usize) -> Vec<u8> {
    (0..VALUE_BYTES).map(|at| (i + at) as u8).collect()
}

fn fill(client: &Client, names: &[String]) {
    for (i, name) in names.iter().enumerate() {
        client.set(name, value(i), TTL).expect("memcached refuses a value");
    }
    let first: Option<Vec<u8>> = client.get(&names[0]).expect("memcached responds");
    assert_eq!(first, Some(value(0)), "memcached gives back what was set");
}

/// The same values in this process. `Arc<[u8]>` shares a value, as one would; `Vec<u8>` copies
/// its bytes, which is what a remote client hands out.
struct Locals {
    by_number: Cache<u64, Arc<[u8]>>,
    shared: Cache<String, Arc<[u8]>>,
    copied: Cache<String, Vec<u8>>,
}

impl Locals {
    fn filled(names: &[String]) -> Locals {
        // A little more than is put in: the benchmark is about hits.
        let capacity = 2 * KEYS as u64;
        let by_number = Cache::builder().max_capacity(capacity).time_to_live(TTL).build();
        let shared = Cache::builder().max_capacity(capacity).time_to_live(TTL).build();
        let copied = Cache::builder().max_capacity(capacity).time_to_live(TTL).build();
        for (i, name) in names.iter().enumerate() {
            by_number.insert(i as u64, Arc::from(value(i)));
            shared.insert(name.clone(), Arc::from(value(i)));
            copied.insert(name.clone(), value(i));
        }
        Locals { by_number, shared, copied }
    }

    fn probes<'a>(&'a self, names: &'a [String]) -> Vec<Probe<'a>> {
        let number = |i: usize| drop(black_box(hit(self.by_number.get(&(i as u64)))));
        let shared = |i: usize| drop(black_box(hit(self.shared.get(names[i].as_str()))));
        let copied = |i: usize| drop(black_box(hit(self.copied.get(names[i].as_str()))));
        vec![
            Probe::local("local u64 -> Arc<[u8]>", number),
            Probe::local("local String -> Arc<[u8]>", shared),
            Probe::local("local String -> Vec<u8>", copied),
        ]
    }
}

fn hit<T>(value: Option<T>) -> T {
    value.expect("every key is present")
}

/// Our client and another one, each with one key at a time and with many.
fn remote_probes<'a>(
    ours: &'a Memcached,
    peer: &'a Client,
    names: &'a [String],
    samples: usize,
) -> Vec<Probe<'a>> {
    let single = move |i: usize| {
        let item = ours.get(names[i].as_bytes()).expect("memcached responds");
        black_box(hit(item).value);
    };
    let batch = move |i: usize| {
        let keys: Vec<&[u8]> = batch(names, i).iter().map(|name| name.as_bytes()).collect();
        let found = ours.get_many(&keys).into_iter().map(|item| item.expect("memcached responds"));
        assert_eq!(black_box(found.flatten().count()), BATCH);
    };
    let peer_single = move |i: usize| {
        let value: Option<Vec<u8>> = peer.get(&names[i]).expect("memcached responds");
        black_box(hit(value));
    };
    let peer_batch = move |i: usize| {
        let found = peer.get_many::<Vec<u8>, _>(self::batch(names, i));
        assert_eq!(black_box(found.expect("memcached responds")).len(), BATCH);
    };
    let batches = samples / 10;
    vec![
        Probe::new("memcached get", (samples, 1), single),
        Probe::new("memcached get of 100", (batches, BATCH), batch),
        Probe::new("memcached get, peer", (samples, 1), peer_single),
        Probe::new("memcached get of 100, peer", (batches, BATCH), peer_batch),
    ]
}

fn batch(names: &[String], i: usize) -> &[String] {
    let from = i % (KEYS - BATCH);
    &names[from..from + BATCH]
}

impl<'a> Probe<'a> {
    fn new(
        name: &'static str,
        (samples, keys): (usize, usize),
        sample: impl FnMut(usize) + 'a,
    ) -> Probe<'a> {
        let sample = Box::new(sample);
        Probe { name, remote: true, samples, keys, sample, all: Vec::new(), rounds: Vec::new() }
    }

    /// A run of single gets; `get` is inlined into the loop, since each closure is its own type.
    fn local(name: &'static str, get: impl Fn(usize) + 'a) -> Probe<'a> {
        let run = move |from: usize| (0..RUN).for_each(|step| get((from + step) % KEYS));
        Probe { remote: false, ..Probe::new(name, (100, RUN), run) }
    }

    fn round(&mut self) {
        let mut times = Vec::with_capacity(self.samples);
        (self.sample)(0);
        for i in 0..self.samples {
            // The step has no common divisor with the number of keys, so all of them have a turn.
            let from = i * 7919 % KEYS;
            let start = Instant::now();
            (self.sample)(from);
            times.push(start.elapsed().as_nanos() as f64 / self.keys as f64);
        }
        self.rounds.push(median(&times));
        self.all.extend(times);
    }
}

fn print(probes: &[Probe], rounds: usize) {
    println!(
        "\nprobes: {VALUE_BYTES}-byte values, {KEYS} keys, one thread, {rounds} rounds in turns"
    );
    println!(
        "ns per KEY. p99 of a local get is over runs of {RUN}, of a batch over whole batches."
    );
    println!("\n  {:<28}{:>12}{:>12}", "", "median", "p99");
    for probe in probes {
        let (mid, high) = (median(&probe.all), quantile(&probe.all, 0.99));
        println!("  {:<28}{mid:>12.1}{high:>12.1}", probe.name);
    }
    println!("\nremote over local, the median of the ratios within each round:");
    for remote in probes.iter().filter(|p| p.remote) {
        for local in probes.iter().filter(|p| !p.remote) {
            let ratio = median_ratio(&remote.rounds, &local.rounds);
            println!("  {:<28}/ {:<28}{ratio:>10.0}", remote.name, local.name);
        }
    }
}

fn to_json(probe: &Probe, all: &[Probe]) -> Value {
    let locals = all.iter().filter(|local| probe.remote && !local.remote);
    let over: serde_json::Map<String, Value> = locals
        .map(|l| (l.name.to_owned(), json!(median_ratio(&probe.rounds, &l.rounds))))
        .collect();
    json!({
        "name": probe.name,
        "median_ns": median(&probe.all),
        "p99_ns": quantile(&probe.all, 0.99),
        "over_local": over,
        "rounds_ns": probe.rounds,
    })
}
