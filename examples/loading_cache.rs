//! A cache that knows its loader and serves old values while it loads new ones.
//!
//! With `refresh_after` an entry in use is loaded again before it expires; with
//! `stale_while_revalidate` it is still served for a while after that. In both cases the caller
//! gets the old value at once, and the executor runs the loader. Run with
//! `cargo run --example loading_cache`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use cache_core::{Cache, FakeClock, Job};

fn main() {
    // Time passes when the program says so, so every run prints the same.
    let clock = FakeClock::new();
    let seconds = Duration::from_secs;

    // The executor receives the refreshes as jobs. A program would hand them to its thread pool
    // (by default each gets a new thread); here they queue up until `main` runs them.
    let (executor, jobs) = mpsc::channel::<Job>();
    let run_jobs = || jobs.try_iter().for_each(|job| job());

    let version = AtomicU32::new(0);
    let prices = Cache::builder()
        .max_capacity(100)
        .time_to_live(seconds(60))
        .refresh_after(seconds(40))
        .stale_while_revalidate(seconds(30))
        .clock(clock.clone())
        .executor(move |job: Job| executor.send(job).expect("`main` holds the receiver"))
        .build_with_loader(move |article: &String| {
            let version = version.fetch_add(1, Relaxed) + 1;
            println!("  (the loader runs)");
            Ok::<String, String>(format!("price {version} of {article}"))
        });

    // `get` returns only the value; `get_with_status` also says how it came about.
    let show = |when: &str| {
        let (price, status) = prices.get_with_status("tea").expect("the loader never fails");
        println!("{when:<17} {price}, {status:?}");
    };

    show("0 s, missing"); // this call runs the loader itself
    show("0 s, again");

    clock.advance(seconds(40));
    show("40 s, old"); // a hit, and a job for the executor
    show("40 s, again"); // the job has not run yet; no second one is made
    run_jobs();
    show("40 s, refreshed");

    clock.advance(seconds(70)); // the value of second 40 expired at second 100
    show("110 s, expired"); // and is served stale until second 130
    run_jobs();
    show("110 s, refreshed");

    clock.advance(seconds(90)); // the value of second 110 could be served until second 200
    show("200 s, gone"); // nothing left to serve: this call runs the loader itself
}
