//! One shard's part of the table: an array of groups behind one word.
//!
//! Each key visits the groups in an order given by its hash: the first by multiply-shift, the
//! further ones by double hashing, so that keys whose first group is full do not crowd the same
//! neighbours. Every entry that passes a full group on its way counts up that group's overflow, and
//! counts it down when it leaves: a look-up stops at the first group that no entry had to pass.
//!
//! # The word
//! A shard's region is published as a single pointer whose low bits (groups are aligned to 64
//! bytes) hold its size, so that one load gives a reader both and it can never see the pointer of
//! one region with the size of another. Sizes are powers of two, so that the way from that word to
//! a key's group is one shift: it stands on the path of every look-up. That a region of a power of
//! two is not left half empty follows from the number of shards, which is chosen so that their
//! quotas fill it (see `store.rs`).
//!
//! # No region
//! A shard without entries has no groups: its word leads to a region that all empty shards of all
//! caches share, which holds nothing and is never written. The first entry allocates one. So a
//! look-up needs no case for it, and an empty cache no memory.
//!
//! # Growth
//! The shard's writer builds a larger region from the slots' stored hashes (the user's `Hash`
//! never runs), publishes it with one store and retires the old one. Slots do not move. A reader
//! still in the old region sees the state of the moment of the switch, which lies within its call.
//! The pause falls on writers of one shard, and shards are kept to some 36,000 entries (see
//! `store.rs`).

use std::ops::ControlFlow;
use std::ptr::NonNull;

use super::alloc;
use super::group::{Group, LANES, Tags, tag};
use super::ids::SlotId;
use crate::util::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Release},
};

const ALIGN: usize = align_of::<Group>();
const LOW: usize = ALIGN - 1;

/// Entries per group up to which a region is filled before it grows: three quarters. (In a model,
/// fewer: it should come to growing soon.)
const FILL: usize = if cfg!(loom) { 1 } else { 9 };

/// The entries that a region of so many groups, a power of two, holds before it should grow.
pub(crate) const fn entries_for_groups(groups: usize) -> usize {
    groups * FILL
}

/// The entries that the smallest region takes before it grows.
#[cfg(all(test, loom))]
pub(crate) const SMALLEST_REGION: usize = entries_for_groups(2);

/// A region's size: 2 to the power of this many groups.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SizeClass(u8);

impl SizeClass {
    /// Two groups: a shift of a hash by 32 bits would not be one.
    pub(super) const SMALLEST: SizeClass = SizeClass(1);

    #[inline]
    fn groups(self) -> usize {
        1 << self.0
    }

    /// How many entries it holds before it should grow.
    #[inline]
    pub(super) fn entries(self) -> usize {
        entries_for_groups(self.groups())
    }

    /// The smallest class for so many entries.
    pub(super) fn for_entries(entries: usize) -> SizeClass {
        let mut class = SizeClass::SMALLEST;
        while class.entries() < entries {
            class = class.next();
        }
        class
    }

    pub(super) fn next(self) -> SizeClass {
        assert!(self.0 < 31, "a region of more than 2^31 groups");
        SizeClass(self.0 + 1)
    }
}

/// The word a shard's readers load.
pub(super) struct RegionPtr(AtomicPtr<Group>);

impl RegionPtr {
    pub(super) fn new(region: Region) -> Self {
        RegionPtr(AtomicPtr::new(region.pack()))
    }

    /// Acquire: pairs with the Release of `set`; a reader that sees a region sees what was built in
    /// it.
    #[inline]
    pub(super) fn load(&self) -> Region {
        Region::unpack(self.0.load(Acquire))
    }

    pub(super) fn set(&self, region: Region) {
        self.0.store(region.pack(), Release);
    }
}

/// A region's address and size. It may be used while it is published, by pinned readers and the
/// shard's writer, and before that by the thread that has allocated it.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Region {
    groups: NonNull<Group>,
    pub(super) class: SizeClass,
}

// SAFETY: a Region is an address; groups are made of atomics.
unsafe impl Send for Region {}

/// A lane's place: the address of its group, which ends in 6 zeros, and in these its number. In one
/// word, so that what a search has found fits registers.
#[derive(Clone, Copy)]
pub(super) struct Lane(NonNull<Group>);

impl Lane {
    /// # Safety
    /// The group has this lane.
    #[inline]
    unsafe fn new(group: &Group, lane: usize) -> Lane {
        Lane(NonNull::from(group).map_addr(|address| address | lane))
    }

    #[inline]
    fn group(self) -> *const Group {
        self.0.as_ptr().map_addr(|address| address & !LOW)
    }

    /// The slot that it stands for.
    ///
    /// # Safety
    /// Its region is in use as the type's documentation says.
    #[inline]
    pub(super) unsafe fn slot(self) -> SlotId {
        // SAFETY: the group is one of the region's.
        unsafe { &*self.group() }.slot(self.number())
    }

    #[inline]
    fn number(self) -> usize {
        let number = self.0.addr().get() & LOW;
        // SAFETY: `new` put the number of a lane there.
        unsafe { std::hint::assert_unchecked(number < LANES) };
        number
    }
}

/// All groups, in the order in which a key visits them.
fn probe(hash: u32, class: SizeClass) -> impl Iterator<Item = usize> {
    // Odd, so it shares no factor with a power of two, and each group is reached once.
    let step = hash.wrapping_mul(0x9e37_79b1).rotate_left(16) as usize | 1;
    let (first, groups) = (first_group(hash, class), class.groups());
    (0..groups).map(move |index| first.wrapping_add(index.wrapping_mul(step)) & (groups - 1))
}

/// The high bits of the hash.
#[inline]
fn first_group(hash: u32, class: SizeClass) -> usize {
    (hash >> (32 - u32::from(class.0))) as usize
}

/// The region of all shards without entries.
// SAFETY: zero bytes are valid groups, see `Zeroed`.
#[cfg(not(loom))]
static NOTHING: [Group; 2] = unsafe { std::mem::zeroed() };

impl Region {
    pub(super) fn allocate(class: SizeClass) -> Region {
        Region { groups: alloc::allocate(class.groups(), ALIGN, true), class }
    }

    /// The region of a shard without entries. Nothing may be inserted into it.
    #[cfg(not(loom))]
    pub(super) fn none() -> Region {
        debug_assert_eq!(NOTHING.len(), SizeClass::SMALLEST.groups());
        Region { groups: NonNull::from(&NOTHING).cast(), class: SizeClass::SMALLEST }
    }

    /// loom's atomics cannot stand in a static: there, each shard has a region.
    #[cfg(loom)]
    pub(super) fn none() -> Region {
        Region::allocate(SizeClass::SMALLEST)
    }

    pub(super) fn is_none(self) -> bool {
        cfg!(not(loom)) && self == Region::none()
    }

    /// How many entries it holds before there should be a larger one.
    #[inline]
    pub(super) fn room(self) -> usize {
        if self.is_none() { 0 } else { self.class.entries() }
    }

    /// # Safety
    /// No thread uses the region any more.
    pub(super) unsafe fn free(self) {
        if self.is_none() {
            return;
        }
        #[cfg(loom)]
        for group in 0..self.class.groups() {
            // SAFETY: in bounds, and not freed yet.
            unsafe { self.group(group) }.life.with_mut(|_| ());
        }
        // SAFETY: allocated with the same length and alignment; the caller promises the rest.
        unsafe { alloc::free(self.groups, self.class.groups(), ALIGN) };
    }

    pub(super) fn bytes(self) -> usize {
        if self.is_none() { 0 } else { self.class.groups() * size_of::<Group>() }
    }

    fn pack(self) -> *mut Group {
        self.groups.as_ptr().map_addr(|address| address | usize::from(32 - self.class.0))
    }

    #[inline]
    fn unpack(word: *mut Group) -> Region {
        // Stored as the number of bits to shift a hash by, as a look-up needs it.
        let class = SizeClass(32 - (word.addr() & LOW) as u8);
        let groups = word.map_addr(|address| address & !LOW);
        // SAFETY: `pack` stored a non-null address with its low bits clear.
        Region { groups: unsafe { NonNull::new_unchecked(groups) }, class }
    }

    /// # Safety
    /// `group < self.class.groups()`, and the region is in use as the type's documentation says.
    #[inline]
    unsafe fn group<'r>(self, group: usize) -> &'r Group {
        debug_assert!(group < self.class.groups());
        // SAFETY: the caller's promise.
        let group = unsafe { self.groups.add(group).as_ref() };
        #[cfg(loom)]
        group.life.with(|_| ());
        group
    }

    /// Visits the slots of the lanes whose tag is this hash's, in probing order, until `visit`
    /// breaks it off or no further group can hold the key. Expected cost: one group, one slot.
    ///
    /// # Safety
    /// The region is in use as the type's documentation says.
    #[inline(always)]
    pub(super) unsafe fn search<T>(
        self,
        hash: u32,
        visit: impl Fn(SlotId, Lane) -> ControlFlow<T> + Copy,
    ) -> Option<T> {
        let first = first_group(hash, self.class);
        // SAFETY: probes stay below the number of groups; the caller promises the rest.
        let (found, tags) = unsafe { self.search_group(first, hash, visit) };
        if found.is_none() && tags.overflowed() {
            // SAFETY: the caller's promise.
            return unsafe { self.search_on(hash, visit) };
        }
        found
    }

    /// Searches the groups after the first. Given copies of all it needs, so that the usual look-up
    /// is short code on registers: the fewer instructions a look-up takes, the more of them the
    /// processor overlaps while it waits for memory.
    #[cold]
    #[inline(never)]
    unsafe fn search_on<T>(
        self,
        hash: u32,
        visit: impl Fn(SlotId, Lane) -> ControlFlow<T> + Copy,
    ) -> Option<T> {
        let mut found = None;
        // SAFETY: the caller's promise.
        unsafe {
            self.search_further(hash, &mut |slot, lane| match visit(slot, lane) {
                ControlFlow::Break(it) => {
                    found = Some(it);
                    ControlFlow::Break(())
                }
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
            });
        }
        found
    }

    /// As `search_on`. (One function for all searches: there are many.)
    ///
    /// # Safety
    /// As for `search`.
    unsafe fn search_further(
        self,
        hash: u32,
        visit: &mut dyn FnMut(SlotId, Lane) -> ControlFlow<()>,
    ) {
        for group in probe(hash, self.class).skip(1) {
            // SAFETY: as in `search`.
            let (found, tags) = unsafe { self.search_group(group, hash, &mut *visit) };
            if found.is_some() || !tags.overflowed() {
                return;
            }
        }
    }

    /// # Safety
    /// As for `search`, with `index` below the number of groups.
    #[inline(always)]
    unsafe fn search_group<T>(
        self,
        index: usize,
        hash: u32,
        mut visit: impl FnMut(SlotId, Lane) -> ControlFlow<T>,
    ) -> (Option<T>, Tags) {
        // SAFETY: the caller's promise.
        let group = unsafe { self.group(index) };
        let tags = group.tags();
        for lane in tags.matching(tag(hash)) {
            let slot = group.slot(lane);
            // NIL: emptied since the tags were read.
            if slot != SlotId::NIL
                // SAFETY: what matches is a lane of the group.
                && let ControlFlow::Break(found) = visit(slot, unsafe { Lane::new(group, lane) })
            {
                return (Some(found), tags);
            }
        }
        (None, tags)
    }

    /// Puts a slot into the first free lane in probing order. There must be one, and the slot's key
    /// must not be in the region.
    ///
    /// # Safety
    /// As for `search`; the caller is the region's one writer.
    #[inline]
    pub(super) unsafe fn insert(self, hash: u32, slot: SlotId) {
        debug_assert!(!self.is_none(), "nothing is inserted into the region of empty shards");
        // SAFETY: a first group is below the number of groups; the caller promises the rest.
        let group = unsafe { self.group(first_group(hash, self.class)) };
        match group.tags().empty().next() {
            Some(lane) => group.fill(lane, tag(hash), slot),
            // SAFETY: the caller's promise.
            None => unsafe { self.insert_further(hash, slot) },
        }
    }

    /// As `insert`, where the first group is full.
    #[cold]
    unsafe fn insert_further(self, hash: u32, slot: SlotId) {
        for group in probe(hash, self.class) {
            // SAFETY: probes stay below the number of groups.
            let group = unsafe { self.group(group) };
            if let Some(lane) = group.tags().empty().next() {
                group.fill(lane, tag(hash), slot);
                return;
            }
            group.overflow_add();
        }
        unreachable!("a region is never filled beyond three quarters");
    }

    /// Makes the lane stand for another slot of the same key.
    ///
    /// # Safety
    /// As for `insert`.
    #[inline]
    pub(super) unsafe fn swap(self, lane: Lane, slot: SlotId) {
        // SAFETY: a Lane comes from `search` in the same region.
        unsafe { &*lane.group() }.swap(lane.number(), slot);
    }

    /// Empties the lane of a slot with this hash.
    ///
    /// # Safety
    /// As for `insert`.
    #[inline(always)]
    pub(super) unsafe fn remove(self, hash: u32, lane: Lane) {
        // SAFETY: a Lane comes from `search` in the same region.
        unsafe { &*lane.group() }.clear(lane.number());
        // SAFETY: a first group is below the number of groups; the caller promises the rest.
        let first = unsafe { self.group(first_group(hash, self.class)) };
        if !std::ptr::eq(lane.group(), first) {
            // SAFETY: the caller's promise.
            unsafe { self.uncount(hash, lane) };
        }
    }

    /// Counts down the overflow of the groups that an entry passed.
    #[cold]
    unsafe fn uncount(self, hash: u32, lane: Lane) {
        for group in probe(hash, self.class) {
            // SAFETY: probes stay below the number of groups.
            let group = unsafe { self.group(group) };
            if std::ptr::eq(lane.group(), group) {
                return;
            }
            group.overflow_sub();
        }
    }

    /// The lane of a slot with this hash, if it is in the region.
    ///
    /// # Safety
    /// As for `search`.
    #[inline]
    pub(super) unsafe fn lane_of(self, hash: u32, slot: SlotId) -> Option<Lane> {
        // SAFETY: the caller's promise.
        unsafe {
            self.search(hash, move |other, lane| {
                if other == slot { ControlFlow::Break(lane) } else { ControlFlow::Continue(()) }
            })
        }
    }

    /// Visits the slots of all lanes that are full.
    ///
    /// # Safety
    /// As for `search`.
    pub(super) unsafe fn for_each(self, mut visit: impl FnMut(SlotId)) {
        for group in 0..self.class.groups() {
            // SAFETY: in bounds.
            let group = unsafe { self.group(group) };
            for lane in group.tags().full() {
                let slot = group.slot(lane);
                if slot != SlotId::NIL {
                    visit(slot);
                }
            }
        }
    }

    /// Checks the overflow counts against the hashes of the slots: each group's must be the number
    /// of entries that passed it. Returns the number of entries.
    ///
    /// # Safety
    /// As for `search`, with no writer at work.
    pub(super) unsafe fn validate(self, hash_of: impl Fn(SlotId) -> u32) -> usize {
        let mut expected = vec![0u32; self.class.groups()];
        let mut entries = 0;
        for index in 0..self.class.groups() {
            // SAFETY: in bounds.
            let group = unsafe { self.group(index) };
            let tags = group.tags();
            for lane in tags.full() {
                let hash = hash_of(group.slot(lane));
                assert!(
                    tags.matching(tag(hash)).any(|matching| matching == lane),
                    "a lane's tag is its slot's"
                );
                let passed = probe(hash, self.class).take_while(|&group| group != index);
                passed.for_each(|group| expected[group] += 1);
                entries += 1;
            }
        }
        for (index, expected) in expected.into_iter().enumerate() {
            // SAFETY: in bounds.
            let overflow = unsafe { self.group(index) }.tags().overflow();
            assert_eq!(overflow, expected, "overflow of group {index}");
        }
        assert!(entries <= self.class.groups() * LANES);
        entries
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
