//! A trace in memory.

use std::collections::HashMap;
use std::hash::Hash;

/// What is counted: a capacity, and what an entry takes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Each entry is one.
    Entries,
    /// Each entry is as large as the trace says.
    Bytes,
}

/// A sequence of accesses. Keys are numbered from 0 in the order in which they first come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// For tables: the name of the file, without its folder and endings.
    pub name: String,
    /// The number of the key, for each access.
    pub ids: Vec<u32>,
    /// Bytes, for each key: the first size that the trace gives for it, and at least 1.
    pub sizes: Option<Vec<u32>>,
    /// How many accesses after its insertion an entry expires, for each key.
    pub lives: Option<Vec<u32>>,
    /// The number of distinct keys.
    pub distinct: u32,
}

impl Trace {
    /// Makes a trace of keys of any kind. Panics beyond 2^32 - 1 accesses.
    pub fn of_keys<K: Hash + Eq>(
        name: impl Into<String>,
        keys: impl IntoIterator<Item = K>,
    ) -> Trace {
        let unsized_keys = keys.into_iter().map(|key| (key, None));
        Trace::of_accesses(name, unsized_keys)
    }

    /// Makes a trace of keys with their sizes. It has sizes if its first access has one; a missing
    /// one counts as 1. Panics beyond 2^32 - 1 accesses.
    pub fn of_accesses<K: Hash + Eq>(
        name: impl Into<String>,
        accesses: impl IntoIterator<Item = (K, Option<u32>)>,
    ) -> Trace {
        let mut numbers: HashMap<K, u32> = HashMap::new();
        let (mut ids, mut sizes) = (Vec::new(), Vec::new());
        let mut is_sized = false;
        for (key, size) in accesses {
            is_sized |= ids.is_empty() && size.is_some();
            let next = numbers.len() as u32;
            let id = *numbers.entry(key).or_insert(next);
            if id == next && is_sized {
                sizes.push(size.unwrap_or(1).max(1));
            }
            ids.push(id);
        }
        assert!(u32::try_from(ids.len()).is_ok(), "accesses are numbered in 32 bits");
        let (distinct, sizes) = (numbers.len() as u32, is_sized.then_some(sizes));
        Trace { name: name.into(), ids, sizes, lives: None, distinct }
    }

    /// Returns the size of a key in a unit. Panics if the trace has no such key.
    #[inline]
    pub fn size(&self, id: u32, unit: Unit) -> u32 {
        match (&self.sizes, unit) {
            (Some(sizes), Unit::Bytes) => sizes[id as usize],
            _ => 1,
        }
    }

    /// Returns the sum of the sizes of all distinct keys: the capacity that holds everything.
    pub fn total(&self, unit: Unit) -> u64 {
        match (&self.sizes, unit) {
            (Some(sizes), Unit::Bytes) => sizes.iter().map(|size| u64::from(*size)).sum(),
            _ => u64::from(self.distinct),
        }
    }
}

/// Returns a key of 64 bits for the number of a key: one-to-one, and without neighbours, so that no
/// hash function profits from dense numbers.
#[inline]
pub fn scattered(id: u32) -> u64 {
    let mut z = (u64::from(id) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come() {
        let trace = Trace::of_keys("t", ["b", "a", "b", "c", "a"]);
        assert_eq!((trace.ids, trace.distinct), (vec![0, 1, 0, 2, 1], 3));
        assert_eq!(trace.sizes, None);
    }

    #[test]
    fn the_first_size_of_a_key_counts() {
        let accesses = [("a", Some(5)), ("b", Some(0)), ("a", Some(9)), ("c", None)];
        let trace = Trace::of_accesses("t", accesses);
        assert_eq!(trace.sizes, Some(vec![5, 1, 1]));
        assert_eq!((trace.total(Unit::Bytes), trace.total(Unit::Entries)), (7, 3));
        assert_eq!((trace.size(0, Unit::Bytes), trace.size(0, Unit::Entries)), (5, 1));
    }

    #[test]
    fn scattered_keys_differ() {
        let keys: std::collections::HashSet<u64> = (0..10_000).map(scattered).collect();
        assert_eq!(keys.len(), 10_000);
    }
}
