//! How a writer finds a key without running `Eq` under the lock.
//!
//! [`Shards::lock_key`] looks the key up as a reader does, acquires the lock, and then walks the
//! key's lanes comparing only stored hashes. Slots that the user's `Eq` has already compared need
//! no second look: the guard guarantees that their numbers mean the same entries. A slot that was
//! replaced names its successor, which has the same key, so the result of the comparison holds for
//! both. Only a new key with the same 32 bits of hash, stored in between, makes it release the
//! lock, compare, and retry; so it loops only when another writer made progress, and hardly ever
//! ([`Retries`]).

use std::cell::RefCell;
use std::ops::ControlFlow;

use super::shard::Shard;
use super::shards::Shards;
use crate::table::{EntryRef, Guard, Retries, SlotId};
use crate::util::hash::KeyHash;

impl<V> Shards<V> {
    /// Acquires the lock of a key's shard, together with the key's entry as of that moment. `eq`
    /// runs without the lock.
    #[inline]
    pub(crate) fn lock_key<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        // Nearly always no entry or the key's entry has this hash, and no other writer comes
        // between.
        let found = guard.find_hash(hash);
        let equal = found.is_some_and(|entry| eq(entry.key()));
        if equal || found.is_none() {
            let shard = self.lock(guard, guard.shard_of(hash));
            let settled = match found {
                Some(entry) => shard.is_live(entry.id()),
                None => guard.find_hash(hash).is_none(),
            };
            if settled {
                return (shard, found.map(EntryRef::id));
            }
        }
        let eq = |entry: EntryRef<'_, K, V>| match found {
            Some(found) if found.id() == entry.id() => equal,
            _ => eq(entry.key()),
        };
        self.lock_key_slowly(guard, hash, eq, retries)
    }

    /// The general case of `lock_key`: hash collisions, or writers between look-up and lock.
    #[cold]
    #[inline(never)]
    fn lock_key_slowly<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(EntryRef<'_, K, V>) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        let (mut equal, mut different) = compare(guard, hash, eq);
        loop {
            let shard = self.lock(guard, guard.shard_of(hash));
            equal = equal.map(|id| shard.newest(id));
            if let Some(id) = equal
                && shard.is_live(id)
            {
                return (shard, Some(id));
            }
            let mut unknown = first_uncompared(guard, hash, &different);
            if unknown.is_some() {
                // Perhaps it is the successor of a slot that was compared.
                different.iter_mut().for_each(|id| *id = shard.newest(*id));
                different.sort_unstable();
                unknown = first_uncompared(guard, hash, &different);
            }
            let Some(unknown) = unknown else { return (shard, None) };
            drop(shard);
            retries.again(guard);
            if eq(unknown) {
                equal = Some(unknown.id());
            } else {
                let place = different.partition_point(|&id| id < unknown.id());
                different.insert(place, unknown.id());
            }
        }
    }

    /// As [`lock_key`](Self::lock_key), for a key that was just looked for in vain: if no slot has
    /// its hash under the lock, there is nothing to compare it with.
    #[inline]
    pub(crate) fn lock_missing<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        let shard = self.lock(guard, guard.shard_of(hash));
        if guard.find_hash(hash).is_none() {
            return (shard, None);
        }
        drop(shard);
        self.lock_key(guard, hash, eq, retries)
    }
}

/// Compares a key with those of the same hash. Returns the slot that holds it, and those, in order,
/// that hold others. The results stay true while the thread is pinned.
fn compare<K, V>(
    guard: &Guard<'_, K, V>,
    hash: KeyHash,
    eq: impl Fn(EntryRef<'_, K, V>) -> bool + Copy,
) -> (Option<SlotId>, Vec<SlotId>) {
    let different = RefCell::new(Vec::new());
    let different_ref = &different;
    let equal = guard.search_hash(hash, |entry| {
        if eq(entry) {
            return ControlFlow::Break(entry.id());
        }
        different_ref.borrow_mut().push(entry.id());
        ControlFlow::Continue(())
    });
    let mut different = different.into_inner();
    different.sort_unstable();
    (equal, different)
}

/// The first entry with this hash that is none of those known to hold other keys, which are given
/// in order. Returns `None` under the lock only if there is none.
fn first_uncompared<'p, K, V>(
    guard: &'p Guard<'_, K, V>,
    hash: KeyHash,
    different: &[SlotId],
) -> Option<EntryRef<'p, K, V>> {
    guard.search_hash(hash, |entry| match different.binary_search(&entry.id()) {
        Ok(_) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(entry),
    })
}
