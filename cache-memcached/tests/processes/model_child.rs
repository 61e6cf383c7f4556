//! One process of the model: random acts of two threads, and a log of them.

use std::cell::Cell;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::child::Cache;
use crate::origin::{KEYS, Numbers, Origin, now};
use crate::promise::{How, Record};

const THREADS: u64 = 2;

/// How often the process reads the generation itself, in nanoseconds.
const PERIOD: u64 = 50_000_000;

/// Does so many acts, and says what was done: a record a line.
pub(crate) fn run(cache: &Cache, folder: &Path, (seed, acts): (u64, u64), say: fn(&str)) {
    let logs = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let numbers = Numbers::seeded(seed * THREADS + thread);
                    let origin = Origin::open(folder);
                    let mut actor = Actor { cache, origin, numbers, log: Vec::new() };
                    actor.act_often(acts / THREADS, (thread == 0).then_some(say));
                    actor.log
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().expect("no panic")).collect::<Vec<_>>()
    });
    logs.iter().flatten().for_each(|record| say(&record.to_text()));
}

struct Actor<'c> {
    cache: &'c Cache,
    origin: Origin,
    numbers: Numbers,
    log: Vec<Record>,
}

impl Actor<'_> {
    /// Acts so often, and polls if it is given the way to say that it still acts.
    fn act_often(&mut self, acts: u64, poller: Option<fn(&str)>) {
        let mut polled = 0;
        for _ in 0..acts {
            if let Some(say) = poller
                && now() > polled + PERIOD
            {
                say("acting");
                polled = now();
                let begin = now();
                let is_ok = self.cache.poll().is_ok();
                self.log.push(Record::Poll { begin, end: now(), is_ok });
            }
            self.act();
            thread::sleep(Duration::from_micros(self.numbers.below(200)));
        }
    }

    fn act(&mut self) {
        let key = self.numbers.below(KEYS as u64) as usize;
        match self.numbers.below(2_000) {
            0 => self.flush(),
            1..=100 => self.write(key),
            101..=200 => self.load_many(key),
            201..=300 => self.get(key),
            _ => self.load(key),
        }
    }

    /// In some loads other processes get in between.
    fn pause(numbers: &mut Numbers) {
        if numbers.below(4) == 0 {
            thread::sleep(Duration::from_micros(numbers.below(8_000)));
        }
    }

    fn read(&mut self, key: usize, value: &str, begin: u64, how: How) {
        let version = value.parse().expect("a version");
        self.log.push(Record::Read { key, version, begin, end: now(), how });
    }

    fn load(&mut self, key: usize) {
        let begin = now();
        if let Some(value) = self.cache.memory().get(&(key as u64)) {
            return self.read(key, &value, begin, How::Memory);
        }
        let (begin, how) = (now(), Cell::new(How::Tier));
        let (origin, numbers) = (&self.origin, &mut self.numbers);
        let value = self.cache.get_with(key as u64, || {
            how.set(How::Origin);
            let version = origin.version(key);
            Self::pause(numbers);
            version.to_string()
        });
        self.read(key, &value, begin, how.get());
    }

    fn get(&mut self, key: usize) {
        let begin = now();
        if let Some(value) = self.cache.get(&(key as u64)) {
            self.read(key, &value, begin, How::Tier);
        }
    }

    fn load_many(&mut self, first: usize) {
        let keys: Vec<u64> = (0..3).map(|next| ((first + next) % KEYS) as u64).collect();
        let (begin, mut loaded) = (now(), Vec::new());
        let (origin, numbers) = (&self.origin, &mut self.numbers);
        let values = self.cache.get_many_with(&keys, |missing| {
            loaded.extend_from_slice(missing);
            let of = |key: &u64| (*key, origin.version(*key as usize).to_string());
            let versions = missing.iter().map(of).collect();
            Self::pause(numbers);
            versions
        });
        for (key, value) in keys.iter().zip(values) {
            let how = if loaded.contains(key) { How::Origin } else { How::Tier };
            self.read(*key as usize, &value.expect("all are loaded"), begin, how);
        }
    }

    /// An invalidation: of a key with an even number while others write it as well. What is
    /// inserted must be the newest version, so those writes are made one after another.
    fn write(&mut self, key: usize) {
        let (cache, origin) = (self.cache, &self.origin);
        let is_insert = key % 2 == 1 && self.numbers.below(2) == 0;
        let write = || {
            let version = origin.raise(key);
            let begin = now();
            let written = match is_insert {
                true => cache.insert(key as u64, version.to_string()),
                false => cache.invalidate(&(key as u64)),
            };
            let (end, is_ok) = (now(), written.is_ok());
            Record::Write { key, version, begin, end, is_ok }
        };
        let record = if key % 2 == 1 { origin.alone(key, write) } else { write() };
        self.log.push(record);
    }

    fn flush(&mut self) {
        let versions = std::array::from_fn(|key| self.origin.version(key));
        let begin = now();
        let is_ok = self.cache.invalidate_all().is_ok();
        self.log.push(Record::Flush { versions, begin, end: now(), is_ok });
    }
}
