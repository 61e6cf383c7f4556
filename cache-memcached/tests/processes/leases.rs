//! Of all processes one loads a key, however long that takes, and whatever becomes of it.

use std::time::Duration;

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::parent::{Process, Settings, next_of};

cases![
    of_processes_that_miss_a_key_one_loads_it,
    of_processes_that_miss_many_keys_at_once_each_key_has_one_load,
    a_process_that_is_killed_in_a_load_is_replaced_by_one_other,
    a_process_that_does_not_wait_for_a_killed_one_loads_alone,
    an_invalidation_during_a_load_leaves_nothing_of_it,
    an_insert_during_a_load_is_what_all_see,
];

fn pair(server: &Server) -> [Process; 2] {
    [(); 2].map(|()| Settings::of(server.address()).start())
}

/// Returns how often the server was asked for a key.
fn questions(server: &Server) -> u64 {
    let stats = server.say("stats");
    let count = stats.split("STAT cmd_get ").nth(1).and_then(|rest| rest.split('\r').next());
    count.and_then(|count| count.parse().ok()).expect("a number")
}

/// The load goes on for as many questions of the other process as it has in 700 ms at least: they
/// are 80 ms apart at most.
fn of_processes_that_miss_a_key_one_loads_it() {
    let server = Server::start();
    let [mut one, mut other] = pair(&server);
    one.begin_load(7);
    let before = questions(&server);
    other.tell("load 7");
    wait_until(|| questions(&server) >= before + 16);
    one.end_load("seven");
    assert_eq!(other.next(), "seven");
    assert_eq!((one.figure("won"), other.figure("won"), other.figure("unleased")), (1, 0, 0));
}

fn of_processes_that_miss_many_keys_at_once_each_key_has_one_load() {
    const KEYS: u64 = 60;
    let server = Server::start();
    let mut processes = [(); 3].map(|()| Settings::of(server.address()).start());
    processes.iter_mut().for_each(|process| process.tell(&format!("each {KEYS}")));
    let loads = processes.each_ref().map(|it| it.next().parse::<u64>().expect("a number"));
    assert_eq!(loads.iter().sum::<u64>(), KEYS, "{loads:?}");
}

/// Its lease ends after two seconds, a little more or less.
fn a_process_that_is_killed_in_a_load_is_replaced_by_one_other() {
    let server = Server::start();
    let mut holder = Settings::of(server.address()).start();
    let mut others = [(); 2].map(|()| Settings::of(server.address()).start());
    holder.begin_load(7);
    others.iter_mut().for_each(|other| other.tell("load 7"));
    holder.kill();
    let (heir, said) = next_of(&others);
    assert_eq!(said, "loading");
    // The other one asks and asks, and does not load.
    let before = questions(&server);
    wait_until(|| questions(&server) >= before + 5);
    others[heir].tell("seven");
    assert_eq!(others.each_ref().map(Process::next), ["seven", "seven"]);
    assert_eq!(others.each_mut().map(|it| it.figure("unleased")), [0, 0]);
}

fn a_process_that_does_not_wait_for_a_killed_one_loads_alone() {
    let server = Server::start();
    let settings = Settings::of(server.address());
    let mut holder = settings.start();
    let hasty = Settings { lease_wait: Duration::from_millis(100), ..settings.clone() };
    let mut hasty = hasty.start();
    holder.begin_load(7);
    holder.kill();
    hasty.begin_load(7);
    hasty.end_load("alone");
    assert_eq!(hasty.figure("unleased"), 1);
    // What it has loaded without a lease no other process is given.
    assert_eq!(settings.start().value_or(7, "leased"), "leased");
}

fn an_invalidation_during_a_load_leaves_nothing_of_it() {
    let server = Server::start();
    let [mut one, mut other] = pair(&server);
    for round in 0..20 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        one.begin_load(round);
        other.must(&format!("invalidate {round}"));
        // By now the origin has the new value, and the load is to end with the old one.
        one.end_load(&old);
        assert_eq!(one.ask(&format!("memory {round}")), "nothing");
        let [first, second] = [&mut one, &mut other].map(|it| it.value_or(round, &new));
        assert_eq!((first, second), (new.clone(), new));
    }
}

fn an_insert_during_a_load_is_what_all_see() {
    let server = Server::start();
    let [mut one, mut other] = pair(&server);
    for round in 0..20 {
        one.begin_load(round);
        other.must(&format!("insert {round} inserted"));
        one.end_load("old");
        assert_eq!(one.ask(&format!("memory {round}")), "nothing");
        let values = [&mut one, &mut other].map(|it| it.value_or(round, "wrong"));
        assert_eq!(values, ["inserted", "inserted"]);
    }
}
