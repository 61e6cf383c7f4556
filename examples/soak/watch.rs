//! What each worker is doing and since when; a watchdog for operations that never end; the sorting
//! of panics.

use std::any::Any;
use std::panic;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::faults;
use crate::kinds::{Kind, Tally};

/// The time between two looks of the watchdog.
const TURN: Duration = Duration::from_millis(500);
/// An operation that is seen in so many turns is stuck. That is two minutes at least: 600 times the
/// wait limit of a load, and loads nest only a few deep. (With `--calm` the wait limit is longer,
/// but no load takes long.) Turns are counted instead of time, because a process that is stopped,
/// or that the machine does not schedule, gets no turns either.
const STUCK_AFTER: u32 = 240;

/// The payload of a panic that is part of the test.
pub(crate) struct Deliberate;

/// One worker, thread or task.
struct Slot {
    name: String,
    /// The kind's number and one; 0 is idle.
    doing: AtomicUsize,
    since_millis: AtomicU64,
    ops: AtomicU64,
}

/// What the watchdog has seen of a worker.
#[derive(Clone, Default)]
struct Seen {
    ops: u64,
    turns: u32,
}

pub(crate) struct Watch {
    began: Instant,
    slots: Vec<Slot>,
}

impl Watch {
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Watch {
        let slot = |name| Slot {
            name,
            doing: AtomicUsize::new(0),
            since_millis: AtomicU64::new(0),
            ops: AtomicU64::new(0),
        };
        Watch { began: Instant::now(), slots: names.map(slot).collect() }
    }

    fn millis(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(crate) fn enter(&self, worker: usize, kind: Kind) -> Instant {
        let slot = &self.slots[worker];
        slot.since_millis.store(self.millis(), Relaxed);
        slot.doing.store(kind as usize + 1, Relaxed);
        Instant::now()
    }

    pub(crate) fn leave(&self, worker: usize) {
        let slot = &self.slots[worker];
        slot.doing.store(0, Relaxed);
        slot.ops.fetch_add(1, Relaxed);
    }

    /// Returns the fewest operations that a worker has completed, and its name.
    pub(crate) fn fewest(&self) -> (u64, &str) {
        let of_all = self.slots.iter().map(|slot| (slot.ops.load(Relaxed), slot.name.as_str()));
        of_all.min().unwrap_or((0, ""))
    }

    /// Counts the turns in which a worker was seen at the same operation.
    fn look(&self, seen: &mut [Seen]) {
        for (slot, seen) in self.slots.iter().zip(seen) {
            let ops = slot.ops.load(Relaxed);
            if slot.doing.load(Relaxed) == 0 || seen.ops != ops {
                *seen = Seen { ops, turns: 0 };
            }
            seen.turns += 1;
        }
    }

    fn describe(&self) -> String {
        let line = |slot: &Slot| {
            let doing = slot.doing.load(Relaxed).checked_sub(1).and_then(Kind::named);
            let doing = doing.map_or("nothing".to_owned(), |kind| format!("{kind:?}"));
            let millis = self.millis().saturating_sub(slot.since_millis.load(Relaxed));
            format!("  {:<16} {:<22} for {:>6} ms", slot.name, doing, millis)
        };
        self.slots.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Ends the process with status 1 if an operation is stuck.
    pub(crate) fn guard(self: Arc<Self>, seed: u64) {
        thread::spawn(move || {
            let mut seen = vec![Seen::default(); self.slots.len()];
            loop {
                thread::sleep(TURN);
                self.look(&mut seen);
                if seen.iter().any(|seen| seen.turns > STUCK_AFTER) {
                    eprintln!("soak: STUCK\n{}", self.describe());
                    faults::found().iter().for_each(|fault| eprintln!("soak: WRONG: {fault}"));
                    eprintln!("soak: seed {seed}");
                    process::exit(1);
                }
            }
        });
    }
}

/// The texts of the two panics that the cache itself raises here; both are documented.
const CYCLE: &str = "would wait for itself for ever";
const TIMED_OUT: &str = "has not ended within `coalesce_timeout`";

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or(payload.downcast_ref::<&str>().copied()).unwrap_or("")
}

fn is_expected(payload: &(dyn Any + Send)) -> bool {
    let text = text(payload);
    payload.is::<Deliberate>() || text.contains(CYCLE) || text.contains(TIMED_OUT)
}

/// Keeps the panics that are part of the test off the terminal.
pub(crate) fn silence_expected_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_expected(info.payload()) {
            usual(info);
        }
    }));
}

/// Counts a panic that came out of an operation.
pub(crate) fn sort_panic(payload: Box<dyn Any + Send>, tally: &Tally, what: &dyn std::fmt::Debug) {
    let text = text(&*payload);
    let count = if payload.is::<Deliberate>() {
        &tally.panics
    } else if text.contains(CYCLE) {
        &tally.cycles
    } else if text.contains(TIMED_OUT) {
        &tally.timeouts
    } else {
        return faults::report(format!("{what:?} panicked: {text}"));
    };
    count.fetch_add(1, Relaxed);
}
