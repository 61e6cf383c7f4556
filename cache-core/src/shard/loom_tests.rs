//! The whole table with its locks: readers beside writers, growth, emptying, and freed memory.

use loom::sync::Arc;

use super::shard::Shard;
use super::testing::{BareTable, config};
use crate::table::loom_tests::{Tracked, model, spawn};
use crate::table::{Due, EntryRef, Guard, Reserved, SMALLEST_REGION, SharedSlot, TableConfig};
use crate::util::hash::KeyHash;
use crate::util::panics::DeferredPanic;

mod alone;

/// A key or a value of the table.
type Word = Tracked;
type Tested = BareTable<Word, Word>;

/// A table that holds these keys, each with ten times itself as its value.
fn table(keys: &[u64]) -> Arc<Tested> {
    table_of(1, 1, keys)
}

fn table_of(shards: usize, initial: usize, keys: &[u64]) -> Arc<Tested> {
    let table =
        Arc::new(BareTable::new(TableConfig { entries: Some(8), initial, ..config(shards) }));
    keys.iter().for_each(|&key| store(&table, key, 10 * key));
    table
}

/// All keys have one tag, and the same way through the groups.
const HASH: KeyHash = KeyHash(7);

fn value_of(entry: EntryRef<'_, Word, Word>) -> u64 {
    entry.touch();
    entry.value().get()
}

fn find(guard: &Guard<'_, Word, Word>, key: u64) -> Option<u64> {
    find_at(guard, HASH, key)
}

fn find_at(guard: &Guard<'_, Word, Word>, hash: KeyHash, key: u64) -> Option<u64> {
    guard.find(hash, |other| other.get() == key).map(value_of)
}

fn store(table: &Tested, key: u64, value: u64) {
    store_at(table, HASH, key, value);
}

fn store_at(table: &Tested, hash: KeyHash, key: u64, value: u64) {
    let guard = table.pin();
    let (mut shard, found) = table.lock_key(&guard, hash, |other| other.get() == key);
    let slot = shard.reserve(hash, Word::new(key));
    shard.put(slot, Word::new(value), found);
}

fn remove(table: &Tested, key: u64) -> Option<u64> {
    let guard = table.pin();
    let (mut shard, found) = table.lock_key(&guard, HASH, |other| other.get() == key);
    let entry = found.map(|id| shard.unlink(id));
    drop(shard);
    entry.map(value_of)
}

fn collect(table: &Tested) {
    table.collect_all(&mut DeferredPanic::default());
}

/// Runs `reads` on one thread beside `writes` on another, after which the garbage is collected.
fn beside(keys: &'static [u64], reads: fn(&Guard<'_, Word, Word>), writes: fn(&Tested)) {
    model(move || {
        let table = table(keys);
        let reader = {
            let table = Arc::clone(&table);
            spawn(1, move || reads(&table.pin()))
        };
        writes(&table);
        collect(&table);
        reader.join().unwrap();
        collect(&table);
        assert_eq!(table.table.garbage(), 0, "with no reader left all is free");
        table.validate();
    });
}

/// An index that was never stored leads to no slot, in particular not to slot 0, another shard's.
#[test]
fn table_first_entry_of_a_second_shard() {
    const OTHER: KeyHash = KeyHash(HASH.0 | 1 << 32);
    model(|| {
        let table = table_of(2, 1, &[1]);
        assert_eq!(remove(&table, 1), Some(10));
        collect(&table);
        let reader = {
            let table = Arc::clone(&table);
            spawn(1, move || assert!(matches!(find_at(&table.pin(), OTHER, 2), None | Some(20))))
        };
        store_at(&table, OTHER, 2, 20);
        reader.join().unwrap();
        assert_eq!(find_at(&table.pin(), OTHER, 2), Some(20));
    });
}

/// With a full group, which later entries of the same hash pass by.
fn beside_in_a_full_group(
    keys: std::ops::RangeInclusive<u64>,
    reads: fn(&Guard<'_, Word, Word>),
    writes: fn(&Tested),
) {
    model(move || {
        let table = table_of(1, 16, &keys.clone().collect::<Vec<_>>());
        let reader = {
            let table = Arc::clone(&table);
            spawn(1, move || reads(&table.pin()))
        };
        writes(&table);
        reader.join().unwrap();
        table.validate();
    });
}

#[test]
fn table_group_fills_and_overflows_behind_a_reader() {
    beside_in_a_full_group(
        1..=11,
        |guard| assert!(matches!(find(guard, 12), None | Some(120))),
        |table| {
            store(table, 12, 120);
            store(table, 13, 130);
        },
    );
}

#[test]
fn table_overflow_is_counted_down_behind_a_reader() {
    beside_in_a_full_group(
        1..=14,
        |guard| assert_eq!(find(guard, 14), Some(140)),
        |table| {
            remove(table, 13);
            remove(table, 1);
        },
    );
}

/// A reader sees an index only with the segment and the slot behind it.
#[test]
fn table_first_entry_against_a_reader() {
    beside(
        &[],
        |guard| assert!(matches!(find(guard, 1), Some(10) | None)),
        |table| store(table, 1, 10),
    );
}

#[test]
fn table_update_is_never_a_miss() {
    beside(
        &[1],
        |guard| assert!(matches!(find(guard, 1), Some(10 | 11))),
        |table| store(table, 1, 11),
    );
}

#[test]
fn table_updates_are_seen_in_their_order() {
    beside(
        &[1],
        |guard| {
            let values = (find(guard, 1), find(guard, 1));
            assert!(matches!(values, (Some(10), Some(10 | 11)) | (Some(11), Some(11))));
        },
        |table| store(table, 1, 11),
    );
}

/// The slot of the value that was replaced is used again, for another key.
#[test]
fn table_slots_are_reused_behind_readers() {
    beside(
        &[1],
        |guard| assert!(matches!(find(guard, 1), Some(10 | 11))),
        |table| {
            store(table, 1, 11);
            collect(table);
            store(table, 2, 20);
        },
    );
}

#[test]
fn table_remove_against_a_reader() {
    beside(
        &[1, 2],
        |guard| {
            assert!(matches!(find(guard, 1), Some(10) | None));
            assert_eq!(find(guard, 2), Some(20), "its neighbour stays");
        },
        |table| assert_eq!(remove(table, 1), Some(10)),
    );
}

/// Of a key that is removed and stored again, a reader may see first the new value, through the
/// old tag and the new index, then for a moment nothing: the tag comes last. That is one miss more
/// than a map would have; the old value never comes back.
#[test]
fn table_remove_and_store_again() {
    beside(
        &[1],
        |guard| {
            let values = (find(guard, 1), find(guard, 1));
            assert!(matches!(
                values,
                (Some(10), Some(10 | 11) | None) | (None | Some(11), Some(11) | None)
            ));
        },
        |table| {
            remove(table, 1);
            collect(table);
            store(table, 1, 11);
        },
    );
}

/// The lane and the slot become another key's while a reader is between tag and index.
#[test]
fn table_lane_and_slot_become_another_keys() {
    beside(
        &[1],
        |guard| {
            assert!(matches!(find(guard, 1), Some(10) | None));
            assert!(matches!(find(guard, 2), Some(20) | None));
        },
        |table| {
            remove(table, 1);
            collect(table);
            store(table, 2, 20);
        },
    );
}

#[test]
fn table_grows_behind_a_reader() {
    const KEYS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    // As many as the smallest region takes before it grows.
    let keys = &KEYS[..SMALLEST_REGION];
    beside(keys, |guard| assert_eq!(find(guard, 1), Some(10)), |table| store(table, 9, 90));
}

#[test]
fn table_is_emptied_behind_a_reader() {
    beside(
        &[1, 2],
        |guard| {
            let values = (find(guard, 1), find(guard, 2));
            assert!(matches!(values, (Some(10), Some(20) | None) | (None, None)));
        },
        |table| {
            let guard = table.pin();
            let mut left = 0;
            table.lock(&guard, 0).detach(|_| ()).finish(|entry| left += value_of(entry));
            assert_eq!(left, 30);
            assert_eq!(find(&guard, 1), None);
        },
    );
}

#[test]
fn table_walk_against_an_update() {
    beside(
        &[1, 2],
        |guard| {
            let mut sum = 0;
            guard.for_each(0, |entry| sum += value_of(entry));
            assert!(matches!(sum, 30 | 31));
        },
        |table| store(table, 1, 11),
    );
}

/// Runs two threads that write, and checks what they leave.
fn both(keys: &'static [u64], writes: [fn(&Tested); 2], left: fn(Option<u64>)) {
    model(move || {
        let table = table(keys);
        let other = {
            let table = Arc::clone(&table);
            spawn(1, move || writes[0](&table))
        };
        writes[1](&table);
        other.join().unwrap();
        collect(&table);
        assert_eq!(table.table.garbage(), 0);
        let guard = table.pin();
        left(find(&guard, 1));
        table.validate();
        assert!(table.lock(&guard, 0).entries() <= 1, "one key has one entry");
    });
}

#[test]
fn table_two_writers_insert_one_key() {
    both(&[], [|table| store(table, 1, 11), |table| store(table, 1, 12)], |value| {
        assert!(matches!(value, Some(11 | 12)))
    });
}

/// One of them finds a slot that the other replaces, and collects, before it has the lock.
#[test]
fn table_two_writers_update_one_key() {
    both(
        &[1],
        [
            |table| store(table, 1, 11),
            |table| {
                store(table, 1, 12);
                collect(table);
            },
        ],
        |value| assert!(matches!(value, Some(11 | 12))),
    );
}

#[test]
fn table_update_against_remove() {
    both(
        &[1],
        [
            |table| store(table, 1, 11),
            |table| {
                assert!(matches!(remove(table, 1), Some(10 | 11)));
                collect(table);
            },
        ],
        |value| assert!(matches!(value, Some(11) | None)),
    );
}

/// The key of a running load is compared, without a lock, while its leader ends the load as `end`
/// says and the slot is collected.
fn compare_beside(end: fn(&mut Shard<'_, Word, Word>, Reserved)) {
    model(move || {
        let table = table(&[]);
        let slot = table.lock(&table.pin(), 0).reserve(HASH, Word::new(1));
        let slot = Arc::new(SharedSlot::new(slot));
        let other = {
            let (table, slot) = (Arc::clone(&table), Arc::clone(&slot));
            spawn(1, move || {
                let guard = table.pin();
                if let Some(key) = guard.key_of(&slot) {
                    assert_eq!(key.get(), 1);
                }
            })
        };
        let guard = table.pin();
        let taken = slot.take().expect("it was not taken before");
        end(&mut table.lock(&guard, 0), taken);
        drop(guard);
        assert!(slot.take().is_none());
        collect(&table);
        other.join().unwrap();
    });
}

#[test]
fn table_reserved_key_outlives_its_reservation() {
    compare_beside(|shard, slot| shard.abandon(slot));
}

/// The value is removed again at once.
#[test]
fn table_reserved_key_outlives_its_publication() {
    compare_beside(|shard, slot| {
        let id = shard.put(slot, Word::new(10), None);
        shard.unlink(id);
    });
}

/// Removes the key 1 and drops it at once, if no other thread can be reading it.
fn remove_at_once(table: &Tested) {
    let (guard, mut due, mut panics) = (table.pin(), Due::default(), DeferredPanic::default());
    let (mut shard, found) = table.lock_key(&guard, HASH, |other| other.get() == 1);
    shard.unlink(found.expect("it is there"));
    shard.unlock(&mut due);
    guard.drop_retired(&due, &mut panics);
}

/// A thread that has used the table alone so far drops at once what it removes, while another uses
/// it for the first time.
#[test]
fn table_drops_at_once_beside_the_first_read_of_another() {
    beside(
        &[1, 2],
        |guard| {
            assert!(matches!(find(guard, 1), Some(10) | None));
            assert_eq!(find(guard, 2), Some(20));
        },
        |table| {
            remove_at_once(table);
        },
    );
}

/// As above, and the other thread collects what it finds retired.
#[test]
fn table_drops_at_once_beside_the_first_collection_of_another() {
    model(|| {
        let table = table(&[1]);
        let other = {
            let table = Arc::clone(&table);
            spawn(1, move || {
                assert!(matches!(find(&table.pin(), 1), Some(10) | None));
                collect(&table);
            })
        };
        remove_at_once(&table);
        other.join().unwrap();
        collect(&table);
        assert_eq!(table.table.garbage(), 0);
        table.validate();
    });
}

/// Does what the cache's maintenance does with a shard: its free blocks go back, and with the last
/// of a segment its memory.
fn shrink(table: &Tested) {
    table.lock(&table.pin(), 0).shrink_table();
    collect(table);
}

/// The slot's segment is freed, and added again for another entry, behind a reader that may have
/// the index.
#[test]
fn table_segment_is_freed_and_added_again_behind_a_reader() {
    beside(
        &[1],
        |guard| assert!(matches!(find(guard, 1), Some(10 | 11) | None)),
        |table| {
            remove(table, 1);
            collect(table);
            shrink(table);
            store(table, 1, 11);
        },
    );
}

/// The model above does free it when no thread reads.
#[test]
fn table_segment_is_freed_without_readers() {
    model(|| {
        let table = table(&[1]);
        assert!(table.table.bytes().slots > 0);
        remove(&table, 1);
        collect(&table);
        shrink(&table);
        assert_eq!(table.table.bytes().slots, 0);
        store(&table, 1, 11);
        assert_eq!(find(&table.pin(), 1), Some(11));
    });
}
