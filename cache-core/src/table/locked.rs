//! A shard in the hands of its one writer.
//!
//! [`Locked`] is the shard's lock held by a pinned thread. Its methods change lanes and slots in
//! the order that `mod.rs` and `group.rs` promise to readers. No user code runs in any of them.
//! What a method retires goes into the shard's open batch of garbage; the caller, once it has
//! released the lock, does what [`Locked::unlock`] has noted in its [`Due`].

use std::collections::HashSet;

use super::meta::{Nodes, State};
use super::reclaim::due::Due;
use super::reclaim::limbo::{BATCH, Garbage};
use super::region::{Class, Region, Visit};
use super::reserved::{Completed, Reserved};
use super::slab::Slab;
use super::times::Times;
use super::writer::Core;
use super::{EntryRef, Guard, Table};
use crate::util::fork;
use crate::util::hash::KeyHash;
use crate::util::sync::OuterMutexGuard as MutexGuard;

/// See the module's head.
pub(crate) struct Locked<'p, K, V, X> {
    guard: &'p Guard<'p, K, V, X>,
    core: MutexGuard<'p, Core<X>>,
}

impl<'p, K, V, X> Locked<'p, K, V, X> {
    /// Slots in a block.
    pub(crate) const BLOCK: u32 = Slab::<K, V>::BLOCK;

    #[inline]
    pub(super) fn new(guard: &'p Guard<'p, K, V, X>, core: MutexGuard<'p, Core<X>>) -> Self {
        Locked { guard, core }
    }

    #[inline]
    fn table(&self) -> &'p Table<K, V, X> {
        self.guard.table
    }

    #[inline]
    fn slab(&self) -> &'p Slab<K, V> {
        &self.guard.table.slab
    }

    #[inline]
    fn region(&self) -> Region {
        self.core.writer.region
    }

    /// Releases the lock at the end of a call that may have changed something, and notes what the
    /// call has to do about garbage. (A lock that was only looked under may simply be dropped.)
    #[inline]
    pub(crate) fn unlock(mut self, due: &mut Due) {
        self.core.writer.end_call(self.guard.table, due);
    }

    /// What the floors above keep beside the shard, and the slots they refer to.
    #[inline]
    pub(crate) fn state(&mut self) -> (&mut X, &'p Slab<K, V>) {
        let slab = self.slab();
        (&mut self.core.state, slab)
    }

    /// Entries in the shard.
    pub(crate) fn entries(&self) -> usize {
        self.core.writer.entries
    }

    /// The slot that holds this slot's key now, following replacements.
    pub(crate) fn newest(&self, mut id: u32) -> u32 {
        loop {
            let meta = self.slab().meta(id);
            if meta.state() != State::Replaced {
                return id;
            }
            id = self.slab().links(id).next();
        }
    }

    /// The number of a slot's block.
    #[inline]
    pub(crate) fn block_of(&self, id: u32) -> u32 {
        self.slab().owner(id)
    }

    /// Is this slot in the shard?
    #[inline]
    pub(crate) fn is_live(&self, id: u32) -> bool {
        self.core.writer.is_live(self.slab(), id)
    }

    /// An entry of this shard.
    ///
    /// # Panics
    /// If it is not in the shard.
    pub(crate) fn entry(&self, id: u32) -> EntryRef<'p, K, V> {
        assert!(self.is_live(id), "slot {id} is not in the shard");
        EntryRef { id, slot: self.slab().slot(id), slab: self.slab() }
    }

    /// Is there a slot with this hash in the shard?
    #[inline]
    pub(super) fn has_hash(&self, hash: u32) -> bool {
        let slab = self.slab();
        // SAFETY: the holder of the lock; the region is published.
        let found = unsafe {
            self.region().search(hash, move |id, _| {
                if slab.meta(id).hash() == hash { Visit::Stop(()) } else { Visit::Continue }
            })
        };
        found.is_some()
    }

    /// A slot in the shard with this hash that is none of those known to hold other keys, which are
    /// given in order.
    pub(super) fn first_uncompared(&self, hash: u32, different: &[u32]) -> Option<u32> {
        let slab = self.slab();
        // SAFETY: the holder of the lock; the region is published.
        unsafe {
            self.region().search(hash, move |id, _| {
                let same = slab.meta(id).hash() == hash;
                if same && different.binary_search(&id).is_err() {
                    Visit::Stop(id)
                } else {
                    Visit::Continue
                }
            })
        }
    }

    /// Takes a slot and puts a key into it, for a value that [`complete`](Self::complete) brings.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, hash: KeyHash, key: K) -> Reserved {
        self.guard.pin.reader.notes.count_reserved();
        let slab = self.slab();
        let id = self.core.writer.take_slot(slab);
        let slot = slab.slot(id);
        // SAFETY: the slot was free: it is ours, and holds no key.
        unsafe { slot.write_key(key) };
        slot.meta.set_hash(hash.low());
        slot.meta.set_state(State::Pending);
        Reserved { id, home: self.home() }
    }

    /// Retires a reserved slot whose value did not come.
    pub(crate) fn abandon(&mut self, reserved: Reserved) {
        let Reserved { id, home } = reserved;
        assert!(home == self.home(), "a reservation of another shard");
        self.slab().meta(id).set_state(State::Abandoned);
        self.retire(id);
    }

    /// Gives a reserved slot its value and retires it, without its having been in the table. What is
    /// returned stays readable while the thread is pinned.
    pub(crate) fn refuse(
        &mut self,
        reserved: Reserved,
        value: V,
        weight: u32,
        times: &Times,
    ) -> EntryRef<'p, K, V> {
        let Completed { id, .. } = self.complete(reserved, value, weight, times);
        let slab = self.slab();
        slab.meta(id).set_state(State::Removed);
        self.retire(id);
        EntryRef { id, slot: slab.slot(id), slab }
    }

    /// Gives a reserved slot its value. Next comes [`publish`](Self::publish) or
    /// [`replace`](Self::replace).
    #[inline]
    pub(crate) fn complete(
        &mut self,
        reserved: Reserved,
        value: V,
        weight: u32,
        times: &Times,
    ) -> Completed {
        let Reserved { id, home } = reserved;
        assert!(home == self.home(), "a reservation of another shard");
        let slab = self.slab();
        let slot = slab.slot(id);
        // SAFETY: the token says that the slot is reserved: it is in no region, so nobody reads its
        // value, which is not there yet; and nobody else has the token.
        unsafe { slot.write_value(value) };
        slab.set_weight(id, weight);
        slab.set_times(id, times);
        slot.meta.set_state(State::Live);
        Completed { id, home }
    }

    /// Puts a completed slot into the region, which must not hold its key. Returns the number of its
    /// block.
    #[inline]
    pub(crate) fn publish(&mut self, completed: Completed) -> u32 {
        let id = self.publishable(completed);
        let mut region = self.region();
        if self.core.writer.entries >= self.core.writer.room {
            region = self.grow(region);
        }
        let slab = self.slab();
        // SAFETY: the holder of the lock; the slot holds key and value, is in no region yet, and
        // there is room.
        unsafe { region.insert(slab.meta(id).hash(), id) };
        self.core.writer.set_live(slab, id)
    }

    /// Puts a completed slot in the place of a slot with the same key, which is retired and stays
    /// readable while the thread is pinned. Returns it, and the number of the new slot's block.
    ///
    /// # Panics
    /// If `old` is not in the shard.
    #[inline]
    pub(crate) fn replace(&mut self, old: u32, completed: Completed) -> (EntryRef<'p, K, V>, u32) {
        let id = self.publishable(completed);
        let slab = self.slab();
        self.core.writer.take_live(slab, old);
        let entry = EntryRef { id: old, slot: slab.slot(old), slab };
        let region = self.region();
        // SAFETY: the holder of the lock; the lane comes from this region, and the slot that takes
        // it holds key and value and is in no region yet.
        unsafe {
            let hash = entry.slot.meta.hash();
            let lane = region.lane_of(hash, old).expect("a live slot has a lane");
            region.swap(lane, id);
        }
        let block = self.core.writer.set_live(slab, id);
        slab.links(old).set_next(id);
        entry.slot.meta.set_state(State::Replaced);
        self.retire(old);
        (entry, block)
    }

    #[inline]
    fn home(&self) -> u64 {
        self.guard.table.first_home + self.core.writer.shard as u64
    }

    #[inline]
    fn publishable(&self, completed: Completed) -> u32 {
        assert!(completed.home == self.home(), "a slot of another shard");
        completed.id
    }

    /// Takes an entry out of the region and retires it. What is returned stays readable while the
    /// thread is pinned.
    ///
    /// # Panics
    /// If it is not in the shard.
    #[inline(always)]
    pub(crate) fn unlink(&mut self, id: u32) -> EntryRef<'p, K, V> {
        let slab = self.slab();
        self.core.writer.take_live(slab, id);
        let entry = EntryRef { id, slot: slab.slot(id), slab };
        let hash = entry.slot.meta.hash();
        let region = self.region();
        // SAFETY: the holder of the lock; the lane comes from this region.
        unsafe {
            let lane = region.lane_of(hash, id).expect("a live slot has a lane");
            region.remove(hash, lane);
        }
        entry.slot.meta.set_state(State::Removed);
        self.retire(id);
        entry
    }

    #[inline(always)]
    fn retire(&mut self, id: u32) {
        self.core.writer.retire(self.guard.table, id);
    }

    /// Gives back what the shard has no use for at present: blocks without a slot in use, and the
    /// region, if a far smaller one would do. Both become garbage. Returns the numbers of the blocks,
    /// which have no entries any more. O(blocks and entries of the shard).
    pub(crate) fn shrink(&mut self) -> Vec<u32> {
        let (slab, table) = (self.slab(), self.table());
        let (numbers, firsts) = self.core.writer.release_free_blocks(slab);
        if !firsts.is_empty() {
            table.limbo.seal(&table.epoch, Garbage::Blocks(firsts), 0);
            self.core.writer.sealed = true;
        }
        // Room for twice as many, so that it does not have to grow again at once; and only if that saves
        // three quarters.
        let (region, least) = (self.region(), self.core.writer.least);
        let class = Class::for_entries(2 * self.entries()).max(least);
        if self.entries() == 0 && least == Class::SMALLEST {
            self.publish_region(Region::none());
            self.retire_region(region);
        } else if class.next() < region.class() {
            self.rebuild(region, class);
        }
        numbers
    }

    /// Replaces the region by a larger one.
    #[cold]
    fn grow(&mut self, old: Region) -> Region {
        let class = if old.is_none() { self.core.writer.least } else { old.class().next() };
        self.rebuild(old, class)
    }

    /// Replaces the region by one of another size.
    fn rebuild(&mut self, old: Region, class: Class) -> Region {
        let slab = self.slab();
        let new = Region::allocate(class);
        // SAFETY: the new region is ours; the old one is published and we hold the lock.
        unsafe { old.for_each(|id| new.insert(slab.meta(id).hash(), id)) };
        self.publish_region(new);
        self.retire_region(old);
        new
    }

    /// Retires a region that was published before.
    fn retire_region(&mut self, old: Region) {
        if !old.is_none() {
            let table = self.table();
            table.limbo.seal(&table.epoch, Garbage::Region(old), 0);
            self.core.writer.sealed = true;
        }
    }

    fn publish_region(&mut self, new: Region) {
        let writer = &mut self.core.writer;
        (writer.region, writer.room) = (new, new.room());
        self.guard.table.regions[writer.shard].publish(new);
    }

    /// Empties the shard at once, by publishing an empty region, calls `emptied`, and lets go of the lock. The
    /// entries that were in it are the caller's to give to [`Detached::finish`]. Cost: a bit per
    /// slot.
    pub(crate) fn detach(mut self, emptied: impl FnOnce()) -> Detached<'p, K, V, X> {
        let region = self.region();
        self.publish_region(Region::none());
        let writer = &mut self.core.writer;
        writer.entries = 0;
        for block in &mut writer.blocks {
            block.live = 0;
        }
        emptied();
        Detached { guard: self.guard, shard: self.core.writer.shard, region: Some(region) }
    }

    /// How many blocks the shard has: they are numbered from 0.
    pub(crate) fn blocks(&self) -> usize {
        self.core.writer.blocks.len()
    }

    /// The live slots of a block, as of now.
    pub(crate) fn live_in(&self, block: u32) -> impl Iterator<Item = u32> + use<K, V, X> {
        let block = &self.core.writer.blocks[block as usize];
        let (first, mut live) = (block.first, block.live);
        std::iter::from_fn(move || {
            let offset = (live != 0).then(|| live.trailing_zeros())?;
            live &= live - 1;
            Some(first + offset)
        })
    }

    /// Checks every invariant of the table's part of the shard; panics where one is broken.
    pub(crate) fn validate(&self) {
        let (slab, writer) = (self.slab(), &self.core.writer);
        let live: u32 = writer.blocks.iter().map(|block| block.live.count_ones()).sum();
        assert_eq!(live as usize, writer.entries, "live bits and entries");
        assert!(self.table().regions[writer.shard].load() == writer.region, "readers' region");
        // SAFETY: the holder of the lock; the region is published.
        let in_region = unsafe { self.region().validate(|id| slab.meta(id).hash()) };
        assert_eq!(in_region, writer.entries, "lanes and entries");
        assert_eq!(writer.room, self.region().room(), "room in the region");
        assert!(writer.entries <= writer.room);
        // SAFETY: as above.
        unsafe {
            self.region().for_each(|id| {
                assert!(self.is_live(id), "a lane's slot is live");
                assert_eq!(slab.meta(id).state(), State::Live);
            });
        }
        let numbers = |list: &[u32]| list.iter().copied().collect::<HashSet<u32>>();
        let (vacant, with_free) = (numbers(&writer.vacant), numbers(&writer.with_free));
        for (number, block) in writer.blocks.iter().enumerate() {
            assert_eq!(block.is_vacant(), vacant.contains(&(number as u32)));
            if block.is_vacant() {
                assert_eq!((block.free, block.live), (0, 0), "a vacant number has no slots");
                continue;
            }
            assert_eq!(block.free & block.live, 0, "a slot is free or live, not both");
            let listed = with_free.contains(&(number as u32));
            assert_eq!(block.free != 0, listed, "blocks with free slots are listed");
            for id in (0..Self::BLOCK).map(|i| block.first + i) {
                let free = block.free & (1 << (id - block.first)) != 0;
                // In a forked child those are lost that another thread was just giving back.
                let lost = !free && fork::generation() > 0;
                assert!(
                    free == (slab.meta(id).state() == State::Free) || lost,
                    "free bit and state"
                );
                assert_eq!(slab.owner(id) as usize, number);
            }
        }
        assert!(writer.open.len() < BATCH);
        assert!(writer.open.iter().all(|&id| !self.is_live(id)), "garbage is not live");
    }
}

/// The entries of a shard that was emptied. Dropping it retires them.
pub(crate) struct Detached<'p, K, V, X> {
    guard: &'p Guard<'p, K, V, X>,
    shard: usize,
    region: Option<Region>,
}

impl<K, V, X> Detached<'_, K, V, X> {
    /// Shows each entry to `visit`, without the lock, and retires them in batches.
    pub(crate) fn finish(mut self, mut visit: impl FnMut(EntryRef<'_, K, V>)) {
        let region = self.region.expect("finished once");
        let slab = &self.guard.table.slab;
        // SAFETY: the region was taken out of its word by this thread, which is pinned and has not
        // sealed it yet: nobody frees or changes it.
        unsafe {
            region.for_each(|id| visit(EntryRef { id, slot: slab.slot_unchecked(id), slab }))
        };
        self.retire();
    }

    fn retire(&mut self) {
        let Some(region) = self.region.take() else { return };
        let table = self.guard.table;
        let mut batch = Vec::new();
        let seal = |ids: Vec<u32>| {
            let weight = ids.iter().map(|&id| u64::from(table.slab.weight(id))).sum();
            table.limbo.seal(&table.epoch, Garbage::Slots { shard: self.shard, ids }, weight);
        };
        // SAFETY: as in `finish`.
        unsafe {
            region.for_each(|id| {
                // Nobody else changes it: the shard has forgotten the slot, whose bit is not set.
                table.slab.meta(id).set_state(State::Removed);
                batch.push(id);
                if batch.len() == BATCH {
                    seal(std::mem::take(&mut batch));
                }
            });
        }
        if !batch.is_empty() {
            seal(batch);
        }
        if !region.is_none() {
            table.limbo.seal(&table.epoch, Garbage::Region(region), 0);
        }
    }
}

impl<K, V, X> Drop for Detached<'_, K, V, X> {
    fn drop(&mut self) {
        self.retire();
    }
}
