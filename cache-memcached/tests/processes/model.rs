//! Three real processes against the promise (`promise.rs`): random acts of two threads each over
//! one server, an origin in a file, real time. Each process logs what it does; afterwards the logs
//! are judged together.
//!
//! By default the three cases make a hundred thousand acts. `MODEL_ACTS=n` has each make n.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::harness::cases;
use crate::memcached::Server;
use crate::origin::Origin;
use crate::parent::{NEVER, Process, Settings};
use crate::promise::{How, Logs, Record, Terms, Verdict};

cases![
    no_read_of_processes_that_poll_is_past_its_bound,
    no_read_of_processes_that_hear_is,
    no_read_of_processes_whose_server_hangs_at_times_is,
];

const PROCESSES: u64 = 3;

/// Of each case.
const ACTS: u64 = 34_000;

const MEMORY_LIFE: Duration = Duration::from_millis(100);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("cache-memcached-{name}-{}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is of no use to anybody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Says that it is over when it is dropped.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn log_of(process: &Process) -> Vec<Record> {
    let lines = std::iter::repeat_with(|| process.next());
    let log = lines.take_while(|line| line != "end").filter(|line| line != "acting");
    log.map(|line| Record::of_text(&line)).collect()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("not so long")
}

/// What happens to the server meanwhile: called again and again.
type Meanwhile = fn(&Server);

fn run(
    name: &str,
    change: impl FnOnce(Settings) -> Settings,
    meanwhile: Meanwhile,
) -> (Vec<Vec<Record>>, Verdict) {
    let acts = std::env::var("MODEL_ACTS").ok().map(|acts| acts.parse().expect("a number"));
    let acts = acts.unwrap_or(ACTS);
    let (folder, server) = (Folder::new(name), Server::start());
    Origin::create(&folder.0);
    let settings = change(Settings {
        memory_life: MEMORY_LIFE,
        lease_wait: Duration::from_millis(20),
        origin: Some(folder.0.clone()),
        ..Settings::of(server.address())
    });
    let period = (settings.poll_period < NEVER).then(|| nanos(settings.poll_period));
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| settings.start()).collect();
    let seed = std::process::id();
    for (number, process) in processes.iter_mut().enumerate() {
        process.tell(&format!("model {} {}", seed as usize + number, acts / PROCESSES));
    }
    let is_over = AtomicBool::new(false);
    let logs: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(SeqCst) {
                meanwhile(&server);
                thread::sleep(Duration::from_millis(100));
            }
        });
        // Also if one of them has failed.
        let _over = Over(&is_over);
        processes.iter().map(log_of).collect()
    });
    let terms = Terms { memory_life: nanos(MEMORY_LIFE), period };
    let verdict = Logs::new(logs.clone(), terms).judge();
    println!("{name}: {verdict:?}");
    (logs, verdict)
}

/// All kinds of calls must have been made. Returns how many have failed.
fn check(logs: &[Vec<Record>], verdict: Verdict) -> usize {
    let count = |is_it: fn(&Record) -> bool| logs.iter().flatten().filter(|it| is_it(it)).count();
    let failed = count(|it| {
        matches!(
            it,
            Record::Write { is_ok: false, .. }
                | Record::Flush { is_ok: false, .. }
                | Record::Poll { is_ok: false, .. }
        )
    });
    assert_eq!(verdict.stale, 0);
    let by = |how| {
        logs.iter()
            .flatten()
            .filter(move |it| matches!(it, Record::Read { how: by, .. } if *by == how))
    };
    let kinds = [How::Memory, How::Tier, How::Origin].map(|how| by(how).count());
    let [writes, flushes] = [
        count(|it| matches!(it, Record::Write { .. })),
        count(|it| matches!(it, Record::Flush { .. })),
    ];
    println!("reads {kinds:?}, writes {writes}, flushes {flushes}, failed {failed}");
    assert!(kinds.iter().all(|kind| *kind > 0) && writes > 0 && flushes > 0);
    assert!(verdict.old > 0, "nothing was old within its bound, so nothing was tried");
    failed
}

/// Each process polls itself, so that it is known when it has.
fn no_read_of_processes_that_poll_is_past_its_bound() {
    let (logs, verdict) = run("polls", |settings| settings, |_| ());
    assert_eq!(check(&logs, verdict), 0);
}

/// A thread polls, and the watch is on.
fn no_read_of_processes_that_hear_is() {
    let change =
        |settings| Settings { watches: true, poll_period: Duration::from_millis(100), ..settings };
    let (logs, verdict) = run("hears", change, |_| ());
    assert_eq!(check(&logs, verdict), 0);
}

/// For longer than the processes wait for it. Calls fail, and their breakers open.
fn no_read_of_processes_whose_server_hangs_at_times_is() {
    let change = |settings| Settings { is_strict: true, ..settings };
    let (logs, verdict) = run("hangs", change, |server| {
        server.hang();
        thread::sleep(Duration::from_millis(80));
        server.go_on();
        thread::sleep(Duration::from_millis(600));
    });
    assert!(check(&logs, verdict) > 0, "it has hung for nobody");
}
