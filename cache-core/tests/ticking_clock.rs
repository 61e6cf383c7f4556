//! The thread behind `TickingClock`, seen from outside. A binary of its own with one test, because
//! it counts the threads of the whole process.
#![cfg(target_os = "linux")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use cache_core::{Clock, TickingClock};

/// Threads of this process that carry the clock's name. One may end between listing and reading.
fn clock_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc lists the threads");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end() == "cache-clock")
        .count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "still waiting: {what}");
        thread::yield_now();
    }
}

fn advances(clock: &TickingClock) {
    let start = clock.now();
    wait_until("the clock to advance", || clock.now() > start);
}

#[test]
fn ticking_clock_has_one_thread_while_there_are_handles() {
    assert_eq!(clock_threads(), 0, "nothing runs before the first handle");
    for _ in 0..3 {
        let first = TickingClock::new();
        let second = TickingClock::new();
        let third = first.clone();
        // A thread names itself once it runs, so it has to be waited for.
        wait_until("the thread to show up", || clock_threads() == 1);
        drop((first, third));
        advances(&second);
        assert_eq!(clock_threads(), 1, "one handle is enough to keep it");
        drop(second);
        wait_until("the thread to end", || clock_threads() == 0);
    }
}
