//! Three processes over one tier against a model of the promise (`tiered_promise.rs`): no read past
//! its bound, whatever fails, is lost or starts anew.
//!
//! Values are the versions that the origin had when it was asked. Time is a fake clock's: an
//! operation takes none, except a load inside of which others run. What is in memory is judged
//! after every step, so that no load leaves there what a later call must not find.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{FakeSnapshot, TierError};
use cache_core::{Cache, Clock, Job, Spawn};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use crate::tiered::{By, MINUTE, Process, SECOND, World};
use crate::tiered_promise::{KEYS, Moment, PROCESSES, Promise};

#[derive(Clone, Debug)]
enum Act {
    /// `during` happens after the origin was read, and before the load ends.
    Load {
        process: usize,
        key: usize,
        how: How,
        during: Vec<Act>,
    },
    Get(usize, usize),
    Write(usize, usize, Told),
    Flush(usize),
    Poll(usize),
    /// By milliseconds.
    Advance(u64),
    /// So many operations fail.
    Fail(usize, usize),
    LoseReply(usize),
    Reach(usize, Reach),
    TakeSnapshot,
    Restart(Data),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Load,
    Fail,
    Find,
    /// All keys, with one call.
    Many,
}

/// What a cache is told of a write to the origin.
#[derive(Clone, Copy, Debug)]
enum Told {
    Insert,
    Invalidate,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Reach {
    Down,
    Up,
}

/// What a server starts with.
#[derive(Clone, Copy, Debug)]
enum Data {
    None,
    Old,
}

fn leaf() -> impl Strategy<Value = Act> {
    let (process, key) = (0..PROCESSES, 0..KEYS);
    let at = (process.clone(), key);
    let told = prop_oneof![
        3 => Just(Told::Insert),
        4 => Just(Told::Invalidate),
        1 => Just(Told::Nothing)
    ];
    let millis = prop_oneof![
        8 => prop::sample::select(vec![1, 100, 900, 1_000, 2_000]),
        2 => prop::sample::select(vec![5_000, 30_000]),
        1 => prop::sample::select(vec![70_000, 4_000_000]),
    ];
    let reach = prop_oneof![1 => Just(Reach::Down), 3 => Just(Reach::Up)];
    prop_oneof![
        10 => at.clone().prop_map(|(process, key)| Act::Get(process, key)),
        12 => (at, told).prop_map(|((process, key), told)| Act::Write(process, key, told)),
        3 => process.clone().prop_map(Act::Flush),
        10 => process.clone().prop_map(Act::Poll),
        9 => millis.prop_map(Act::Advance),
        2 => (process.clone(), 1..4_usize).prop_map(|(process, count)| Act::Fail(process, count)),
        2 => process.clone().prop_map(Act::LoseReply),
        3 => (process, reach).prop_map(|(process, reach)| Act::Reach(process, reach)),
        1 => Just(Act::TakeSnapshot),
        1 => prop::sample::select(vec![Data::None, Data::Old]).prop_map(Act::Restart),
    ]
}

fn load(during: impl Strategy<Value = Vec<Act>>) -> impl Strategy<Value = Act> {
    let how = prop_oneof![
        6 => Just(How::Load),
        2 => Just(How::Fail),
        2 => Just(How::Find),
        3 => Just(How::Many),
    ];
    (0..PROCESSES, 0..KEYS, how, during).prop_map(|(process, key, how, during)| Act::Load {
        process,
        key,
        how,
        during,
    })
}

/// A load during which its key is written and time passes; perhaps while another process has the
/// lease.
fn race() -> impl Strategy<Value = Act> {
    let told = prop::sample::select(vec![Told::Insert, Told::Invalidate]);
    let how = prop::sample::select(vec![How::Load, How::Many]);
    let times = prop::sample::select(vec![1_000, 2_000, 4_000]);
    let processes = prop::array::uniform3(0..PROCESSES);
    (processes, 0..KEYS, how, told, times, any::<bool>()).prop_map(
        |([process, writer, holder], key, how, told, millis, is_held)| {
            let during = vec![Act::Write(writer, key, told), Act::Advance(millis)];
            let load = Act::Load { process, key, how, during };
            match is_held {
                false => load,
                true => Act::Load { process: holder, key, how: How::Load, during: vec![load] },
            }
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let inner = prop_oneof![3 => leaf(), 1 => load(Just(Vec::new()))];
    prop_oneof![
        4 => leaf(),
        2 => load(Just(Vec::new())),
        1 => load(prop::collection::vec(inner, 1..5)),
        1 => race(),
    ]
}

/// Has a job done at once.
struct AtOnce;

impl Spawn for AtOnce {
    fn spawn(&self, job: Job) {
        job();
    }
}

struct Run {
    world: World,
    processes: [Arc<Process>; PROCESSES],
    promise: Promise,
    restarts: u64,
    snapshot: Option<FakeSnapshot>,
    running: u32,
    acts: u64,
}

/// Returns `true` if this version of a key is that there is no value.
fn is_absent(version: u64) -> bool {
    version % 4 == 3
}

fn text(version: u64) -> String {
    version.to_string()
}

impl Run {
    fn new(by: By, tells: bool, window: Duration) -> Self {
        let world = World::new(by);
        if tells {
            world.tier.tell_writes();
        }
        let processes: [Arc<Process>; PROCESSES] = std::array::from_fn(|_| {
            Arc::new(world.process_of(Cache::builder().executor(AtOnce), |builder| {
                let builder = builder.negative_ttl(9 * SECOND).poll_period(1_000 * SECOND);
                builder.stale_while_revalidate(window / 2).stale_if_error(window)
            }))
        });
        let promise = Promise::new(tells, window, world.clock.now().as_duration());
        let (restarts, snapshot, running, acts) = (0, None, 0, 0);
        Run { world, processes, promise, restarts, snapshot, running, acts }
    }

    fn now(&self) -> Duration {
        self.world.clock.now().as_duration()
    }

    fn moment(&self) -> Moment {
        let bumps = self.processes.iter().map(|process| process.tier.operations().bumps);
        Moment { now: self.now(), raised: bumps.sum::<u64>() + self.restarts }
    }

    fn act(&mut self, act: Act) {
        self.acts += 1;
        match act {
            Act::Load { process, key, how, during } => self.load((process, key), how, during),
            Act::Get(process, key) => {
                let oldest = self.promise.oldest((process, key), self.now());
                if let Some(read) = self.processes[process].get(key as u32) {
                    self.check((process, key), oldest, &read);
                }
            }
            Act::Write(process, key, told) => self.write((process, key), told),
            Act::Flush(process) => {
                let versions = self.promise.versions();
                let is_ok = self.processes[process].flush().is_ok();
                self.promise.flushed(process, versions, is_ok, self.moment());
            }
            Act::Poll(process) => {
                if self.processes[process].cache.poll().is_ok() {
                    self.promise.polled(process, self.moment());
                }
            }
            Act::Advance(millis) => self.world.clock.advance(Duration::from_millis(millis)),
            Act::Fail(process, count) => {
                self.processes[process].tier.fail_next(count, TierError::TimedOut);
            }
            Act::LoseReply(process) => self.processes[process].tier.lose_reply_of_next_write(),
            Act::Reach(process, Reach::Down) => self.processes[process].tier.go_down(),
            Act::Reach(process, Reach::Up) => self.processes[process].tier.come_back(),
            Act::TakeSnapshot => self.snapshot = Some(self.world.tier.snapshot()),
            Act::Restart(data) => self.restart(data),
        }
        self.check_memory();
        if self.running == 0 {
            self.promise.tidy(self.now());
        }
    }

    fn write(&mut self, at: (usize, usize), told: Told) {
        let (process, key) = (&self.processes[at.0], at.1 as u32);
        let version = self.promise.write(at.1, self.now());
        let told = match told {
            Told::Insert if !is_absent(version) => process.insert(key, &text(version)),
            Told::Insert | Told::Invalidate => process.invalidate(key),
            Told::Nothing => return,
        };
        self.promise.told(at, version, told.is_ok(), self.moment());
    }

    /// A server takes a second to start, and the processes know when it did.
    fn restart(&mut self, data: Data) {
        self.world.clock.advance(SECOND);
        self.restarts += 1;
        match (data, &self.snapshot) {
            (Data::Old, Some(snapshot)) => {
                let now = UNIX_EPOCH + 1_000_000 * MINUTE + self.now();
                for process in &self.processes {
                    process.tier.distrust_before(now);
                }
                self.world.tier.restore(snapshot);
                self.promise.restarted_with_old_data(self.now());
            }
            _ => self.world.tier.flush(),
        }
    }

    fn load(&mut self, at: (usize, usize), how: How, during: Vec<Act>) {
        let (process, key) = (Arc::clone(&self.processes[at.0]), at.1 as u32);
        let (began, now) = (self.promise.began(self.now()), self.now());
        let oldest: [u64; KEYS] = std::array::from_fn(|key| self.promise.oldest((at.0, key), now));
        let mut during = Some(during);
        let read = match how {
            How::Load => Some(process.load(key, || text(self.origin(at.1, &mut during)))),
            How::Fail => process
                .try_load(key, || {
                    self.origin(at.1, &mut during);
                    Err::<String, _>("on purpose")
                })
                .ok(),
            How::Find => {
                let found = process.find(key, || {
                    let version = self.origin(at.1, &mut during);
                    (!is_absent(version)).then(|| text(version))
                });
                if found.is_none() {
                    let mut allowed = oldest[at.1]..=self.promise.version(at.1);
                    assert!(allowed.any(is_absent), "{at:?}: none, of {allowed:?}");
                }
                found
            }
            How::Many => return self.load_many(at.0, oldest, during),
        };
        self.promise.ended(at, began, self.now());
        if let Some(read) = read {
            self.check(at, oldest[at.1], &read);
        }
    }

    fn load_many(&mut self, process: usize, oldest: [u64; KEYS], mut during: Option<Vec<Act>>) {
        let began = self.promise.began(self.now());
        let keys: [u32; KEYS] = std::array::from_fn(|key| key as u32);
        let values = Arc::clone(&self.processes[process]).load_many(&keys, |missing| {
            let versions = self.promise.versions();
            self.origin(0, &mut during);
            let pair = |key: &u32| (*key, text(versions[*key as usize]));
            let present = missing.iter().filter(|key| !is_absent(versions[**key as usize]));
            present.map(pair).collect()
        });
        for (key, read) in values.into_iter().enumerate() {
            self.promise.ended((process, key), began, self.now());
            match read {
                Some(read) => self.check((process, key), oldest[key], &read),
                None => {
                    let mut allowed = oldest[key]..=self.promise.version(key);
                    assert!(allowed.any(is_absent), "{process} {key}: none, of {allowed:?}");
                }
            }
        }
    }

    /// Reads the origin; then other things happen.
    fn origin(&mut self, key: usize, during: &mut Option<Vec<Act>>) -> u64 {
        let version = self.promise.version(key);
        self.running += 1;
        during.take().into_iter().flatten().for_each(|act| self.act(act));
        self.running -= 1;
        version
    }

    #[track_caller]
    fn check(&self, at: (usize, usize), oldest: u64, read: &str) {
        let version: u64 = read.parse().expect("a version");
        assert!(version >= oldest, "{at:?} read {version}, which is older than {oldest}");
        assert!(version <= self.promise.version(at.1));
    }

    fn check_memory(&self) {
        for process in 0..PROCESSES {
            for key in 0..KEYS {
                if let Some(read) = self.processes[process].in_memory(key as u32) {
                    let oldest = self.promise.oldest((process, key), self.now());
                    self.check((process, key), oldest, &read);
                }
            }
        }
    }
}

/// The most acts of one case, and the cases of each way of calling: with the four ways they are a
/// hundred thousand acts and more.
const MOST_ACTS: usize = 120;
const CASES: u32 = 450;

fn no_read_is_past_its_bound(by: By) {
    let config =
        ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let windows = prop::sample::select(vec![Duration::ZERO, 20 * SECOND]);
    let cases = (prop::collection::vec(act(), 0..=MOST_ACTS), any::<bool>(), windows);
    let total = Cell::new(0);
    let result = TestRunner::new(config).run(&cases, |case| {
        let (acts, tells, window) = case;
        let mut run = Run::new(by, tells, window);
        acts.into_iter().for_each(|act| run.act(act));
        total.set(total.get() + run.acts);
        Ok(())
    });
    match result {
        Ok(()) => assert!(total.get() > 25_000, "{total:?} acts"),
        Err(TestError::Fail(why, (acts, ..))) => panic!("{why}, after {acts:?}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn no_read_by_a_thread_is_past_its_bound() {
    no_read_is_past_its_bound(By::Threads);
}

#[test]
fn no_read_by_a_task_over_a_blocking_tier_is_past_its_bound() {
    no_read_is_past_its_bound(By::Jobs);
}

#[test]
fn no_read_by_a_task_is_past_its_bound() {
    no_read_is_past_its_bound(By::Tasks);
}

#[test]
fn no_read_by_a_thread_over_an_asynchronous_tier_is_past_its_bound() {
    no_read_is_past_its_bound(By::BlockedThreads);
}
