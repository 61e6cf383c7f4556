//! What a second tier costs and how soon it is heard: memcached on the same machine.
//!
//! * `probes.rs`: a hit in this process beside one in memcached, by our client and by another.
//! * `latency.rs`: single gets by one, two and four threads, in this process, in two tiers, in
//!   memcached.
//! * `hearing.rs`: how long another process serves what this one has invalidated.
//!
//! Loopback flatters the remote side: a network would add to it. The server is started here
//! (`server.rs`) and shares the processors with its clients. The other client is `memcache`'s meta
//! client. With `--report` or `--into`, the latencies of one thread are drawn.
#![forbid(unsafe_code)]

mod hearer;
mod hearing;
mod latency;
mod probes;
mod server;
mod tier;

use benches::{
    args::Args,
    chart,
    machine::Circumstances,
    publish::{Picture, Publication, Section},
    rows::{self, Column, millis, plain},
};
use serde_json::{Value, json};
use server::Server;
use std::{io, process::ExitCode};

fn main() -> ExitCode {
    if hearer::was_asked_for() {
        return ExitCode::SUCCESS;
    }
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
    println!("remote: memcached over loopback TCP, which flatters it: there is no network in it");
    if args.quick {
        println!("QUICK: this shows that the benchmark works; the figures mean nothing.");
    }
    let probes = probes::run(server.address(), &args);
    let latency = latency::run(server.address(), &args);
    let hearing = hearing::run(server.address(), &args);
    publish(&args, probes, &latency, hearing);
    ExitCode::SUCCESS
}

/// Writes what was asked for.
fn publish(args: &Args, probes: Value, latency: &[latency::Measured], hearing: Value) {
    let single = |key, head| Column { key, head, format: plain };
    let probe_table =
        rows::table(&probes, &[single("median_ns", "median"), single("p99_ns", "p99")]);
    let waited = |key, head| Column { key, head, format: millis };
    let waits = [waited("p50_ms", "p50"), waited("p99_ms", "p99"), waited("max_ms", "max")];
    let sections = vec![
        Section::new("probes", format!("ns for each key:\n\n{}", probe_table.text())),
        Section::new("latency", latency::table(latency)),
        Section::new("hearing", rows::table(&hearing, &waits).text()),
    ];
    let latencies: Vec<_> = latency.iter().map(latency::Measured::to_json).collect();
    let json = json!({
        "bench": "remote", "quick": args.quick,
        "probes": probes, "latency": latencies, "hearing": hearing,
    });
    let publication = Publication {
        pictures: vec![picture(latency)],
        ..Publication::new("remote", args.quick, json, sections)
    };
    publication.publish(&args.outputs);
}

fn picture(latency: &[latency::Measured]) -> Picture {
    let now = Circumstances::now();
    let caption = [
        "Values of 100 bytes, 10,000 keys, Zipf 0.99, one client thread; each get timed by \
         itself, clock included.",
        "memcached over loopback: a network would add to it.",
        &format!("Commit {}, {}, {}.", now.commit, now.date, now.machine),
    ];
    let title = "How long a get takes: here, in two tiers, in memcached";
    let legend = ["median", "99th percentile"];
    let svg = chart::svg(title, legend, &latency::bars(latency), &caption);
    Picture { name: "remote".to_owned(), svg }
}
