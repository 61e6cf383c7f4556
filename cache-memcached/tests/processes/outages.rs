//! Servers that hang and servers that start anew, while several processes use them.

use std::time::Duration;

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::parent::{Process, Settings};

cases![
    a_server_that_hangs_holds_up_no_process,
    a_server_that_starts_empty_gives_no_process_what_is_old,
    a_server_that_starts_with_old_data_gives_no_process_what_is_old,
    a_write_that_failed_is_made_when_the_server_is_back,
];

/// The longest call waits for a lease, for a second, asks for it once more, reads the counter in
/// three exchanges, and stores what it has loaded: 100 ms to connect and 50 ms for each of them.
/// Ten times that, because the processes share a busy machine.
const LONGEST_CALL: Duration = Duration::from_secs(20);

/// Waits until each of them has made some more calls.
fn calls(processes: &[Process]) {
    for process in processes {
        while process.said().is_some() {}
    }
    for process in processes {
        (0..10).for_each(|_| assert_eq!(process.next(), "calls"));
    }
}

fn a_server_that_hangs_holds_up_no_process() {
    let server = Server::start();
    let settings = Settings {
        is_strict: true,
        memory_life: Duration::from_millis(1),
        poll_period: Duration::from_millis(20),
        lease_wait: Duration::from_secs(1),
        ..Settings::of(server.address())
    };
    let mut processes = [(); 3].map(|()| settings.start());
    processes.iter_mut().for_each(|it| it.tell("storm"));
    for _ in 0..3 {
        calls(&processes);
        server.hang();
        calls(&processes);
        calls(&processes);
        server.go_on();
    }
    for process in &mut processes {
        process.tell("stop");
        let mut said = process.next();
        while said == "calls" {
            said = process.next();
        }
        let [longest, wrong] = said.strip_prefix("ended ").map(numbers).expect("the end");
        assert!(u128::from(longest) < LONGEST_CALL.as_micros(), "a call took {longest} us");
        assert_eq!(wrong, 0, "values of other keys");
        assert!(process.figure("errors") > 0, "it has noticed nothing");
    }
    all_see_what_one_writes(&mut processes, 7);
}

fn numbers(text: &str) -> [u64; 2] {
    let numbers: Vec<_> = text.split(' ').map(|it| it.parse().expect("a number")).collect();
    numbers.try_into().expect("two")
}

/// The first process writes a key until that succeeds; then all see it, soon, and nothing else ever
/// after.
#[track_caller]
fn all_see_what_one_writes(processes: &mut [Process], key: u64) {
    let [first, others @ ..] = processes else { panic!("there are some") };
    wait_until(|| first.ask(&format!("insert {key} newest")) == "ok");
    assert_eq!(first.value_or(key, "newest"), "newest");
    for other in others {
        // By a breaker that is open still it may load for itself, what the origin has.
        wait_until(|| other.value_or(key, "newest") == "newest");
        (0..20).for_each(|_| assert_eq!(other.value_or(key, "newest"), "newest"));
    }
}

fn a_server_that_starts_empty_gives_no_process_what_is_old() {
    let mut server = Server::start();
    let mut processes = [(); 3].map(|()| Settings::of(server.address()).start());
    for round in 0..3 {
        let [one, two, three] = &mut processes;
        one.must(&format!("insert {round} old"));
        assert_eq!([&mut *two, three].map(|it| it.value_or(round, "wrong")), ["old", "old"]);
        server.restart();
        // The connections that waited are seen to be closed, so that no call fails.
        two.must(&format!("invalidate {round}"));
        assert_eq!(two.value_or(round, "new"), "new");
        for process in &mut processes {
            // It keeps nothing in memory for long.
            wait_until(|| process.value_or(round, "new") == "new");
            (0..20).for_each(|_| assert_eq!(process.value_or(round, "new"), "new"));
        }
        processes.iter_mut().for_each(|it| it.must("poll"));
        all_see_what_one_writes(&mut processes, round);
        processes[1].must("flush");
        processes.iter_mut().for_each(|it| it.must("poll"));
        assert_eq!(processes.each_mut().map(|it| it.value_or(round, "after")), ["after"; 3]);
    }
}

fn a_server_that_starts_with_old_data_gives_no_process_what_is_old() {
    let name = format!("cache-memcached-processes-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut server = Server::keeping(&folder);
    let settings = Settings { is_strict: true, ..Settings::of(server.address()) };
    let patient = Settings::of(server.address());
    let (mut writer, mut silent) = (settings.start(), patient.start());
    wait_until(|| writer.ask("insert 7 old") == "ok");
    assert_eq!(silent.value_or(7, "wrong"), "old");
    server.end_in_order();
    let failed = writer.ask("invalidate 7");
    assert!(failed.starts_with("failed"), "{failed}");
    server.restart();
    std::fs::remove_dir_all(&folder).expect("it is ours");
    // It has seen nothing of it but that its connection has ended.
    assert_eq!(silent.value_or(7, "new"), "new");
    assert_eq!(silent.figure("distrusted"), 1, "the server was to come back with old data");
    wait_until(|| writer.ask("poll") == "ok");
    let mut stranger = patient.start();
    for process in [&mut writer, &mut silent, &mut stranger] {
        wait_until(|| process.value_or(7, "new") == "new");
        (0..20).for_each(|_| assert_eq!(process.value_or(7, "new"), "new"));
    }
}

/// The server hangs, so its data is old to a process that has noticed nothing.
fn a_write_that_failed_is_made_when_the_server_is_back() {
    let server = Server::start();
    let settings = Settings::of(server.address());
    let hasty =
        Settings { is_strict: true, poll_period: Duration::from_millis(20), ..settings.clone() };
    let (mut writer, mut reader) = (hasty.start(), settings.start());
    wait_until(|| writer.ask("insert 7 old") == "ok");
    assert_eq!(reader.value_or(7, "wrong"), "old");
    server.hang();
    let failed = writer.ask("invalidate 7");
    assert!(failed.starts_with("failed"), "{failed}");
    assert_eq!(writer.value_or(7, "new"), "new", "it does without the server");
    server.go_on();
    wait_until(|| writer.figure("pending") == 0);
    for process in [&mut reader, &mut writer] {
        wait_until(|| process.value_or(7, "new") == "new");
        (0..20).for_each(|_| assert_eq!(process.value_or(7, "new"), "new"));
    }
}
