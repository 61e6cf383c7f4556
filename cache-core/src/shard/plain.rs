//! The short way of a write through a shard, where nothing of the user's has a say.
//!
//! # Idea
//! In most caches there are no weights, no listener, and one time to live for all. There a write
//! needs nothing but the shard, the time and the entry: no [`Ledger`](super::ledger::Ledger) of
//! what was reserved and removed, no list of compared keys, no columns of times. [`PlainShard`]
//! does what [`Shard`] does, by the same parts, in fewer instructions; and it has the guard for
//! itself, so that a thread that is alone with the cache writes entries in their place
//! (`access.rs`).
//!
//! Whatever is unusual is left to the general way: a load of the key in flight, room that must come
//! from another shard, a key that another writer has just stored or removed
//! (`store/plain.rs`). The same model tests run with this way and without it.

use std::sync::Arc;

use super::budget::Budget;
use super::shard::{NewEntry, Shard, ShardState};
use super::shards::Shards;
use crate::flight::flight::Flight;
use crate::policy::QueuePolicy;
use crate::table::{Displaced, Gone, Guard, KeyPlace, Seen, Slab, SlotRef, Times};
use crate::types::removal::RemovalCause;
use crate::util::hash::KeyHash;
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

/// How an entry is found under the lock, where none of the user's code may run.
#[derive(Clone, Copy)]
pub(crate) enum KeyLookup {
    /// By comparing keys, which runs none.
    ByEq,
    /// Keys were compared before, and this was seen, or nothing.
    Settled(Option<Seen>),
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

    /// What is left of it to be dropped without the lock, unless it is retired; and the cause of
    /// its removal, which was this one unless it had expired.
    #[inline]
    pub(crate) fn into_parts(
        self,
        life: Life,
        cause: RemovalCause,
    ) -> (Option<(K, V)>, RemovalCause) {
        match self {
            Gone::Displaced(Displaced { key, value, deadline }) => {
                (Some((key, value)), life.cause(deadline, cause))
            }
            Gone::Retired(entry) => (None, life.cause(entry.fixed_deadline(), cause)),
        }
    }
}

/// What a key's entry was, if there was one, and the shard that it was taken from.
type Taken<'g, K, V> = (Option<Gone<'g, K, V>>, Shard<'g, K, V>);

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
    /// Stores `contents`, a key and its value, and leaves there what has to be dropped without the
    /// lock. Returns the cause if it has taken an entry out. The outer `None`: it has done nothing,
    /// because the key was stored or removed since it was looked up, or the room has to come from
    /// another shard.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        lookup: KeyLookup,
        hash: KeyHash,
        contents: &mut Option<(K, V)>,
        life: Life,
        budget: &Budget,
    ) -> Option<Option<RemovalCause>>
    where
        K: Eq,
    {
        let state = &mut *self.state;
        let access = state.writer.access(self.guard);
        let found = match lookup {
            KeyLookup::ByEq => {
                let key = contents.as_ref().map(|(key, _)| key);
                access.find(hash, |other| key == Some(other))
            }
            KeyLookup::Settled(seen) => access.settle(hash, seen)?,
        };
        let times = &life.times();
        let (removed, block) = match found {
            KeyPlace::Occupied(entry) => {
                let (policy, slots) = (&mut state.policy, entry.slots());
                let queue = |old, new| policy.replace(slots, old, new);
                let (deadline, block) = entry.replace(hash, contents, times, queue);
                (Some(life.cause(deadline, RemovalCause::Replaced)), block)
            }
            KeyPlace::Vacant(access) => {
                let room = room(budget, &state.policy, state.near_quota)?;
                let ghost = state.policy.miss(hash.low(), 1);
                let slots = access.slots();
                let (removed, filled) = match room {
                    Room::Reserved => (None, access.fill(hash, contents, times)),
                    Room::OfVictim => {
                        let victim = victim(&mut state.policy, slots);
                        let (deadline, filled) = access.recycle(victim, hash, contents, times);
                        (Some(life.cause(deadline, RemovalCause::Size)), filled)
                    }
                };
                state.policy.admit(slots, filled.slot(), 1, ghost);
                (removed, Some(filled.enter()))
            }
        };
        if let Some(block) = block {
            state.arm(block, life.deadline);
        }
        state.loads.note_write(hash.low());
        Some(removed)
    }

    /// Returns `true` if this flight may store its value without a further look: see
    /// [`InFlight::is_vacant`](crate::flight::in_flight::InFlight::is_vacant).
    #[inline]
    pub(crate) fn is_vacant(&self, flight: &Arc<Flight<V>>) -> bool {
        self.state.loads.is_vacant(flight)
    }

    /// Ends a flight that is [vacant](Self::is_vacant), and stores its value; or returns the value,
    /// and has done nothing, if the room has to come from another shard.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        flight: &Arc<Flight<V>>,
        value: V,
        life: Life,
        budget: &Budget,
    ) -> Result<Option<Gone<'_, K, V>>, V> {
        let state = &mut *self.state;
        let Some(room) = room(budget, &state.policy, state.near_quota) else { return Err(value) };
        state.loads.remove(flight);
        state.loads.occupy(flight.hash());
        let ghost = state.policy.miss(flight.hash().low(), 1);
        let mut access = state.writer.access(self.guard);
        let slots = access.slots();
        let gone = match room {
            Room::Reserved => None,
            Room::OfVictim => Some(access.take(victim(&mut state.policy, slots))),
        };
        let new = NewEntry { value, weight: 1, times: life.times() };
        let filled = access.complete(flight.take_slot(), new);
        state.policy.admit(slots, filled.slot(), 1, ghost);
        let block = filled.enter();
        state.arm(block, life.deadline);
        Ok(gone)
    }

    /// Takes a key's entry out, if there is one. Returns it with the shard; or nothing, and has
    /// done nothing, if the key was stored or removed since it was looked up.
    #[inline]
    pub(crate) fn take(self, hash: KeyHash, seen: Option<Seen>) -> Option<Taken<'g, K, V>> {
        let PlainShard { guard, mut state } = self;
        let parts = &mut *state;
        let (gone, guard) = match parts.writer.access(guard).settle(hash, seen)? {
            KeyPlace::Occupied(entry) => {
                parts.policy.remove(entry.slots(), entry.slot());
                let (gone, guard) = entry.take();
                (Some(gone), guard)
            }
            KeyPlace::Vacant(access) => (None, access.into_guard()),
        };
        parts.loads.note_write(hash.low());
        Some((gone, Shard { guard, state }))
    }

    /// For what both ways have in common.
    #[inline]
    pub(crate) fn into_shard(self) -> Shard<'g, K, V> {
        Shard { guard: self.guard, state: self.state }
    }
}

/// Makes room for one more entry. Returns `None` if it has to come from another shard. What is
/// reserved must be used.
#[inline]
fn room(budget: &Budget, policy: &QueuePolicy, near_quota: u64) -> Option<Room> {
    if budget.try_reserve_one() {
        return Some(Room::Reserved);
    }
    (policy.weight() >= near_quota).then_some(Room::OfVictim)
}

/// The entry to evict, of a shard that has some.
#[inline(always)]
fn victim<'g, K, V>(policy: &mut QueuePolicy, slots: &'g Slab<K, V>) -> SlotRef<'g, K, V> {
    policy.victim(slots).expect("an entry to evict")
}
