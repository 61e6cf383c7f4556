//! Sixteen bytes at once.
//!
//! The table compares twelve tags with one, the policy eight ghosts. On x86-64, SSE2 does so in a
//! handful of instructions, which each such processor has. What other machines do, on words, is
//! also what they are tested against.

/// Sixteen bytes, the first in the lowest of word 0.
pub(crate) type Sixteen = [u64; 2];

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) use self::sse2::{equal_bytes, first_equal_pair};
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) use self::words::{equal_bytes, first_equal_pair};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod sse2 {
    use super::Sixteen;
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
        _mm_set1_epi16,
    };

    #[inline]
    fn vector(words: Sixteen) -> __m128i {
        // SAFETY: SSE2 is a part of x86-64.
        unsafe { _mm_set_epi64x(words[1].cast_signed(), words[0].cast_signed()) }
    }

    /// Bit i is set where byte i equals `byte`.
    #[inline]
    pub(crate) fn equal_bytes(words: Sixteen, byte: u8) -> u32 {
        // SAFETY: as above.
        unsafe {
            let equal = _mm_cmpeq_epi8(vector(words), _mm_set1_epi8(byte.cast_signed()));
            _mm_movemask_epi8(equal).cast_unsigned()
        }
    }

    /// The place of the first pair of bytes, of eight, that equals `pair`.
    #[inline]
    pub(crate) fn first_equal_pair(words: Sixteen, pair: u16) -> Option<usize> {
        // SAFETY: as above.
        let mask = unsafe {
            let equal = _mm_cmpeq_epi16(vector(words), _mm_set1_epi16(pair.cast_signed()));
            _mm_movemask_epi8(equal)
        };
        // Two bits for each pair.
        (mask != 0).then(|| mask.trailing_zeros() as usize / 2)
    }
}

#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod words {
    use super::Sixteen;

    /// Bit i is set where byte i equals `byte`. Exact: no carry runs from one byte into the next.
    #[inline]
    pub(crate) fn equal_bytes(words: Sixteen, byte: u8) -> u32 {
        const LOW_7: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let mask = |word: u64| {
            let differing = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
            let zero = !(((differing & LOW_7) + LOW_7) | differing | LOW_7);
            ((zero >> 7).wrapping_mul(GATHER) >> 56) as u32
        };
        mask(words[0]) | (mask(words[1]) << 8)
    }

    /// The place of the first pair of bytes, of eight, that equals `pair`.
    #[inline]
    pub(crate) fn first_equal_pair(words: Sixteen, pair: u16) -> Option<usize> {
        const LOWEST: u64 = 0x0001_0001_0001_0001;
        let first = |word: u64| {
            let differing = word ^ (u64::from(pair) * LOWEST);
            // The highest bit of each pair that is zero. A borrow can set others, but only those
            // of pairs after one that is.
            let zero = differing.wrapping_sub(LOWEST) & !differing & (LOWEST << 15);
            (zero != 0).then(|| zero.trailing_zeros() as usize / 16)
        };
        first(words[0]).or_else(|| Some(4 + first(words[1])?))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{equal_bytes, first_equal_pair, words};

    fn random(x: &mut u64) -> u64 {
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        *x
    }

    #[test]
    fn both_ways_to_compare_bytes_agree() {
        let mut x = 0x1234_5678_9abc_def1;
        for _ in 0..20_000 {
            // Few distinct bytes, neighbours of each other, so that matches and near misses abound.
            let sixteen =
                [random(&mut x) & 0x0101_0101_0181_0101, random(&mut x) & 0x8181_0101_8101_0101];
            for byte in [0, 1, 0x80, 0x81, 0xff] {
                assert_eq!(equal_bytes(sixteen, byte), words::equal_bytes(sixteen, byte));
            }
        }
    }

    #[test]
    fn both_ways_to_find_a_pair_agree_with_a_search() {
        let mut x = 0x1234_5678_9abc_def1;
        for _ in 0..20_000 {
            let sixteen =
                [random(&mut x) & 0x0001_8001_0001_8001, random(&mut x) & 0x8001_0001_8000_0101];
            let pairs = (0..8).map(|place| (sixteen[place / 4] >> (place % 4 * 16)) as u16);
            for pair in [0, 1, 0x8000, 0x8001, 0xffff] {
                let place = pairs.clone().position(|of| of == pair);
                assert_eq!(first_equal_pair(sixteen, pair), place);
                assert_eq!(words::first_equal_pair(sixteen, pair), place);
            }
        }
    }
}
