//! What one thread does to one subject: the timed loops.
//!
//! Each loop walks an array of keys made beforehand. The gets of a loop do not depend on each
//! other, as in a server that handles one request after the other: the processor may overlap
//! them. Values are summed, so that the compiler cannot leave a lookup out.

use crate::{keys, keys::Cursor, subject::Subject};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Gets so far, and those that found a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All gets.
    pub gets: u64,
    /// Gets that found a value.
    pub hits: u64,
}

impl Tally {
    /// Returns what was added after an `earlier` state.
    pub fn since(self, earlier: Tally) -> Tally {
        Tally { gets: self.gets - earlier.gets, hits: self.hits - earlier.hits }
    }

    /// Returns the share of gets that found a value; `None` if there were no gets.
    pub fn hit_ratio(self) -> Option<f64> {
        (self.gets > 0).then(|| self.hits as f64 / self.gets as f64)
    }
}

/// The work of one thread, in portions of any size.
pub trait Task: Send + 'static {
    /// Does that many operations.
    fn run(&mut self, ops: usize);
    /// Returns what its gets found.
    fn tally(&self) -> Tally;
}

/// What every thread of a case does.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Gets of the stream's keys.
    Read(Arc<[u64]>),
    /// Words of [`keys::words`]: those marked insert, the others get, and insert on a miss.
    ReadWrite(Arc<[u64]>),
    /// Inserts of keys that were never seen.
    Churn,
    /// Removes each of the stream's keys, and inserts it again.
    Replant(Arc<[u64]>),
}

/// [`Plan::Read`].
pub struct Read<S> {
    subject: S,
    cursor: Cursor,
    tally: Tally,
}

impl<S: Subject> Read<S> {
    /// Makes the task of one of `threads` threads.
    pub fn new(subject: S, stream: Arc<[u64]>, thread: usize, threads: usize) -> Self {
        let cursor = Cursor::new(stream, thread, threads);
        Read { subject, cursor, tally: Tally::default() }
    }
}

impl<S: Subject> Task for Read<S> {
    fn run(&mut self, ops: usize) {
        let mut left = ops;
        while left > 0 {
            let part = self.cursor.take(left);
            let (mut sum, mut hits) = (0_u64, 0_u64);
            for &key in part {
                if let Some(value) = self.subject.get(key) {
                    sum = sum.wrapping_add(value);
                    hits += 1;
                }
            }
            black_box(sum);
            left -= part.len();
            self.tally.hits += hits;
        }
        self.tally.gets += ops as u64;
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

/// [`Plan::ReadWrite`].
pub struct ReadWrite<S> {
    subject: S,
    cursor: Cursor,
    tally: Tally,
}

impl<S: Subject> ReadWrite<S> {
    /// Makes the task of one of `threads` threads.
    pub fn new(subject: S, words: Arc<[u64]>, thread: usize, threads: usize) -> Self {
        let cursor = Cursor::new(words, thread, threads);
        ReadWrite { subject, cursor, tally: Tally::default() }
    }
}

impl<S: Subject> Task for ReadWrite<S> {
    fn run(&mut self, ops: usize) {
        let mut left = ops;
        while left > 0 {
            let part = self.cursor.take(left);
            let (mut sum, mut hits, mut writes) = (0_u64, 0_u64, 0_u64);
            for &word in part {
                let (key, write) = keys::unpack(word);
                if write {
                    self.subject.insert(key, word);
                    writes += 1;
                } else if let Some(value) = self.subject.get(key) {
                    sum = sum.wrapping_add(value);
                    hits += 1;
                } else {
                    self.subject.insert(key, word);
                }
            }
            black_box(sum);
            left -= part.len();
            self.tally.hits += hits;
            self.tally.gets += part.len() as u64 - writes;
        }
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

/// [`Plan::Churn`].
pub struct Churn<S> {
    subject: S,
    next: u64,
}

impl<S: Subject> Churn<S> {
    /// Makes a task. Each draws ranks from another region, beyond those that caches are filled
    /// from, so that no key comes twice.
    pub fn new(subject: S) -> Self {
        static REGION: AtomicU64 = AtomicU64::new(1);
        Churn { subject, next: REGION.fetch_add(1, Ordering::Relaxed) << 40 }
    }
}

impl<S: Subject> Task for Churn<S> {
    fn run(&mut self, ops: usize) {
        let to = self.next + ops as u64;
        for rank in self.next..to {
            let key = S::key(rank);
            self.subject.insert(key, key);
        }
        self.next = to;
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// [`Plan::Replant`].
pub struct Replant<S> {
    subject: S,
    cursor: Cursor,
}

impl<S: Subject> Replant<S> {
    /// Makes the task of one of `threads` threads.
    pub fn new(subject: S, stream: Arc<[u64]>, thread: usize, threads: usize) -> Self {
        Replant { subject, cursor: Cursor::new(stream, thread, threads) }
    }
}

impl<S: Subject> Task for Replant<S> {
    fn run(&mut self, ops: usize) {
        let mut left = ops;
        while left > 0 {
            let part = self.cursor.take(left);
            for &key in part {
                self.subject.remove(key);
                self.subject.insert(key, key);
            }
            left -= part.len();
        }
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Popularity, peers::BareMap, subject::fill};

    #[test]
    fn reads_of_a_filled_map_all_hit() {
        let mut map = BareMap::with_capacity(0);
        fill(&mut map, keys::population(100));
        let mut task = Read::new(map, keys::stream(Popularity::Zipf, 100, 1000), 1, 2);
        task.run(2_345);
        assert_eq!(task.tally(), Tally { gets: 2_345, hits: 2_345 });
    }

    #[test]
    fn a_miss_is_inserted_and_hits_the_next_time() {
        let words = keys::words(Popularity::Uniform, 10, 1000, 0.05, 3);
        let mut task = ReadWrite::new(BareMap::with_capacity(0), words, 0, 1);
        task.run(1000);
        let tally = task.tally();
        assert!(tally.gets > 900 && tally.gets - tally.hits <= 10, "{tally:?}");
    }

    #[test]
    fn what_is_removed_is_there_again() {
        let mut map = BareMap::with_capacity(0);
        fill(&mut map, [1, 2, 3]);
        map.insert(2, 20);
        let mut task = Replant::new(map, [2, 3].into(), 0, 1);
        task.run(5);
        assert_eq!(task.subject.entries(), 3);
        assert_eq!([1, 2, 3].map(|key| task.subject.get(key)), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn churn_never_repeats_a_key() {
        let (mut a, mut b) =
            (Churn::new(BareMap::with_capacity(0)), Churn::new(BareMap::with_capacity(0)));
        (0..4).for_each(|_| a.run(500));
        b.run(500);
        assert_eq!((a.subject.entries(), b.subject.entries()), (2000, 500));
        assert!((0..500).all(|i| a.subject.get(keys::key(b.next - 1 - i)).is_none()));
    }

    #[test]
    fn without_gets_there_is_no_hit_ratio() {
        assert_eq!(Tally::default().hit_ratio(), None);
        assert_eq!(Tally { gets: 4, hits: 3 }.hit_ratio(), Some(0.75));
    }
}
