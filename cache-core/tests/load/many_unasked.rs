//! Answers of a batch's loader for keys that it was not asked for: they are stored, unless they may
//! be older than a write to their key.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock, Op, RandomState, RemovalCause};

use super::entry::plus_one;
use crate::common::configurations::{Log, Subject, TTL, in_every_configuration};
use crate::common::hashers::{Constant, Identity, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::{memory, validate};

fn is_stored<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    // Writes before the batch do not count.
    subject.put(2, 1);
    subject.invalidate(&2);
    subject.log.take();
    let values = subject.get_many_with(&[1], |_| vec![(2, 20), (1, 10), (3, 30), (2, 21)]);
    assert_eq!(values, [Some(10)]);
    if subject.room() >= 3 {
        assert_eq!(subject.get_many(&[1, 2, 3]), [Some(10), Some(20), Some(30)]);
        subject.check_holds(3);
        subject.check_notified(vec![]);
        let again = subject.get_many_with(&[2, 3], |_| unreachable!("both are there"));
        assert_eq!(again, [Some(20), Some(30)]);
    }
    // They live as long as others, and what has expired is replaced.
    subject.clock.advance(TTL);
    subject.get_many_with(&[7], |_| vec![(7, 70), (2, 22)]);
    if subject.room() >= 3 {
        let lives = if subject.limits_lives() { 22 } else { 20 };
        assert_eq!(subject.get(&2), Some(lives));
    }
}

#[test]
fn an_answer_that_was_not_asked_for_is_stored() {
    in_every_configuration!(is_stored);
}

type Write<S> = fn(&Cache<u64, u64, S>);

/// Writes to key 2, and the value that they leave.
fn writes<S: TestHasher>() -> [(&'static str, Write<S>, Option<u64>); 10] {
    [
        ("invalidate", |cache| cache.invalidate(&2), None),
        ("remove", |cache| _ = cache.remove(&2), None),
        ("insert", |cache| cache.insert(2, 99), Some(99)),
        ("insert, remove", |cache| (cache.insert(2, 99), cache.invalidate(&2)).1, None),
        ("dead", |cache| cache.insert_with_ttl(2, 99, Duration::ZERO), None),
        ("invalidate_all", |cache| cache.invalidate_all(), None),
        ("invalidate_entries_if", |cache| _ = cache.invalidate_entries_if(|_, _| false), None),
        ("put", |cache| _ = cache.entry(2).and_upsert_with(|_| 98), Some(98)),
        (
            "put, remove",
            |cache| {
                cache.entry(2).and_upsert_with(|_| 98);
                cache.entry(2).and_compute_with(|_| Op::Remove);
            },
            None,
        ),
        ("load", |cache| _ = cache.get_with(2, || 97), Some(97)),
    ]
}

fn is_refused<S: TestHasher>() {
    for (write, run, left) in writes::<S>() {
        for elsewhere in [false, true] {
            let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
            let values = cache.get_many_with(&[1], |_| {
                if elsewhere {
                    thread::scope(|scope| _ = scope.spawn(|| run(&cache)));
                } else {
                    run(&cache);
                }
                vec![(1, 10), (2, 20)]
            });
            assert_eq!((values, cache.get(&2)), (vec![Some(10)], left), "{write}");
            validate(&cache);
        }
        // The same with a task, and another batch that begins and ends meanwhile.
        let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
        let gate = Gate::default();
        let batch =
            Polled::pending(cache.get_many_with_async(&[1], |_| gate.then(vec![(1, 10), (2, 20)])));
        cache.get_many_with(&[4], |_| vec![]);
        run(&cache);
        cache.get_many_with(&[4], |_| vec![]);
        gate.open();
        assert_eq!((batch.finish(), cache.get(&2)), (vec![Some(10)], left), "{write}");
        // What comes later is stored again.
        cache.invalidate_all();
        cache.get_many_with(&[1], |_| vec![(2, 21)]);
        assert_eq!(cache.get(&2), Some(21), "{write}");
        validate(&cache);
    }
}

/// A value whose load began before an invalidation of its key is never given to a call that began
/// after it.
#[test]
fn an_answer_whose_key_was_written_meanwhile_is_not_stored() {
    must_end(|| {
        is_refused::<RandomState>();
        is_refused::<Identity>();
        is_refused::<Constant>();
    });
}

#[test]
fn an_answer_does_not_come_between_what_a_computation_reads_and_writes() {
    let cache = Cache::<u64, u64>::new(100);
    let gate = Gate::default();
    let count =
        Polled::pending(cache.entry(2).and_upsert_with_async(|old| gate.then(plus_one(old))));
    cache.get_many_with(&[1], |_| vec![(1, 10), (2, 20)]);
    assert_eq!(cache.get(&2), None, "a computation has read that there is none");
    gate.open();
    assert_eq!(count.finish().into_value(), 1);
    assert_eq!(cache.get(&2), Some(1));
    validate(&cache);
}

#[test]
fn an_answer_for_a_key_that_is_being_loaded_is_stored_and_the_load_is_not() {
    let (cache, gate) = (Cache::<u64, u64>::new(100), Gate::default());
    let load = Polled::pending(cache.get_with_async(2, gate.then(22)));
    cache.get_many_with(&[1], |_| vec![(2, 20)]);
    assert_eq!(cache.get(&2), Some(20), "as any load that runs beside another");
    gate.open();
    assert_eq!((load.finish(), cache.get(&2)), (22, Some(20)));
    validate(&cache);
}

#[test]
fn an_answer_that_cannot_be_stored_is_notified() {
    let log = Log::default();
    let cache = Cache::<u64, u64>::builder()
        .max_capacity(100)
        .weigher(|_, value| *value as u32)
        .eviction_listener(log.listener())
        .build();
    cache.get_many_with(&[1], |_| vec![(1, 10), (2, 101), (3, 30)]);
    assert_eq!(log.take(), [(2, 101, RemovalCause::Size)]);
    // One that would not be stored in any case is not.
    cache.get_many_with(&[4], |_| {
        cache.invalidate(&2);
        vec![(2, 102), (3, 103)]
    });
    assert_eq!((log.take(), cache.get(&3)), (vec![], Some(30)));
    validate(&cache);
    let off = Cache::<u64, u64>::disabled();
    assert_eq!(off.get_many_with(&[1], |_| vec![(1, 10), (2, 20)]), [Some(10)]);
    assert_eq!(off.entry_count(), 0);
}

#[test]
fn a_weigher_that_panics_at_such_an_answer_leaves_the_others() {
    silence_panics_on_purpose();
    let cache = Cache::<u64, u64>::builder()
        .weigher(|key, _| if *key == 3 { panic!("on purpose") } else { 1 })
        .build();
    assert!(panics(|| cache.get_many_with(&[1], |_| vec![(2, 20), (3, 30), (1, 10)])));
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(10), Some(20), None]);
    assert_eq!((cache.get_with(4, || 40), cache.entry_count()), (40, 3));
    validate(&cache);
}

/// How many keys the threads of [`Race`] share.
const KEYS: u64 = 12;

/// Threads that invalidate keys, read them, and load batches that answer all of them. The source of
/// each key counts up. No call may return less than the source had when the last invalidation of
/// the key ended before the call began.
struct Race<S> {
    cache: Cache<u64, u64, S>,
    source: Vec<Mutex<u64>>,
    /// For each key: what no call that begins now may return less than.
    floors: Vec<AtomicU64>,
    /// How many answers that were not asked for were found afterwards.
    stored: AtomicU64,
}

impl<S: TestHasher> Race<S> {
    fn new(max: u64) -> Self {
        let cache = Cache::builder().max_capacity(max).build_with_hasher(S::default());
        let (source, floors) = (0..KEYS).map(|_| (Mutex::new(1), AtomicU64::new(0))).unzip();
        Race { cache, source, floors, stored: AtomicU64::new(0) }
    }

    fn invalidate(&self, key: u64, way: u64) {
        let newer = {
            let mut source = self.source[key as usize].lock().unwrap();
            *source += 1;
            *source
        };
        match way {
            0 => self.cache.invalidate(&key),
            1 => _ = self.cache.remove(&key),
            _ => _ = self.cache.invalidate_entries_if(|other, _| *other == key),
        }
        self.floors[key as usize].store(newer, SeqCst);
    }

    fn read(&self, key: u64) {
        let floor = self.floors[key as usize].load(SeqCst);
        if let Some(value) = self.cache.get(&key) {
            assert!(value >= floor, "key {key}: {value} after {floor} had been invalidated");
        }
    }

    /// Loads a key that is certain to be missing, and answers all others.
    fn load(&self, missing: u64, key: u64) {
        self.cache.get_many_with(&[missing], |_| {
            let read = |key: u64| (key, *self.source[key as usize].lock().unwrap());
            let answers = (0..KEYS).map(read).collect();
            thread::yield_now();
            answers
        });
        self.stored.fetch_add(u64::from(self.cache.contains_key(&key)), SeqCst);
        self.cache.invalidate(&missing);
    }
}

fn races<S: TestHasher>(max: u64, rounds: u64) {
    let (race, begin) = (Race::<S>::new(max), Barrier::new(4));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (race, begin) = (&race, &begin);
            scope.spawn(move || {
                let mut numbers = Numbers::seeded(thread + 7);
                begin.wait();
                // Loads go on until an answer was stored: without that nothing is shown.
                let goes_on = |round| round < rounds || thread > 1 && race.stored.load(SeqCst) == 0;
                for round in (0..).take_while(|&round| goes_on(round)) {
                    let key = numbers.below(KEYS);
                    match thread {
                        0 => race.invalidate(key, numbers.below(3)),
                        1 => race.read(key),
                        _ => race.load(KEYS + 2 * round + thread % 2, key),
                    }
                }
            });
        }
    });
    validate(&race.cache);
}

#[test]
fn no_answer_is_older_than_the_last_invalidation_of_its_key() {
    must_end(|| {
        races::<RandomState>(5, 2_000);
        races::<RandomState>(u64::MAX, 2_000);
        races::<Constant>(100, 1_000);
    });
}

/// While no batch runs, writes are not recorded, and no record is kept.
#[test]
fn writes_are_recorded_only_while_a_batch_runs() {
    let cache = Cache::<u64, u64>::builder().max_capacity(10_000).build();
    let recorded = || {
        let parts = memory(&cache);
        parts.iter().find(|part| part.0 == "writes during batches").map_or(0, |part| part.1)
    };
    (0..1000).for_each(|key| cache.insert(key, key));
    cache.get_many_with(&[5000], |_| vec![(5001, 1)]);
    (0..1000).for_each(|key| cache.insert(key, key));
    assert_eq!(recorded(), 0);
    cache.get_many_with(&[6000], |_| {
        cache.insert(1, 1);
        vec![]
    });
    assert_eq!(recorded(), 128 * 8, "one shard");
}

/// An answer is removed at the end of the TTL.
#[test]
fn an_answer_expires() {
    let (clock, log) = (FakeClock::new(), Log::default());
    let cache = Cache::<u64, Arc<u64>>::builder()
        .time_to_live(TTL)
        .clock(clock.clone())
        .eviction_listener(log.listener())
        .build();
    cache.get_many_with(&[], |_| unreachable!("nothing is missing"));
    cache.get_many_with(&[1], |_| vec![(2, Arc::new(20))]);
    clock.advance(TTL);
    assert_eq!(cache.get(&2), None);
    cache.run_pending_tasks();
    assert_eq!(log.take(), [(2, Arc::new(20), RemovalCause::Expired)]);
}
