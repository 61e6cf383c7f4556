//! Key streams: computed before anything is timed, the same on every run.
//!
//! A stream draws RANKS (0 is the most popular) and scatters each through a fixed one-to-one
//! function, so that popular keys do not lie side by side and no hash function profits from
//! dense keys. Keys have 63 bits; the spare one carries "this operation writes" in a stream of
//! words for mixed loads, which keeps the timed loop down to one array.

use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Zipf};
use std::sync::Arc;

/// Length of an ordinary stream: 8 MiB, longer than any branch predictor remembers.
pub const STREAM: usize = 1 << 20;

/// The skew of the Zipf streams, the one that the caching literature uses.
pub const SKEW: f64 = 0.99;

const KEY_MASK: u64 = (1 << 63) - 1;

/// How often each rank is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popularity {
    /// All equally often.
    Uniform,
    /// Rank r in proportion to 1 / (r + 1)^0.99.
    Zipf,
}

impl Popularity {
    /// Returns its name in the names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Popularity::Uniform => "uniform",
            Popularity::Zipf => "zipf",
        }
    }
}

/// Returns the key of a rank. One-to-one on 63 bits: each step (a shift folded in, an odd factor)
/// is invertible.
pub fn key(rank: u64) -> u64 {
    let mut z = (rank ^ 0x2545_F491_4F6C_DD1D) & KEY_MASK;
    z = (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) & KEY_MASK;
    z = (z ^ (z >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB) & KEY_MASK;
    z ^ (z >> 31)
}

/// Returns the keys of ranks `0..count`, each once: what a cache is filled with.
pub fn population(count: u64) -> Vec<u64> {
    (0..count).map(key).collect()
}

/// Returns `len` ranks below `space`, drawn with a seeded generator.
pub fn ranks(popularity: Popularity, space: u64, len: usize, seed: u64) -> Vec<u64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    match popularity {
        Popularity::Uniform => (0..len).map(|_| below(&mut random, space)).collect(),
        Popularity::Zipf => {
            let zipf = Zipf::new(space as f64, SKEW).expect("the space is not empty");
            (0..len).map(|_| (zipf.sample(&mut random) as u64 - 1).min(space - 1)).collect()
        }
    }
}

/// Returns `len` keys out of the population of `space`.
pub fn stream(popularity: Popularity, space: u64, len: usize) -> Arc<[u64]> {
    ranks(popularity, space, len, 1).into_iter().map(key).collect()
}

/// Returns `len` ranks below `space`, for subjects that are asked by rank.
pub fn rank_stream(popularity: Popularity, space: u64, len: usize) -> Arc<[u64]> {
    ranks(popularity, space, len, 1).into()
}

/// Returns a stream of words: a key each, and a mark on every `1 / writes`-th (at random) that says
/// write. [`unpack`] splits them. Cases that follow each other on the same cache need different
/// seeds: a stream that the cache has seen before hits too well.
pub fn words(popularity: Popularity, space: u64, len: usize, writes: f64, seed: u64) -> Arc<[u64]> {
    let keys = ranks(popularity, space, len, seed).into_iter().map(key);
    marked(keys, writes, seed)
}

/// Returns such a stream with ranks in place of keys.
pub fn rank_words(
    popularity: Popularity,
    space: u64,
    len: usize,
    writes: f64,
    seed: u64,
) -> Arc<[u64]> {
    marked(ranks(popularity, space, len, seed), writes, seed)
}

fn marked(keys: impl IntoIterator<Item = u64>, writes: f64, seed: u64) -> Arc<[u64]> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(!seed);
    let limit = (writes * u64::MAX as f64) as u64;
    keys.into_iter().map(|key| key << 1 | u64::from(random.next_u64() <= limit)).collect()
}

/// Returns the key of a word, and `true` if the word says write.
#[inline]
pub fn unpack(word: u64) -> (u64, bool) {
    (word >> 1, word & 1 == 1)
}

/// Returns a rank below `space`: the high half of a product, whose bias is below 2^-40 for any
/// space in use here.
fn below(random: &mut impl Rng, space: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(space)) >> 64) as u64
}

/// A place in a stream that repeats for ever. Threads share the array; each has its own cursor.
#[derive(Clone, Debug)]
pub struct Cursor {
    stream: Arc<[u64]>,
    at: usize,
}

impl Cursor {
    /// Starts cursor number `part` of `parts`; the cursors are far apart.
    pub fn new(stream: Arc<[u64]>, part: usize, parts: usize) -> Cursor {
        assert!(!stream.is_empty(), "a stream needs keys");
        let at = stream.len() / parts.max(1) * part % stream.len();
        Cursor { stream, at }
    }

    /// Returns the next words, up to `wanted`: fewer where the stream wraps.
    pub fn take(&mut self, wanted: usize) -> &[u64] {
        let from = self.at;
        let to = (from + wanted).min(self.stream.len());
        self.at = if to == self.stream.len() { 0 } else { to };
        &self.stream[from..to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_differ_and_are_not_dense() {
        let keys = population(100_000);
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|k| k >> 63 == 0));
        let halves = keys.iter().filter(|k| **k > KEY_MASK / 2).count();
        assert!((49_000..51_000).contains(&halves), "{halves} of 100000 in the upper half");
    }

    /// Counts of ranks 1, 2, 10 and 100 against the distribution's own formula.
    #[test]
    fn zipf_has_the_shape_of_its_formula() {
        let (space, len) = (10_000_u64, 400_000);
        let drawn = ranks(Popularity::Zipf, space, len, 7);
        let norm: f64 = (1..=space).map(|r| (r as f64).powf(-SKEW)).sum();
        for rank in [0_u64, 1, 9, 99] {
            let expected = ((rank + 1) as f64).powf(-SKEW) / norm * len as f64;
            let seen = drawn.iter().filter(|r| **r == rank).count() as f64;
            let tolerance = 5.0 * expected.sqrt();
            assert!((seen - expected).abs() < tolerance, "rank {rank}: {seen} for {expected}");
        }
        assert!(drawn.iter().all(|r| *r < space));
    }

    #[test]
    fn uniform_reaches_everything_about_equally() {
        let drawn = ranks(Popularity::Uniform, 100, 100_000, 7);
        let mut counts = [0_u32; 100];
        drawn.iter().for_each(|r| counts[*r as usize] += 1);
        assert!(counts.iter().all(|c| (800..1200).contains(c)), "{counts:?}");
    }

    #[test]
    fn streams_repeat_exactly() {
        assert_eq!(stream(Popularity::Zipf, 1000, 5000), stream(Popularity::Zipf, 1000, 5000));
    }

    #[test]
    fn words_carry_key_and_share_of_writes() {
        let words = words(Popularity::Uniform, 50, 100_000, 0.05, 3);
        let known: HashSet<u64> = population(50).into_iter().collect();
        let writes = words.iter().filter(|w| unpack(**w).1).count();
        assert!(words.iter().all(|w| known.contains(&unpack(*w).0)));
        assert!((4_500..5_500).contains(&writes), "{writes} writes of 100000");
        let all = rank_words(Popularity::Uniform, 50, 10_000, 1.0, 3);
        assert!(all.iter().map(|word| unpack(*word)).all(|(rank, writes)| rank < 50 && writes));
    }

    #[test]
    fn cursor_wraps_and_starts_apart() {
        let stream: Arc<[u64]> = (0..10).collect();
        let mut second = Cursor::new(stream, 1, 2);
        assert_eq!(second.take(4), [5, 6, 7, 8]);
        assert_eq!(second.take(4), [9]);
        assert_eq!(second.take(2), [0, 1]);
    }
}
