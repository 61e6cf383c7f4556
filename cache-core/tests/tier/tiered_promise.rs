//! The promise of a tiered cache, as a model: which versions a read may return.
//!
//! The origin is versioned: each write makes a new version of a key. A *bound* says that from some
//! time on the reads of one key by one process are of a version or a later one. A read is judged by
//! the bounds at its start.
//!
//! # The rules
//! * The process that has written a key, or flushed all, is bound at once. Also if the call has
//!   returned an error: the key is then dropped from memory and not read from the tier.
//! * The others are bound when the call has returned `Ok`, or when the poll has that makes what is
//!   pending:
//!   - by a write, after a memory life; at once if the tier tells of writes;
//!   - by a flush, at their next poll.
//! * A process that has not read the counter since it was raised asks the tier by old names. Until
//!   its next poll nothing that others do binds it.
//! * A load that began before another process's write may leave what it has loaded for two seconds
//!   from its end: it may have run without a lease. Not if the tier tells of writes.
//! * A server that starts with old data has an old counter, which does not say that others have
//!   flushed since. A process that had not heard of it before is bound after a memory life: what is
//!   older than the outage it does not trust.
//! * What no cache is told of ends with the time to live and the window of stale values.

use std::time::Duration;

use crate::tiered::{MINUTE, SECOND};

pub(crate) const PROCESSES: usize = 3;
pub(crate) const KEYS: usize = 3;
/// Of all keys.
pub(crate) type Versions = [u64; KEYS];

pub(crate) const MEMORY_LIFE: Duration = Duration::from_secs(5);
/// Of what was loaded without a lease.
const UNLEASED_LIFE: Duration = Duration::from_secs(2);

/// Of one key, for one process.
#[derive(Clone, Copy, Debug)]
struct Bound {
    version: u64,
    from: Duration,
    /// Its number among all bounds.
    number: u64,
    firmness: Firmness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Firmness {
    Firm,
    /// A load that runs may put it off.
    Soft,
}

/// What binds one process.
#[derive(Default)]
struct Obligations {
    bounds: [Vec<Bound>; KEYS],
    /// What others have written since the counter was raised that it has not read: the bounds that
    /// begin with its next poll.
    deferred: [Vec<Bound>; KEYS],
    /// What others' flushes have made old, since its last poll.
    flushed: Option<Versions>,
    /// The counter that it has read, by how often that was raised.
    heard: Option<u64>,
    /// What it has written in vain, and what of that was a flush.
    owed: [Option<u64>; KEYS],
    owed_flush: Option<Versions>,
}

impl Obligations {
    /// Has what was deferred begin, no earlier than this.
    fn begin_deferred(&mut self, earliest: Duration) {
        for (bounds, deferred) in self.bounds.iter_mut().zip(&mut self.deferred) {
            bounds.extend(
                deferred.drain(..).map(|bound| Bound { from: bound.from.max(earliest), ..bound }),
            );
        }
    }
}

pub(crate) struct Promise {
    processes: [Obligations; PROCESSES],
    /// When each version of each key was made. The last one is the present one.
    made: [Vec<Duration>; KEYS],
    tells: bool,
    /// For how long values are kept after their life.
    window: Duration,
    /// The number of the last bound.
    last: u64,
    /// How long the longest load has taken.
    longest: Duration,
}

impl Promise {
    /// `tells`: the tier tells of writes.
    pub(crate) fn new(tells: bool, window: Duration, now: Duration) -> Self {
        Promise {
            processes: Default::default(),
            made: std::array::from_fn(|_| vec![now]),
            tells,
            window,
            last: 0,
            longest: Duration::ZERO,
        }
    }

    /// Returns the version of a key.
    pub(crate) fn version(&self, key: usize) -> u64 {
        self.made[key].len() as u64 - 1
    }

    pub(crate) fn versions(&self) -> Versions {
        std::array::from_fn(|key| self.version(key))
    }

    /// Makes a new version of a key, of which nobody is told. Returns it.
    pub(crate) fn write(&mut self, key: usize, now: Duration) -> u64 {
        self.made[key].push(now);
        self.version(key)
    }

    fn bound(&mut self, version: u64, (firmness, from): (Firmness, Duration)) -> Bound {
        self.last += 1;
        Bound { version, from, number: self.last, firmness }
    }

    fn bind(&mut self, (process, key): (usize, usize), version: u64, when: (Firmness, Duration)) {
        let bound = self.bound(version, when);
        self.processes[process].bounds[key].push(bound);
    }

    fn bind_all(&mut self, process: usize, versions: Versions, when: (Firmness, Duration)) {
        for (key, version) in versions.into_iter().enumerate() {
            self.bind((process, key), version, when);
        }
    }

    /// A process has told its cache of a version. `raised`: how often the counter was raised.
    pub(crate) fn told(&mut self, at: (usize, usize), version: u64, is_ok: bool, moment: Moment) {
        let (process, key) = at;
        self.bind(at, version, (Firmness::Firm, moment.now));
        self.processes[process].owed[key] = (!is_ok).then_some(version);
        if is_ok {
            self.announce(at, version, moment);
        }
    }

    fn announce(&mut self, (process, key): (usize, usize), version: u64, moment: Moment) {
        for other in (0..PROCESSES).filter(|other| *other != process) {
            let when = (Firmness::Soft, moment.now + MEMORY_LIFE);
            if self.processes[other].heard != Some(moment.raised) {
                let bound = self.bound(version, when);
                self.processes[other].deferred[key].push(bound);
            } else if self.tells {
                self.bind((other, key), version, (Firmness::Firm, moment.now));
            } else {
                self.bind((other, key), version, when);
            }
        }
    }

    /// A process has flushed all. `versions`: those at the start of the call.
    pub(crate) fn flushed(
        &mut self,
        process: usize,
        versions: Versions,
        is_ok: bool,
        moment: Moment,
    ) {
        self.bind_all(process, versions, (Firmness::Firm, moment.now));
        self.processes[process].owed_flush = (!is_ok).then_some(versions);
        if is_ok {
            self.hear(process, moment);
            self.announce_flush(process, versions);
        }
    }

    fn announce_flush(&mut self, process: usize, versions: Versions) {
        for other in (0..PROCESSES).filter(|other| *other != process) {
            self.processes[other].flushed = Some(versions);
        }
    }

    /// A poll of this process has returned `Ok`.
    pub(crate) fn polled(&mut self, process: usize, moment: Moment) {
        self.hear(process, moment);
        let own = &mut self.processes[process];
        let (owed, owed_flush) = (std::mem::take(&mut own.owed), own.owed_flush.take());
        if let Some(versions) = owed_flush {
            self.announce_flush(process, versions);
        }
        for (key, version) in owed.into_iter().enumerate() {
            if let Some(version) = version {
                self.announce((process, key), version, moment);
            }
        }
    }

    /// A process has read the counter.
    fn hear(&mut self, process: usize, Moment { now, raised }: Moment) {
        let own = &mut self.processes[process];
        own.heard = Some(raised);
        own.begin_deferred(now);
        if let Some(versions) = own.flushed.take() {
            self.bind_all(process, versions, (Firmness::Firm, now));
        }
    }

    /// The server has started with old data.
    pub(crate) fn restarted_with_old_data(&mut self, now: Duration) {
        let end = now + MEMORY_LIFE;
        for process in 0..PROCESSES {
            let own = &mut self.processes[process];
            own.begin_deferred(end);
            if let Some(versions) = own.flushed.take() {
                self.bind_all(process, versions, (Firmness::Soft, end));
            }
        }
    }

    /// Returns what [`ended`](Self::ended) is to be told of a load that begins.
    pub(crate) fn began(&self, now: Duration) -> Began {
        Began { now, last: self.last }
    }

    /// A load of a key has ended.
    pub(crate) fn ended(&mut self, (process, key): (usize, usize), began: Began, now: Duration) {
        self.longest = self.longest.max(now - began.now);
        let own = &mut self.processes[process];
        for bound in own.bounds[key].iter_mut().chain(&mut own.deferred[key]) {
            if bound.number > began.last && bound.firmness == Firmness::Soft {
                bound.from = bound.from.max(now + UNLEASED_LIFE);
            }
        }
    }

    /// Returns the oldest version that a read may return.
    pub(crate) fn oldest(&self, (process, key): (usize, usize), now: Duration) -> u64 {
        let bounds = self.processes[process].bounds[key].iter().filter(|bound| bound.from <= now);
        let told = bounds.map(|bound| bound.version).max().unwrap_or(0);
        // A version ends with the next one.
        let kept = MINUTE + self.window + SECOND + self.longest;
        let untold = self.made[key].iter().filter(|made| **made + kept <= now).count();
        told.max((untold as u64).saturating_sub(1))
    }

    /// Forgets bounds that others go beyond. No load runs.
    pub(crate) fn tidy(&mut self, now: Duration) {
        for process in 0..PROCESSES {
            for key in 0..KEYS {
                let oldest = self.oldest((process, key), now);
                let bounds = &mut self.processes[process].bounds[key];
                bounds.retain(|bound| bound.version > oldest);
                bounds.push(Bound {
                    version: oldest,
                    from: Duration::ZERO,
                    number: 0,
                    firmness: Firmness::Firm,
                });
            }
        }
    }
}

/// When something has happened, and how often the counter was raised until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Duration,
    pub(crate) raised: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    now: Duration,
    last: u64,
}
