//! How a writer finds a key without running `Eq` under the lock.
//!
//! [`Shards::lock_key`] compares the key as a reader does, acquires the lock, and then walks the
//! key's lanes comparing only stored hashes. Slots that the user's `Eq` has already compared need
//! no second look: the guard guarantees that their numbers mean the same entries. A slot that was
//! replaced names its successor, which has the same key, so the result of the comparison holds for
//! both. Only a new key with the same 32 bits of hash, stored in between, makes it release the
//! lock, compare, and retry; so it loops only when another writer made progress, and hardly ever
//! ([`Retries`]).
//!
//! An insert whose key type has the standard library's `Eq` (`util/known_eq.rs`) does without all
//! this: it searches once, under the lock, which takes some forty instructions of a thousand less.

use std::cell::RefCell;
use std::ops::ControlFlow;

use super::shard::Shard;
use super::shards::Shards;
use crate::table::{EntryRef, Guard, Retries, SlotId};
use crate::util::hash::KeyHash;

impl<V> Shards<V> {
    /// Acquires the lock of a key's shard, together with the key's entry as of that moment. `found`
    /// is the first entry with the hash; or nothing, for a key that was just looked for in vain: if
    /// no slot has its hash under the lock, there is nothing to compare it with. `eq` runs without
    /// the lock.
    #[inline]
    pub(crate) fn lock_key<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        found: Option<EntryRef<'_, K, V>>,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        // Nearly always no entry or the key's entry has this hash, and no other writer comes
        // between.
        let equal = found.is_some_and(|entry| eq(entry.key()));
        if equal || found.is_none() {
            let shard = self.lock(guard, guard.table.shard_of(hash));
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
        self.lock_key_slowly(guard, hash, &eq, retries)
    }

    /// The general case of `lock_key`: hash collisions, or writers between look-up and lock. (One
    /// function for all comparisons: it is seldom called.)
    #[cold]
    #[inline(never)]
    fn lock_key_slowly<'p, K>(
        &'p self,
        guard: &'p Guard<'_, K, V>,
        hash: KeyHash,
        eq: &dyn Fn(EntryRef<'_, K, V>) -> bool,
        retries: &Retries,
    ) -> (Shard<'p, K, V>, Option<SlotId>) {
        // The slot that holds the key, and those that hold others: true while the thread is pinned.
        let others = &RefCell::new(Vec::new());
        let mut equal = guard.search_hash(hash, |entry| {
            if eq(entry) {
                return ControlFlow::Break(entry.id());
            }
            others.borrow_mut().push(entry.id());
            ControlFlow::Continue(())
        });
        let mut different = others.take();
        loop {
            let shard = self.lock(guard, guard.table.shard_of(hash));
            equal = equal.map(|id| shard.newest(id));
            if equal.is_some_and(|id| shard.is_live(id)) {
                return (shard, equal);
            }
            // Some may be the successors of slots that were compared.
            different.iter_mut().for_each(|id| *id = shard.newest(*id));
            different.sort_unstable();
            let uncompared =
                guard.search_hash(hash, |entry| match different.binary_search(&entry.id()) {
                    Ok(_) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(entry),
                });
            let Some(entry) = uncompared else { return (shard, None) };
            drop(shard);
            retries.again(guard);
            // One at a time: there may be no end of them, and only retries are counted.
            if eq(entry) {
                equal = Some(entry.id());
            } else {
                different.push(entry.id());
            }
        }
    }
}
