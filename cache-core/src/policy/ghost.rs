//! Ghosts: what is remembered of an entry after its eviction, four bytes each.
//!
//! ```text
//!   31            16  15  14       8 7           0
//!  +----------------+---+-----------+-------------+
//!  |      tag       | M | evictions |    used     |      0 = no ghost
//!  +----------------+---+-----------+-------------+
//! ```
//!
//! * `tag`: 16 bits of the mixed hash, never 0. Eight ghosts form a bucket, half a cache line; other
//!   bits of the hash choose the bucket. A tag compared within one bucket errs once in some 8000
//!   look-ups; the same 16 bits compared with the whole table would err nearly always.
//! * `M`: evicted from the main queue, not from the small one.
//! * `evictions`: how much had been evicted from that queue by then, modulo 128, in units of which a
//!   ghost lives [`LIFETIME`] = 64. The subtraction of two such counts is right while the true age
//!   is below 128. An older ghost would look young again, but each eviction that hashes to its
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
//! count in units of their own, so that 64 is the end of either, and nothing need be scaled.

const SLOTS: usize = 8;

/// A ghost of this age, in units of its queue's count, is forgotten.
pub(super) const LIFETIME: u32 = 64;

const MAIN: u32 = 1 << 15;
const AGE_MASK: u32 = 0x7f;

/// Ghosts for each entry, as a fraction: 2 for what the small queue evicts in a ghost's life, and one
/// half for what main does.
const PER_ENTRY: (usize, usize) = (5, 2);

/// What a returning key left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ghost {
    /// It was evicted from the main queue.
    pub(super) main: bool,
    /// Evictions from that queue since, in its units.
    pub(super) age: u32,
    /// See the module's head.
    pub(super) used: u8,
}

/// The counts of evictions so far, of the small queue and of main.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    pub(super) small: u32,
    pub(super) main: u32,
}

type Bucket = [u32; SLOTS];

/// The table, empty until the first eviction.
pub(super) struct Ghosts {
    /// The buckets, from `offset` on: that keeps a bucket within a cache line. Plain words, because
    /// these the allocator hands out zeroed: a large table costs no pause when it is made.
    words: Vec<u32>,
    offset: usize,
    buckets: usize,
    /// The table is enlarged when the shard holds this many entries.
    enlarge_at: usize,
}

impl Ghosts {
    pub(super) fn new() -> Self {
        Ghosts { words: Vec::new(), offset: 0, buckets: 0, enlarge_at: 0 }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Whether `len` entries have outgrown the table.
    #[inline]
    pub(super) fn is_small_for(&self, len: usize) -> bool {
        len >= self.enlarge_at
    }

    /// Makes the table fit `entries`. Growing drops the ghosts: a ghost does not hold the bits that
    /// would tell its bucket in a larger table. That happens each time the number of entries has
    /// doubled, thus seldom.
    pub(super) fn size_for(&mut self, entries: usize) {
        let ghosts = entries.max(1).saturating_mul(PER_ENTRY.0) / PER_ENTRY.1;
        self.buckets = ghosts.div_ceil(SLOTS);
        self.words = vec![0; (self.buckets + 1) * SLOTS];
        self.offset = self.words.as_ptr().align_offset(size_of::<Bucket>()).min(SLOTS);
        self.enlarge_at = entries.max(1).saturating_mul(2);
    }

    /// Takes out the ghost of a key that returns.
    pub(super) fn take(&mut self, hash: u32, now: Counts) -> Option<Ghost> {
        let (bucket, tag) = self.locate(hash)?;
        let found = bucket.iter().position(|&ghost| ghost >> 16 == tag)?;
        let ghost = std::mem::take(&mut bucket[found]);
        let age = age(ghost, now);
        (age <= LIFETIME).then_some(Ghost { main: ghost & MAIN != 0, age, used: ghost as u8 })
    }

    /// Remembers a key evicted just now.
    pub(super) fn push(&mut self, hash: u32, main: bool, used: u8, now: Counts) {
        let Some((bucket, tag)) = self.locate(hash) else { return };
        // What has lived its life goes, an earlier ghost of the same key with it. Of the rest, how
        // much life is left, with the number of the place in the low bits. No branches: this
        // compiles to a few vector instructions.
        let mut left = [0; SLOTS];
        for (place, ghost) in bucket.iter_mut().enumerate() {
            let (age, of) = (age(*ghost, now), *ghost >> 16);
            let over = (age > LIFETIME) | (of == tag) | (of == 0);
            *ghost = if over { 0 } else { *ghost };
            let life = if over { 0 } else { 1 + LIFETIME - age };
            left[place] = life * SLOTS as u32 + place as u32;
        }
        // A free place, else the one nearest to its end.
        let least = left.into_iter().fold(u32::MAX, u32::min);
        let (origin, count) = if main { (MAIN, now.main) } else { (0, now.small) };
        bucket[least as usize % SLOTS] =
            tag << 16 | origin | (count & AGE_MASK) << 8 | u32::from(used);
    }

    #[inline]
    fn locate(&mut self, hash: u32) -> Option<(&mut Bucket, u32)> {
        let mixed = mix(hash);
        let bucket = (u64::from(mixed) * self.buckets as u64) >> 32;
        let tag = (mixed & 0xffff).max(1);
        let words = self.words.get_mut(self.offset + bucket as usize * SLOTS..)?;
        Some((words.first_chunk_mut()?, tag))
    }
}

#[inline]
fn age(ghost: u32, now: Counts) -> u32 {
    let count = if ghost & MAIN != 0 { now.main } else { now.small };
    count.wrapping_sub(ghost >> 8) & AGE_MASK
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
