//! Several keys at once: which of them a batch loads, and what it returns.

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread;

use cache_core::{Cache, RandomState, Status};

use super::two_threads::nested_cycle_ends;
use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::crowd::{Crowd, Key, Running};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;

fn squares(missing: &[u64]) -> Vec<(u64, u64)> {
    missing.iter().map(|&key| (key, key * key)).collect()
}

fn values_come_in_the_order_of_the_keys<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(3, 33);
    let keys = [1, 3, 2, 3, 1, 9];
    let found = subject.get_many(&keys);
    assert_eq!(found, [None, Some(33), None, Some(33), None, None]);
    let mut asked = Vec::new();
    let values = subject.get_many_with(&keys, |missing| {
        asked.push(missing.to_vec());
        // In any order, without 9, and with a key that was not asked for.
        vec![(2, 4), (77, 0), (1, 1)]
    });
    assert_eq!(values, [Some(1), Some(33), Some(4), Some(33), Some(1), None]);
    assert_eq!(asked, [[1, 2, 9]], "the missing ones, each once");
    if subject.room() >= 4 {
        assert_eq!(subject.get_many(&[1, 2, 3]), [Some(1), Some(4), Some(33)]);
        assert_eq!(subject.get(&77), Some(0), "it was not asked for, and is stored all the same");
        subject.check_holds(4);
        let again = subject.get_many_with(&[2, 1], |_| unreachable!("nothing is missing"));
        assert_eq!(again, [Some(4), Some(1)]);
    }
    assert_eq!(subject.get_many_with(&[], |_| unreachable!("nothing is missing")), []);
    if subject.setup.stats {
        let stats = subject.stats();
        assert_eq!((stats.loads, stats.load_failures), (1, 0), "a batch is one load");
    }
}

#[test]
fn get_many_with_loads_the_missing_keys_by_one_call() {
    in_every_configuration!(values_come_in_the_order_of_the_keys);
}

fn loaded_values_expire<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let keys = [1, 2, 3];
    subject.get_many_with(&keys, squares);
    subject.clock.advance(TTL);
    let dead = subject.limits_lives();
    let kept = subject.room().min(3) as usize;
    let alive = subject.get_many(&keys).iter().flatten().count();
    assert_eq!(alive, if dead { 0 } else { kept });
}

#[test]
fn values_of_a_batch_live_as_long_as_others() {
    in_every_configuration!(loaded_values_expire);
}

#[test]
fn a_batch_waits_for_the_keys_that_others_are_loading_and_loads_the_rest() {
    must_end(|| {
        let cache: Cache<Key, u32> = Cache::new(100);
        let crowd = Crowd::default();
        let running = Running::begin(&cache, &crowd.key(2), 20, 0);
        let (keys, before) = ([1, 2, 3].map(|name| crowd.key(name)), crowd.joined());
        let waits = cache.clone();
        let batch = thread::spawn(move || {
            waits.get_many_with(&keys, |missing| {
                assert_eq!(missing.iter().map(|key| key.name).collect::<Vec<_>>(), [1, 3]);
                missing.iter().map(|key| (key.clone(), key.name)).collect()
            })
        });
        crowd.wait_for(before + 1);
        // What it leads is stored before it waits.
        wait_until(|| cache.contains_key(&crowd.key(3)));
        assert!(!batch.is_finished());
        assert_eq!(running.end(), [20]);
        assert_eq!(batch.join().unwrap(), [Some(1), Some(20), Some(3)]);
        validate(&cache);
    });
}

#[test]
fn callers_of_a_key_of_a_batch_wait_for_it() {
    let cache = Cache::<u64, u64>::new(100);
    let gate = Gate::default();
    let batch = Polled::pending(cache.get_many_with_async(&[1, 2, 3], |missing| {
        let gate = &gate;
        gate.then(missing.into_iter().filter(|key| *key != 3).map(|key| (key, 10 * key)).collect())
    }));
    let one = Polled::pending(cache.get_with_status_async(1, async { unreachable!() }));
    let nothing = Polled::pending(cache.optionally_get_with_async(3, async { unreachable!() }));
    let all = |_| async { unreachable!("all are being loaded") };
    let batch_too = Polled::pending(cache.get_many_with_async(&[3, 2], all));
    let mut needs_a_value = Polled::pending(cache.get_with_async(3, async { 33 }));
    gate.open();
    assert_eq!(batch.finish(), [Some(10), Some(20), None]);
    assert_eq!(one.finish(), (10, Status::Coalesced));
    assert_eq!(nothing.finish(), None, "the batch has said that there is nothing");
    assert_eq!(batch_too.finish(), [None, Some(20)]);
    assert_eq!(needs_a_value.poll(), Some(33), "a caller that needs a value loads it");
    validate(&cache);
}

/// A key that another load did not bring must not be reported as absent: no load has looked for it.
#[test]
fn a_batch_loads_what_another_load_did_not_bring() {
    for ending in ["dropped", "failed", "panicked"] {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let mut leader = Polled::pending(cache.try_get_with_async(1, async {
            gate.passed().await;
            assert_eq!(ending, "failed");
            Err::<u64, &str>("no")
        }));
        let asked = Mutex::new(Vec::new());
        let mut batch = Polled::pending(cache.get_many_with_async(&[0, 1], |missing| {
            asked.lock().unwrap().push(missing.clone());
            ready(squares(&missing))
        }));
        assert_eq!(*asked.lock().unwrap(), [[0]], "it waits for the other");
        gate.open();
        match ending {
            "dropped" => drop(leader),
            "failed" => assert!(leader.finish().is_err()),
            _ => assert!(panics(|| leader.poll())),
        }
        assert_eq!(batch.poll(), Some(vec![Some(0), Some(1)]), "{ending}");
        assert_eq!(*asked.lock().unwrap(), [[0], [1]]);
        validate(&cache);
    }
}

#[test]
fn a_write_during_a_batch_supersedes_the_load_of_that_key_only() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(100);
        let values = cache.get_many_with(&[1, 2, 3, 4], |missing| {
            cache.invalidate(&2);
            cache.insert(3, 99);
            squares(missing)
        });
        assert_eq!(values, [Some(1), Some(4), Some(9), Some(16)], "its caller came before");
        assert_eq!(cache.get_many(&[1, 2, 3, 4]), [Some(1), None, Some(99), Some(16)]);
        validate(&cache);
    });
}

#[test]
fn a_batch_that_panics_stores_nothing_and_hands_over() {
    let cache = Cache::<u64, u64>::new(100);
    let gate = Gate::default();
    let mut batch = Polled::pending(cache.get_many_with_async(&[1, 2], |_| async {
        gate.passed().await;
        panic!("on purpose")
    }));
    let waits = Polled::pending(cache.get_with_async(2, async { 22 }));
    gate.open();
    assert!(panics(|| batch.poll()));
    assert_eq!(waits.finish(), 22);
    assert_eq!((cache.get(&1), cache.entry_count()), (None, 1));
    // Also if the closure panics before there is a future.
    assert!(panics(|| cache.get_many_with(&[1, 5], |_| panic!("on purpose"))));
    assert_eq!(cache.get_with(5, || 55), 55);
    validate(&cache);
}

#[test]
fn a_batch_that_is_dropped_hands_over() {
    let cache = Cache::<u64, u64>::new(100);
    let batch = Polled::pending(
        cache.get_many_with_async(&[1, 2], |_| async { std::future::pending().await }),
    );
    let waits = Polled::pending(cache.get_with_async(1, async { 11 }));
    drop(batch);
    assert_eq!(waits.finish(), 11);
    assert_eq!(cache.get_with(2, || 22), 22);
    validate(&cache);
}

fn overlapping_batches<S: TestHasher>(rounds: u64) {
    let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
    let (loads, begin) = (AtomicUsize::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, loads, begin) = (&cache, &loads, &begin);
            scope.spawn(move || {
                let mut numbers = Numbers::seeded(thread + 1);
                begin.wait();
                for round in 0..rounds {
                    let keys: Vec<u64> = (0..20).map(|_| 30 * round + numbers.below(30)).collect();
                    let values = cache.get_many_with(&keys, |missing| {
                        loads.fetch_add(missing.len(), SeqCst);
                        squares(missing)
                    });
                    assert!(keys.iter().zip(values).all(|(k, value)| value == Some(k * k)));
                }
            });
        }
    });
    assert_eq!(loads.load(SeqCst) as u64, cache.entry_count(), "each key once");
    validate(&cache);
}

#[test]
fn batches_of_many_threads_load_each_key_once() {
    must_end(|| {
        overlapping_batches::<RandomState>(50);
        overlapping_batches::<Constant>(6);
    });
}

/// Registering a load takes constant time, so a batch of a hundred thousand keys is loaded at once.
#[test]
fn a_large_batch_is_loaded() {
    let cache = Cache::<u64, u64>::builder().build();
    let keys: Vec<u64> = (0..100_000).collect();
    let values = cache.get_many_with(&keys, squares);
    assert!(keys.iter().zip(values).all(|(key, value)| value == Some(key * key)));
    assert_eq!(cache.entry_count(), 100_000);
    validate(&cache);
}

#[test]
fn a_batch_that_brings_nothing_counts_as_a_failure() {
    let cache = Cache::<u64, u64>::builder().record_stats().build();
    assert_eq!(cache.get_many_with(&[1, 2], |_| Vec::new()), [None, None]);
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (0, 1));
}

#[test]
fn a_cycle_through_a_batch_inside_a_load_ends() {
    nested_cycle_ends(|cache, begun| {
        cache.get_with("a", || {
            let values = cache.get_many_with(&["inside a"], |_| {
                begun.wait();
                vec![("inside a", cache.get_with("inside b", || 1))]
            });
            values[0].unwrap()
        });
    });
}

#[test]
fn a_batch_inside_a_load_of_one_of_its_keys_runs_at_once() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let value = cache.get_with(2, || {
            let values = cache.get_many_with(&[1, 2, 3], squares);
            values.into_iter().flatten().sum()
        });
        assert_eq!((value, cache.get(&2)), (14, Some(4)));
        let value = block_on(cache.get_with_async(5, async {
            let values =
                cache.get_many_with_async(&[4, 5], |missing| async move { squares(&missing) });
            values.await.into_iter().flatten().sum()
        }));
        assert_eq!((value, cache.get(&5)), (41, Some(25)));
        validate(&cache);
    });
}
