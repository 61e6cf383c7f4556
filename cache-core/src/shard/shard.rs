//! One shard, single-threaded: what happens when an entry comes, changes or goes.
//!
//! The shard is a table's [`Locked`] half together with [`ShardState`]: the eviction policy, the
//! timers and the register of loads. Time is an argument (`now`), what leaves goes into a ledger
//! of the caller's ([`Ledger`]), and no user code runs: listeners and drops come after the
//! unlocking.
//!
//! Timers are kept per block of up to 64 slots, at the earliest deadline of the entries in it; see
//! `wheel.rs` for why. Readers may move the deadlines of entries later without the lock; the timer is
//! then early, and is set anew when it is due.

use std::sync::Arc;

use crate::flight::in_flight::InFlight;
use crate::flight::written::{Batches, Written};
use crate::policy::{Ghost, Policy};
use crate::shard::ledger::{Ledger, RemovedEntries};
use crate::table::{EntryRef, Locked, NEVER, Nodes, Reserved, Times};
use crate::time::wheel::Wheel;
use crate::types::removal::RemovalCause;
use crate::util::hash::KeyHash;

/// Expired entries that one write frees at most.
pub(crate) const EXPIRE_STEP: usize = 16;

/// Timers moved by one write at most.
const WHEEL_STEP: usize = 16;

/// Slots that one write looks at for expired entries at most: a block of small ones, or several
/// blocks of large ones.
const LOOKS: u32 = 64;

/// What stands beside a shard of the table, under its lock.
pub(crate) struct ShardState<V> {
    pub(crate) policy: Policy,
    pub(crate) wheel: Wheel,
    pub(crate) loads: InFlight<V>,
    /// What this shard is meant to hold: its part of the capacity.
    pub(crate) quota: u64,
    /// The most entries it may have, where that does not follow from what they weigh.
    most: u64,
    /// How long entries are kept after their deadlines.
    grace: u64,
}

impl<V> ShardState<V> {
    pub(crate) fn new(quota: u64, most: u64, grace: u64, batches: &Arc<Batches>) -> Self {
        ShardState {
            policy: Policy::new(quota),
            wheel: Wheel::new(),
            loads: InFlight::new(Written::new(Arc::clone(batches), quota)),
            quota,
            most,
            grace,
        }
    }

    pub(crate) fn is_over_quota(&self) -> bool {
        self.policy.weight() > self.quota
    }
}

/// A shard whose lock is held.
pub(crate) type Shard<'p, K, V> = Locked<'p, K, V, ShardState<V>>;

/// A new value with all that had to be found out about it before the lock was taken.
pub(crate) struct NewEntry<V> {
    pub(crate) value: V,
    pub(crate) weight: u32,
    pub(crate) times: Times,
}

/// Where a new value goes.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Into the place of a live entry with the same key.
    Replace(u32),
    /// Its key is new to the cache, but perhaps not to the policy.
    Insert(Option<Ghost>),
}

impl<'p, K, V> Shard<'p, K, V> {
    /// The loads that run for keys of this shard.
    #[inline]
    pub(crate) fn loads(&mut self) -> &mut InFlight<V> {
        &mut self.state().0.loads
    }

    /// The weight of the shard's entries.
    pub(crate) fn weight(&mut self) -> u64 {
        self.state().0.policy.weight()
    }

    /// Evicts entries of this shard, one at least, until the reservation holds `need`. False if it
    /// cannot: the shard is empty, or holds less than its share so that others should give (unless
    /// `whatever_it_holds`).
    pub(crate) fn make_room(
        &mut self,
        need: u64,
        whatever_it_holds: bool,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) -> bool {
        loop {
            let state = self.state().0;
            let meant_to_hold = state.quota - state.quota / 8;
            let short = state.policy.weight() < meant_to_hold && !whatever_it_holds;
            if short || !self.evict(ledger) {
                return false;
            }
            if ledger.reservation.grow_to(need) {
                return true;
            }
        }
    }

    /// Evicts one entry and hands its weight to the reservation; false if there is none.
    #[inline]
    pub(crate) fn evict(&mut self, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        let (state, nodes) = self.state();
        let Some(id) = state.policy.victim(nodes) else { return false };
        let weight = nodes.weight(id);
        let entry = self.unlink(id);
        ledger.reservation.take_over(u64::from(weight));
        ledger.removed.push(entry, cause_or_expired(entry, RemovalCause::Size, ledger.now));
        true
    }

    /// What storing a value of this weight needs beyond what the entry in its place holds.
    #[inline]
    pub(crate) fn need(&mut self, target: Target, weight: u32) -> u64 {
        let held = match target {
            Target::Replace(old) => self.state().1.weight(old),
            Target::Insert(_) => 0,
        };
        u64::from(weight.saturating_sub(held))
    }

    /// Tells the policy that a key is about to be stored anew, before room is made for it.
    #[inline]
    pub(crate) fn miss(&mut self, hash: KeyHash, weight: u32) -> Option<Ghost> {
        self.state().0.policy.miss(hash.low(), weight)
    }

    /// Stores a value under the key of a reserved slot, in the place of `old` if that is given
    /// (then it must be live), else with what the policy remembers of the key. The room for it has
    /// been made; if the shard has as many entries as it may have, one leaves all the same.
    pub(crate) fn store(
        &mut self,
        slot: Reserved,
        target: Target,
        new: NewEntry<V>,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) {
        let need = self.need(target, new.weight);
        if matches!(target, Target::Insert(_)) && self.entries() as u64 >= self.state().0.most {
            self.evict(ledger);
        }
        let NewEntry { value, weight, times } = new;
        let completed = self.complete(slot, value, weight, &times);
        ledger.reservation.spend(need);
        let block = match target {
            Target::Replace(old) => {
                let (state, nodes) = self.state();
                let surplus = nodes.weight(old).saturating_sub(weight);
                state.policy.replace(nodes, old, completed.id());
                let (entry, block) = self.replace(old, completed);
                ledger.reservation.take_over(u64::from(surplus));
                ledger
                    .removed
                    .push(entry, cause_or_expired(entry, RemovalCause::Replaced, ledger.now));
                block
            }
            Target::Insert(ghost) => {
                let (state, nodes) = self.state();
                state.policy.admit(nodes, completed.id(), ghost);
                self.publish(completed)
            }
        };
        self.arm(block, times.deadline.min(times.idle_deadline));
    }

    /// A value that is not stored, under the key of a reserved slot: the listener is shown both all
    /// the same.
    pub(crate) fn reject(
        &mut self,
        slot: Reserved,
        new: NewEntry<V>,
        cause: RemovalCause,
        removed: &mut RemovedEntries<'p, K, V>,
    ) {
        let NewEntry { value, weight, times } = new;
        removed.push(self.refuse(slot, value, weight, &times), cause);
    }

    /// Makes sure that the timer of a block is due no later than an entry of this deadline is to go.
    #[inline]
    pub(crate) fn arm(&mut self, block: u32, deadline: u64) {
        if deadline != NEVER {
            let state = self.state().0;
            let end = deadline.saturating_add(state.grace);
            if end < state.wheel.deadline(block) {
                state.wheel.schedule(block, end);
            }
        }
    }

    /// When an entry is to go by itself: some time after its deadline, if stale values are of use.
    #[inline]
    fn end_of(&mut self, id: u32) -> u64 {
        let (state, slab) = self.state();
        slab.deadline(id).saturating_add(state.grace)
    }

    /// Removes an entry, for a reason other than want of room, and hands its weight to the
    /// reservation.
    pub(crate) fn remove(
        &mut self,
        id: u32,
        cause: RemovalCause,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) -> EntryRef<'p, K, V> {
        let (state, nodes) = self.state();
        state.policy.remove(nodes, id);
        ledger.reservation.take_over(u64::from(nodes.weight(id)));
        let entry = self.unlink(id);
        ledger.removed.push(entry, cause);
        entry
    }

    /// Frees entries whose time is over: so many at most, and looks at so many slots as one write
    /// should. Answers whether there may be more.
    #[inline]
    pub(crate) fn expire_some(&mut self, steps: usize, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        self.state().0.wheel.next_due() <= ledger.now && self.expire_due(steps, ledger)
    }

    #[cold]
    fn expire_due(&mut self, mut steps: usize, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        let (mut moves, mut looks) = (WHEEL_STEP, LOOKS);
        while steps > 0 && looks >= Self::BLOCK {
            let Some(block) = self.state().0.wheel.pop_due(ledger.now, &mut moves) else {
                // Nothing is due after all, unless the moves ran out before that was certain.
                return moves == 0;
            };
            self.expire_block(block, &mut steps, ledger);
            looks -= Self::BLOCK;
        }
        self.state().0.wheel.next_due() <= ledger.now
    }

    /// Frees entries of a block, `steps` at most, and sets its timer for those that are left.
    fn expire_block(&mut self, block: u32, steps: &mut usize, ledger: &mut Ledger<'_, 'p, K, V>) {
        let mut earliest = NEVER;
        for id in self.live_in(block) {
            let end = self.end_of(id);
            if end > ledger.now || *steps == 0 {
                earliest = earliest.min(end);
                continue;
            }
            *steps -= 1;
            self.remove(id, RemovalCause::Expired, ledger);
        }
        if earliest != NEVER {
            self.state().0.wheel.schedule(block, earliest);
        }
    }

    /// Gives back memory that the shard has no use for at present.
    pub(crate) fn give_back(&mut self) {
        let numbers = self.shrink();
        let is_empty = self.entries() == 0;
        let state = self.state().0;
        // What had a timer was removed; the timer was not.
        numbers.into_iter().for_each(|number| state.wheel.cancel(number));
        if state.wheel.is_empty() {
            state.wheel.clear();
        }
        if is_empty {
            // Also what it remembers of entries that have left: nothing it knows is about the present.
            state.policy.clear();
        }
    }

    /// Checks every invariant of the shard; panics where one is broken.
    pub(crate) fn validate_shard(&mut self) {
        self.validate();
        let entries = self.entries();
        let (state, nodes) = self.state();
        state.policy.validate(nodes);
        state.wheel.validate();
        assert_eq!(state.policy.len(), entries, "the policy knows every entry");
        for block in 0..self.blocks() as u32 {
            for id in self.live_in(block) {
                let (end, timer) = (self.end_of(id), self.state().0.wheel.deadline(block));
                assert!(timer <= end, "an entry that ends at {end} has its timer at {timer}");
            }
        }
    }
}

/// An entry that is removed after its deadline has expired, whatever the occasion.
#[inline]
pub(crate) fn cause_or_expired<K, V>(
    entry: EntryRef<'_, K, V>,
    cause: RemovalCause,
    now: u64,
) -> RemovalCause {
    if entry.deadline() <= now { RemovalCause::Expired } else { cause }
}
