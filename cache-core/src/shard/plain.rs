//! The short way of a write through a shard, where nothing of the user's has a say.
//!
//! # Idea
//! In most caches there are no weights, no listener, and one time to live for all. There a write
//! needs nothing but the shard, the time and the entry: no [`Ledger`](super::ledger::Ledger) of
//! what was reserved and removed, no list of compared keys, no columns of times. [`PlainShard`]
//! does what [`Shard`] does, by the same parts, in fewer instructions; and it has the guard for
//! itself, so that a thread that is alone with the cache writes entries in their place
//! ([`Exclusive`]).
//!
//! Whatever is unusual is left to the general way: a load of the key in flight, room that must come
//! from another shard, a key that another writer has just stored or removed
//! (`store/plain.rs`). The same model tests run with this way and without it.

use std::sync::Arc;

use super::budget::Budget;
use super::shard::{NewEntry, Shard, ShardState};
use super::shards::Shards;
use crate::flight::flight::Flight;
use crate::table::{Displaced, EntryRef, Exclusive, Guard, Place, SlotId, Times};
use crate::types::removal::RemovalCause;
use crate::util::hash::{Hashed, KeyHash};
use crate::util::sync::OuterMutexGuard as MutexGuard;

/// A shard whose lock is held by a thread that has its guard for itself.
pub(crate) struct PlainShard<'g, 't, K, V> {
    guard: &'g mut Guard<'t, K, V>,
    state: MutexGuard<'g, ShardState<V>>,
}

/// When a value is written, and when it expires.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// 0 where nothing expires.
    pub(crate) now: u64,
    pub(crate) deadline: u64,
}

impl Life {
    fn times(self) -> Times {
        Times { deadline: self.deadline, written: self.now, ..Times::TIMELESS }
    }

    /// The cause of a removal at this time of an entry with this deadline.
    fn cause(self, deadline: u64, cause: RemovalCause) -> RemovalCause {
        if deadline <= self.now { RemovalCause::Expired } else { cause }
    }
}

/// Where the room for a new entry comes from.
pub(crate) enum Room {
    /// The budget had some: it is reserved.
    Reserved,
    /// The shard, which holds an entry, evicts one.
    OfVictim,
}

/// Where a value goes.
pub(crate) enum PlainTarget {
    Replace(Place),
    Add(Room),
}

/// An entry that was removed.
pub(crate) enum Gone<'p, K, V> {
    /// By a thread that is alone; to be dropped without the lock.
    Displaced(Displaced<K, V>),
    /// It stays readable while the guard lives.
    Retired(EntryRef<'p, K, V>),
}

impl<K, V> Gone<'_, K, V> {
    /// Its value, if it was fresh.
    #[inline]
    pub(crate) fn fresh(&self, life: Life) -> Option<&V> {
        let (value, deadline) = match self {
            Gone::Displaced(displaced) => (&displaced.value, displaced.deadline),
            Gone::Retired(entry) => (entry.value(), entry.fixed_deadline()),
        };
        (life.now < deadline).then_some(value)
    }

    /// What is left of it to be dropped; it was removed for this cause, unless it had expired.
    #[inline]
    pub(crate) fn taken_out(self, life: Life, cause: RemovalCause) -> TakenOut<K, V> {
        match self {
            Gone::Displaced(displaced) => TakenOut::displaced(displaced, life, cause),
            Gone::Retired(entry) => TakenOut::retired(entry, life, cause),
        }
    }
}

/// What a write has taken out.
pub(crate) struct TakenOut<K, V> {
    /// What it held, if the thread is alone; to be dropped without the lock. Otherwise it is
    /// retired.
    pub(crate) contents: Option<(K, V)>,
    pub(crate) cause: RemovalCause,
}

impl<K, V> TakenOut<K, V> {
    #[inline]
    fn displaced(
        Displaced { key, value, deadline }: Displaced<K, V>,
        life: Life,
        cause: RemovalCause,
    ) -> Self {
        TakenOut { contents: Some((key, value)), cause: life.cause(deadline, cause) }
    }

    #[inline]
    fn retired(entry: EntryRef<'_, K, V>, life: Life, cause: RemovalCause) -> Self {
        TakenOut { contents: None, cause: life.cause(entry.fixed_deadline(), cause) }
    }
}

impl<V> Shards<V> {
    /// Acquires a shard's lock, with a guard that nothing else is found with meanwhile. Returns
    /// `None`, without the lock, if a load of a key with this hash is in flight. (Inlined, and the
    /// next as well: an insert takes 3 to 5 % fewer instructions.)
    #[inline(always)]
    pub(crate) fn lock_plain<'g, 't, K>(
        &'g self,
        guard: &'g mut Guard<'t, K, V>,
        hash: KeyHash,
    ) -> Option<PlainShard<'g, 't, K, V>> {
        let shard = self.lock_plain_to_publish(guard, hash);
        (!shard.state.loads.has_hash(hash.low())).then_some(shard)
    }

    /// As `lock_plain`, for the leader of a load.
    #[inline(always)]
    pub(crate) fn lock_plain_to_publish<'g, 't, K>(
        &'g self,
        guard: &'g mut Guard<'t, K, V>,
        hash: KeyHash,
    ) -> PlainShard<'g, 't, K, V> {
        let state = self.state(guard.table.shard_of(hash));
        PlainShard { guard, state }
    }
}

impl<'g, 't, K, V> PlainShard<'g, 't, K, V> {
    /// The key's entry. `eq` runs none of the user's code.
    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, eq: impl Fn(&K) -> bool + Copy) -> Option<Place> {
        self.state.writer.find(self.guard, hash, eq)
    }

    /// The place of the only slot with this hash, if it is the one that `id` names; or none if
    /// there is none. The outer `None` stands for everything else.
    #[inline]
    pub(crate) fn settle(&self, hash: KeyHash, id: Option<SlotId>) -> Option<Option<Place>> {
        let place = match id {
            Some(id) => Some(self.state.writer.place_of(self.guard, hash.low(), id)?),
            None if self.guard.find_hash(hash).is_some() => return None,
            None => None,
        };
        Some(place)
    }

    /// Makes room for one more entry. Returns `None` if it has to come from another shard. What is
    /// reserved must be used.
    #[inline]
    pub(crate) fn make_room(&self, budget: &Budget) -> Option<Room> {
        if budget.try_reserve_one() {
            return Some(Room::Reserved);
        }
        let (state, weight) = (&*self.state, self.state.policy.weight());
        let gives = weight > 0 && weight >= state.quota - state.quota / 8;
        gives.then_some(Room::OfVictim)
    }

    /// Stores a value.
    #[inline]
    pub(crate) fn put(
        &mut self,
        target: PlainTarget,
        key: Hashed<K>,
        value: V,
        life: Life,
    ) -> Option<TakenOut<K, V>> {
        let new = NewEntry { value, weight: 1, times: life.times() };
        match target {
            PlainTarget::Replace(place) => Some(self.replace(place, key, new, life)),
            PlainTarget::Add(room) => self.add(room, key, new, life),
        }
    }

    #[inline]
    fn replace(
        &mut self,
        place: Place,
        key: Hashed<K>,
        new: NewEntry<V>,
        life: Life,
    ) -> TakenOut<K, V> {
        let state = &mut *self.state;
        let cause = RemovalCause::Replaced;
        if let Some(mut writer) = Exclusive::new(&mut state.writer, self.guard) {
            let displaced = writer.exchange(place, key.key, new);
            if life.deadline < displaced.deadline {
                let block = writer.slots().block_of(place.id());
                state.arm(block, life.deadline);
            }
            return TakenOut::displaced(displaced, life, cause);
        }
        let (guard, policy) = (&*self.guard, &mut state.policy);
        let queue = |id| policy.replace(guard.slots(), place.id(), id);
        let (entry, block) = state.writer.update(guard, place, key, new, queue);
        state.arm(block, life.deadline);
        TakenOut::retired(entry, life, cause)
    }

    #[inline]
    fn add(
        &mut self,
        room: Room,
        key: Hashed<K>,
        new: NewEntry<V>,
        life: Life,
    ) -> Option<TakenOut<K, V>> {
        let (state, cause) = (&mut *self.state, RemovalCause::Size);
        let ghost = state.policy.miss(key.hash.low(), 1);
        let mut taken_out = None;
        if let Room::OfVictim = room {
            let victim = state.policy.victim(self.guard.slots()).expect("an entry to evict");
            if let Some(mut writer) = Exclusive::new(&mut state.writer, self.guard) {
                let slots = writer.slots();
                let admit = |id| state.policy.admit(slots, id, ghost);
                let (displaced, block) = writer.recycle(victim, key, new, admit);
                state.arm(block, life.deadline);
                return Some(TakenOut::displaced(displaced, life, cause));
            }
            let entry = state.writer.unlink(self.guard, victim);
            taken_out = Some(TakenOut::retired(entry, life, cause));
        }
        let guard = &*self.guard;
        let admit = |id| state.policy.admit(guard.slots(), id, ghost);
        let block = state.writer.add(guard, key, new, admit);
        state.arm(block, life.deadline);
        taken_out
    }

    /// Returns `true` if this flight may store its value without a further look: see
    /// [`InFlight::is_vacant`](crate::flight::in_flight::InFlight::is_vacant).
    #[inline]
    pub(crate) fn is_vacant(&self, flight: &Arc<Flight<V>>) -> bool {
        self.state.loads.is_vacant(flight)
    }

    /// Ends a flight that is [vacant](Self::is_vacant), and stores its value.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        room: Room,
        flight: &Arc<Flight<V>>,
        value: V,
        life: Life,
    ) -> Option<TakenOut<K, V>> {
        let state = &mut *self.state;
        state.loads.remove(flight);
        state.loads.occupy(flight.hash());
        let ghost = state.policy.miss(flight.hash().low(), 1);
        let taken_out = match room {
            Room::Reserved => None,
            Room::OfVictim => Some(self.evict(life)),
        };
        let (state, guard) = (&mut *self.state, &*self.guard);
        let new = NewEntry { value, weight: 1, times: life.times() };
        let admit = |id| state.policy.admit(guard.slots(), id, ghost);
        let block = state.writer.publish(guard, flight.take_slot(), new, admit);
        state.arm(block, life.deadline);
        taken_out
    }

    #[inline]
    fn evict(&mut self, life: Life) -> TakenOut<K, V> {
        let (state, cause) = (&mut *self.state, RemovalCause::Size);
        let victim = state.policy.victim(self.guard.slots()).expect("an entry to evict");
        match Exclusive::new(&mut state.writer, self.guard) {
            Some(mut writer) => TakenOut::displaced(writer.take_slot(victim), life, cause),
            None => TakenOut::retired(state.writer.unlink(self.guard, victim), life, cause),
        }
    }

    /// Takes an entry out. Returns it with the shard.
    #[inline]
    pub(crate) fn take(mut self, place: Place) -> (Gone<'g, K, V>, Shard<'g, K, V>) {
        let state = &mut *self.state;
        state.policy.remove(self.guard.slots(), place.id());
        let exclusive = Exclusive::new(&mut state.writer, self.guard);
        let displaced = exclusive.map(|mut writer| writer.take(place));
        let mut shard = self.into_shard();
        let gone = match displaced {
            Some(displaced) => Gone::Displaced(displaced),
            None => Gone::Retired(shard.state.writer.unlink(shard.guard, place.id())),
        };
        (gone, shard)
    }

    /// Notes that a key with this hash is written, for batches of loads that run.
    #[inline]
    pub(crate) fn note_write(&mut self, hash: KeyHash) {
        self.state.loads.note_write(hash.low());
    }

    /// For what both ways have in common.
    #[inline]
    pub(crate) fn into_shard(self) -> Shard<'g, K, V> {
        Shard { guard: self.guard, state: self.state }
    }
}
