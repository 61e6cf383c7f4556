//! How a writer finds a key without running `Eq` under the lock.
//!
//! [`Guard::lock_key`] looks the key up as a reader does, takes the lock, and then walks the
//! key's lanes comparing only stored hashes. Slots that the user's `Eq` has already judged need no
//! second look: the pin guarantees that their indices mean the same entries. A slot that was
//! replaced names its successor, which has the same key: what was found out about the one is true
//! of the other. Only a new key with the same 32 bits of hash, stored in between, makes it release
//! the lock, compare, and retry; so it loops only when another writer made progress, and hardly
//! ever.
//!
//! That other writer may be the thread itself: an `Eq` that stores a new key at each comparison
//! would keep its own call going for ever, and those of several threads could keep each other's
//! going. So a call counts its retries that come after writes which its own thread made meanwhile
//! ([`Retries`]), and panics after [`MOST`] of them. Retries alone prove nothing: under contention
//! any call may have many.

use std::cell::{Cell, RefCell};

use super::region::Visit;
use super::{EntryRef, Guard, Locked};
use crate::util::hash::KeyHash;
use crate::util::panics::title;

/// Retries of one call, each after a write of its own thread, from which on they are no accident.
/// Calls whose `Eq` does not write have none, whatever other threads do; one that writes once in a
/// while, because it fills a cache of its own for instance, has a few. As each may have stored a
/// key of the same hash, which all later comparisons then meet, the time until the panic grows with
/// the square of this number: it is well below a millisecond.
const MOST: u32 = 100;

/// The retries of one call for which its own thread may be to blame. See the module's head.
#[derive(Default)]
pub(crate) struct Retries {
    /// What the thread had reserved when this was last looked at.
    reserved: Cell<u16>,
    count: Cell<u32>,
}

impl Retries {
    #[inline]
    pub(crate) fn new<K, V, X>(guard: &Guard<'_, K, V, X>) -> Self {
        let reserved = Cell::new(guard.pin.reader.notes.reserved());
        Retries { reserved, count: Cell::new(0) }
    }

    /// Returns true if the calling thread has written to the cache since this was last looked at.
    pub(crate) fn has_written<K, V, X>(&self, guard: &Guard<'_, K, V, X>) -> bool {
        let reserved = guard.pin.reader.notes.reserved();
        self.reserved.replace(reserved) != reserved
    }

    /// The call begins anew. The caller holds no lock.
    ///
    /// # Panics
    /// If it never ends.
    #[cold]
    pub(crate) fn again<K, V, X>(&self, guard: &Guard<'_, K, V, X>) {
        if self.has_written(guard) {
            self.count.set(self.count.get() + 1);
        }
        assert!(
            self.count.get() < MOST,
            "{}: `Eq` (or `Clone`) of the key type writes to the cache while it is asked, and has \
             done so {MOST} times in one call, which has to look again each time and would never \
             end. Compare keys without writing to the cache that they are in",
            title(guard.table.name.as_deref())
        );
    }
}

impl<K, V, X> Guard<'_, K, V, X> {
    /// Takes the lock of a key's shard, together with the key's entry as of that moment. `eq` runs
    /// without the lock. See the module's head.
    #[inline]
    pub(crate) fn lock_key(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Locked<'_, K, V, X>, Option<u32>) {
        // Nearly always nothing or the key's own entry has this hash, and nobody comes between.
        let found = self.find_hash(hash);
        let equal = found.is_some_and(|entry| eq(entry.key()));
        if equal || found.is_none() {
            let locked = self.lock(self.table.shard_of(hash));
            let settled = match found {
                Some(entry) => locked.is_live(entry.id),
                None => !locked.has_hash(hash.low()),
            };
            if settled {
                return (locked, found.map(|entry| entry.id));
            }
        }
        self.lock_key_slowly(hash, eq, found.map(|entry| (entry.id, equal)), retries)
    }

    /// `lock_key`, whatever there is of the key's hash and whoever comes between. One slot may have
    /// been judged already.
    #[cold]
    #[inline(never)]
    fn lock_key_slowly(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        compared: Option<(u32, bool)>,
        retries: &Retries,
    ) -> (Locked<'_, K, V, X>, Option<u32>) {
        let (mut equal, mut different) = self.judge(hash, |id, key| match compared {
            Some((known, answer)) if known == id => answer,
            _ => eq(key),
        });
        loop {
            let locked = self.lock(self.table.shard_of(hash));
            equal = equal.map(|id| locked.newest(id));
            if let Some(id) = equal
                && locked.is_live(id)
            {
                return (locked, Some(id));
            }
            let mut unknown = locked.first_uncompared(hash.low(), &different);
            if unknown.is_some() {
                // Perhaps a successor of one that is known.
                different.iter_mut().for_each(|id| *id = locked.newest(*id));
                different.sort_unstable();
                unknown = locked.first_uncompared(hash.low(), &different);
            }
            let Some(unknown) = unknown else { return (locked, None) };
            drop(locked);
            retries.again(self);
            // SAFETY: the slot was live under the lock while this thread was pinned.
            if eq(unsafe { self.table.slab.slot(unknown).key() }) {
                equal = Some(unknown);
            } else {
                let place = different.partition_point(|&id| id < unknown);
                different.insert(place, unknown);
            }
        }
    }

    /// As [`lock_key`](Self::lock_key), for a key that was just looked for in vain: if no slot has
    /// its hash under the lock, there is nothing to compare it with.
    #[inline]
    pub(crate) fn lock_missing(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        retries: &Retries,
    ) -> (Locked<'_, K, V, X>, Option<u32>) {
        let locked = self.lock(self.table.shard_of(hash));
        if !locked.has_hash(hash.low()) {
            return (locked, None);
        }
        drop(locked);
        self.lock_key(hash, eq, retries)
    }

    /// Compares a key with those of the same hash: which slot holds it, and which, in order, hold
    /// others. What is said of a slot stays true, because this thread is pinned.
    fn judge(&self, hash: KeyHash, eq: impl Fn(u32, &K) -> bool + Copy) -> (Option<u32>, Vec<u32>) {
        let different = RefCell::new(Vec::new());
        let (slab, different_ref) = (&self.table.slab, &different);
        let region = self.table.regions[self.table.shard_of(hash)].load();
        // SAFETY: the region was published to a pinned thread.
        let equal = unsafe {
            region.search(hash.low(), |id, _| {
                // SAFETY: as in `find`.
                let slot = slab.slot_unchecked(id);
                if slot.meta.hash() != hash.low() {
                    return Visit::Continue;
                }
                if eq(id, slot.key()) {
                    return Visit::Stop(id);
                }
                different_ref.borrow_mut().push(id);
                Visit::Continue
            })
        };
        let mut different = different.into_inner();
        different.sort_unstable();
        (equal, different)
    }

    /// The first entry with this hash on its way. No lock, no `eq`.
    #[inline]
    fn find_hash(&self, hash: KeyHash) -> Option<EntryRef<'_, K, V>> {
        // SAFETY: as in `find`.
        let word = unsafe { self.table.regions.get_unchecked(self.table.shard_of(hash)) };
        let (region, slab) = (word.load(), &self.table.slab);
        // SAFETY: the region was published to a pinned thread.
        let found = unsafe {
            region.search(hash.low(), move |id, _| {
                // SAFETY: as in `find`.
                let slot = slab.slot_unchecked(id);
                let same = slot.meta.hash() == hash.low();
                if same { Visit::Stop((id, slot)) } else { Visit::Continue }
            })
        };
        found.map(|(id, slot)| EntryRef { id, slot, slab })
    }
}
