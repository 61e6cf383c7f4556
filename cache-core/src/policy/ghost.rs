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
//!   first all tags, which are one vector register, then all other halves. Other bits of the hash
//!   choose the bucket. A tag compared within one bucket errs once in some 8000 look-ups; the
//!   same 16 bits compared with the whole table would err nearly always.
//! * `M`: evicted from the main queue, not from the small one.
//! * `evictions`: how much had been evicted from that queue by then, in 16ths of a capacity's
//!   worth, modulo 128.
//! * `used`: when the entry may last have been used, in 32nds of a capacity's worth of misses,
//!   modulo 256.
//!
//! A bucket is a FIFO: a new ghost comes to the front, all others move on by one place, and the
//! last falls out. That is fourteen instructions and no search for the ghost that may go. With 2.5
//! ghosts for each entry a bucket sees a new one 3.2 times per capacity's worth of evictions, so a
//! ghost is remembered for 2.5 of these on average. Chance makes that longer for some, but both
//! counts are right for 8 of them, and one ghost in 50,000 lives for so long. One that was taken
//! leaves a hole, which moves on with the others.
//!
//! (Dropping the ghost with the least left of a fixed life, as it was before, took 57 instructions
//! more: `docs/eviction.md`.)

use std::num::NonZeroU32;

use crate::table::{HalfLine, HalfLines, Sixteen, first_equal_pair};

const SLOTS: usize = 8;

const MAIN: u16 = 1 << 15;
const AGE_MASK: u16 = 0x7f;

/// Ghosts for each entry, as a fraction.
const PER_ENTRY: (usize, usize) = (5, 2);

/// What a returning key left behind. In one word, because it goes through many hands on the way
/// from `miss` to `admit` (as a struct of three fields, an update took 3 % more instructions):
/// `used`, `age`, `main`, and a bit that is always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ghost(NonZeroU32);

impl Ghost {
    /// What stood beside its tag, now.
    #[inline]
    fn new(rest: u16, now: EvictionCounts) -> Self {
        let main = rest & MAIN != 0;
        let age = now.of(main).wrapping_sub(rest >> 8) & AGE_MASK;
        let flags = NonZeroU32::MIN | u32::from(main) << 1;
        Ghost(flags | u32::from(age) << 8 | u32::from(rest) << 24)
    }

    /// It was evicted from the main queue.
    #[inline]
    pub(super) fn main(self) -> bool {
        self.0.get() & 2 != 0
    }

    /// Evictions from that queue since, in 16ths of a capacity's worth.
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

impl EvictionCounts {
    #[inline]
    fn of(self, main: bool) -> u16 {
        if main { self.main } else { self.small }
    }
}

/// The tags of a bucket, or the other halves of its ghosts: eight words of 16 bits, that of the
/// newest ghost in the lowest bits.
type Half = Sixteen;

/// The table, empty until the first eviction.
pub(super) struct Ghosts {
    buckets: HalfLines,
    /// The table is enlarged when the shard holds this many entries.
    pub(super) enlarge_at: usize,
}

impl Default for Ghosts {
    fn default() -> Self {
        Ghosts { buckets: HalfLines::default(), enlarge_at: 1 }
    }
}

impl Ghosts {
    /// Makes the table fit `entries`. Growing drops the ghosts: a ghost does not hold the bits that
    /// would tell its bucket in a larger table. That happens each time the number of entries has
    /// doubled, thus seldom.
    pub(super) fn size_for(&mut self, entries: usize) {
        let ghosts = entries.max(1).saturating_mul(PER_ENTRY.0) / PER_ENTRY.1;
        // First the old ones go.
        self.buckets = HalfLines::default();
        self.buckets = HalfLines::new(ghosts.div_ceil(SLOTS));
        self.enlarge_at = entries.max(1).saturating_mul(2);
    }

    /// Takes out the ghost of a key that returns.
    #[inline]
    pub(super) fn take(&mut self, hash: u32, now: EvictionCounts) -> Option<Ghost> {
        let (bucket, tag) = self.locate(hash)?;
        let place = first_equal_pair(tags(bucket), tag)?;
        Some(Ghost::new(take_word(bucket, place), now))
    }

    /// Remembers a key evicted just now, from main or from the small queue.
    #[inline]
    pub(super) fn push(&mut self, hash: u32, main: bool, used: u8, now: EvictionCounts) {
        let Some((bucket, tag)) = self.locate(hash) else { return };
        let mark = if main { MAIN } else { 0 };
        let rest = mark | (now.of(main) & AGE_MASK) << 8 | u16::from(used);
        let [tags_0, tags_1, rest_0, rest_1] = bucket.0;
        let ([tags_0, tags_1], [rest_0, rest_1]) =
            (push_first([tags_0, tags_1], tag), push_first([rest_0, rest_1], rest));
        bucket.0 = [tags_0, tags_1, rest_0, rest_1];
    }

    /// The bucket of a key, and its tag.
    #[inline]
    fn locate(&mut self, hash: u32) -> Option<(&mut HalfLine, u16)> {
        let mixed = mix(hash);
        let bucket = (u64::from(mixed) * self.buckets.len() as u64) >> 32;
        Some((self.buckets.get_mut(bucket as usize)?, (mixed as u16).max(1)))
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }
}

#[inline]
fn tags(bucket: &HalfLine) -> Half {
    [bucket.0[0], bucket.0[1]]
}

/// Takes a ghost out of a bucket, which leaves a hole. Returns what stood beside its tag.
#[inline]
fn take_word(HalfLine(words): &mut HalfLine, place: usize) -> u16 {
    let (word, shift) = (place / 4, place % 4 * 16);
    words[word] &= !(0xffff << shift);
    (words[2 + word] >> shift) as u16
}

/// Moves all ghosts on by one place, which drops the last, and puts a new one first.
#[inline]
fn push_first([low, high]: Half, word: u16) -> Half {
    [low << 16 | u64::from(word), high << 16 | low >> 48]
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
