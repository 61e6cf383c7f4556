//! The flights of one shard that are registered: see `flight.rs` for what that means.
//!
//! Usually there are none, or one for each thread that is loading. But a batch may register
//! thousands, and so may tasks that wait for a slow source; so they are found by their hash, in O(1).
//! Two flights with one hash (a load that runs beside another of its key; keys that collide) are
//! rare. The second and further ones stand in a list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::flight::{Flight, Kind};

/// A register that has held more than this gives its memory back when it is empty.
const KEPT: usize = 64;

/// See the module's head.
pub(crate) struct Register<V> {
    first: HashMap<u64, Registered<V>, BuildHasherDefault<Spread>>,
    more: Vec<Registered<V>>,
    began: u64,
}

struct Registered<V> {
    kind: Kind,
    /// Counts the flights of the shard: the younger, the larger.
    began: u64,
    flight: Arc<Flight<V>>,
}

impl<V> Register<V> {
    pub(crate) fn new() -> Self {
        Register { first: HashMap::default(), more: Vec::new(), began: 0 }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.more.is_empty()
    }

    pub(crate) fn add(&mut self, kind: Kind, flight: Arc<Flight<V>>) {
        self.began += 1;
        let registered = Registered { kind, began: self.began, flight };
        let hash = registered.flight.hash();
        match self.first.entry(hash) {
            Entry::Vacant(place) => _ = place.insert(registered),
            Entry::Occupied(_) => self.more.push(registered),
        }
    }

    /// All flights with this hash.
    fn with_hash(&self, hash: u64) -> impl Iterator<Item = &Registered<V>> {
        let more = self.more.iter().filter(move |other| other.flight.hash() == hash);
        self.first.get(&hash).into_iter().chain(more)
    }

    fn find(&self, flight: &Arc<Flight<V>>) -> Option<&Registered<V>> {
        self.with_hash(flight.hash()).find(|other| Arc::ptr_eq(&other.flight, flight))
    }

    /// Takes off the register what `keep` does not want of the flights with a hash. What comes off
    /// is held by its leader until he has unregistered it, so nothing of the user's is dropped here,
    /// under the lock.
    fn retain(&mut self, hash: u64, keep: impl Fn(&Registered<V>) -> bool) {
        if self.first.get(&hash).is_some_and(|first| !keep(first)) {
            self.first.remove(&hash);
        }
        if !self.more.is_empty() {
            self.more.retain(|other| other.flight.hash() != hash || keep(other));
        }
        if self.first.capacity() > KEPT && self.is_empty() {
            *self = Register { began: self.began, ..Register::new() };
        }
    }

    /// Takes this flight off the register: true if it was on it.
    pub(crate) fn remove(&mut self, flight: &Arc<Flight<V>>) -> bool {
        let registered = self.find(flight).is_some();
        self.retain(flight.hash(), |other| !Arc::ptr_eq(&other.flight, flight));
        registered
    }

    /// May the value of this flight be stored, as far as other flights go?
    pub(crate) fn may_publish(&self, flight: &Arc<Flight<V>>) -> bool {
        let Some(found) = self.find(flight) else { return false };
        // A computation has read what is there and is about to decide: none but it may change it.
        found.kind != Kind::Alone
            || self.with_hash(flight.hash()).all(|other| other.kind != Kind::Compute)
    }

    /// Nobody joins this flight any more.
    pub(crate) fn set_alone(&mut self, flight: &Arc<Flight<V>>) {
        let first = self.first.get_mut(&flight.hash()).into_iter();
        let mut all = first.chain(&mut self.more);
        if let Some(found) = all.find(|other| Arc::ptr_eq(&other.flight, flight)) {
            found.kind = Kind::Alone;
        }
    }

    /// A write to a key with this hash: its flights must not be joined or published any more.
    #[inline]
    pub(crate) fn overtake(&mut self, hash: u64) {
        if !self.is_empty() {
            self.retain(hash, |_| false);
        }
    }

    /// The value of this flight is written over what is there: older flights of its key must not
    /// undo that.
    pub(crate) fn overtake_older(&mut self, flight: &Arc<Flight<V>>) {
        if let Some(began) = self.find(flight).map(|found| found.began) {
            self.retain(flight.hash(), |other| other.began >= began);
        }
    }

    /// As `overtake`, for all keys.
    pub(crate) fn overtake_all(&mut self) {
        *self = Register { began: self.began, ..Register::new() };
    }

    /// A flight with this hash that others wait for, and that is none of those judged to be for
    /// other keys.
    pub(crate) fn awaitable(&self, hash: u64, others: &[Arc<Flight<V>>]) -> Option<Arc<Flight<V>>> {
        if self.is_empty() {
            return None;
        }
        let judged = |flight| others.iter().any(|judged| Arc::ptr_eq(judged, flight));
        let mut all = self.with_hash(hash);
        let found = all.find(|other| other.kind != Kind::Alone && !judged(&other.flight));
        found.map(|other| Arc::clone(&other.flight))
    }
}

/// Makes a hash of a hash. The upper half says the shard, so in one shard it is much the same
/// everywhere; the map wants variety at both ends.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only `u64` is hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash ^ hash.rotate_left(32);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::nesting::KeyAt;

    #[test]
    fn a_register_gives_back_the_memory_of_a_large_batch_and_keeps_that_of_a_small_one() {
        let mut register = Register::<u64>::new();
        for (flights, keeps) in [(1000, false), (10, true)] {
            let flight =
                |hash| Arc::new(Flight::new(KeyAt { cache: 0, hash, slot: 0 }, None, false));
            let flights: Vec<_> = (0..flights).map(flight).collect();
            flights.iter().for_each(|flight| register.add(Kind::Shared, Arc::clone(flight)));
            assert!(flights.iter().all(|flight| register.remove(flight)));
            assert_eq!(register.first.capacity() > 0, keeps);
        }
    }
}
