//! A thread that has used the table alone changes entries in their place, while others come.

use loom::sync::Arc;

use super::{HASH, Tested, Word, beside, find, find_at, store, store_at, table, table_of};
use crate::table::loom_tests::{model, spawn};
use crate::table::{KeyPlace, Times};
use crate::util::hash::KeyHash;

/// Changes the only entry of a key in its place, if this thread is alone; otherwise as it is done
/// beside readers.
fn exchange(table: &Tested, hash: KeyHash, key: u64, value: u64) {
    let mut guard = table.pin();
    let mut state = table.shards.state(table.table.shard_of(hash));
    let access = state.writer.access(&mut guard);
    if !access.is_alone() {
        drop((state, guard));
        return store_at(table, hash, key, value);
    }
    let KeyPlace::Occupied(entry) = access.find(hash, |other| other.get() == key) else {
        panic!("it is there");
    };
    let mut contents = Some((Word::new(key), Word::new(value)));
    entry.replace(hash, &mut contents, &Times::TIMELESS, |_, _| ());
    drop(state);
    drop(contents);
}

/// Gives the slot of the entry 1 to the key 2, or takes it out, if this thread is alone.
fn displace(table: &Tested, recycle: bool) {
    let mut guard = table.pin();
    let mut state = table.shards.state(0);
    let access = state.writer.access(&mut guard);
    if !access.is_alone() {
        return;
    }
    let KeyPlace::Occupied(entry) = access.find(HASH, |other| other.get() == 1) else {
        panic!("it is there");
    };
    let slot = entry.slot();
    let mut contents = Some((Word::new(2), Word::new(20)));
    let gone = if recycle {
        let (_, filled) = entry.into_access().recycle(slot, HASH, &mut contents, &Times::TIMELESS);
        filled.enter();
        None
    } else {
        Some(entry.take().0)
    };
    drop(state);
    drop((contents, gone));
}

/// A thread that has used the table alone so far changes a value in its place, while another uses
/// the table for the first time.
#[test]
fn table_value_is_exchanged_beside_the_first_read_of_another() {
    beside(
        &[1],
        |guard| {
            let values = (find(guard, 1), find(guard, 1));
            assert!(matches!(values, (Some(10), Some(10 | 11)) | (Some(11), Some(11))));
        },
        |table| exchange(table, HASH, 1, 11),
    );
}

/// The writer is in the second of two shards, and the other thread is shown both writers.
#[test]
fn table_value_is_exchanged_in_another_shard() {
    const OTHER: KeyHash = KeyHash(HASH.0 | 1 << 32 | 1 << 63);
    model(|| {
        let table = table_of(2, 1, &[]);
        store_at(&table, OTHER, 1, 10);
        let reader = {
            let table = Arc::clone(&table);
            spawn(1, move || assert!(matches!(find_at(&table.pin(), OTHER, 1), Some(10 | 11))))
        };
        exchange(&table, OTHER, 1, 11);
        reader.join().unwrap();
        table.validate();
    });
}

/// Two threads come at once: neither reads before the writer is done.
#[test]
fn table_value_is_exchanged_beside_the_first_reads_of_two_others() {
    model(|| {
        let table = table(&[1]);
        let readers = [1, 2].map(|number| {
            let table = Arc::clone(&table);
            spawn(number, move || assert!(matches!(find(&table.pin(), 1), Some(10 | 11))))
        });
        exchange(&table, HASH, 1, 11);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn table_slot_is_recycled_beside_the_first_read_of_another() {
    beside(
        &[1],
        |guard| {
            assert!(matches!(find(guard, 1), Some(10) | None));
            assert!(matches!(find(guard, 2), Some(20) | None));
        },
        |table| displace(table, true),
    );
}

#[test]
fn table_slot_is_freed_beside_the_first_read_of_another() {
    beside(
        &[1],
        |guard| {
            assert!(matches!(find(guard, 1), Some(10) | None));
            assert!(matches!(find(guard, 2), Some(20) | None));
        },
        |table| {
            displace(table, false);
            store(table, 2, 20);
        },
    );
}
