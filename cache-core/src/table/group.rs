//! Twelve lanes of the table in one cache line.
//!
//! A lane is a *tag*, eight bits of the key's hash (0 for an empty lane), and the index of a slot
//! in the slab. All twelve tags are compared at once, with two atomic loads and a handful of SSE2
//! instructions (`simd.rs`), so that a look-up touches this line, and then with
//! probability 0.96 only the one slot it wants. The four bytes left count the entries that found
//! this group full and went on to the next: a look-up ends at the first group where none did.
//!
//! ```text
//! byte  0           8       12              16                              64
//!       | tags 0-7  | 8-11  | overflow u32  | slot index of lanes 0..12 u32 |
//!       `- word 0 --'--- word 1 ------------'
//! ```
//!
//! There is one writer, the shard's, and any number of readers. Readers rely on the order of its
//! stores:
//! * a lane is filled index first, then tag (`Release`): a reader that sees the tag sees the index;
//! * a lane is emptied, tag and index, before its slot is retired: a reader pinned after that finds
//!   neither;
//! * an update stores a new index into the same lane and touches no tag. **A key never changes its
//!   lane while it stays in the table**, so a look-up cannot pass the new place too early and the
//!   old one too late: if it returns "absent", there was an instant during it when the key was
//!   absent. No version needs to be checked.

use super::alloc::Zeroed;
use super::ids::SlotId;
use super::simd::equal_bytes;
use crate::util::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Lanes in a group.
pub(super) const LANES: usize = 12;

const OVERFLOW_ONE: u64 = 1 << 32;

/// Twelve lanes: one cache line.
#[derive(Default)]
#[repr(C, align(64))]
pub(super) struct Group {
    words: [AtomicU64; 2],
    slots: [AtomicU32; LANES],
    /// Lets loom notice an access to a group whose region was freed.
    #[cfg(loom)]
    pub(super) life: loom::cell::UnsafeCell<()>,
}

// SAFETY: zero words are twelve empty lanes without overflow; the index of an empty lane is never
// used.
unsafe impl Zeroed for Group {}

/// A copy of a group's tags and overflow count.
#[derive(Clone, Copy)]
pub(super) struct Tags([u64; 2]);

/// The lanes that matched, as bits 0 to 11; iterates from the lowest.
#[derive(Clone, Copy)]
pub(super) struct Lanes(u32);

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lane = (self.0 != 0).then(|| self.0.trailing_zeros() as usize)?;
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

/// The tag of a key: the low byte of its hash, 0 being taken.
#[inline]
pub(super) fn tag(hash: u32) -> u8 {
    (hash as u8).max(1)
}

impl Tags {
    /// Lanes with this tag.
    #[inline]
    pub(super) fn matching(self, tag: u8) -> Lanes {
        Lanes(equal_bytes(self.0, tag) & ((1 << LANES) - 1))
    }

    /// Lanes without an entry.
    #[inline]
    pub(super) fn empty(self) -> Lanes {
        self.matching(0)
    }

    /// Lanes with an entry.
    pub(super) fn full(self) -> Lanes {
        Lanes(!self.empty().0 & ((1 << LANES) - 1))
    }

    /// Returns `true` if an entry in the table found this group full.
    #[inline]
    pub(super) fn overflowed(self) -> bool {
        self.0[1] >= OVERFLOW_ONE
    }

    pub(super) fn overflow(self) -> u32 {
        (self.0[1] >> 32) as u32
    }
}

impl Group {
    /// Acquire: pairs with the stores of `fill`, so that a lane whose tag is seen has its index.
    #[inline]
    pub(super) fn tags(&self) -> Tags {
        Tags([self.words[0].load(Acquire), self.words[1].load(Acquire)])
    }

    /// The slot of a lane, or [`SlotId::NIL`]. Acquire: pairs with the Release of `fill` and
    /// `swap`, after which the slot's contents are not written any more.
    #[inline]
    pub(super) fn slot(&self, lane: usize) -> SlotId {
        SlotId(self.slots[lane].load(Acquire))
    }

    /// Makes an empty lane stand for a slot.
    #[inline]
    pub(super) fn fill(&self, lane: usize, tag: u8, slot: SlotId) {
        self.slots[lane].store(slot.0, Release);
        let (word, shift) = self.tag_of(lane);
        // An empty lane's tag is 0.
        word.store(word.load(Relaxed) | u64::from(tag) << shift, Release);
    }

    /// Makes a full lane stand for another slot of the same key.
    #[inline]
    pub(super) fn swap(&self, lane: usize, slot: SlotId) {
        self.slots[lane].store(slot.0, Release);
    }

    /// Empties a lane.
    #[inline(always)]
    pub(super) fn clear(&self, lane: usize) {
        let (word, shift) = self.tag_of(lane);
        word.store(word.load(Relaxed) & !(0xff << shift), Release);
        self.slots[lane].store(SlotId::NIL.0, Release);
    }

    #[inline(always)]
    fn tag_of(&self, lane: usize) -> (&AtomicU64, usize) {
        (&self.words[lane / 8], lane % 8 * 8)
    }

    pub(super) fn overflow_add(&self) {
        let word = self.words[1].load(Relaxed);
        self.words[1].store(word + OVERFLOW_ONE, Release);
    }

    pub(super) fn overflow_sub(&self) {
        let word = self.words[1].load(Relaxed);
        debug_assert!(word >= OVERFLOW_ONE, "an entry left a group it never overflowed");
        self.words[1].store(word - OVERFLOW_ONE, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_cache_line() {
        assert_eq!(size_of::<Group>(), 64);
        assert_eq!(align_of::<Group>(), 64);
    }

    #[test]
    fn matching_finds_exactly_the_lanes_filled_with_the_tag() {
        let group = Group::default();
        for (lane, tag) in [(0, 7), (3, 200), (7, 7), (8, 7), (11, 1)] {
            group.fill(lane, tag, SlotId(lane as u32 * 10));
        }
        assert_eq!(group.tags().matching(7).collect::<Vec<_>>(), [0, 7, 8]);
        assert_eq!(group.tags().matching(200).collect::<Vec<_>>(), [3]);
        assert_eq!(group.tags().matching(9).count(), 0);
        assert_eq!(group.tags().empty().collect::<Vec<_>>(), [1, 2, 4, 5, 6, 9, 10]);
        assert_eq!(group.tags().full().collect::<Vec<_>>(), [0, 3, 7, 8, 11]);
        assert_eq!(group.slot(8), SlotId(80));
        group.clear(8);
        assert_eq!(group.slot(8), SlotId::NIL);
        assert_eq!(group.tags().matching(7).collect::<Vec<_>>(), [0, 7]);
    }

    #[test]
    fn overflow_counts_beside_the_tags() {
        let group = Group::default();
        group.fill(11, 255, SlotId(1));
        assert!(!group.tags().overflowed());
        for _ in 0..1000 {
            group.overflow_add();
        }
        assert_eq!(group.tags().overflow(), 1000);
        assert_eq!(group.tags().matching(255).collect::<Vec<_>>(), [11]);
        for _ in 0..1000 {
            group.overflow_sub();
        }
        assert!(!group.tags().overflowed());
    }

    #[test]
    fn tag_is_never_the_empty_one() {
        assert!((0..=255).all(|hash| tag(hash) != 0));
    }
}
