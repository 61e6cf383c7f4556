//! A caller of the caches: what all its operations share.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::faults;
use crate::random::Random;
use crate::tracked::{Failure, Key, Origin, Value};
use crate::world::{Shelf, World, draw_key, draw_weight};

/// How many loads may run inside each other.
pub(crate) const DEEPEST: u32 = 3;

pub(crate) struct Actor {
    pub(crate) world: Arc<World>,
    pub(crate) random: Random,
    /// The number of loads that it runs inside of.
    pub(crate) depth: u32,
}

impl Actor {
    pub(crate) fn new(world: &Arc<World>, seed: u64) -> Actor {
        Actor { world: Arc::clone(world), random: Random::seeded(seed), depth: 0 }
    }

    /// Returns an actor for the inside of a load that this one runs.
    pub(crate) fn inner(&mut self) -> Actor {
        let (world, random) = (Arc::clone(&self.world), self.random.fork());
        Actor { world, random, depth: self.depth + 1 }
    }

    /// Returns an actor at the same depth as this one.
    pub(crate) fn sibling(&mut self) -> Actor {
        let (world, random) = (Arc::clone(&self.world), self.random.fork());
        Actor { world, random, depth: self.depth }
    }

    /// Picks a cache and a key.
    pub(crate) fn aim(&mut self) -> (usize, u32) {
        let shelf = self.random.below(self.world.shelves.len() as u64) as usize;
        (shelf, draw_key(&mut self.random))
    }

    /// Picks some keys of one cache, in random order, some more than once.
    pub(crate) fn aim_at_many(&mut self) -> (usize, Vec<u32>) {
        let (shelf, first) = self.aim();
        let more = self.random.below(8);
        let keys = (0..more).map(|_| draw_key(&mut self.random));
        (shelf, std::iter::once(first).chain(keys).collect())
    }

    /// Returns a value of this version, of random weight.
    pub(crate) fn value(&mut self, at: (usize, u32), version: u64, origin: Origin) -> Value {
        Value::new(at, version, origin).weighing(draw_weight(&mut self.random))
    }

    pub(crate) fn note_failure(&self, failure: &Failure) {
        failure.check();
        self.world.tally.failures.fetch_add(1, Relaxed);
    }
}

pub(crate) fn keys(shelf: usize, ids: &[u32]) -> Vec<Key> {
    ids.iter().map(|&id| Key::new(shelf, id)).collect()
}

impl Shelf {
    /// Checks that a call that began at this floor may be given this value.
    pub(crate) fn check(&self, key: u32, floor: u64, value: &Value, call: &str) {
        let right = (value.shelf, value.key) == (self.number, key);
        faults::expect(right, || {
            format!("{call} of cache {}, key {key}: got {}", self.number, value.describe())
        });
        let current = value.origin == Origin::Inserted || value.version >= floor;
        faults::expect(current, || {
            let by = self.truth.raised_by(key);
            format!("{call}: stale below {floor}, by {by:?}: {} ({})", value.describe(), self.name)
        });
    }

    /// Checks that the bound holds.
    pub(crate) fn check_bound(&self) {
        let weight = self.cache.weighted_size();
        faults::expect(weight <= self.most, || {
            format!("cache {} weighs {weight} of at most {}", self.name, self.most)
        });
    }
}
