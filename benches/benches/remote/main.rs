//! How far away a remote cache is: a hit in this process beside a hit in memcached, the same
//! values of 100 bytes, over loopback TCP and one connection.
//!
//! Loopback flatters the remote side: a network would add to it. A remote get is timed as a single
//! call; a local one takes less time than reading the clock, so one sample there is a run of gets,
//! divided. The probes take turns in rounds, as in the other benchmarks. The client is
//! `memcache`'s meta client, and its time is part of the remote figures, as it is in real life.
#![forbid(unsafe_code)]

mod server;

use benches::{
    args::Args,
    report,
    stats::{median, median_ratio, quantile},
    subject::TTL,
};
use cache_core::Cache;
use memcache::exp::Memcache;
use serde_json::json;
use server::Server;
use std::{
    hint::black_box,
    io,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

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

fn main() -> ExitCode {
    let args = Args::from_env();
    let server = match Server::start() {
        Ok(server) => server,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("remote: skipped, memcached is not installed (apt-get install memcached)");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("remote: cannot start memcached: {error}");
            return ExitCode::FAILURE;
        }
    };
    let client = connect(&server);
    let names: Vec<String> = (0..KEYS).map(|i| format!("bench:{i:06}")).collect();
    fill_remote(&client, &names);
    let locals = Locals::filled(&names);
    let mut probes = locals.probes(&names);
    probes.extend(remote_probes(&client, &names, args.pick(20, 500)));
    probes.retain(|probe| args.wants(probe.name));
    let rounds = args.rounds_or(31);
    take_turns(&mut probes, rounds);
    print(&probes, rounds, &args);
    if let Some(path) = &args.json {
        report::write_json(path, &to_json(&probes, args.quick));
    }
    ExitCode::SUCCESS
}

fn connect(server: &Server) -> Memcache {
    Memcache::builder()
        .timeout(Duration::from_secs(60))
        .connect_timeout(Duration::from_secs(60))
        .max_connections(1)
        .connect([server.address()])
        .expect("an address needs no lookup")
}

/// Returns bytes that differ from key to key.
fn value(i: usize) -> Vec<u8> {
    (0..VALUE_BYTES).map(|at| (i + at) as u8).collect()
}

fn fill_remote(client: &Memcache, names: &[String]) {
    for (i, name) in names.iter().enumerate() {
        client.set(name, value(i), TTL).expect("memcached refuses a value");
    }
    let first: Option<Vec<u8>> = client.get(&names[0]).expect("memcached responds");
    assert_eq!(first, Some(value(0)), "memcached gives back what was set");
    let batch = client.get_many::<Vec<u8>, _>(&names[..BATCH]).expect("memcached responds");
    assert_eq!(batch.len(), BATCH, "a multi-get finds every key");
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

fn remote_probes<'a>(client: &'a Memcache, names: &'a [String], samples: usize) -> Vec<Probe<'a>> {
    let single = move |i: usize| {
        let value: Option<Vec<u8>> = client.get(&names[i]).expect("memcached responds");
        black_box(hit(value));
    };
    let batch = move |i: usize| {
        let from = i % (KEYS - BATCH);
        let found = client.get_many::<Vec<u8>, _>(&names[from..from + BATCH]);
        assert_eq!(black_box(found.expect("memcached responds")).len(), BATCH);
    };
    let batches = samples / 10;
    vec![
        Probe::new("memcached get", true, samples, 1, Box::new(single)),
        Probe::new("memcached get of 100", true, batches, BATCH, Box::new(batch)),
    ]
}

impl<'a> Probe<'a> {
    fn new(
        name: &'static str,
        remote: bool,
        samples: usize,
        keys: usize,
        sample: Box<dyn FnMut(usize) + 'a>,
    ) -> Probe<'a> {
        Probe { name, remote, samples, keys, sample, all: Vec::new(), rounds: Vec::new() }
    }

    /// A run of single gets; `get` is inlined into the loop, since each closure is its own type.
    fn local(name: &'static str, get: impl Fn(usize) + 'a) -> Probe<'a> {
        let run = move |from: usize| (0..RUN).for_each(|step| get((from + step) % KEYS));
        Probe::new(name, false, 100, RUN, Box::new(run))
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

fn take_turns(probes: &mut [Probe], rounds: usize) {
    for _ in 0..rounds {
        probes.iter_mut().for_each(Probe::round);
    }
}

fn print(probes: &[Probe], rounds: usize, args: &Args) {
    println!(
        "remote: {VALUE_BYTES}-byte values, {KEYS} keys, one thread, {rounds} rounds in turns"
    );
    println!(
        "ns per KEY. p99 of a local get is over runs of {RUN}, of a batch over whole batches."
    );
    if args.quick {
        println!("QUICK: this shows that the benchmark works; the figures mean nothing.");
    }
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

fn to_json(probes: &[Probe], quick: bool) -> serde_json::Value {
    let one = |probe: &Probe| {
        let locals = probes.iter().filter(|local| probe.remote && !local.remote);
        let over: serde_json::Map<String, serde_json::Value> = locals
            .map(|l| (l.name.to_owned(), json!(median_ratio(&probe.rounds, &l.rounds))))
            .collect();
        json!({
            "name": probe.name,
            "median_ns": median(&probe.all),
            "p99_ns": quantile(&probe.all, 0.99),
            "over_local": over,
            "rounds_ns": probe.rounds,
        })
    };
    json!({"bench": "remote", "quick": quick, "probes": probes.iter().map(one).collect::<Vec<_>>()})
}
