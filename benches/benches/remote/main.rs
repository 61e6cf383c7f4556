//! What a second tier costs and how soon it is heard: memcached on the same machine.
//!
//! * `probes.rs`: a hit in this process beside one in memcached, by our client and by another.
//! * `latency.rs`: single gets by one, two and four threads, in this process, in two tiers, in
//!   memcached.
//! * `hearing.rs`: how long another process serves what this one has invalidated.
//!
//! Loopback flatters the remote side: a network would add to it. The server is started here
//! (`server.rs`) and shares the processors with its clients. The other client is `memcache`'s meta
//! client. `--chart FILE` draws the latencies of one thread.
#![forbid(unsafe_code)]

mod hearer;
mod hearing;
mod latency;
mod probes;
mod server;
mod tier;

use benches::{args::Args, chart, report};
use serde_json::json;
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
    if let Some(path) = &args.json {
        let latency: Vec<_> = latency.iter().map(latency::Measured::to_json).collect();
        let all = json!({
            "bench": "remote", "quick": args.quick,
            "probes": probes, "latency": latency, "hearing": hearing,
        });
        report::write_json(path, &all);
    }
    if let Some(path) = &args.chart {
        let caption = [
            "Values of 100 bytes, 10,000 keys, Zipf 0.99, one client thread; each get timed by \
             itself, clock included.",
            "memcached over loopback: a network would add to it. Two shared cores of a Xeon, \
             Linux.",
        ];
        let title = "How long a get takes: here, in two tiers, in memcached";
        report::write_text(path, &chart::svg(title, &latency::bars(&latency), &caption));
    }
    ExitCode::SUCCESS
}
