//! Flushes by one process, as others hear of them.

use std::time::Duration;

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::parent::{LONGEST, Process, Settings};

cases![
    a_flush_is_heard_by_the_poll,
    a_flush_is_heard_by_the_watch_at_once,
    an_invalidation_is_heard_by_the_watch_at_once,
    a_flush_during_a_load_leaves_nothing_of_it_after_the_poll,
];

/// That it takes no longer than a period is tested with a clock of the test's, in cache-core.
fn a_flush_is_heard_by_the_poll() {
    let period = Duration::from_millis(50);
    let server = Server::start();
    let settings =
        Settings { poll_period: period, memory_life: LONGEST, ..Settings::of(server.address()) };
    let mut processes = [(); 3].map(|()| settings.start());
    for round in 0..5 {
        let old = format!("old{round}");
        for process in &mut processes {
            wait_until(|| process.value_or(7, &old) == old);
        }
        let [first, others @ ..] = &mut processes;
        first.must("flush");
        for other in others {
            // Its memory would keep it for a minute.
            wait_until(|| other.ask("memory 7") == "nothing");
        }
    }
}

/// Three processes that hear what the server tells, and whose memory would keep values for long.
fn hearing_processes(server: &Server) -> [Process; 3] {
    let settings =
        Settings { watches: true, memory_life: LONGEST, ..Settings::of(server.address()) };
    let mut processes = [(); 3].map(|()| settings.start());
    processes.iter_mut().for_each(|it| it.wait_for_hearing());
    processes
}

/// The polls are too far apart to be what it is heard by.
fn a_flush_is_heard_by_the_watch_at_once() {
    let server = Server::start();
    let mut processes = hearing_processes(&server);
    for round in 0..5 {
        let old = format!("old{round}");
        for process in &mut processes {
            wait_until(|| process.value_or(7, &old) == old);
        }
        let [first, others @ ..] = &mut processes;
        first.must("flush");
        for other in others {
            wait_until(|| other.ask("memory 7") == "nothing" && other.figure("flushes") > round);
            assert_eq!(
                other.value_or(7, &format!("old{}", round + 1)),
                format!("old{}", round + 1)
            );
        }
    }
}

fn an_invalidation_is_heard_by_the_watch_at_once() {
    let server = Server::start();
    let mut processes = hearing_processes(&server);
    for round in 0..20 {
        let value = format!("value{round}");
        let [writer, others @ ..] = &mut processes;
        writer.must(&format!("insert 7 {value}"));
        for other in others {
            wait_until(|| other.value_or(7, "wrong") == value);
        }
    }
}

fn a_flush_during_a_load_leaves_nothing_of_it_after_the_poll() {
    let server = Server::start();
    let settings = Settings { memory_life: LONGEST, ..Settings::of(server.address()) };
    let [mut one, mut other] = [(); 2].map(|()| settings.start());
    for round in 0..10 {
        one.begin_load(7);
        other.must("flush");
        one.end_load("old");
        one.must("poll");
        let new = format!("new{round}");
        let [first, second] = [&mut one, &mut other].map(|it| it.value_or(7, &new));
        assert_eq!((first, second), (new.clone(), new));
        one.must("invalidate 7");
        other.must("poll");
        // It has polled, but nothing was flushed: what was invalidated stays for its memory life.
        other.must("invalidate 7");
    }
}
