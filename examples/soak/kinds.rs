//! What workers do, how often, and the counts of it.

use std::ops::Index;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_core::Status;

use crate::random::Random;
use crate::world::{is_calm, wait_limit};

/// An operation. Those named `Task...` are for tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    View,
    Iter,
    GetWith,
    TryGetWith,
    OptionallyGetWith,
    LoadingGet,
    LoadingRefresh,
    LoadingGetAll,
    GetMany,
    GetManyWith,
    OrInsertWith,
    AndUpsertWith,
    AndComputeWith,
    Count,
    Insert,
    InsertWithTtl,
    Remove,
    Invalidate,
    InvalidateAll,
    InvalidateIf,
    RunPendingTasks,
    TaskGetWith,
    TaskTryGetWith,
    TaskTryGetWithin,
    TaskOptionallyGetWith,
    TaskLoadingGet,
    TaskGetManyWith,
    TaskOrInsertWith,
    TaskAndUpsertWith,
    TaskAndComputeWith,
    TaskCount,
    TaskBlocks,
}

/// The groups whose operations are added up in the line of each second.
pub(crate) const GROUPS: [&str; 7] = ["read", "load", "many", "entry", "write", "flush", "task"];

type Plan = (Kind, &'static str, u64);

/// What a thread does: the kind, its group, its relative frequency.
const THREAD: &[Plan] = &[
    (Kind::Get, "read", 200),
    (Kind::View, "read", 100),
    (Kind::Iter, "read", 2),
    (Kind::GetWith, "load", 150),
    (Kind::TryGetWith, "load", 60),
    (Kind::OptionallyGetWith, "load", 40),
    (Kind::LoadingGet, "load", 40),
    (Kind::LoadingRefresh, "load", 10),
    (Kind::LoadingGetAll, "many", 5),
    (Kind::GetMany, "many", 10),
    (Kind::GetManyWith, "many", 25),
    (Kind::OrInsertWith, "entry", 20),
    (Kind::AndUpsertWith, "entry", 20),
    (Kind::AndComputeWith, "entry", 20),
    (Kind::Count, "entry", 30),
    (Kind::Insert, "write", 30),
    (Kind::InsertWithTtl, "write", 15),
    (Kind::Remove, "write", 15),
    (Kind::Invalidate, "write", 25),
    (Kind::InvalidateAll, "flush", 2),
    (Kind::InvalidateIf, "flush", 2),
    (Kind::RunPendingTasks, "flush", 4),
];

/// What a task does, likewise.
const TASK: &[Plan] = &[
    (Kind::TaskGetWith, "task", 300),
    (Kind::TaskTryGetWith, "task", 100),
    (Kind::TaskTryGetWithin, "task", 100),
    (Kind::TaskOptionallyGetWith, "task", 60),
    (Kind::TaskLoadingGet, "task", 40),
    (Kind::TaskGetManyWith, "task", 60),
    (Kind::TaskOrInsertWith, "task", 40),
    (Kind::TaskAndUpsertWith, "task", 30),
    (Kind::TaskAndComputeWith, "task", 30),
    (Kind::TaskCount, "task", 60),
    // Any operation of threads, on the thread that polls: blocks the other tasks there.
    (Kind::TaskBlocks, "task", 1),
];

fn draw(plans: &[Plan], random: &mut Random) -> Kind {
    let mut at = random.below(plans.iter().map(|plan| plan.2).sum());
    for &(kind, _, often) in plans {
        if at < often {
            return kind;
        }
        at -= often;
    }
    unreachable!("below the sum")
}

impl Kind {
    /// Draws an operation for a thread.
    pub(crate) fn of_thread(random: &mut Random) -> Kind {
        draw(THREAD, random)
    }

    /// Draws an operation for a task.
    pub(crate) fn of_task(random: &mut Random) -> Kind {
        match draw(TASK, random) {
            Kind::TaskBlocks if is_calm() => Kind::TaskGetWith,
            kind => kind,
        }
    }

    /// All kinds, each with its group.
    pub(crate) fn all() -> impl Iterator<Item = (Kind, &'static str)> {
        THREAD.iter().chain(TASK).map(|&(kind, group, _)| (kind, group))
    }

    pub(crate) fn named(number: usize) -> Option<Kind> {
        Kind::all().map(|(kind, _)| kind).find(|&kind| kind as usize == number)
    }
}

/// The number of kinds.
const COUNT: usize = Kind::TaskBlocks as usize + 1;

/// A number for each kind.
struct PerKind([AtomicU64; COUNT]);

impl Default for PerKind {
    fn default() -> PerKind {
        PerKind([const { AtomicU64::new(0) }; COUNT])
    }
}

impl Index<Kind> for PerKind {
    type Output = AtomicU64;

    fn index(&self, kind: Kind) -> &AtomicU64 {
        &self.0[kind as usize]
    }
}

/// What all workers have done so far.
#[derive(Default)]
pub(crate) struct Tally {
    done: PerKind,
    slowest_micros: PerKind,
    /// Operations that took longer than the wait limit of a load.
    slow: PerKind,
    /// Deliberate panics that reached the caller.
    pub(crate) panics: AtomicU64,
    /// Panics of computations that would have waited for themselves: cycles in the wait-for graph.
    pub(crate) cycles: AtomicU64,
    /// Panics of computations whose wait timed out.
    pub(crate) timeouts: AtomicU64,
    /// Futures dropped halfway.
    pub(crate) cancels: AtomicU64,
    /// Errors that callers received.
    pub(crate) failures: AtomicU64,
    pub(crate) loaded: AtomicU64,
    pub(crate) coalesced: AtomicU64,
}

impl Tally {
    pub(crate) fn note(&self, kind: Kind, took: Duration) {
        self.slow[kind].fetch_add(u64::from(took >= wait_limit()), Relaxed);
        self.done[kind].fetch_add(1, Relaxed);
        self.slowest_micros[kind].fetch_max(took.as_micros() as u64, Relaxed);
    }

    pub(crate) fn status(&self, status: Status) {
        match status {
            Status::Loaded => self.loaded.fetch_add(1, Relaxed),
            Status::Coalesced => self.coalesced.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    pub(crate) fn done(&self, kind: Kind) -> u64 {
        self.done[kind].load(Relaxed)
    }

    pub(crate) fn slow(&self, kind: Kind) -> u64 {
        self.slow[kind].load(Relaxed)
    }

    pub(crate) fn slowest(&self, kind: Kind) -> Duration {
        Duration::from_micros(self.slowest_micros[kind].load(Relaxed))
    }

    /// Returns the number of operations of each of [`GROUPS`].
    pub(crate) fn by_group(&self) -> [u64; GROUPS.len()] {
        GROUPS.map(|group| {
            let of_group = Kind::all().filter(|(_, other)| *other == group);
            of_group.map(|(kind, _)| self.done(kind)).sum()
        })
    }

    /// Returns the counts beside the operations, by name.
    pub(crate) fn events(&self) -> [(&'static str, u64); 7] {
        [
            ("panics", &self.panics),
            ("cancels", &self.cancels),
            ("coalesced", &self.coalesced),
            ("loaded", &self.loaded),
            ("failures", &self.failures),
            ("cycles", &self.cycles),
            ("timeouts", &self.timeouts),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
    }
}
