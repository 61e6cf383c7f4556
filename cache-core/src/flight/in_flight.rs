//! The in-flight table: the registered flights of one shard. See `flight.rs` for what being
//! registered means.
//!
//! Usually there are none, or one for each thread that is loading: then this is one list. But a
//! batch may register thousands, and so may tasks that wait for a slow source. So there are as many
//! lists as it takes to keep each short, and the hash of the key selects one: a hash table with
//! chains, usually of one chain.
//!
//! It is not a `HashMap`: several flights may have one hash, so each hash would need a list, which
//! a load would have to allocate. Here a list keeps its memory when its flights have gone, and to
//! search none or a few flights in it is cheaper than to hash. Flights are used again, too: one
//! that nobody has joined serves the next load of the shard ([`InFlight::take_spare`]). So a miss
//! usually allocates nothing.

use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind};
use crate::flight::written::{RunningBatch, Written};
use crate::table::{SharedSlot, SlotId};
use crate::util::hash::KeyHash;

/// Flights per list, on average, above which there are twice as many lists.
const SHORT: usize = 8;

/// The registered flights of one shard, under its lock.
pub(crate) struct InFlight<V> {
    /// Selected by the lower half of the hash. Their number is a power of two.
    lists: Vec<Vec<Registered<V>>>,
    /// Flights in all lists.
    registered: usize,
    /// The sequence number of the flight that was registered last.
    sequence: u64,
    /// A flight to be used again.
    spare: Option<Arc<Flight<V>>>,
    /// The keys written while batches run, for answers that have no flight.
    written: Written,
}

struct Registered<V> {
    kind: FlightKind,
    /// Numbers the flights of the shard in the order of their registration.
    sequence: u64,
    /// The key had no entry when the flight was registered (for a computation: none that was
    /// fresh; for a refresh: perhaps), and no load has stored one since.
    vacant: bool,
    flight: Arc<Flight<V>>,
}

/// How a writer's key compares with those of the flights with its hash: compared without the lock,
/// flight by flight. Nearly always there are none.
pub(crate) struct KeyComparisons<V> {
    /// The address of the flight that the writer leads; 0 if it leads none.
    own: usize,
    /// Each with whether its key is the writer's.
    flights: Vec<(Arc<Flight<V>>, bool)>,
}

impl<V> KeyComparisons<V> {
    pub(crate) fn new() -> Self {
        KeyComparisons { own: 0, flights: Vec::new() }
    }

    /// For a writer that leads this flight, which need not be compared.
    pub(crate) fn for_leader(flight: &Arc<Flight<V>>) -> Self {
        KeyComparisons { own: Arc::as_ptr(flight) as usize, flights: Vec::new() }
    }

    /// Compares the key of a flight: `is_same_key` is given the slot that holds it, and returns
    /// `None` if the flight has ended. Then it is not registered any more.
    pub(crate) fn compare(
        &mut self,
        flight: Arc<Flight<V>>,
        is_same_key: impl FnOnce(&SharedSlot) -> Option<bool>,
    ) {
        let compared = is_same_key(flight.slot());
        self.flights.extend(compared.map(|is_same_key| (flight, is_same_key)));
    }

    /// Returns `true` if the flight need not be compared any more.
    fn contains(&self, flight: &Arc<Flight<V>>) -> bool {
        Arc::as_ptr(flight) as usize == self.own
            || self.flights.iter().any(|(other, _)| Arc::ptr_eq(other, flight))
    }

    /// Returns `true` if the flight was compared and is for another key.
    fn is_other(&self, flight: &Arc<Flight<V>>) -> bool {
        let is_it = |other| Arc::ptr_eq(other, flight);
        self.flights.iter().any(|(other, is_same_key)| !is_same_key && is_it(other))
    }
}

impl<V> InFlight<V> {
    pub(crate) fn new(written: Written) -> Self {
        InFlight { lists: vec![Vec::new()], registered: 0, sequence: 0, spare: None, written }
    }

    /// Returns a flight to be used again, if there is one that nobody else can reach.
    #[inline]
    pub(crate) fn take_spare(&mut self) -> Option<Arc<Flight<V>>> {
        // Its last leader may still be about to drop its reference. Once it has, there is no other
        // one, and the caller's `Arc::get_mut` synchronises with that drop.
        self.spare.take_if(|spare| Arc::strong_count(spare) == 1)
    }

    /// Registers a flight whose key has this entry; for a computation, if it is fresh. (A refresh
    /// need not have looked.)
    #[inline]
    pub(crate) fn add(&mut self, flight: Arc<Flight<V>>, entry: Option<SlotId>) {
        if self.registered == SHORT * self.lists.len() {
            self.double_lists();
        }
        self.sequence += 1;
        self.registered += 1;
        let (kind, vacant, hash) = (flight.kind, entry.is_none(), flight.hash());
        let registered = Registered { kind, sequence: self.sequence, vacant, flight };
        self.list_mut(hash.low()).push(registered);
    }

    /// Distributes the flights over twice as many lists.
    #[cold]
    fn double_lists(&mut self) {
        let twice = 2 * self.lists.len();
        let old = std::mem::replace(&mut self.lists, (0..twice).map(|_| Vec::new()).collect());
        for registered in old.into_iter().flatten() {
            let hash = registered.flight.hash();
            self.list_mut(hash.low()).push(registered);
        }
    }

    /// The list of a hash. The upper half of the hash selects the shard, so here the lower one
    /// varies.
    #[inline]
    fn list(&self, low: u32) -> &Vec<Registered<V>> {
        &self.lists[low as usize & (self.lists.len() - 1)]
    }

    #[inline]
    fn list_mut(&mut self, low: u32) -> &mut Vec<Registered<V>> {
        let list = low as usize & (self.lists.len() - 1);
        &mut self.lists[list]
    }

    /// The flights with this hash.
    fn with_hash(&self, hash: KeyHash) -> impl Iterator<Item = &Registered<V>> {
        self.list(hash.low()).iter().filter(move |other| other.flight.hash() == hash)
    }

    #[inline]
    fn find(&self, flight: &Arc<Flight<V>>) -> Option<&Registered<V>> {
        self.list(flight.hash().low()).iter().find(|other| Arc::ptr_eq(&other.flight, flight))
    }

    /// Deregisters the flights with this lower half of a hash that `keep` rejects. Each is held by
    /// its leader until that has deregistered it, so nothing of the user's is dropped here, under
    /// the lock.
    fn retain(&mut self, low: u32, keep: impl Fn(&Registered<V>) -> bool) {
        let list = self.list_mut(low);
        let before = list.len();
        list.retain(|other| other.flight.hash().low() != low || keep(other));
        self.registered -= before - self.list(low).len();
        self.shrink();
    }

    /// As [`retain`](Self::retain), of all flights.
    fn retain_all(&mut self, keep: impl Fn(&Registered<V>) -> bool) {
        self.lists.iter_mut().for_each(|list| list.retain(&keep));
        self.registered = self.lists.iter().map(Vec::len).sum();
        self.shrink();
    }

    /// Deregisters this flight. Returns `true` if it was registered.
    #[inline]
    pub(crate) fn remove(&mut self, flight: &Arc<Flight<V>>) -> bool {
        let list = self.list_mut(flight.hash().low());
        let Some(place) = list.iter().position(|other| Arc::ptr_eq(&other.flight, flight)) else {
            return false;
        };
        let removed = list.swap_remove(place).flight;
        self.registered -= 1;
        self.shrink();
        if !removed.is_joined() && removed.is_plain() {
            // A spare that is there stays: perhaps it may not be dropped here.
            self.spare.get_or_insert(removed);
        }
        true
    }

    /// One list again, when a large table is empty.
    #[inline]
    fn shrink(&mut self) {
        if self.lists.len() > 1 && self.registered == 0 {
            self.lists = vec![Vec::new()];
        }
    }

    /// Returns the bytes of the lists, without the flights.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self.lists.iter().map(|list| list.capacity() * size_of::<Registered<V>>());
        self.lists.capacity() * size_of::<Vec<Registered<V>>>() + lists.sum::<usize>()
    }

    /// Returns the bytes of the notes of writes.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written.heap_bytes()
    }

    /// Returns `true` if the flight is registered, and no other one forbids that its value is
    /// stored.
    pub(crate) fn may_publish(&self, flight: &Arc<Flight<V>>) -> bool {
        let Some(found) = self.find(flight) else { return false };
        // A computation has read the entry and is about to decide: no load may change it.
        found.kind != FlightKind::Unshared
            || self.with_hash(flight.hash()).all(|other| other.kind != FlightKind::Compute)
    }

    /// Returns `true` if a value that has no flight may be stored: no key of its hash was written
    /// since this batch began, and none is being computed.
    pub(crate) fn may_add(&self, hash: KeyHash, since: &RunningBatch) -> bool {
        self.written.is_untouched(hash.low(), since)
            && self.with_hash(hash).all(|other| other.kind != FlightKind::Compute)
    }

    /// Returns `true` if the flight is registered and its key certainly has no entry: being
    /// registered, it was superseded by no write, and [`occupy`](Self::occupy) has noted what other
    /// loads stored.
    #[inline]
    pub(crate) fn is_vacant(&self, flight: &Arc<Flight<V>>) -> bool {
        self.find(flight).is_some_and(|found| found.vacant && found.kind == FlightKind::Shared)
    }

    /// Notes that a load stores an entry with this hash.
    #[inline]
    pub(crate) fn occupy(&mut self, hash: KeyHash) {
        for other in self.list_mut(hash.low()) {
            if other.flight.hash() == hash {
                other.vacant = false;
            }
        }
    }

    /// Makes a flight unshared: nobody joins it any more.
    pub(crate) fn stop_sharing(&mut self, flight: &Arc<Flight<V>>) {
        let list = self.list_mut(flight.hash().low());
        if let Some(found) = list.iter_mut().find(|other| Arc::ptr_eq(&other.flight, flight)) {
            found.kind = FlightKind::Unshared;
        }
    }

    /// Returns a flight with this lower half of a hash that a writer has still to compare its key
    /// with.
    #[inline]
    pub(crate) fn first_uncompared(
        &self,
        low: u32,
        compared: &KeyComparisons<V>,
    ) -> Option<Arc<Flight<V>>> {
        if self.registered == 0 {
            return None;
        }
        let mut flights = self.list(low).iter().map(|other| &other.flight);
        flights.find(|other| other.hash().low() == low && !compared.contains(other)).cloned()
    }

    /// Returns `true` if a flight with this lower half of a hash is registered.
    #[inline]
    pub(crate) fn has_hash(&self, low: u32) -> bool {
        self.registered > 0 && self.list(low).iter().any(|other| other.flight.hash().low() == low)
    }

    /// A key is written that has no flights.
    #[inline]
    pub(crate) fn note_write(&mut self, low: u32) {
        self.written.note(low);
    }

    /// A key is written: deregisters its flights. The writer has compared its key with those of all
    /// flights of the same hash.
    #[inline]
    pub(crate) fn supersede(&mut self, low: u32, compared: &KeyComparisons<V>) {
        self.written.note(low);
        if self.registered > 0 {
            self.retain(low, |other| compared.is_other(&other.flight));
        }
    }

    /// The value of this flight replaces an entry: deregisters the older flights of its key, which
    /// must not undo that.
    pub(crate) fn supersede_older(
        &mut self,
        flight: &Arc<Flight<V>>,
        compared: &KeyComparisons<V>,
    ) {
        if let Some(sequence) = self.find(flight).map(|found| found.sequence) {
            let low = flight.hash().low();
            self.retain(low, |other| {
                other.sequence >= sequence || compared.is_other(&other.flight)
            });
        }
    }

    /// All keys are written: deregisters all flights.
    pub(crate) fn supersede_all(&mut self) {
        self.written.note_all();
        self.retain_all(|_| false);
    }

    /// As [`supersede_all`](Self::supersede_all), except for computations that were shown an entry.
    /// Returns these.
    pub(crate) fn supersede_loads(&mut self) -> Vec<Arc<Flight<V>>> {
        self.written.note_all();
        self.retain_all(|other| other.kind == FlightKind::Compute && !other.vacant);
        self.lists.iter().flatten().map(|other| Arc::clone(&other.flight)).collect()
    }

    /// Returns the oldest joinable flight with this hash whose sequence number is above `after`,
    /// with that number. The caller counts as a waiter from here on, and must call
    /// [`unjoin`](crate::flight::flight::FlightNode::unjoin) if the flight turns out to be for
    /// another key.
    #[inline]
    pub(crate) fn awaitable(&self, hash: KeyHash, after: u64) -> Option<(Arc<Flight<V>>, u64)> {
        if self.registered == 0 {
            return None;
        }
        let wanted =
            |other: &&Registered<V>| other.kind != FlightKind::Unshared && other.sequence > after;
        let found = self.with_hash(hash).filter(wanted).min_by_key(|other| other.sequence)?;
        found.flight.join();
        Some((Arc::clone(&found.flight), found.sequence))
    }

    /// In a forked child: deregisters all flights except those that the calling thread is inside
    /// of. The leaders of the others are not there; or they are futures that may still be polled,
    /// which then find that they may not publish, as after a flush. Each flight is leaked by its
    /// leader or held by it, so nothing of the user's is dropped here.
    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(crate) fn forget_other_threads(&mut self) {
        // An empty table is not written to: its memory stays shared with the parent.
        if self.registered == 0 && self.spare.is_none() {
            return;
        }
        self.retain_all(|other| other.flight.is_led_here());
        // Its last leader may have vanished with a reference, which is never dropped then.
        self.spare = None;
    }

    /// Returns `true` if the flight is registered and may be joined.
    pub(crate) fn is_shared(&self, flight: &Arc<Flight<V>>) -> bool {
        self.find(flight).is_some_and(|found| found.kind != FlightKind::Unshared)
    }

    /// Returns `true` if the flight is registered and nobody joins it any more.
    pub(crate) fn is_unshared(&self, flight: &Arc<Flight<V>>) -> bool {
        self.find(flight).is_some_and(|found| found.kind == FlightKind::Unshared)
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::flight::wait_graph::KeyAt;

    fn key(hash: u64) -> KeyAt {
        KeyAt { cache: 0, hash: KeyHash(hash), slot: SharedSlot::empty() }
    }

    #[test]
    fn the_table_is_one_list_again_after_a_large_batch() {
        let mut in_flight = InFlight::<u64>::new(Written::new(Arc::default(), 10));
        let flight = |hash| Arc::new(Flight::new(key(hash), None, FlightKind::Shared));
        let flights: Vec<_> = (0..1000).map(flight).collect();
        flights.iter().for_each(|flight| in_flight.add(Arc::clone(flight), None));
        assert!(in_flight.lists.len() > 100);
        assert!(in_flight.lists.iter().all(|list| list.len() <= 2 * SHORT));
        assert!(flights.iter().all(|flight| in_flight.is_vacant(flight)));
        assert!(flights.iter().all(|flight| in_flight.remove(flight)));
        assert_eq!((in_flight.lists.len(), in_flight.registered), (1, 0));
        assert!(!in_flight.remove(&flights[0]));
    }

    #[test]
    fn a_flight_is_used_again_when_nobody_holds_it() {
        let mut in_flight = InFlight::<u64>::new(Written::new(Arc::default(), 10));
        let flight = Arc::new(Flight::new(key(1), None, FlightKind::Shared));
        in_flight.add(Arc::clone(&flight), None);
        assert!(in_flight.remove(&flight));
        assert!(in_flight.take_spare().is_none(), "its leader still holds it");
        let address = Arc::as_ptr(&flight);
        drop(flight);
        let mut spare = in_flight.take_spare().expect("one is there");
        assert_eq!(Arc::as_ptr(&spare), address);
        assert!(Arc::get_mut(&mut spare).is_some() && in_flight.take_spare().is_none());
        // One that somebody has joined is not: it holds its outcome.
        in_flight.add(Arc::clone(&spare), None);
        assert!(in_flight.awaitable(KeyHash(1), 0).is_some());
        assert!(in_flight.remove(&spare));
        drop(spare);
        assert!(in_flight.take_spare().is_none());
    }
}
