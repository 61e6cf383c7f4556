//! Ghosts: what is remembered of an entry after its eviction, four bytes each.
//!
//! ```text
//!   31            16  15  14       8 7           0
//!  +----------------+---+-----------+-------------+
//!  |      tag       | M | evictions |    used     |      tag 0 = no ghost
//!  +----------------+---+-----------+-------------+
//! ```
//!
//! * `tag`: 16 bits of the mixed hash, never 0. Eight ghosts form a bucket, half a cache line:
//!   first all tags, then all other halves, so that each is one vector register. Other bits of the
//!   hash choose the bucket. A tag compared within one bucket errs once in some 8000 look-ups; the
//!   same 16 bits compared with the whole table would err nearly always.
//! * `M`: evicted from the main queue, not from the small one.
//! * `evictions`: how much had been evicted from that queue by then, modulo 128, in units of which
//!   a ghost lives [`LIFETIME`] = 64. The subtraction of two such counts is right while the true
//!   age is below 128. An older ghost would look young again, but each eviction that hashes to its
//!   bucket first drops whatever has passed 64. While a ghost of the small queue goes from 64 to
//!   128, six evictions do on average, and one in 600 lives to be mistaken. For one of main it is
//!   1.6 of main's evictions and all those of small meanwhile: one in five at worst, if small
//!   evicts nothing at all. A mistake is one needless step of the window, toward small evicting.
//! * `used`: when the entry may last have been used, modulo 256, in 32nds of a capacity's worth of
//!   misses. Right for eight capacities of misses. Ghosts of the small queue hardly get that old;
//!   those of a main queue that seldom evicts may, and then look more recently used than they are.
//!   All that hangs on it is whether an entry that did return enters main at once.
//!
//! A full bucket gives up the ghost that has used up the largest part of its life. The two queues
//! count in different units, so that 64 is the end of either, and nothing need be scaled.

use std::array::from_fn;
use std::num::NonZeroU32;

const SLOTS: usize = 8;
/// Words in a bucket.
const BUCKET: usize = 2 * SLOTS;

/// A ghost of this age, in units of its queue's count, is forgotten.
const LIFETIME: u16 = 64;

const MAIN: u16 = 1 << 15;
const AGE_MASK: u16 = 0x7f;

/// Ghosts for each entry, as a fraction: 2 for what the small queue evicts in a ghost's life, and
/// one half for what main does.
const PER_ENTRY: (usize, usize) = (5, 2);

/// What a returning key left behind. In one word, because it goes through many hands on the way
/// from `miss` to `admit` (as a struct of three fields, an update took 3 % more instructions):
/// `used`, `age`, `main`, and a bit that is always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ghost(NonZeroU32);

impl Ghost {
    /// It was evicted from the main queue.
    #[inline]
    pub(super) fn main(self) -> bool {
        self.0.get() & 2 != 0
    }

    /// Evictions from that queue since, in its units.
    #[inline]
    pub(super) fn age(self) -> u32 {
        self.0.get() >> 8 & u32::from(AGE_MASK)
    }

    /// When the entry may last have been used, in 32nds of a capacity's worth of misses, modulo
    /// 256.
    #[inline]
    pub(super) fn used(self) -> u8 {
        (self.0.get() >> 24) as u8
    }
}

/// The counts of evictions so far, of the small queue and of main. The high bits do not matter.
#[derive(Clone, Copy)]
pub(super) struct EvictionCounts {
    pub(super) small: u16,
    pub(super) main: u16,
}

/// The tags of a bucket, or the rest of each ghost in it, which come after the tags.
type Half = [u16; SLOTS];

/// The table, empty until the first eviction.
#[derive(Default)]
pub(super) struct Ghosts {
    /// The buckets, from `offset` on: that keeps a bucket within a cache line. Plain words, because
    /// these the allocator hands out zeroed: a large table costs no pause when it is made.
    pub(super) words: Vec<u16>,
    offset: usize,
    buckets: usize,
    /// The table is enlarged when the shard holds this many entries.
    pub(super) enlarge_at: usize,
}

impl Ghosts {
    /// Makes the table fit `entries`. Growing drops the ghosts: a ghost does not hold the bits that
    /// would tell its bucket in a larger table. That happens each time the number of entries has
    /// doubled, thus seldom.
    pub(super) fn size_for(&mut self, entries: usize) {
        let ghosts = entries.max(1).saturating_mul(PER_ENTRY.0) / PER_ENTRY.1;
        self.buckets = ghosts.div_ceil(SLOTS);
        self.words = vec![0; (self.buckets + 1) * BUCKET];
        self.offset = self.words.as_ptr().align_offset(BUCKET * size_of::<u16>()).min(BUCKET);
        self.enlarge_at = entries.max(1).saturating_mul(2);
    }

    /// Takes out the ghost of a key that returns.
    #[inline]
    pub(super) fn take(&mut self, hash: u32, now: EvictionCounts) -> Option<Ghost> {
        let (tags, rest, tag) = self.locate(hash)?;
        // All eight compared at once; a search that stops at the first would be a branch each.
        if !tags.iter().fold(false, |any, &of| any | (of == tag)) {
            return None;
        }
        let place = tags.iter().position(|&of| of == tag)?;
        tags[place] = 0;
        let rest = rest[place];
        let age = age(rest, now);
        let main = u32::from(rest & MAIN != 0);
        let word = NonZeroU32::MIN | main << 1 | u32::from(age) << 8 | u32::from(rest) << 24;
        (age <= LIFETIME).then_some(Ghost(word))
    }

    /// Remembers a key evicted just now, from main or from the small queue.
    #[inline]
    pub(super) fn push(&mut self, hash: u32, from_main: bool, used: u8, now: EvictionCounts) {
        let Some((tags, rest, tag)) = self.locate(hash) else { return };
        let place = make_place(tags, rest, tag, now);
        let (mark, count) = if from_main { (MAIN, now.main) } else { (0, now.small) };
        tags[place] = tag;
        rest[place] = mark | (count & AGE_MASK) << 8 | u16::from(used);
    }

    /// The bucket of a key, and its tag.
    #[inline]
    fn locate(&mut self, hash: u32) -> Option<(&mut Half, &mut Half, u16)> {
        let mixed = mix(hash);
        let bucket = (u64::from(mixed) * self.buckets as u64) >> 32;
        let tag = (mixed as u16).max(1);
        let words = self.words.get_mut(self.offset + bucket as usize * BUCKET..)?;
        let (tags, rest) = words.first_chunk_mut::<BUCKET>()?.split_at_mut(SLOTS);
        Some((tags.first_chunk_mut()?, rest.first_chunk_mut()?, tag))
    }
}

/// The place in a bucket for a ghost with this tag: a free one, else that of the ghost nearest to
/// its end. Ghosts at their end are dropped, and so is an earlier ghost of the same key.
///
/// No branches, 16 bits throughout, and array by array: so it is some fifty instructions, mostly on
/// vectors of eight. Not inlined, for the optimiser then loses sight of the vectors.
#[inline(never)]
fn make_place(tags: &mut Half, rest: &Half, tag: u16, now: EvictionCounts) -> usize {
    let old = *tags;
    let ages = rest.map(|rest| age(rest, now));
    let kept: Half = from_fn(|place| {
        let (age, of) = (ages[place], old[place]);
        let over = (age > LIFETIME) | (of == tag) | (of == 0);
        if over { 0 } else { u16::MAX }
    });
    *tags = from_fn(|place| old[place] & kept[place]);
    // How much life is left, with the number of the place in the low bits.
    let left: [i16; SLOTS] = from_fn(|place| {
        let life = (1 + LIFETIME).wrapping_sub(ages[place]) & kept[place];
        (life << 3 | place as u16) as i16
    });
    left.into_iter().fold(i16::MAX, Ord::min) as usize % SLOTS
}

#[inline]
fn age(rest: u16, now: EvictionCounts) -> u16 {
    let count = if rest & MAIN != 0 { now.main } else { now.small };
    count.wrapping_sub(rest >> 8) & AGE_MASK
}

/// A bijection of 32 bits whose high and low bits each depend on all bits of the hash: the table
/// of entries takes its group and its tag from the ends of the same hash, and all keys of a shard
/// may agree in some of these bits.
#[inline]
fn mix(hash: u32) -> u32 {
    let x = (hash ^ hash >> 16).wrapping_mul(0x9e37_79b1);
    let x = (x ^ x >> 15).wrapping_mul(0x85eb_ca77);
    x ^ x >> 14
}

#[cfg(all(test, not(loom)))]
mod tests;
