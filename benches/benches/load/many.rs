//! Batches beside single calls. Two caches of ours, each used in one way only.

use std::hint::black_box;
use std::sync::Arc;

use benches::{
    keys::{self, Cursor, Popularity},
    runner::{self, Runner, Source},
    subject::{Label, TTL},
    suite::{Case, Suite},
    workload::{Plan, Tally, Task},
};
use cache_core::Cache;

/// Keys of a batch.
const BATCH: usize = 100;
/// The first rank of keys never seen: beyond those that caches are filled from.
const UNSEEN: u64 = 1 << 60;

/// Measures both: `many/hit` of present keys, `many/miss` of keys never seen.
pub(crate) fn group(suite: &mut Suite, quick: bool) {
    let (entries, size) = if quick { (1_000, "1k") } else { (100_000, "100k") };
    let stream = if quick { 1 << 16 } else { keys::STREAM };
    let read = move || Plan::Read(keys::stream(Popularity::Uniform, entries, stream));
    let hit = Case::new(format!("many/hit/{size}/1t"), 1, read);
    suite.group(vec![hit], |_| both(2 * entries, entries));
    let miss = Case::new(format!("many/miss/{size}/1t"), 1, || Plan::Churn).after(entries);
    suite.group(vec![miss], |_| both(entries, entries));
}

fn both(capacity: u64, entries: u64) -> Vec<Box<dyn Source>> {
    let filled = || {
        let cache = Cache::builder().max_capacity(capacity).time_to_live(TTL).build();
        keys::population(entries).into_iter().for_each(|key| cache.insert(key, key));
        cache
    };
    [true, false].map(|together| Box::new(BatchSource { cache: filled(), together }) as _).into()
}

/// A cache that is asked for batches, or for their keys one by one.
struct BatchSource {
    cache: Cache<u64, u64>,
    together: bool,
}

impl Source for BatchSource {
    fn label(&self) -> Label {
        match self.together {
            true => Label { name: "batch", lacks: "nothing: get_many, get_many_with", ours: true },
            false => Label { name: "single", lacks: "the batch: get, get_with", ours: false },
        }
    }

    fn fill(&mut self, entries: u64) {
        keys::population(entries).into_iter().for_each(|key| self.cache.insert(key, key));
    }

    fn runner(&self, plan: &Plan, threads: usize) -> Box<dyn Runner> {
        let keys = |thread| match plan {
            Plan::Read(keys) => Keys::Present(Cursor::new(Arc::clone(keys), thread, threads)),
            _ => Keys::Unseen(UNSEEN + ((thread as u64) << 50)),
        };
        let task = |thread| Batches {
            cache: self.cache.clone(),
            together: self.together,
            keys: keys(thread),
            batch: Vec::with_capacity(BATCH),
            owed: 0,
        };
        runner::of_tasks(self.label(), (0..threads).map(task).collect())
    }
}

/// The origin of a batch's keys.
enum Keys {
    Present(Cursor),
    /// Ranks from here on.
    Unseen(u64),
}

struct Batches {
    cache: Cache<u64, u64>,
    together: bool,
    keys: Keys,
    batch: Vec<u64>,
    /// Operations that are due but do not make a whole batch yet.
    owed: usize,
}

impl Batches {
    fn next_batch(&mut self) {
        self.batch.clear();
        match &mut self.keys {
            Keys::Present(cursor) => {
                while self.batch.len() < BATCH {
                    self.batch.extend_from_slice(cursor.take(BATCH - self.batch.len()));
                }
            }
            Keys::Unseen(rank) => {
                self.batch.extend((*rank..*rank + BATCH as u64).map(keys::key));
                *rank += BATCH as u64;
            }
        }
    }

    fn ask(&self) -> u64 {
        let (cache, keys) = (&self.cache, &self.batch);
        let sum =
            |values: Vec<Option<u64>>| values.into_iter().flatten().fold(0, u64::wrapping_add);
        let present = matches!(self.keys, Keys::Present(_));
        match (self.together, present) {
            (true, true) => sum(cache.get_many(keys)),
            (true, false) => sum(cache
                .get_many_with(keys, |missing| missing.iter().map(|&key| (key, key)).collect())),
            (false, true) => {
                keys.iter().filter_map(|key| cache.get(key)).fold(0, u64::wrapping_add)
            }
            (false, false) => {
                let load = |&key: &u64| cache.get_with(key, || key);
                keys.iter().map(load).fold(0, u64::wrapping_add)
            }
        }
    }
}

impl Task for Batches {
    fn run(&mut self, ops: usize) {
        self.owed += ops;
        while self.owed >= BATCH {
            self.next_batch();
            black_box(self.ask());
            self.owed -= BATCH;
        }
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}
