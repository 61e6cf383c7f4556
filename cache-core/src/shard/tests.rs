//! The table and its locks: against a naive map, with hostile hashes, under threads.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use super::testing::{BareTable, config};
use crate::table::{Due, Guard, KeyPlace, Live, TableConfig};
use crate::util::hash::KeyHash;
use crate::util::panics::DeferredPanic;

/// A hash of which the key decides only so many bits.
fn hash_of(key: u64, bits: u32) -> u64 {
    let spread =
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93);
    if bits == 64 { spread } else { spread & ((1 << bits) - 1) }
}

fn put<K: Eq, V>(table: &BareTable<K, V>, hash: u64, key: K, value: V) {
    let hash = KeyHash(hash);
    let (guard, mut due) = (table.pin(), Due::default());
    let (mut shard, found) = table.lock_key(&guard, hash, |other| *other == key);
    let slot = shard.reserve(hash, key);
    shard.put(slot, value, found);
    shard.unlock(&mut due);
    end(table, guard, &due);
}

/// What a call does when it has released its locks.
fn end<K, V>(table: &BareTable<K, V>, guard: Guard<'_, K, V>, due: &Due) {
    let mut panics = DeferredPanic::default();
    guard.drop_retired(due, &mut panics);
    if !due.is_empty() {
        table.shards.collect_due(&table.table, due, Live::Entries(0), &mut panics);
    }
    panics.resume();
}

fn take<K: Eq, V: Clone>(table: &BareTable<K, V>, hash: u64, key: &K) -> Option<V> {
    let hash = KeyHash(hash);
    let (guard, mut due) = (table.pin(), Due::default());
    let (mut shard, found) = table.lock_key(&guard, hash, |other| other == key);
    let value = found.map(|id| shard.unlink(id).value().clone());
    shard.unlock(&mut due);
    end(table, guard, &due);
    value
}

fn look<K: Eq, V: Clone>(table: &BareTable<K, V>, hash: u64, key: &K) -> Option<V> {
    let hash = KeyHash(hash);
    table.pin().find(hash, |other| other == key).map(|entry| entry.value().clone())
}

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Counts how many of it are alive.
#[derive(Debug)]
struct Counted<'a>(&'a AtomicI64, u64);

impl<'a> Counted<'a> {
    fn new(alive: &'a AtomicI64, value: u64) -> Self {
        alive.fetch_add(1, Relaxed);
        Counted(alive, value)
    }
}

impl Clone for Counted<'_> {
    fn clone(&self) -> Self {
        Counted::new(self.0, self.1)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl Eq for Counted<'_> {}

#[test]
fn results_are_those_of_a_map_whatever_the_hash() {
    for (bits, shards, keys) in [(64, 4, 3000), (64, 1, 40), (8, 1, 300), (0, 1, 60), (40, 2, 500)]
    {
        let alive = AtomicI64::new(0);
        let table: BareTable<Counted<'_>, Counted<'_>> = BareTable::new(config(shards));
        let mut model = HashMap::new();
        let mut random = XorShift(0x1234_5678_9abc_def1 + u64::from(bits));
        for step in 0..20_000 {
            let key = random.below(keys);
            let hash = hash_of(key, bits);
            let by = Counted::new(&alive, key);
            match random.below(10) {
                0..4 => {
                    put(&table, hash, by, Counted::new(&alive, step));
                    model.insert(key, step);
                }
                4..7 => {
                    assert_eq!(take(&table, hash, &by).map(|v| v.1), model.remove(&key));
                }
                _ => assert_eq!(look(&table, hash, &by).map(|v| v.1), model.get(&key).copied()),
            }
            if step % 997 == 0 {
                table.validate();
            }
        }
        table.validate();
        table.collect_all(&mut DeferredPanic::default());
        assert_eq!(table.table.garbage(), 0);
        assert_eq!(alive.load(Relaxed), 2 * model.len() as i64, "a key and a value for each entry");
        drop(table);
        assert_eq!(alive.load(Relaxed), 0, "nothing leaks, nothing is dropped twice");
    }
}

#[test]
fn what_was_seen_without_the_lock_is_found_again_unless_it_has_gone() {
    let table = BareTable::<u64, u64>::new(config(1));
    let hash = KeyHash(hash_of(1, 64));
    put(&table, hash.0, 1, 10);
    let mut guard = table.pin();
    let seen = guard.see(hash).map(|(_, seen)| seen);
    let mut settled = |hash, seen| {
        let mut state = table.shards.state(0);
        state.writer.access(&mut guard).settle(hash, seen).map(|place| match place {
            KeyPlace::Occupied(entry) => Some(entry.slot().id()),
            KeyPlace::Vacant(_) => None,
        })
    };
    let slot = settled(hash, seen).expect("it stands where it was seen");
    assert!(slot.is_some());
    (2..200).for_each(|key| put(&table, hash_of(key, 64), key, key));
    assert_eq!(settled(hash, seen), Some(slot), "in a larger region");
    assert_eq!(settled(hash, None), None, "stored since, as far as this call knows");
    // In the smaller region it still stands, but nobody looks there any more.
    assert_eq!(take(&table, hash.0, &1), Some(10));
    assert_eq!(settled(hash, seen), None, "removed since");
    assert_eq!(settled(hash, None), Some(None), "absent before and now");
    put(&table, hash.0, 1, 11);
    assert_eq!(settled(hash, seen), None, "in another slot since");
}

#[test]
fn detach_empties_a_shard_at_once_and_shows_its_entries() {
    let table: BareTable<u64, u64> = BareTable::new(config(1));
    for key in 0..1000 {
        put(&table, hash_of(key, 64), key, key);
    }
    let guard = table.pin();
    let seen_before = guard.find(KeyHash(hash_of(7, 64)), |key| *key == 7).expect("it is there");
    let detached = table.lock(&guard, 0).detach(|_| ());
    assert_eq!(table.lock(&guard, 0).entries(), 0);
    assert_eq!(look(&table, hash_of(7, 64), &7), None);
    put(&table, hash_of(7, 64), 7, 700);
    let mut shown = Vec::new();
    detached.finish(|entry| shown.push(*entry.key()));
    shown.sort_unstable();
    assert_eq!(shown, (0..1000).collect::<Vec<_>>());
    assert_eq!(*seen_before.value(), 7, "the guard keeps what it has seen");
    drop(guard);
    table.validate();
    table.collect_all(&mut DeferredPanic::default());
    assert_eq!(look(&table, hash_of(7, 64), &7), Some(700));
    assert_eq!(table.lock(&table.pin(), 0).entries(), 1);
}

#[test]
fn a_detached_shard_that_is_not_finished_is_retired_all_the_same() {
    let alive = AtomicI64::new(0);
    let table: BareTable<u64, Counted<'_>> = BareTable::new(config(1));
    for key in 0..100 {
        put(&table, hash_of(key, 64), key, Counted::new(&alive, key));
    }
    let guard = table.pin();
    drop(table.lock(&guard, 0).detach(|_| ()));
    drop(guard);
    table.collect_all(&mut DeferredPanic::default());
    assert_eq!(alive.load(Relaxed), 0);
    table.validate();
}

#[test]
fn a_shard_without_entries_has_no_region() {
    let table: BareTable<u64, u64> = BareTable::new(config(3));
    let regions = || table.table.bytes().regions;
    for round in 0..3 {
        assert_eq!(regions(), 3 * size_of::<usize>());
        assert_eq!(look(&table, hash_of(1, 64), &1), None);
        table.validate();
        (0..100).for_each(|key| put(&table, hash_of(key, 64), key, round));
        assert!((0..100).all(|key| look(&table, hash_of(key, 64), &key) == Some(round)));
        assert!(regions() > 100 * 4);
        table.validate();
        let guard = table.pin();
        if round == 1 {
            (0..3).for_each(|shard| drop(table.lock(&guard, shard).detach(|_| ())));
        } else {
            (0..100).for_each(|key| _ = take(&table, hash_of(key, 64), &key));
            (0..3).for_each(|shard| table.lock(&guard, shard).shrink_table());
        }
        table.validate();
        drop(guard);
        table.collect_all(&mut DeferredPanic::default());
    }
    // A table that was laid out for entries keeps the room for them.
    let table: BareTable<u64, u64> = BareTable::new(TableConfig { initial: 500, ..config(1) });
    let laid_out = table.table.bytes().regions;
    put(&table, hash_of(1, 64), 1, 1);
    take(&table, hash_of(1, 64), &1);
    table.lock(&table.pin(), 0).shrink_table();
    assert!(laid_out > 500 * 4 && table.table.bytes().regions == laid_out);
}

#[test]
fn a_pinned_reader_delays_memory_and_no_thread() {
    let table: BareTable<u64, u64> = BareTable::new(config(1));
    put(&table, hash_of(1, 64), 1, 1);
    let guard = table.pin();
    let entry = guard.find(KeyHash(hash_of(1, 64)), |key| *key == 1).expect("it is there");
    for value in 0..10_000 {
        put(&table, hash_of(1, 64), 1, value);
    }
    table.collect_all(&mut DeferredPanic::default());
    assert_eq!((*entry.key(), *entry.value()), (1, 1));
    assert!(table.table.garbage() > 0);
    drop(guard);
    table.collect_all(&mut DeferredPanic::default());
    assert_eq!(table.table.garbage(), 0);
    table.validate();
}

#[test]
fn slots_are_reused_once_no_thread_is_pinned() {
    let table: BareTable<u64, u64> = BareTable::new(config(1));
    for value in 0..100_000 {
        put(&table, hash_of(value % 50, 64), value % 50, value);
    }
    table.collect_all(&mut DeferredPanic::default());
    let slots = table.table.bytes().slots / (16 + 2 * size_of::<u64>());
    assert!(slots <= 1024, "{slots} slots for 50 entries");
}

#[test]
fn eq_that_panics_leaves_everything_whole() {
    let table: BareTable<u64, u64> = BareTable::new(config(1));
    for key in 0..50 {
        put(&table, 5, key, key);
    }
    for fuse in 0..50 {
        let left = Cell::new(fuse);
        let fussy = |other: &u64| {
            assert!(left.get() > 0, "no more comparisons");
            left.set(left.get() - 1);
            *other == 1000
        };
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let guard = table.pin();
            let _ = table.lock_key(&guard, KeyHash(5), fussy).1;
        }));
        assert!(attempt.is_err());
        table.validate();
    }
    let stamp = table.table.epoch().stamp();
    table.table.epoch().advance();
    assert!(table.table.epoch().is_free(stamp), "no pin was left behind");
}

#[test]
fn a_panicking_drop_does_not_keep_the_others_from_theirs() {
    struct Bomb<'a>(#[expect(dead_code, reason = "it counts")] Counted<'a>, bool);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            assert!(!self.1, "boom");
        }
    }
    let alive = AtomicI64::new(0);
    let table: BareTable<u64, Bomb<'_>> = BareTable::new(config(1));
    for key in 0..64 {
        let guard = table.pin();
        let hash = KeyHash(hash_of(key, 64));
        let (mut shard, _) = table.lock_key(&guard, hash, |other| *other == key);
        let slot = shard.reserve(hash, key);
        let bomb = Bomb(Counted::new(&alive, key), key % 7 == 0);
        let id = shard.put(slot, bomb, None);
        shard.unlink(id);
    }
    let mut panics = DeferredPanic::default();
    table.collect_all(&mut panics);
    assert!(catch_unwind(AssertUnwindSafe(|| panics.resume())).is_err());
    assert_eq!(alive.load(Relaxed), 0);
    table.validate();
    table.collect_all(&mut DeferredPanic::default());
    assert_eq!(table.lock(&table.pin(), 0).entries(), 0);
}

/// A janitor runs again and again in a cache in which nothing happens. Only a barrier of the whole
/// process would find out what is free.
#[test]
fn collecting_where_there_is_no_garbage_takes_no_barrier() {
    let table: BareTable<u64, u64> = BareTable::new(config(2));
    put(&table, 1, 1, 1);
    std::thread::scope(|scope| _ = scope.spawn(|| drop(table.pin())).join());
    assert!(!table.table.epoch().is_alone());
    // The stamp of this moment is free afterwards if, and only if, the announcements were read.
    let advanced = || {
        let stamp = table.table.epoch().stamp();
        table.collect_all(&mut DeferredPanic::default());
        table.table.epoch().is_free(stamp)
    };
    assert!(!advanced());
    assert!(!advanced(), "nor the next time");
    take(&table, 1, &1);
    assert!(advanced(), "there is garbage");
    assert_eq!(table.table.garbage(), 0);
    assert!(!advanced());
}

#[test]
fn a_present_key_is_never_missed_while_everything_around_it_changes() {
    let table: BareTable<u64, [u64; 4]> = BareTable::new(config(2));
    // Few bits of hash: long probes, full groups, overflow counts that rise and fall.
    let hash = |key: u64| hash_of(key, 64) & 0x1_ff00_00ff;
    (0..20).for_each(|key| put(&table, hash(key), key, [0; 4]));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 1..3 {
            let (table, stop) = (&table, &stop);
            scope.spawn(move || {
                let mut random = XorShift(seed * 0x9e37_79b9);
                let mut newest = [0; 20];
                while !stop.load(Relaxed) {
                    let key = random.below(20);
                    let value = look(table, hash(key), &key).expect("it is always present");
                    assert!(value.iter().all(|part| *part == value[0]), "a torn value");
                    assert!(value[0] >= newest[key as usize], "an older value than before");
                    newest[key as usize] = value[0];
                }
            });
        }
        let updater = scope.spawn(|| {
            let mut random = XorShift(77);
            for version in 1..40_000 {
                let key = random.below(20);
                put(&table, hash(key), key, [version; 4]);
            }
        });
        let churner = scope.spawn(|| {
            let mut random = XorShift(99);
            for round in 0..40_000u64 {
                let key = 100 + random.below(if round % 1000 < 500 { 2000 } else { 50 });
                if random.below(2) == 0 {
                    put(&table, hash(key), key, [round; 4]);
                } else {
                    take(&table, hash(key), &key);
                }
                if round % 10_000 == 9_999 {
                    let guard = table.pin();
                    guard.for_each(0, |entry| assert!(*entry.key() < 3000));
                }
            }
        });
        updater.join().unwrap();
        churner.join().unwrap();
        stop.store(true, Relaxed);
    });
    table.validate();
}
