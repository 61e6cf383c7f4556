//! The entry interface: computing a value from the stored one, as if at one instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use cache_core::{Cache, CompResult, Entry, Op, RandomState, RemovalCause, Status};

use super::two_threads::nested_cycle_ends;
use crate::common::configurations::{Log, Subject, TTL, in_every_configuration};
use crate::common::hashers::{Constant, Identity, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled, block_on, yield_once};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// A computation that counts.
pub(crate) fn plus_one(old: Option<Entry<u64, u64>>) -> u64 {
    old.map_or(0, Entry::into_value) + 1
}

fn or_methods<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let entry = subject.entry(1).or_insert(10);
    assert_eq!((*entry.key(), *entry.value(), entry.is_fresh()), (1, 10, true));
    assert!(!entry.is_old_value_replaced());
    let found = [
        subject.entry(1).or_insert(11),
        subject.entry_by_ref(&1).or_insert_with(|| unreachable!()),
        subject.entry(1).or_default(),
        subject.entry(1).or_try_insert_with(|| Err("unused")).unwrap(),
        subject.entry(1).or_optionally_insert_with(|| None).unwrap(),
        block_on(subject.entry(1).or_insert_with_async(async { unreachable!() })),
        block_on(subject.entry(1).or_try_insert_with_async(async { Err("unused") })).unwrap(),
        block_on(subject.entry(1).or_optionally_insert_with_async(async { None })).unwrap(),
    ];
    for entry in found {
        assert_eq!((*entry.value(), entry.is_fresh()), (10, false));
    }
    assert_eq!(subject.entry(2).or_try_insert_with(|| Err("no")), Err(Arc::new("no")));
    assert_eq!(subject.entry(2).or_optionally_insert_with(|| None), None);
    let error = subject.entry(2).or_try_insert_with_async(async { Err("no") });
    assert_eq!(block_on(error), Err(Arc::new("no")));
    assert_eq!(subject.get(&2), None);
    assert_eq!(subject.entry(2).or_default().into_value(), 0);
    assert_eq!(subject.get(&2), Some(0));
}

#[test]
fn or_methods_return_the_entry_or_store_one() {
    in_every_configuration!(or_methods);
}

fn and_methods<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let compute = |op| subject.entry(1).and_compute_with(|_| op);
    assert_eq!(compute(Op::Nop), CompResult::StillNone(1));
    assert_eq!(compute(Op::Remove), CompResult::StillNone(1));
    let CompResult::Inserted(entry) = compute(Op::Put(5)) else { panic!("inserted") };
    assert_eq!((*entry.value(), entry.is_fresh()), (5, true));
    assert!(!entry.is_old_value_replaced());
    subject.check_holds(1);
    let CompResult::ReplacedWith(entry) = compute(Op::Put(6)) else { panic!("replaced") };
    assert_eq!((*entry.value(), entry.is_fresh()), (6, true));
    assert!(entry.is_old_value_replaced());
    let CompResult::Unchanged(entry) = compute(Op::Nop) else { panic!("unchanged") };
    assert_eq!((*entry.value(), entry.is_fresh()), (6, false));
    subject.check_notified(vec![(1, 5, RemovalCause::Replaced)]);
    let failed = subject.entry(1).and_try_compute_with(|old| {
        assert_eq!(old.map(Entry::into_value), Some(6));
        Err::<Op<u64>, _>("no")
    });
    assert_eq!(failed, Err("no"));
    let entry = subject.entry_by_ref(&1).and_upsert_with(plus_one);
    assert_eq!((*entry.value(), entry.is_old_value_replaced()), (7, true));
    let CompResult::Removed(entry) = compute(Op::Remove) else { panic!("removed") };
    assert_eq!((*entry.value(), entry.is_fresh()), (7, false));
    assert_eq!(subject.get(&1), None);
    subject.check_holds(0);
    subject.check_notified(vec![(1, 6, RemovalCause::Replaced), (1, 7, RemovalCause::Explicit)]);
    let entry = subject.entry(1).and_upsert_with(plus_one);
    assert_eq!((*entry.value(), entry.is_old_value_replaced()), (1, false));
}

#[test]
fn and_methods_do_what_the_closure_says() {
    in_every_configuration!(and_methods);
}

fn async_and_methods<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let upsert = || subject.entry(1).and_upsert_with_async(|old| async { plus_one(old) });
    assert_eq!(block_on(upsert()).into_value(), 1);
    assert_eq!(block_on(upsert()).into_value(), 2);
    let compute = |op| subject.entry(1).and_compute_with_async(move |_| async move { op });
    assert!(matches!(block_on(compute(Op::Nop)), CompResult::Unchanged(_)));
    assert!(matches!(block_on(compute(Op::Put(9))), CompResult::ReplacedWith(_)));
    let fails = subject.entry(1).and_try_compute_with_async(|_| async { Err::<Op<u64>, _>("no") });
    assert_eq!(block_on(fails), Err("no"));
    assert_eq!(subject.get(&1), Some(9));
    assert!(matches!(block_on(compute(Op::Remove)), CompResult::Removed(_)));
    subject.check_holds(0);
}

#[test]
fn async_and_methods_do_what_the_closure_says() {
    in_every_configuration!(async_and_methods);
}

fn an_expired_entry_is_none<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 41);
    subject.clock.advance(TTL);
    let gone = subject.expires();
    let entry = subject.entry(1).and_upsert_with(plus_one);
    assert_eq!(*entry.value(), if gone { 1 } else { 42 });
    assert_eq!(entry.is_old_value_replaced(), !gone);
    let cause = if gone { RemovalCause::Expired } else { RemovalCause::Replaced };
    subject.check_notified(vec![(1, 41, cause)]);
}

#[test]
fn a_computation_is_not_shown_what_has_expired() {
    in_every_configuration!(an_expired_entry_is_none);
}

fn count<S: TestHasher>(threads: u64, each: u64) {
    let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
    thread::scope(|scope| {
        for thread in 0..threads {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..each {
                    let key = n % 3;
                    if thread % 2 == 0 {
                        cache.entry(key).and_upsert_with(plus_one);
                    } else {
                        let upsert = cache.entry(key).and_upsert_with_async(|old| async {
                            yield_once().await;
                            plus_one(old)
                        });
                        block_on(upsert);
                    }
                }
            });
        }
    });
    let sum: u64 = (0..3).map(|key| cache.get(&key).unwrap()).sum();
    assert_eq!(sum, threads * each, "none is lost");
    validate(&cache);
}

#[test]
fn computations_of_many_threads_and_tasks_lose_no_update() {
    must_end(|| {
        count::<RandomState>(4, 2000);
        count::<Constant>(4, 500);
    });
}

#[test]
fn a_computation_waits_for_the_load_of_its_key_and_loads_wait_for_it() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    let load = Polled::pending(cache.get_with_async(1, gate.then(5)));
    let runs = AtomicUsize::new(0);
    let mut compute = Polled::pending(cache.entry(1).and_upsert_with_async(|old| {
        runs.fetch_add(1, SeqCst);
        async { plus_one(old) }
    }));
    assert!(compute.poll().is_none());
    assert_eq!(runs.load(SeqCst), 0);
    gate.open();
    assert_eq!(load.finish(), 5);
    assert_eq!(compute.finish().into_value(), 6, "it is shown what was loaded");

    let gate = Gate::default();
    let compute = Polled::pending(cache.entry(2).and_upsert_with_async(|_| gate.then(8)));
    let waits = Polled::pending(cache.get_with_status_async(2, async { unreachable!() }));
    let batch = Polled::pending(cache.get_many_with_async(&[2], |_| async { unreachable!() }));
    gate.open();
    assert_eq!(compute.finish().into_value(), 8);
    assert_eq!(waits.finish(), (8, Status::Coalesced));
    assert_eq!(batch.finish(), [Some(8)]);
    validate(&cache);
}

/// A computation that removes, does nothing, panics or is dropped leaves its waiters to load.
#[test]
fn a_load_that_waited_for_a_computation_without_a_value_loads() {
    for ending in ["nop", "remove", "panic", "drop"] {
        let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
        let mut compute = Polled::pending(cache.entry(1).and_compute_with_async(|_| async {
            gate.passed().await;
            match ending {
                "nop" => Op::Nop,
                "remove" => Op::Remove,
                _ => panic!("on purpose"),
            }
        }));
        let waits = Polled::pending(cache.get_with_async(1, async { 4 }));
        gate.open();
        match ending {
            "drop" => drop(compute),
            "panic" => assert!(panics(|| compute.poll())),
            _ => assert_eq!(compute.finish(), CompResult::StillNone(1)),
        }
        assert_eq!(waits.finish(), 4, "{ending}");
        assert_eq!(cache.get(&1), Some(4));
        validate(&cache);
    }
}

#[test]
fn a_hit_does_not_wait_for_a_computation() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    cache.insert(1, 3);
    let compute =
        Polled::pending(cache.entry(1).and_upsert_with_async(|old| gate.then(plus_one(old))));
    assert_eq!((cache.get(&1), cache.get_with(1, || unreachable!())), (Some(3), 3));
    assert_eq!(cache.get_many_with(&[1], |_| unreachable!()), [Some(3)]);
    gate.open();
    assert_eq!(compute.finish().into_value(), 4);
    assert_eq!(cache.get(&1), Some(4));
}

/// A plain write does not wait. The computed value counts as stored before it, so the write stays.
#[test]
fn a_write_during_a_computation_comes_after_it() {
    type Write = fn(&Cache<u64, u64>);
    let writes: [(Write, Option<u64>); 5] = [
        (|cache| cache.insert(1, 99), Some(99)),
        (|cache| cache.invalidate(&1), None),
        (|cache| assert_eq!(cache.remove(&1), Some(3)), None),
        (|cache| cache.invalidate_all(), None),
        (|cache| assert_eq!(cache.invalidate_entries_if(|_, _| true), 1), None),
    ];
    for (write, left) in writes {
        for op in [Op::Put(50), Op::Remove, Op::Nop] {
            let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
            cache.insert(1, 3);
            let compute = Polled::pending(cache.entry(1).and_compute_with_async(|old| {
                let gate = &gate;
                async move {
                    assert_eq!(old.map(Entry::into_value), Some(3));
                    gate.passed().await;
                    op
                }
            }));
            write(&cache);
            assert_eq!(cache.get(&1), left);
            gate.open();
            let as_if_before = match compute.finish() {
                CompResult::ReplacedWith(entry) => *entry.value() == 50 && op == Op::Put(50),
                CompResult::Removed(entry) => *entry.value() == 3 && op == Op::Remove,
                CompResult::Unchanged(entry) => *entry.value() == 3 && op == Op::Nop,
                _ => false,
            };
            assert!(as_if_before, "as if it had come before the write");
            assert_eq!(cache.get(&1), left, "{op:?}");
            validate(&cache);
        }
    }
}

/// A load that runs beside a computation (its caller cannot wait) is superseded when that stores.
#[test]
fn a_load_that_began_before_a_computation_stored_does_not_undo_it() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    let outer = Polled::pending(cache.get_with_async(1, async {
        // It cannot wait for the load that it is nested in, so this one is unshared.
        cache.get_with_async(1, gate.then(7)).await
    }));
    cache.invalidate(&1);
    assert_eq!(cache.entry(1).and_upsert_with(|_| 50).into_value(), 50);
    assert!(matches!(cache.entry(1).and_compute_with(|_| Op::Remove), CompResult::Removed(_)));
    gate.open();
    assert_eq!(outer.finish(), 7);
    assert_eq!(cache.get(&1), None);
    validate(&cache);
}

#[test]
fn a_computed_value_too_heavy_removes_the_old_one() {
    let log = Log::<u64, u64>::default();
    let cache = Cache::builder()
        .max_capacity(10)
        .weigher(|_, value: &u64| *value as u32)
        .eviction_listener(log.listener())
        .build();
    cache.insert(1, 5);
    let entry = cache.entry(1).and_upsert_with(|_| 11);
    assert_eq!((*entry.value(), cache.get(&1)), (11, None), "given, not stored");
    assert_eq!(log.take(), [(1, 5, RemovalCause::Replaced), (1, 11, RemovalCause::Size)]);
    validate(&cache);
}

#[test]
fn a_computation_that_panics_changes_nothing() {
    let cache = Cache::<u64, u64>::new(10);
    cache.insert(1, 3);
    assert!(panics(|| cache.entry(1).and_upsert_with(|_| panic!("on purpose"))));
    assert!(panics(|| cache.entry(2).and_upsert_with(|_| panic!("on purpose"))));
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(3), None));
    assert_eq!(cache.entry(1).and_upsert_with(plus_one).into_value(), 4);
    validate(&cache);
}

/// A load that runs beside a computation began before that stored, so its value is not stored
/// afterwards, even if the computed value was evicted.
#[test]
fn a_load_inside_a_computation_is_not_stored_after_it() {
    let (cache, gate) = (Cache::<u64, u64>::new(1), Gate::default());
    let mut inside = None;
    cache.entry(1).and_upsert_with(|_| {
        let load = cache.get_with_async(1, gate.then(7));
        inside = Some(Polled::pending(load));
        50
    });
    cache.insert(2, 2);
    assert_eq!(cache.get(&1), None, "evicted");
    gate.open();
    assert_eq!(inside.unwrap().finish(), 7);
    assert_eq!(cache.get(&1), None);
    validate(&cache);
}

fn what_expires_meanwhile<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    subject.put(1, 41);
    subject.entry(1).and_compute_with(|_| {
        subject.clock.advance(TTL);
        Op::Remove
    });
    let cause = if subject.expires() { RemovalCause::Expired } else { RemovalCause::Explicit };
    subject.check_notified(vec![(1, 41, cause)]);
    subject.check_holds(0);
}

#[test]
fn a_computation_that_removes_what_expired_meanwhile_notifies_of_the_expiry() {
    in_every_configuration!(what_expires_meanwhile);
}

#[test]
fn a_cycle_through_a_computation_inside_a_load_ends() {
    nested_cycle_ends(|cache, begun| {
        cache.get_with("a", || {
            let compute = |_| {
                begun.wait();
                cache.get_with("inside b", || 1)
            };
            cache.entry("inside a").and_upsert_with(compute).into_value()
        });
    });
}

#[test]
fn loads_that_waited_for_a_failed_computation_share_one_load() {
    let (cache, first, second) = (Cache::<u64, u64>::new(10), Gate::default(), Gate::default());
    let compute = Polled::pending(
        cache.entry(1).and_try_compute_with_async(|_| first.then(Err::<Op<u64>, _>("no"))),
    );
    let wait = || Polled::pending(cache.entry(1).or_insert_with_async(second.then(4)));
    let mut waiting = [wait(), wait()];
    first.open();
    assert_eq!(compute.finish(), Err("no"));
    waiting.iter_mut().for_each(|call| assert!(call.poll().is_none()));
    second.open();
    let fresh = waiting.map(|call| {
        let entry = call.finish();
        assert_eq!(*entry.value(), 4);
        entry.is_fresh()
    });
    assert_eq!(fresh, [true, false], "one has loaded, the other was given that");
}

#[test]
fn a_computation_counts_as_one_look_up() {
    let cache = Cache::<u64, u64>::builder().record_stats().build();
    for hits in 0..3 {
        assert_eq!((cache.stats().hits, cache.stats().requests()), (hits, 2 * hits));
        assert_eq!(cache.entry(9).and_compute_with(|_| Op::Nop), CompResult::StillNone(9));
        cache.insert(1, 1);
        cache.entry(1).and_compute_with(|_| Op::Nop);
    }
}

/// The entries that are left are those that a look-up of the key would have left, and not those
/// that no use would have left.
#[test]
fn a_computation_counts_as_a_use() {
    let left = |uses: fn(&Cache<u64, u64, Identity>)| {
        let cache = Cache::builder().max_capacity(100).build_with_hasher(Identity);
        (0..100).for_each(|key| cache.insert(key, key));
        (0..3).for_each(|_| uses(&cache));
        (100..180).for_each(|key| cache.insert(key, key));
        (0..100).filter(|key| cache.contains_key(key)).collect::<Vec<u64>>()
    };
    let computed =
        left(|cache| assert!(cache.entry(97).and_compute_with(|_| Op::Nop).into_entry().is_some()));
    assert_eq!(computed, left(|cache| assert!(cache.get(&97).is_some())));
    assert_ne!(computed, left(|_| {}));
}

#[test]
fn entry_of_a_result_can_be_unwrapped() {
    let cache = Cache::<u64, u64>::new(10);
    assert_eq!(cache.entry(1).and_compute_with(|_| Op::Put(2)).unwrap().into_value(), 2);
    assert_eq!(cache.entry(3).and_compute_with(|_| Op::Nop).into_entry(), None);
    assert!(panics(|| cache.entry(3).and_compute_with(|_| Op::Nop).unwrap()));
}
