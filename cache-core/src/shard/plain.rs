//! The short way of a write through a shard, where nothing of the user's has a say.
//!
//! # Idea
//! In most caches there are no weights, no listener, and one time to live for all. There a write
//! needs nothing but the shard, the time and the entry: no [`Ledger`](super::ledger::Ledger) of
//! what was reserved and removed, no list of compared keys, no columns of times. [`PlainShard`]
//! does what [`Shard`] does, by the same parts, in a third of the instructions; and it has the
//! guard for itself, so that a thread that is alone with the cache writes entries in their place
//! ([`Exclusive`]).
//!
//! Whatever is unusual is left to the general way: a load of the key in flight, room that must come
//! from another shard, a key that another writer has just stored or removed
//! (`store/plain.rs`). The same model tests run with this way and without it.

use super::budget::Budget;
use super::shard::{NewEntry, Shard, ShardState};
use super::shards::Shards;
use crate::table::{EntryRef, Exclusive, Guard, NEVER, Place, SlotId, Slots, Times};
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

/// An entry that was removed.
pub(crate) struct Gone<'p, K, V> {
    entry: Removed<'p, K, V>,
    deadline: u64,
}

enum Removed<'p, K, V> {
    Contents(K, V),
    /// It stays readable while the guard lives.
    Retired(EntryRef<'p, K, V>),
}

impl<K, V> Gone<'_, K, V> {
    /// Its value, if it was fresh.
    #[inline]
    pub(crate) fn fresh(&self, life: Life) -> Option<&V> {
        let value = match &self.entry {
            Removed::Contents(_, value) => value,
            Removed::Retired(entry) => entry.value(),
        };
        (life.now < self.deadline).then_some(value)
    }

    /// What is left of it to be dropped; it was removed for this cause, unless it had expired.
    #[inline]
    pub(crate) fn taken_out(self, life: Life, cause: RemovalCause) -> TakenOut<K, V> {
        let contents = match self.entry {
            Removed::Contents(key, value) => Some((key, value)),
            Removed::Retired(_) => None,
        };
        TakenOut { contents, cause: life.cause(self.deadline, cause) }
    }
}

/// What a write has taken out.
pub(crate) struct TakenOut<K, V> {
    /// What it held, if the thread is alone; to be dropped without the lock. Otherwise it is
    /// retired.
    pub(crate) contents: Option<(K, V)>,
    pub(crate) cause: RemovalCause,
}

impl<V> Shards<V> {
    /// Acquires a shard's lock, with a guard that nothing else is found with meanwhile. Returns
    /// `None`, without the lock, if a load of a key with this hash is in flight.
    #[inline]
    pub(crate) fn lock_plain<'g, 't, K>(
        &'g self,
        guard: &'g mut Guard<'t, K, V>,
        hash: KeyHash,
    ) -> Option<PlainShard<'g, 't, K, V>> {
        let state = self.state(guard.table.shard_of(hash));
        (!state.loads.has_hash(hash.low())).then_some(PlainShard { guard, state })
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

    /// Returns `true` if there is room for one more entry, or this shard has one to evict.
    #[inline]
    pub(crate) fn has_room(&self, budget: &Budget) -> bool {
        let (state, weight) = (&*self.state, self.state.policy.weight());
        budget.used() < budget.max || weight > 0 && weight >= state.quota - state.quota / 8
    }

    /// Stores a value in the place of the key's entry, or in a new one: then there must be
    /// [room](Self::has_room).
    #[inline]
    pub(crate) fn put(
        &mut self,
        found: Option<Place>,
        key: Hashed<K>,
        value: V,
        life: Life,
        budget: &Budget,
    ) -> Option<TakenOut<K, V>> {
        let new = NewEntry { value, weight: 1, times: life.times() };
        match found {
            Some(place) => Some(self.replace(place, key, new, life)),
            None => self.add(key, new, life, budget),
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
        let before = self.guard.slots().header(place.id()).deadline();
        let cause = life.cause(before, RemovalCause::Replaced);
        if let Some(mut writer) = Exclusive::new(&mut state.writer, self.guard) {
            let contents = Some(writer.exchange(place, key.key, new));
            if life.deadline != NEVER && life.deadline < before {
                state.arm(self.guard.slots().block_of(place.id()), life.deadline);
            }
            return TakenOut { contents, cause };
        }
        let (guard, policy) = (&*self.guard, &mut state.policy);
        let queue = |id| policy.replace(guard.slots(), place.id(), id);
        let block = state.writer.update(guard, place, key, new, queue);
        state.arm(block, life.deadline);
        TakenOut { contents: None, cause }
    }

    #[inline]
    fn add(
        &mut self,
        key: Hashed<K>,
        new: NewEntry<V>,
        life: Life,
        budget: &Budget,
    ) -> Option<TakenOut<K, V>> {
        let state = &mut *self.state;
        let ghost = state.policy.miss(key.hash.low(), 1);
        let mut taken_out = None;
        if !budget.try_reserve_one() {
            let slots = self.guard.slots();
            let victim = state.policy.victim(slots).expect("the shard holds an entry");
            let cause = life.cause(slots.header(victim).deadline(), RemovalCause::Size);
            if let Some(mut writer) = Exclusive::new(&mut state.writer, self.guard) {
                let slots = writer.slots();
                let admit = |id| state.policy.admit(slots, id, ghost);
                let (contents, block) = writer.recycle(victim, key, new, admit);
                state.arm(block, life.deadline);
                return Some(TakenOut { contents: Some(contents), cause });
            }
            state.writer.unlink(self.guard, victim);
            taken_out = Some(TakenOut { contents: None, cause });
        }
        let guard = &*self.guard;
        let admit = |id| state.policy.admit(guard.slots(), id, ghost);
        let block = state.writer.add(guard, key, new, admit);
        state.arm(block, life.deadline);
        taken_out
    }

    /// Takes an entry out. Returns it with the shard.
    #[inline]
    pub(crate) fn take(mut self, place: Place) -> (Gone<'g, K, V>, Shard<'g, K, V>) {
        let state = &mut *self.state;
        let slots = self.guard.slots();
        let deadline = slots.header(place.id()).deadline();
        state.policy.remove(slots, place.id());
        let exclusive = Exclusive::new(&mut state.writer, self.guard);
        let contents = exclusive.map(|mut writer| writer.take(place));
        let mut shard = self.into_shard();
        let entry = match contents {
            Some((key, value)) => Removed::Contents(key, value),
            None => Removed::Retired(shard.state.writer.unlink(shard.guard, place.id())),
        };
        (Gone { entry, deadline }, shard)
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
