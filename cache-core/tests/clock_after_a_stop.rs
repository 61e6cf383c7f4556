//! Deadlines hold right after a process was stopped and continued, by `SIGSTOP` and `SIGCONT` as a
//! debugger or a frozen container does it: no thread of the process has run since, so a clock that
//! a thread keeps up to date would be late. The default is not.
//!
//! A binary of its own, which the test runs again as the process that is stopped. That process is
//! sent the request to look while it is stopped, so its look is the first thing it does.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, Clock, MonotonicClock, TickingClock};
use rustix::process::{Pid, Signal, kill_process};

const CLOCK: &str = "CLOCK_OF_THE_STOPPED_PROCESS";
const SHORT: Duration = Duration::from_millis(50);

/// A process that is to be stopped; killed if the test fails.
struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(clock: &str) -> Other {
        let mut child = Command::new(env::current_exe().expect("a test has a binary"))
            .args(["--exact", "the_process_that_is_stopped", "--ignored", "--nocapture"])
            .env(CLOCK, clock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a test can run its own binary");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Other { child, input, output }
    }

    /// The rest of the next line that has this mark.
    fn read(&mut self, mark: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended before {mark}");
            // The test harness writes to the same pipe, and does not end its lines.
            if let Some(at) = line.find(mark) {
                return line[at + mark.len()..].trim().to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is ours");
    }

    /// Returns `true` if all of its threads are stopped, according to the kernel.
    fn is_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it is there");
        tasks.flatten().all(|task| {
            // The name before the state stands in parentheses, and may hold anything. A thread that
            // has just ended has no state, and does not run.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rfind(')').is_none_or(|end| stat[end + 1..].trim_start().starts_with('T'))
        })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Stops a process for longer than its entry lives, and returns what it sees at first, and in the
/// end.
fn stopped_and_continued(clock: &str) -> (String, String) {
    let mut other = Other::start(clock);
    other.read("ready");
    other.signal(Signal::STOP);
    while !other.is_stopped() {
        thread::yield_now();
    }
    // All processes share the default clock, so it can be seen here that the deadline has passed
    // there.
    let clock = MonotonicClock::new();
    let dead = clock.now().saturating_add(SHORT);
    while clock.now() < dead {
        thread::yield_now();
    }
    writeln!(other.input, "look").unwrap();
    other.signal(Signal::CONT);
    (other.read("saw"), other.read("in the end"))
}

#[test]
fn the_default_clock_is_exact_right_after_a_stop() {
    let (first, last) = stopped_and_continued("default");
    assert_eq!((&*first, &*last), ("None Some(2)", "None Some(2)"));
}

/// What its documentation says: at first it may show the time of the stop. But not for long.
#[test]
fn the_ticking_clock_catches_up_after_a_stop() {
    let (_, last) = stopped_and_continued("ticking");
    assert_eq!(last, "None Some(2)");
}

#[test]
#[ignore = "it is the other process of the tests above"]
fn the_process_that_is_stopped() {
    let Ok(clock) = env::var(CLOCK) else { return };
    let mut builder = Cache::<u32, u32>::builder();
    if clock == "ticking" {
        builder = builder.clock(TickingClock::new());
    }
    let cache = builder.build();
    cache.insert_with_ttl(1, 1, SHORT);
    cache.insert_with_ttl(2, 2, Duration::from_secs(3_600));
    println!("\nready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let look = || (cache.get(&1), cache.get(&2));
    let first = look();
    println!("\nsaw {:?} {:?}", first.0, first.1);
    while look().0.is_some() {
        thread::yield_now();
    }
    println!("\nin the end {:?} {:?}", look().0, look().1);
}
