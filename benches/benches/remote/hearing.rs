//! How long another process serves what this one has invalidated.
//!
//! The other process is this program again, see `hearer.rs`: it has a value in memory, and writes a
//! line as soon as the value is gone. What is timed is the time from the call here to that line. So
//! the way of the line is in every figure; the row `a line there and back` is that alone.
//!
//! Where the other process hears by asking from time to time, or by the end of a life, the
//! invalidation comes at a random moment of that time. So it does with the watch: memcached passes
//! its log on at intervals, which grow to about an eighth of the time in which nothing was written.

use crate::{
    hearer::{self, Hears},
    tier::{Tiered, patient, tiered},
};
use benches::{args::Args, stats::quantile, subject::TTL};
use cache_core::Cache;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long a line may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// The first samples are not counted: connections are opened, code is loaded.
const UNCOUNTED: usize = 3;

/// What is invalidated, and how the other process hears of it.
struct Case {
    name: String,
    hears: Hears,
    act: Act,
    /// Up to how long to wait before the invalidation.
    pause: Duration,
    samples: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Nothing: a line there and back.
    Nothing,
    Invalidate,
    Flush,
}

/// The times of a case.
struct Heard {
    name: String,
    millis: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(server: SocketAddr, args: &Args) -> Value {
    let mut cases = cases(args.pick(Duration::from_millis(100), Duration::from_secs(1)), args);
    cases.retain(|case| args.wants(&format!("hearing/{}", case.name)));
    if cases.is_empty() {
        return json!([]);
    }
    // Those that wait most of the time wait together; the quick ones have the machine alone.
    let (slow, quick): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| !case.pause.is_zero());
    let mut heard: Vec<Heard> = quick.iter().map(|case| measure(server, case)).collect();
    heard.extend(thread::scope(|scope| {
        let all: Vec<_> = slow.iter().map(|case| scope.spawn(|| measure(server, case))).collect();
        let joined = all.into_iter().map(|it| it.join().expect("it does not panic"));
        joined.collect::<Vec<Heard>>()
    }));
    print(&heard);
    heard.iter().map(to_json).collect()
}

/// `period`: the memory life, and the time between two polls.
fn cases(period: Duration, args: &Args) -> Vec<Case> {
    let hears = |watches, memory_life| Hears { watches, memory_life, poll: period };
    let quick = |name: &str, act| Case {
        name: name.to_owned(),
        hears: hears(true, TTL),
        act,
        pause: Duration::ZERO,
        samples: args.pick(20, 500),
    };
    let slow = |name: String, hears, act| Case {
        name,
        hears,
        act,
        pause: period,
        samples: args.pick(3, 40),
    };
    let period = period.as_millis();
    vec![
        quick("a line there and back", Act::Nothing),
        quick("invalidate, watch, without a pause", Act::Invalidate),
        slow("invalidate, watch".to_owned(), hears(true, TTL), Act::Invalidate),
        slow(
            format!("invalidate, memory life of {period} ms"),
            hears(false, Duration::from_millis(period as u64)),
            Act::Invalidate,
        ),
        slow(format!("flush, poll each {period} ms"), hears(false, TTL), Act::Flush),
    ]
}

fn measure(server: SocketAddr, case: &Case) -> Heard {
    let tier = patient(server);
    let tier = if case.hears.watches { tier.watch() } else { tier };
    let cache = tiered(
        &hearer::name_of(&case.hears),
        Cache::builder(),
        tier.build(),
        (TTL, Duration::from_secs(1)),
    );
    let mut other = Other::start(server, &case.hears);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let (mut millis, mut tries) = (Vec::new(), 0);
    while millis.len() < case.samples + UNCOUNTED {
        assert!(tries < 10 * (case.samples + UNCOUNTED), "it loses its values by itself");
        let pause = case.pause.mul_f64(random.random());
        millis.extend(sample(&cache, &mut other, case.act, &format!("key:{tries}"), pause));
        tries += 1;
    }
    millis.drain(..UNCOUNTED);
    Heard { name: case.name.clone(), millis }
}

/// Returns the milliseconds until the other process had no value any more; nothing if it had lost
/// it before it was invalidated.
fn sample(cache: &Tiered, other: &mut Other, act: Act, key: &str, pause: Duration) -> Option<f64> {
    let mut start = Instant::now();
    other.say(if act == Act::Nothing { hearer::PING } else { key });
    if act != Act::Nothing {
        other.hear(hearer::HAS);
        thread::sleep(pause);
        start = Instant::now();
    }
    match act {
        Act::Nothing => {}
        Act::Invalidate => cache.invalidate(key).expect("memcached responds"),
        Act::Flush => cache.invalidate_all().expect("memcached responds"),
    }
    let gone = other.hear(if act == Act::Nothing { hearer::PONG } else { hearer::GONE });
    gone.checked_duration_since(start).map(|took| took.as_secs_f64() * 1e3)
}

/// The other process.
struct Other {
    child: Child,
    lines: ChildStdin,
    heard: Receiver<(String, Instant)>,
}

impl Other {
    fn start(server: SocketAddr, hears: &Hears) -> Other {
        let mut child = hearer::command(server, hears).spawn().expect("this program starts again");
        let lines = child.stdin.take().expect("it was asked for");
        let (send, heard) = channel();
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|length| length > 0) {
                let heard = (line.trim_end().to_owned(), Instant::now());
                line.clear();
                if send.send(heard).is_err() {
                    return;
                }
            }
        });
        let mut other = Other { child, lines, heard };
        other.hear(hearer::READY);
        other
    }

    fn say(&mut self, line: &str) {
        writeln!(self.lines, "{line}").expect("it listens");
    }

    /// Waits for this line, and returns when it came.
    fn hear(&mut self, wanted: &str) -> Instant {
        let (line, at) = self.heard.recv_timeout(LONGEST).expect("it says something");
        assert_eq!(line, wanted);
        at
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Both calls fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn print(all: &[Heard]) {
    println!("\nhearing: until another process does not serve any more what was invalidated; ms");
    println!("\n  {:<36}{:>10}{:>10}{:>10}{:>10}", "", "p50", "p99", "max", "samples");
    for Heard { name, millis } in all {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| quantile(millis, part));
        println!("  {name:<36}{p50:>10.3}{p99:>10.3}{max:>10.3}{:>10}", millis.len());
    }
}

fn to_json(heard: &Heard) -> Value {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| quantile(&heard.millis, part));
    json!({"name": heard.name, "p50_ms": p50, "p99_ms": p99, "max_ms": max, "ms": heard.millis})
}
