//! The flights of one shard that are registered: see `flight.rs` for what that means.
//!
//! Usually there are none, or one for each thread that is loading: then this is a list. But a batch
//! may register thousands, and so may tasks that wait for a slow source. So there are as many lists as
//! it takes to keep each short, and the hash of the key says which: a hash table with chains, whose
//! usual size is one.
//!
//! A flight that nobody has joined can be used again for the next load of the shard, so that a miss
//! takes no memory from the allocator ([`InFlight::take_spare`]).

use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind};
use crate::flight::written::{RunningBatch, Written};
use crate::util::hash::KeyHash;

/// Flights in a list before there are twice as many lists.
const SHORT: usize = 8;

/// See the module's head.
pub(crate) struct InFlight<V> {
    /// A power of two.
    lists: Vec<Vec<Registered<V>>>,
    registered: usize,
    /// Flights that have been registered, ever.
    began: u64,
    spare: Option<Arc<Flight<V>>>,
    /// Keys that were written, for answers that have no flight.
    written: Written,
}

struct Registered<V> {
    kind: FlightKind,
    /// Counts the flights of the shard: the younger, the larger.
    began: u64,
    /// No entry of the key was there when it began, and none was stored since.
    vacant: bool,
    flight: Arc<Flight<V>>,
}

/// What a writer has found out about flights with the hash of his key: by comparing keys, without the
/// lock. Nearly always there are none.
pub(crate) struct KeyComparisons<V> {
    /// The writer's own flight, by its address, if he leads one.
    own: usize,
    flights: Vec<(Arc<Flight<V>>, IsSameKey)>,
}

type IsSameKey = bool;

impl<V> KeyComparisons<V> {
    pub(crate) fn new() -> Self {
        KeyComparisons { own: 0, flights: Vec::new() }
    }

    /// For a writer who leads this flight, which needs no judging.
    pub(crate) fn for_leader(flight: &Arc<Flight<V>>) -> Self {
        KeyComparisons { own: Arc::as_ptr(flight) as usize, flights: Vec::new() }
    }

    pub(crate) fn add(&mut self, flight: Arc<Flight<V>>, is_same_key: IsSameKey) {
        self.flights.push((flight, is_same_key));
    }

    fn of(&self, flight: &Arc<Flight<V>>) -> Option<IsSameKey> {
        self.flights
            .iter()
            .find(|(other, _)| Arc::ptr_eq(other, flight))
            .map(|(_, is_same_key)| *is_same_key)
    }

    fn contains(&self, flight: &Arc<Flight<V>>) -> bool {
        Arc::as_ptr(flight) as usize == self.own || self.of(flight).is_some()
    }

    fn is_other(&self, flight: &Arc<Flight<V>>) -> bool {
        self.of(flight) == Some(false)
    }
}

impl<V> Registered<V> {
    fn has_hash(&self, low: u32) -> bool {
        self.flight.hash().low() == low
    }

    fn is(&self, flight: &Arc<Flight<V>>) -> bool {
        Arc::ptr_eq(&self.flight, flight)
    }
}

impl<V> InFlight<V> {
    pub(crate) fn new(written: Written) -> Self {
        InFlight { lists: vec![Vec::new()], registered: 0, began: 0, spare: None, written }
    }

    /// Flights that have ended need not be freed and made anew: one that nobody can see any more, if
    /// there is one.
    #[inline]
    pub(crate) fn take_spare(&mut self) -> Option<Arc<Flight<V>>> {
        // Its last leader may still be about to let go of it. If he has, nobody else can have it, and
        // what he did before is known here: `Arc::get_mut`, which the caller has yet to pass, sees to
        // that.
        self.spare.take_if(|spare| Arc::strong_count(spare) == 1)
    }

    /// `vacant`: there is no entry of its key, not even an expired one.
    #[inline]
    pub(crate) fn add(&mut self, kind: FlightKind, vacant: bool, flight: Arc<Flight<V>>) {
        if self.registered == SHORT * self.lists.len() {
            self.spread();
        }
        self.began += 1;
        self.registered += 1;
        let registered = Registered { kind, began: self.began, vacant, flight };
        let hash = registered.flight.hash();
        self.list_mut(hash.low()).push(registered);
    }

    /// Twice as many lists.
    #[cold]
    fn spread(&mut self) {
        let twice = 2 * self.lists.len();
        let old = std::mem::replace(&mut self.lists, (0..twice).map(|_| Vec::new()).collect());
        for registered in old.into_iter().flatten() {
            let hash = registered.flight.hash();
            self.list_mut(hash.low()).push(registered);
        }
    }

    /// The list of a hash. Its upper half says the shard, so the lower one has the variety.
    #[inline]
    fn list(&self, low: u32) -> &Vec<Registered<V>> {
        &self.lists[low as usize & (self.lists.len() - 1)]
    }

    #[inline]
    fn list_mut(&mut self, low: u32) -> &mut Vec<Registered<V>> {
        let list = low as usize & (self.lists.len() - 1);
        &mut self.lists[list]
    }

    /// All flights with this hash.
    fn with_hash(&self, hash: KeyHash) -> impl Iterator<Item = &Registered<V>> {
        self.list(hash.low()).iter().filter(move |other| other.flight.hash() == hash)
    }

    #[inline]
    fn find(&self, flight: &Arc<Flight<V>>) -> Option<&Registered<V>> {
        self.list(flight.hash().low()).iter().find(|other| other.is(flight))
    }

    /// Takes off the register what `keep` does not want of the flights with a hash. What comes off
    /// is held by its leader until he has unregistered it, so nothing of the user's is dropped here,
    /// under the lock.
    fn retain(&mut self, low: u32, keep: impl Fn(&Registered<V>) -> bool) {
        let list = self.list_mut(low);
        let before = list.len();
        list.retain(|other| !other.has_hash(low) || keep(other));
        self.registered -= before - self.list(low).len();
        self.shrink();
    }

    /// Takes this flight off the register: true if it was on it.
    #[inline]
    pub(crate) fn remove(&mut self, flight: &Arc<Flight<V>>) -> bool {
        let list = self.list_mut(flight.hash().low());
        let Some(place) = list.iter().position(|other| other.is(flight)) else { return false };
        let removed = list.swap_remove(place).flight;
        self.registered -= 1;
        self.shrink();
        if !removed.is_joined() && removed.is_plain() {
            // One that was there stays: it is not known whether it may be dropped here.
            self.spare.get_or_insert(removed);
        }
        true
    }

    #[inline]
    fn shrink(&mut self) {
        if self.lists.len() > 1 && self.registered == 0 {
            self.lists = vec![Vec::new()];
        }
    }

    /// What its lists take, without the flights.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self.lists.iter().map(|list| list.capacity() * size_of::<Registered<V>>());
        self.lists.capacity() * size_of::<Vec<Registered<V>>>() + lists.sum::<usize>()
    }

    /// What the notes of writes take that a batch may ask for.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written.heap_bytes()
    }

    /// May the value of this flight be stored, as far as other flights go?
    pub(crate) fn may_publish(&self, flight: &Arc<Flight<V>>) -> bool {
        let Some(found) = self.find(flight) else { return false };
        // A computation has read what is there and is about to decide: none but it may change it.
        found.kind != FlightKind::Unshared
            || self.with_hash(flight.hash()).all(|other| other.kind != FlightKind::Compute)
    }

    /// May a value be stored that has no flight: was no key of its hash written since this batch
    /// began, and is none computed?
    pub(crate) fn may_add(&self, hash: KeyHash, since: &RunningBatch) -> bool {
        self.written.is_untouched(hash.low(), since)
            && self.with_hash(hash).all(|other| other.kind != FlightKind::Compute)
    }

    /// Is the flight registered, and is it certain that there is no entry of its key? Being
    /// registered, it knows of all that was written; of what other loads have stored, it was told.
    #[inline]
    pub(crate) fn is_vacant(&self, flight: &Arc<Flight<V>>) -> bool {
        self.find(flight).is_some_and(|found| found.vacant && found.kind == FlightKind::Shared)
    }

    /// An entry with this hash is stored by a load.
    #[inline]
    pub(crate) fn occupy(&mut self, hash: KeyHash) {
        if self.registered > 0 {
            let same = |other: &&mut Registered<V>| other.flight.hash() == hash;
            self.list_mut(hash.low())
                .iter_mut()
                .filter(same)
                .for_each(|other| other.vacant = false);
        }
    }

    /// Nobody joins this flight any more.
    pub(crate) fn stop_sharing(&mut self, flight: &Arc<Flight<V>>) {
        if let Some(found) =
            self.list_mut(flight.hash().low()).iter_mut().find(|other| other.is(flight))
        {
            found.kind = FlightKind::Unshared;
        }
    }

    /// A flight with the lower half of a hash that a writer has not judged yet.
    #[inline]
    pub(crate) fn first_uncompared(
        &self,
        low: u32,
        compared: &KeyComparisons<V>,
    ) -> Option<Arc<Flight<V>>> {
        if self.registered == 0 {
            return None;
        }
        let mut list = self.list(low).iter();
        let found = list.find(|other| other.has_hash(low) && !compared.contains(&other.flight));
        found.map(|other| Arc::clone(&other.flight))
    }

    /// A write to a key: its flights must not be joined or published any more. All flights with its
    /// hash have been judged.
    #[inline]
    pub(crate) fn supersede(&mut self, low: u32, compared: &KeyComparisons<V>) {
        self.written.note(low);
        if self.registered > 0 {
            self.retain(low, |other| compared.is_other(&other.flight));
        }
    }

    /// The value of this flight is written over what is there: older flights of its key must not
    /// undo that.
    pub(crate) fn supersede_older(
        &mut self,
        flight: &Arc<Flight<V>>,
        compared: &KeyComparisons<V>,
    ) {
        if let Some(began) = self.find(flight).map(|found| found.began) {
            let low = flight.hash().low();
            self.retain(low, |other| other.began >= began || compared.is_other(&other.flight));
        }
    }

    /// All keys are written.
    pub(crate) fn supersede_all(&mut self) {
        self.written.note_all();
        self.registered = 0;
        self.lists = vec![Vec::new()];
    }

    /// As `supersede_all`, but for computations that have been shown an entry, which it answers with.
    pub(crate) fn supersede_loads(&mut self) -> Vec<Arc<Flight<V>>> {
        self.written.note_all();
        for list in &mut self.lists {
            list.retain(|other| other.kind == FlightKind::Compute && !other.vacant);
        }
        self.registered = self.lists.iter().map(Vec::len).sum();
        self.shrink();
        self.lists.iter().flatten().map(|other| Arc::clone(&other.flight)).collect()
    }

    /// The oldest flight with this hash that others wait for and that began after a number of flights;
    /// and how many had begun with it. Who is given it has joined it, until he finds that he need not.
    #[inline]
    pub(crate) fn awaitable(&self, hash: KeyHash, after: u64) -> Option<(Arc<Flight<V>>, u64)> {
        if self.registered == 0 {
            return None;
        }
        let wanted =
            |other: &&Registered<V>| other.kind != FlightKind::Unshared && other.began > after;
        let found = self.with_hash(hash).filter(wanted).min_by_key(|other| other.began)?;
        found.flight.join();
        Some((Arc::clone(&found.flight), found.began))
    }

    /// In a forked child: takes off the register all flights but those that the calling thread is
    /// inside of. The others' leaders are not there; or they are futures that may still be polled:
    /// then they find that they may not publish, as after a flush. What comes off is leaked by its
    /// leader or held by it, so nothing of the user's is dropped here.
    #[cfg(all(unix, not(any(loom, shuttle))))]
    pub(crate) fn forget_other_threads(&mut self)
    where
        V: Send + Sync,
    {
        // Without writing where there is nothing: the memory goes on being the parent's, too.
        if self.registered == 0 && self.spare.is_none() {
            return;
        }
        for list in &mut self.lists {
            list.retain(|other| other.flight.is_led_here());
        }
        self.registered = self.lists.iter().map(Vec::len).sum();
        self.shrink();
        // Its last leader may have vanished with a hand on it, which it would never take away.
        self.spare = None;
    }

    /// Is nobody to join this flight any more, although it is registered?
    pub(crate) fn is_unshared(&self, flight: &Arc<Flight<V>>) -> bool {
        self.find(flight).is_some_and(|found| found.kind == FlightKind::Unshared)
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::flight::load_node::KeyAt;
    use crate::table::SharedSlot;

    fn key(hash: u64) -> KeyAt {
        KeyAt { cache: 0, hash: KeyHash(hash), slot: SharedSlot::empty() }
    }

    #[test]
    fn a_register_is_one_list_again_after_a_large_batch() {
        let mut register = InFlight::<u64>::new(Written::new(Arc::default(), 10));
        let flight = |hash| Arc::new(Flight::new(key(hash), None, FlightKind::Shared));
        let flights: Vec<_> = (0..1000).map(flight).collect();
        flights
            .iter()
            .for_each(|flight| register.add(FlightKind::Shared, true, Arc::clone(flight)));
        assert!(register.lists.len() > 100);
        assert!(register.lists.iter().all(|list| list.len() <= 2 * SHORT));
        assert!(flights.iter().all(|flight| register.is_vacant(flight)));
        assert!(flights.iter().all(|flight| register.remove(flight)));
        assert_eq!((register.lists.len(), register.registered), (1, 0));
        assert!(!register.remove(&flights[0]));
    }

    #[test]
    fn a_flight_is_used_again_when_nobody_holds_it() {
        let mut register = InFlight::<u64>::new(Written::new(Arc::default(), 10));
        let flight = Arc::new(Flight::new(key(1), None, FlightKind::Shared));
        register.add(FlightKind::Shared, true, Arc::clone(&flight));
        assert!(register.remove(&flight));
        assert!(register.take_spare().is_none(), "its leader has not let go of it");
        let address = Arc::as_ptr(&flight);
        drop(flight);
        let mut spare = register.take_spare().expect("one is there");
        assert_eq!(Arc::as_ptr(&spare), address);
        assert!(Arc::get_mut(&mut spare).is_some() && register.take_spare().is_none());
        // One that somebody has joined is not: it holds what it landed with.
        register.add(FlightKind::Shared, true, Arc::clone(&spare));
        assert!(register.awaitable(KeyHash(1), 0).is_some());
        assert!(register.remove(&spare));
        drop(spare);
        assert!(register.take_spare().is_none());
    }
}
