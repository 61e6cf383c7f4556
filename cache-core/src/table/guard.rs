//! The table in the hands of a pinned thread: what may be read without a lock, entries above all.
//!
//! # Retries
//! A writer compares keys without the lock, and must retry when another key of the same hash was
//! stored meanwhile. That other writer may be the thread itself: an `Eq` that stores a new key at
//! each comparison would keep its call going for ever, and those of several threads could keep each
//! other's going. So a call counts its retries that come after writes which its own thread made
//! meanwhile ([`Retries`]), and panics after [`MOST`] of them. Retries alone prove nothing: under
//! contention any call may have many.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

use super::ids::SlotId;
use super::reclaim::epoch::EpochGuard;
use super::region::{Lane, Region};
use super::slab::Slab;
use super::slot_ref::SlotRef;
use super::table::Table;
use super::times::{RefreshState, Times};
use crate::types::stats::Counters;
use crate::util::hash::KeyHash;
use crate::util::panics::title;

/// A pinned thread's access to the table. What it finds stays readable while the guard lives.
pub(crate) struct Guard<'t, K, V> {
    pub(crate) table: &'t Table<K, V>,
    pub(super) pin: EpochGuard<'t>,
}

impl<K, V> Guard<'_, K, V> {
    /// Slots in a block.
    pub(crate) const BLOCK: u32 = Slab::<K, V>::BLOCK;

    /// The calling thread's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.pin.reader.counters
    }

    /// The number of the calling thread's line: no other thread has it while this one is pinned.
    pub(crate) fn line(&self) -> usize {
        self.pin.reader.number()
    }

    /// Counts a slot that the thread takes, see [`Retries`].
    #[inline]
    pub(super) fn note_reserved(&self) {
        let reserved = &self.pin.reader.notes.reserved;
        reserved.store(reserved.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// What is kept of each slot, for callers that have learnt of slots under a shard's lock.
    #[inline]
    pub(crate) fn slots(&self) -> &Slab<K, V> {
        &self.table.slab
    }

    #[inline]
    fn region_of(&self, hash: KeyHash) -> Region {
        // SAFETY: a shard's number is below the number of shards, and there is a region for each.
        unsafe { self.table.regions.get_unchecked(self.table.shard_of(hash)) }.load()
    }

    /// The entry whose key `eq` accepts. No lock; `eq` runs on the keys of the same tag.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'_, K, V>> {
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        let found = unsafe {
            self.region_of(hash).search(hash.low(), move |id, _| {
                // SAFETY: the index was in a published region, so its slot exists, was filled
                // before, and is not reused while this thread is pinned.
                let at = slab.at_unchecked(id);
                if eq(at.slot.key()) {
                    ControlFlow::Break((id, at.slot))
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        // Made of a pair, which fits registers, on the hit path.
        found.map(|(id, slot)| EntryRef { at: SlotRef { id, slot, slab } })
    }

    /// Visits the entries with this hash, in the order of their lanes, until `visit` breaks off.
    /// No lock, and no key is compared.
    #[inline]
    pub(crate) fn search_hash<'p, T>(
        &'p self,
        hash: KeyHash,
        visit: impl Fn(EntryRef<'p, K, V>) -> ControlFlow<T> + Copy,
    ) -> Option<T> {
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        unsafe {
            self.region_of(hash).search(hash.low(), move |id, _| {
                // SAFETY: as in `find`.
                let at = slab.at_unchecked(id);
                if at.header().hash() == hash.low() {
                    visit(EntryRef { at })
                } else {
                    ControlFlow::Continue(())
                }
            })
        }
    }

    /// The first entry with this hash. No lock, and no key is compared.
    #[inline]
    pub(crate) fn find_hash(&self, hash: KeyHash) -> Option<EntryRef<'_, K, V>> {
        self.search_hash(hash, ControlFlow::Break)
    }

    /// As `find_hash`; and where the entry stands.
    #[inline]
    pub(crate) fn see(&self, hash: KeyHash) -> Option<(EntryRef<'_, K, V>, Seen)> {
        let (slab, region) = (&self.table.slab, self.region_of(hash));
        // SAFETY: the region was published to a pinned thread.
        let found = unsafe {
            region.search(hash.low(), move |id, lane| {
                // SAFETY: as in `find`.
                let at = slab.at_unchecked(id);
                if at.header().hash() == hash.low() {
                    ControlFlow::Break((at.slot, lane, id))
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        let (slot, lane, id) = found?;
        Some((EntryRef { at: SlotRef { id, slot, slab } }, Seen { id, lane, region }))
    }

    /// Visits all entries of a shard: each that stays there throughout once, others perhaps.
    pub(crate) fn for_each<'p>(&'p self, shard: usize, mut visit: impl FnMut(EntryRef<'p, K, V>)) {
        let region = self.table.regions[shard].load();
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        unsafe { region.for_each(|id| visit(EntryRef { at: slab.at_unchecked(id) })) }
    }
}

/// Where an entry stood when it was found without the lock. Most often it still stands there under
/// the lock, and need not be searched for.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(super) id: SlotId,
    pub(super) lane: Lane,
    pub(super) region: Region,
}

/// A new value, with its weight and times: computed before the lock is acquired.
pub(crate) struct NewEntry<V> {
    pub(crate) value: V,
    pub(crate) weight: u32,
    pub(crate) times: Times,
}

/// A reference to an entry. It may have been removed since it was found, but not dropped.
pub(crate) struct EntryRef<'p, K, V> {
    pub(super) at: SlotRef<'p, K, V>,
}

impl<K, V> Clone for EntryRef<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for EntryRef<'_, K, V> {}

impl<'p, K, V> EntryRef<'p, K, V> {
    pub(crate) fn id(self) -> SlotId {
        self.at.id
    }

    /// The lower half of the key's hash.
    pub(crate) fn hash(self) -> u32 {
        self.at.header().hash()
    }

    /// Counts a use.
    #[inline]
    pub(crate) fn touch(self) {
        self.at.header().frequency.add();
    }

    /// The tick at which it expires: the earliest of its deadlines, or
    /// [`NEVER`](super::header::NEVER).
    #[inline]
    pub(crate) fn deadline(self) -> u64 {
        self.at.header().deadline().min(self.at.slab.idle_deadline(self.at.id))
    }

    /// The deadline in its slot: all of it in a cache whose entries do not expire when idle.
    #[inline]
    pub(crate) fn fixed_deadline(self) -> u64 {
        self.at.header().deadline()
    }

    /// Sets the deadline in its slot; [`NEVER`](super::header::NEVER) for none.
    #[inline]
    pub(crate) fn set_deadline(self, tick: u64) {
        self.at.header().set_deadline(tick);
    }

    /// When it was written, if the cache recorded write times then.
    #[inline]
    pub(crate) fn written(self) -> Option<u64> {
        self.at.slab.written(self.at.id)
    }

    /// Notes when it was written, if the cache records write times by now.
    pub(crate) fn note_written(self, tick: u64) {
        self.at.slab.set_written(self.at.id, tick);
    }

    /// Its [`RefreshState`], in a cache that has them.
    #[inline]
    pub(crate) fn refresh_state(self) -> Option<&'p RefreshState> {
        self.at.slab.refresh_state(self.at.id)
    }

    /// Its weight.
    pub(crate) fn weight(self) -> u32 {
        self.at.weight()
    }

    #[inline]
    pub(crate) fn key(self) -> &'p K {
        // SAFETY: the thread is pinned for 'p and saw the entry published.
        unsafe { self.at.slot.key() }
    }

    #[inline]
    pub(crate) fn value(self) -> &'p V {
        // SAFETY: as for `key`.
        unsafe { self.at.slot.value() }
    }
}

/// Retries of one call, each after a write of its own thread, that are no accident any more. Calls
/// whose `Eq` does not write have none, whatever other threads do; one whose `Eq` writes now and
/// then, because it fills another cache for instance, has a few. As each may have stored a key of
/// the same hash, which all later comparisons then meet, the time until the panic grows with the
/// square of this number: it is well below a millisecond.
const MOST: u32 = 100;

/// The retries of one call that its own thread may have caused.
#[derive(Default)]
pub(crate) struct Retries {
    /// How many slots the thread had reserved at the last check.
    reserved: Cell<u16>,
    count: Cell<u32>,
}

impl Retries {
    #[inline]
    pub(crate) fn new<K, V>(guard: &Guard<'_, K, V>) -> Self {
        let reserved = Cell::new(guard.pin.reader.notes.reserved.load(Relaxed));
        Retries { reserved, count: Cell::new(0) }
    }

    /// Returns `true` if the calling thread has written to the cache since the last check.
    pub(crate) fn has_written<K, V>(&self, guard: &Guard<'_, K, V>) -> bool {
        let reserved = guard.pin.reader.notes.reserved.load(Relaxed);
        self.reserved.replace(reserved) != reserved
    }

    /// Counts a retry. The caller holds no lock.
    ///
    /// # Panics
    /// If the call would never end.
    #[cold]
    pub(crate) fn again<K, V>(&self, guard: &Guard<'_, K, V>) {
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
