//! What is promised of old values, and whether it is kept: the check that each read has to pass.
//!
//! * A process that has invalidated a key, or flushed all, does not serve what was before: from the
//!   end of its call on, also if that was an error.
//! * Others do so for a memory life at most, from the end of the call on if it returned `Ok`, else
//!   from when the removal that is pending was made. Or, if that is longer, until two seconds after
//!   the end of a load that had begun before: it may have run without a lease.
//! * Of a flush the others hear with their next poll. Until then they use the names of before, so
//!   that nothing that others do binds them.
//! * What no process is told of ends with the time to live, and what may come on top of it.

use std::time::Duration;

use crate::origin::Origin;

pub(crate) struct Promise {
    /// For how long others may serve what was invalidated.
    of_others: Duration,
    /// For how long all may serve what nobody was told of.
    untold: Duration,
    /// By key.
    told: Vec<Vec<Told>>,
    flushes: Vec<FlushMade>,
    /// By process.
    processes: Vec<Standing>,
    broken: Vec<String>,
    count: u64,
}

/// An invalidation.
struct Told {
    version: u64,
    by: usize,
    at: Duration,
    binds: Binds,
    /// How many flushes there were before.
    flushes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Binds {
    All,
    /// It has failed.
    Own,
}

struct FlushMade {
    versions: Vec<u64>,
    by: usize,
    at: Duration,
}

#[derive(Clone, Default)]
struct Standing {
    /// When it heard of each flush.
    heard: Vec<Duration>,
    /// What it has invalidated in vain.
    owed: Vec<(u32, u64)>,
}

/// The first invalidation by another process that a read does not reflect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) at: Duration,
    /// It has not failed.
    pub(crate) is_ok: bool,
}

/// A read that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadMade {
    pub(crate) process: usize,
    pub(crate) key: u32,
    pub(crate) began: Duration,
    pub(crate) version: u64,
}

impl Promise {
    pub(crate) fn new(
        (processes, keys): (usize, usize),
        of_others: Duration,
        untold: Duration,
    ) -> Self {
        Promise {
            of_others,
            untold,
            told: (0..keys).map(|_| Vec::new()).collect(),
            flushes: Vec::new(),
            processes: vec![Standing::default(); processes],
            broken: Vec::new(),
            count: 0,
        }
    }

    /// A process has invalidated a key.
    pub(crate) fn told(&mut self, by: usize, (key, version): (u32, u64), ok: bool, at: Duration) {
        let binds = if ok { Binds::All } else { Binds::Own };
        let flushes = self.flushes.len();
        self.told[key as usize].push(Told { version, by, at, binds, flushes });
        if !ok {
            self.processes[by].owed.push((key, version));
        }
    }

    /// A process has flushed all. `versions`: those at the start of the call.
    pub(crate) fn flushed(&mut self, by: usize, versions: Vec<u64>, at: Duration) {
        self.flushes.push(FlushMade { versions, by, at });
        self.processes[by].heard.resize(self.flushes.len(), at);
    }

    /// A process has read the counter. `has_pending`: what it has invalidated in vain is not made.
    pub(crate) fn polled(&mut self, process: usize, has_pending: bool, at: Duration) {
        self.processes[process].heard.resize(self.flushes.len(), at);
        if !has_pending {
            for key in std::mem::take(&mut self.processes[process].owed) {
                self.told(process, key, true, at);
            }
        }
    }

    /// Returns what another process has announced before a read that the read does not reflect: the
    /// first flush or invalidation that has succeeded, else the first that has failed.
    pub(crate) fn announced(&self, read: &ReadMade) -> Option<Announced> {
        let ReadMade { process, key, began, version } = *read;
        let told = self.told[key as usize].iter();
        let told = told.filter(|told| told.version > version && told.by != process);
        let told = told.map(|told| Announced { at: told.at, is_ok: told.binds == Binds::All });
        let flushes = self.flushes.iter().filter(|flush| flush.by != process);
        let flushes = flushes.filter(|flush| flush.versions[key as usize] > version);
        let flushes = flushes.map(|flush| Announced { at: flush.at, is_ok: true });
        let all = told.chain(flushes).filter(|announced| announced.at < began);
        all.min_by_key(|announced| (!announced.is_ok, announced.at))
    }

    /// Returns since when a process is bound.
    fn since(&self, process: usize, told: &Told) -> Option<Duration> {
        if told.by == process {
            return Some(told.at);
        }
        let is_all = told.binds == Binds::All;
        let heard = match told.flushes.checked_sub(1) {
            None => Duration::ZERO,
            Some(flush) => *self.processes[process].heard.get(flush)?,
        };
        is_all.then(|| (told.at + self.of_others).max(heard))
    }

    /// Returns the oldest version that a read may return.
    fn oldest(&self, read: &ReadMade, origin: &Origin) -> u64 {
        let ReadMade { process, key, began, .. } = *read;
        let is_bound = |told: &&Told| self.since(process, told).is_some_and(|from| from < began);
        let told = self.told[key as usize].iter().filter(is_bound).map(|told| told.version).max();
        let standing = &self.processes[process];
        let heard = self.flushes.iter().zip(&standing.heard).filter(|(flush, heard)| {
            let from = if flush.by == process { flush.at } else { **heard };
            from < began
        });
        let flushed = heard.map(|(flush, _)| flush.versions[key as usize]).max();
        let ended = began.checked_sub(self.untold);
        let ended = ended.and_then(|end| origin.replaced_by(key, end)).map(|version| version + 1);
        told.max(flushed).max(ended).unwrap_or(0)
    }

    /// Checks a read.
    pub(crate) fn check(&mut self, read: &ReadMade, origin: &Origin) {
        let oldest = self.oldest(read, origin);
        if read.version >= oldest {
            return;
        }
        self.count += 1;
        if self.broken.len() < 3 {
            let replaced = origin.replaced(read.key, read.version).unwrap_or_default();
            self.broken.push(format!(
                "process {} read version {} of key {} at {:.3} s: it was to have {oldest} or \
                 later (version {} was replaced at {:.3} s)",
                read.process,
                read.version,
                read.key,
                read.began.as_secs_f64(),
                read.version,
                replaced.as_secs_f64(),
            ));
        }
    }

    /// Returns how many reads were past the promise, and some of them.
    pub(crate) fn broken(&self) -> (u64, &[String]) {
        (self.count, &self.broken)
    }
}
