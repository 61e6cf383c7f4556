//! A trace against a store: look up; on a miss, insert.

use crate::trace::{Trace, Unit};

/// What a store keeps for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the entry takes of the capacity.
    pub weight: u32,
    /// The access from which on it counts as expired.
    pub until: u32,
}

/// A cache, as a replay uses it. Keys are numbers below [`Trace::distinct`]; see
/// [`scattered`](crate::trace::scattered) for keys of 64 bits.
pub trait Store {
    /// Returns what is held for a key; counts as a use.
    fn get(&mut self, id: u32) -> Option<Held>;
    /// Adds or replaces an entry. Called after every miss.
    fn insert(&mut self, id: u32, held: Held);
}

/// What a replay has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All accesses.
    pub accesses: u64,
    /// Accesses that found a live entry.
    pub hits: u64,
    /// The sizes of all accesses, in the unit of the replay.
    pub bytes: u64,
    /// The sizes of the accesses that found a live entry.
    pub hit_bytes: u64,
}

impl Tally {
    /// Returns the hits among the accesses in percent; 0 without accesses.
    pub fn percent(self) -> f64 {
        100.0 * self.hits as f64 / self.accesses.max(1) as f64
    }

    /// Returns the bytes that were hit in percent of all; 0 without accesses.
    pub fn byte_percent(self) -> f64 {
        100.0 * self.hit_bytes as f64 / self.bytes.max(1) as f64
    }
}

/// Replays a trace, from its first access to its last. Expired entries are misses; the store is
/// not told of them, and they are replaced by the insertion that follows.
pub fn replay(trace: &Trace, unit: Unit, store: &mut (impl Store + ?Sized)) -> Tally {
    let mut tally = Tally { accesses: trace.ids.len() as u64, ..Tally::default() };
    for (now, &id) in (0_u32..).zip(&trace.ids) {
        let weight = trace.size(id, unit);
        tally.bytes += u64::from(weight);
        if store.get(id).is_some_and(|held| now < held.until) {
            tally.hits += 1;
            tally.hit_bytes += u64::from(weight);
        } else {
            let life = trace.lives.as_ref().map_or(u32::MAX, |lives| lives[id as usize]);
            store.insert(id, Held { weight, until: now.saturating_add(life) });
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    impl Store for HashMap<u32, Held> {
        fn get(&mut self, id: u32) -> Option<Held> {
            HashMap::get(self, &id).copied()
        }
        fn insert(&mut self, id: u32, held: Held) {
            HashMap::insert(self, id, held);
        }
    }

    #[test]
    fn a_store_without_bound_misses_each_key_once() {
        let accesses = [("a", Some(10)), ("b", Some(1)), ("a", None), ("a", None)];
        let trace = Trace::of_accesses("t", accesses);
        let tally = replay(&trace, Unit::Bytes, &mut HashMap::new());
        assert_eq!(tally, Tally { accesses: 4, hits: 2, bytes: 31, hit_bytes: 20 });
        assert_eq!(tally.percent(), 50.0);
        let tally = replay(&trace, Unit::Entries, &mut HashMap::new());
        assert_eq!((tally.bytes, tally.hit_bytes), (4, 2));
    }

    #[test]
    fn an_expired_entry_is_a_miss_and_comes_anew() {
        let mut trace = Trace::of_keys("t", ["a", "a", "a", "a", "a"]);
        trace.lives = Some(vec![2]);
        // Inserted at 0 and at 2 and at 4.
        assert_eq!(replay(&trace, Unit::Entries, &mut HashMap::new()).hits, 2);
    }
}
