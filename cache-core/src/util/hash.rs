//! Hashing keys.

use std::any::TypeId;
use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;

/// The hash of a key. Every bit of it is usable: the upper half selects the shard, the lower half
/// the group, the tag and the ghost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// Returns the half by which a slot, the policy and the in-flight table know a key.
    #[inline]
    pub(crate) fn low(self) -> u32 {
        self.0 as u32
    }

    /// Returns the index of the key's shard, of `shards`.
    #[inline]
    pub(crate) fn shard(self, shards: usize) -> usize {
        (((self.0 >> 32) * shards as u64) >> 32) as usize
    }
}

/// A key, or a reference to one, with its hash.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<K> {
    pub(crate) hash: KeyHash,
    pub(crate) key: K,
}

/// Returns the hash of a key.
///
/// The output of the default hasher is taken as it is. Another hasher may have its good bits all at
/// one end, or return integers unchanged, so its output is folded once more; the choice is made at
/// compile time.
#[expect(clippy::manual_hash_one, reason = "a call of its own where the key is a tuple")]
#[inline]
pub(crate) fn hash<Q: Hash + ?Sized, S: BuildHasher + 'static>(hasher: &S, key: &Q) -> KeyHash {
    if TypeId::of::<S>() != TypeId::of::<RandomState>() {
        return KeyHash(fold(hasher.hash_one(key)));
    }
    // What `hash_one` does. But that is not always inlined: then it is ten instructions more a hit.
    let mut hasher = hasher.build_hasher();
    key.hash(&mut hasher);
    KeyHash(hasher.finish())
}

/// Mixes the two halves of a 128-bit product: each bit of the result depends on each of the input.
fn fold(hash: u64) -> u64 {
    let product = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::hash::BuildHasherDefault;

    #[derive(Default)]
    struct AsItIs(u64);

    impl Hasher for AsItIs {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0 = bytes.iter().fold(self.0, |hash, &byte| (hash << 8) | u64::from(byte));
        }
        fn write_u64(&mut self, n: u64) {
            self.0 = n;
        }
    }

    #[test]
    fn a_hasher_that_returns_integers_unchanged_still_spreads_over_all_bits() {
        let hasher = BuildHasherDefault::<AsItIs>::default();
        for shift in [0, 20, 44] {
            // In each 8-bit window of the hash, 4096 keys reach nearly all 256 values.
            for window in (0..64).step_by(8) {
                let mut seen = [false; 256];
                for key in 0..4096u64 {
                    seen[(hash(&hasher, &(key << shift)).0 >> window) as usize & 255] = true;
                }
                let reached = seen.iter().filter(|&&seen| seen).count();
                assert!(reached > 240, "{reached} values at bit {window}, keys << {shift}");
            }
        }
    }

    #[test]
    fn the_default_hasher_is_seeded_anew_in_each_process_and_cache() {
        let (a, b) = (RandomState::new(), RandomState::new());
        assert_ne!(hash(&a, &1u64), hash(&b, &1u64));
    }
}
