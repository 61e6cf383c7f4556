//! The promise, checked afterwards: no read returns a version older than the last one that was
//! acknowledged before the read began, once that binds the reader.
//!
//! Versions of a key rise. A *bound* says from when on the reads of a key by a process return a
//! version or a later one. What sets one, with M the memory life:
//!
//! | what | binds the same process | binds another process |
//! |---|---|---|
//! | a write that has ended | at once | after M, once it knows of all flushes until then |
//! | a flush that has ended | at once | once it knows of it |
//!
//! A process knows of a flush when a poll has ended that began after it. Where the log has no
//! polls, because a thread of the cache makes them: three periods after the flush, because what was
//! read of the counter is good for no longer than that, and what was read by then has left memory
//! after M.
//!
//! A call that fails binds its own process all the same, and no other.
//!
//! A load that another process's write comes into may bring what is old, and leave it in memory for
//! M from its end if it had no lease; its own callers are given it in any case.

use crate::origin::KEYS;

pub(crate) const CASES: crate::harness::Cases = &[
    ("a_stale_read_is_found", a_stale_read_is_found),
    ("a_read_within_its_bound_is_not", a_read_within_its_bound_is_not),
];

/// The clock of a cache stands still for so long: up to four milliseconds on usual systems.
const STEP: u64 = 10_000_000;

/// For how many periods a counter that was read is good.
const VALID_PERIODS: u64 = 3;

const MOST_PRINTED: u64 = 10;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Memory,
    /// From memory, from the server, or from the load of another thread.
    Tier,
    /// This call has asked the origin.
    Origin,
}

/// What a process has done. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Read { key: usize, version: u64, begin: u64, end: u64, how: How },
    Write { key: usize, version: u64, begin: u64, end: u64, is_ok: bool },
    Flush { versions: [u64; KEYS], begin: u64, end: u64, is_ok: bool },
    Poll { begin: u64, end: u64, is_ok: bool },
}

impl Record {
    pub(crate) fn to_text(&self) -> String {
        match self {
            Record::Read { key, version, begin, end, how } => {
                format!("read {key} {version} {begin} {end} {}", *how as u8)
            }
            Record::Write { key, version, begin, end, is_ok } => {
                format!("write {key} {version} {begin} {end} {}", u8::from(*is_ok))
            }
            Record::Poll { begin, end, is_ok } => {
                format!("poll {begin} {end} {}", u8::from(*is_ok))
            }
            Record::Flush { versions, begin, end, is_ok } => {
                let versions: String = versions.iter().map(|it| format!(" {it}")).collect();
                format!("flush {begin} {end} {}{versions}", u8::from(*is_ok))
            }
        }
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let mut words = text.split(' ');
        let kind = words.next().expect("a word");
        let numbers: Vec<u64> = words.map(|it| it.parse().expect("a number")).collect();
        match (kind, &numbers[..]) {
            ("read", &[key, version, begin, end, how]) => {
                let how = [How::Memory, How::Tier, How::Origin][how as usize];
                Record::Read { key: key as usize, version, begin, end, how }
            }
            ("write", &[key, version, begin, end, is_ok]) => {
                Record::Write { key: key as usize, version, begin, end, is_ok: is_ok == 1 }
            }
            ("poll", &[begin, end, is_ok]) => Record::Poll { begin, end, is_ok: is_ok == 1 },
            ("flush", [begin, end, is_ok, versions @ ..]) => {
                let versions = versions.try_into().expect("one for each key");
                Record::Flush { versions, begin: *begin, end: *end, is_ok: *is_ok == 1 }
            }
            _ => panic!("{text} is not what a child writes"),
        }
    }
}

/// What the processes were told to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) memory_life: u64,
    /// At which a thread polls; `None`: the log has the polls.
    pub(crate) period: Option<u64>,
}

/// From this time on, reads of a key by a process are of this version or a later one.
#[derive(Clone, Copy, Debug)]
struct Bound {
    from: u64,
    version: u64,
    /// A load that began before this may have left what is older.
    loads_before: u64,
}

/// What the log says, and how strong it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) reads: u64,
    /// Of a version that was no longer the newest acknowledged one when the read began.
    pub(crate) old: u64,
    /// Past their bound.
    pub(crate) stale: u64,
}

/// The logs of all processes.
pub(crate) struct Logs {
    terms: Terms,
    logs: Vec<Vec<Record>>,
    /// When each flush began, when it was made, and whose it was. One that failed is made by the
    /// next poll of its process.
    flushes: Vec<(u64, u64, usize)>,
    /// When each poll of each process began and ended, in order.
    polls: Vec<Vec<(u64, u64)>>,
}

impl Logs {
    pub(crate) fn new(logs: Vec<Vec<Record>>, terms: Terms) -> Self {
        let (mut flushes, mut polls) = (Vec::new(), vec![Vec::new(); logs.len()]);
        for (log, polls) in logs.iter().zip(&mut polls) {
            polls.extend(log.iter().filter_map(|record| match record {
                Record::Poll { begin, end, is_ok: true } => Some((*begin, *end)),
                _ => None,
            }));
            polls.sort_unstable();
        }
        for (process, log) in logs.iter().enumerate() {
            for record in log {
                if let Record::Flush { begin, end, is_ok, .. } = *record {
                    let made = if is_ok { Some(end) } else { poll_after(&polls[process], end) };
                    flushes.push((begin, made.unwrap_or(u64::MAX), process));
                }
            }
        }
        Logs { terms, logs, flushes, polls }
    }

    /// Returns when a process knows of a flush of another's that ended then; `None`: never.
    fn hears(&self, process: usize, flushed: u64) -> Option<u64> {
        match self.terms.period {
            Some(period) => Some(flushed + VALID_PERIODS * period + STEP),
            None => poll_after(&self.polls[process], flushed),
        }
    }

    /// Returns when a process knows of all flushes that began by then.
    fn knows_all(&self, process: usize, by: u64) -> Option<u64> {
        let before = self.flushes.iter().filter(|(begin, ..)| *begin <= by);
        let mut known = before.map(|(_, end, whose)| match *whose == process {
            true => Some(*end),
            false => self.hears(process, *end),
        });
        known.try_fold(0, |latest, known| Some(known?.max(latest)))
    }

    /// Returns the bound that another process's write sets.
    fn bound_of_write(&self, process: usize, (version, end): (u64, u64)) -> Option<Bound> {
        let (knows, life) = (self.knows_all(process, end)?, self.terms.memory_life + STEP);
        Some(match self.terms.period {
            Some(_) => {
                let since = end.max(knows);
                Bound { from: since + life, version, loads_before: since }
            }
            None => Bound { from: knows.max(end + life), version, loads_before: end },
        })
    }

    /// Returns the bound that another process's flush sets.
    fn bound_of_flush(&self, process: usize, (version, end): (u64, u64)) -> Option<Bound> {
        let hears = self.hears(process, end)?;
        Some(match self.terms.period {
            Some(_) => {
                let from = hears + self.terms.memory_life + STEP;
                Bound { from, version, loads_before: hears }
            }
            None => Bound { from: hears, version, loads_before: 0 },
        })
    }

    /// Returns the bounds of a process for each key, in order.
    fn bounds(&self, process: usize) -> Vec<Vec<Bound>> {
        let mut bounds = vec![Vec::new(); KEYS];
        for (writer, log) in self.logs.iter().enumerate() {
            let is_own = writer == process;
            let own = |version, from| Some(Bound { from, version, loads_before: 0 });
            for record in log {
                match *record {
                    Record::Write { key, version, end, is_ok, .. } if is_own || is_ok => {
                        let bound = match is_own {
                            true => own(version, end),
                            false => self.bound_of_write(process, (version, end)),
                        };
                        bounds[key].extend(bound);
                    }
                    Record::Flush { versions, end, is_ok, .. } if is_own || is_ok => {
                        for (key, version) in versions.into_iter().enumerate() {
                            let bound = match is_own {
                                true => own(version, end),
                                false => self.bound_of_flush(process, (version, end)),
                            };
                            bounds[key].extend(bound);
                        }
                    }
                    _ => {}
                }
            }
        }
        bounds.iter_mut().for_each(|it| it.sort_unstable_by_key(|bound| bound.from));
        bounds
    }

    /// Judges all reads. Prints the first of those that are stale.
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let acknowledged = self.acknowledged();
        for (process, log) in self.logs.iter().enumerate() {
            let bounds = self.bounds(process);
            let highest: Vec<_> = bounds.iter().map(|bounds| highest(bounds)).collect();
            for record in log {
                let Record::Read { key, version, begin, .. } = *record else { continue };
                verdict.reads += 1;
                verdict.old += u64::from(version < at(&acknowledged[key], begin));
                if version >= at(&highest[key], begin) {
                    continue;
                }
                let broken = bounds[key]
                    .iter()
                    .filter(|bound| bound.from <= begin && bound.version > version);
                for bound in broken {
                    if !self.is_left_by_a_load(process, record, bound.loads_before) {
                        verdict.stale += 1;
                        if verdict.stale <= MOST_PRINTED {
                            println!("process {process}: {record:?} is past {bound:?}");
                        }
                        break;
                    }
                }
            }
        }
        verdict
    }

    /// Returns the newest version of each key that was acknowledged, by time.
    fn acknowledged(&self) -> Vec<Vec<(u64, u64)>> {
        let mut all = vec![Vec::new(); KEYS];
        for record in self.logs.iter().flatten() {
            if let Record::Write { key, version, end, is_ok: true, .. } = *record {
                all[key].push(Bound { from: end, version, loads_before: 0 });
            }
        }
        all.iter_mut().for_each(|it| it.sort_unstable_by_key(|bound| bound.from));
        all.iter().map(|bounds| highest(bounds)).collect()
    }

    /// Returns `true` if a read may have found what a load of its process has brought that began
    /// before this.
    fn is_left_by_a_load(&self, process: usize, read: &Record, before: u64) -> bool {
        let Record::Read { key: of, version: old, begin: when, .. } = *read else { return false };
        let life = self.terms.memory_life + STEP;
        self.logs[process].iter().any(|record| match *record {
            Record::Read { key, version, begin, end, how } => {
                let kept = if how == How::Origin || self.terms.period.is_some() { life } else { 0 };
                let is_it = key == of && version == old && how != How::Memory;
                is_it && begin < before && when < end + kept
            }
            _ => false,
        })
    }
}

/// Returns when the first poll has ended that began after this.
fn poll_after(polls: &[(u64, u64)], time: u64) -> Option<u64> {
    let next = polls.partition_point(|(begin, _)| *begin < time);
    polls.get(next).map(|(_, end)| *end)
}

/// Returns the highest version up to each time.
fn highest(bounds: &[Bound]) -> Vec<(u64, u64)> {
    let mut highest = 0;
    let up_to = |bound: &Bound| {
        highest = bound.version.max(highest);
        (bound.from, highest)
    };
    bounds.iter().map(up_to).collect()
}

fn at(versions: &[(u64, u64)], time: u64) -> u64 {
    let next = versions.partition_point(|(from, _)| *from <= time);
    next.checked_sub(1).map_or(0, |last| versions[last].1)
}

const SECOND: u64 = 1_000_000_000;

/// Two processes: what the first one has done, and the reads of the second.
fn judged(first: &[Record], second: &[Record], period: Option<u64>) -> Verdict {
    let logs = vec![first.to_vec(), second.to_vec()];
    let text = |record: &Record| Record::of_text(&record.to_text());
    assert!(logs.iter().flatten().all(|record| text(record) == *record));
    Logs::new(logs, Terms { memory_life: SECOND, period }).judge()
}

fn write(end: u64) -> Record {
    Record::Write { key: 3, version: 2, begin: end - 1, end, is_ok: true }
}

fn flush(end: u64) -> Record {
    Record::Flush { versions: [2; KEYS], begin: end - 1, end, is_ok: true }
}

fn poll(begin: u64) -> Record {
    Record::Poll { begin, end: begin + 1, is_ok: true }
}

fn read(begin: u64, end: u64, how: How) -> Record {
    Record::Read { key: 3, version: 1, begin, end, how }
}

fn a_stale_read_is_found() {
    let (late, later) = (12 * SECOND, 30 * SECOND);
    let found = |first: &[Record], second: &[Record], period| {
        let verdict = judged(first, second, period);
        assert_eq!((verdict.stale, verdict.reads > 0), (1, true), "{first:?} {second:?}");
    };
    found(&[write(10 * SECOND)], &[read(late, late, How::Memory)], None);
    // By the process that has written.
    found(&[write(10 * SECOND), read(10 * SECOND, late, How::Memory)], &[], None);
    found(&[flush(10 * SECOND)], &[poll(11 * SECOND), read(late, late, How::Memory)], None);
    found(&[flush(10 * SECOND)], &[read(later, later, How::Memory)], Some(SECOND));
    let load = read(9 * SECOND, 10 * SECOND, How::Origin);
    found(&[write(10 * SECOND - 1)], &[load, read(late, late, How::Memory)], None);
    found(
        &[flush(9 * SECOND), write(10 * SECOND)],
        &[poll(10 * SECOND + 1), read(late, late, How::Memory)],
        None,
    );
}

fn a_read_within_its_bound_is_not() {
    let not_found = |first: &[Record], second: &[Record], period| {
        let verdict = judged(first, second, period);
        assert_eq!((verdict.stale, verdict.reads > 0), (0, true), "{first:?} {second:?}");
    };
    let within = read(11 * SECOND, 12 * SECOND, How::Memory);
    not_found(&[write(10 * SECOND)], std::slice::from_ref(&within), None);
    not_found(&[flush(10 * SECOND)], &[poll(9 * SECOND), within.clone()], None);
    not_found(&[flush(10 * SECOND)], &[within], Some(SECOND));
    let later = read(13 * SECOND, 13 * SECOND, How::Memory);
    let load = read(9 * SECOND, 12 * SECOND + 1, How::Origin);
    not_found(&[write(10 * SECOND)], &[load, later.clone()], None);
    // By the names of before a flush.
    not_found(&[flush(9 * SECOND), write(10 * SECOND)], &[poll(8 * SECOND), later], None);
}
