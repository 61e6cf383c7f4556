//! Least recently used, exactly: the reference for caches that keep what is recent.

use crate::replay::{Held, Store};
use crate::trace::Trace;

/// A list over the numbers of the keys, in arrays; the place behind the last number is the head,
/// whose neighbours are the newest and the oldest entry.
pub struct Lru {
    capacity: u64,
    used: u64,
    held: Vec<Option<Held>>,
    older: Vec<u32>,
    newer: Vec<u32>,
    head: u32,
}

impl Lru {
    /// Makes an empty one for the keys of a trace.
    pub fn new(trace: &Trace, capacity: u64) -> Lru {
        let (keys, head) = (trace.distinct as usize, trace.distinct);
        let links = vec![head; keys + 1];
        let (held, older) = (vec![None; keys], links.clone());
        Lru { capacity, used: 0, held, older, newer: links, head }
    }

    fn unlink(&mut self, id: u32) {
        let (older, newer) = (self.older[id as usize], self.newer[id as usize]);
        self.newer[older as usize] = newer;
        self.older[newer as usize] = older;
    }

    fn link_as_newest(&mut self, id: u32) {
        let (head, newest) = (self.head, self.older[self.head as usize]);
        self.older[id as usize] = newest;
        self.newer[id as usize] = head;
        self.newer[newest as usize] = id;
        self.older[head as usize] = id;
    }

    fn remove(&mut self, id: u32) {
        if let Some(held) = self.held[id as usize].take() {
            self.used -= u64::from(held.weight);
            self.unlink(id);
        }
    }
}

impl Store for Lru {
    fn get(&mut self, id: u32) -> Option<Held> {
        let held = self.held[id as usize]?;
        self.unlink(id);
        self.link_as_newest(id);
        Some(held)
    }

    /// What is heavier than the capacity is not stored.
    fn insert(&mut self, id: u32, held: Held) {
        self.remove(id);
        let weight = u64::from(held.weight);
        if weight > self.capacity {
            return;
        }
        while self.used + weight > self.capacity {
            self.remove(self.newer[self.head as usize]);
        }
        self.used += weight;
        self.held[id as usize] = Some(held);
        self.link_as_newest(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{replay::replay, trace::Unit};

    /// The same by a plain list, newest last.
    fn naive(trace: &Trace, unit: Unit, capacity: u64) -> u64 {
        let (mut list, mut hits): (Vec<u32>, u64) = (Vec::new(), 0);
        for &id in &trace.ids {
            let before = list.len();
            list.retain(|other| *other != id);
            hits += u64::from(list.len() < before);
            let size = |id: &u32| u64::from(trace.size(*id, unit));
            if size(&id) <= capacity {
                list.push(id);
            }
            while list.iter().map(size).sum::<u64>() > capacity {
                list.remove(0);
            }
        }
        hits
    }

    #[test]
    fn it_is_what_a_plain_list_is() {
        let mut state = 1_u64;
        let accesses = (0..3000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (state >> 33) % 60 * ((state >> 50) % 2 + 1);
            (key, Some((key * key % 50) as u32))
        });
        let trace = Trace::of_accesses("t", accesses);
        for unit in [Unit::Entries, Unit::Bytes] {
            for capacity in [1, 7, 30, 100, 10_000] {
                let hits = replay(&trace, unit, &mut Lru::new(&trace, capacity)).hits;
                assert_eq!(hits, naive(&trace, unit, capacity), "{unit:?} {capacity}");
            }
        }
    }
}
