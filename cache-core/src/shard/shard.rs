//! One shard, single-threaded: storing, replacing, evicting and expiring entries.
//!
//! A shard is a table's [`Writer`] together with the eviction policy, the timers and the in-flight
//! table of loads ([`ShardState`]). The time is an argument, removed entries go into the
//! caller's [`Ledger`], and no user code runs: listeners and drops come after the unlocking.
//!
//! Timers are kept per block of up to 64 slots, at the earliest deadline of the entries in it; see
//! `wheel.rs` for why. Readers may move the deadlines of entries later without the lock; the timer
//! is then early, and is rescheduled when it is due.

use std::sync::Arc;

use crate::flight::in_flight::InFlight;
use crate::flight::written::{Batches, Written};
use crate::policy::{Ghost, QueuePolicy};
use crate::shard::ledger::{Ledger, RemovedEntries};
pub(crate) use crate::table::NewEntry;
use crate::table::{
    BlockNo, Detached, Due, EntryRef, Guard, NEVER, Reserved, SlotId, SlotRef, State, Writer,
};
use crate::time::wheel::Wheel;
use crate::types::removal::RemovalCause;
use crate::util::hash::KeyHash;
use crate::util::sync::OuterMutexGuard as MutexGuard;

/// Expired entries that one write frees at most.
pub(crate) const EXPIRE_STEP: usize = 16;

/// Timers moved by one write at most.
const WHEEL_STEP: usize = 16;

/// Slots that one write checks for expired entries at most: a block of small ones, or several
/// blocks of large ones.
const LOOKS: u32 = 64;

/// What a shard's lock guards.
pub(crate) struct ShardState<V> {
    pub(super) writer: Writer,
    pub(super) policy: QueuePolicy,
    pub(super) wheel: Wheel,
    pub(super) loads: InFlight<V>,
    /// Its part of the capacity.
    quota: u64,
    /// With so much, at most an eighth less than its quota, it makes room for its own entries.
    pub(super) near_quota: u64,
    /// The most entries it may have, where their weights do not bound that.
    most: u64,
    /// How long entries are kept after their deadlines.
    grace: u64,
}

impl<V> ShardState<V> {
    pub(crate) fn new(
        writer: Writer,
        quota: u64,
        most: u64,
        grace: u64,
        batches: &Arc<Batches>,
    ) -> Self {
        ShardState {
            writer,
            policy: QueuePolicy::new(quota),
            wheel: Wheel::new(),
            loads: InFlight::new(Written::new(Arc::clone(batches), quota)),
            quota,
            near_quota: (quota - quota / 8).max(1),
            most,
            grace,
        }
    }

    /// Schedules the timer of a block no later than the removal time of an entry with this
    /// deadline.
    #[inline]
    pub(super) fn arm(&mut self, block: BlockNo, deadline: u64) {
        if deadline != NEVER {
            let end = deadline.saturating_add(self.grace);
            if end < self.wheel.deadline(block.0) {
                self.wheel.schedule(block.0, end);
            }
        }
    }
}

/// A shard whose lock is held, by a pinned thread.
pub(crate) struct Shard<'p, K, V> {
    pub(super) guard: &'p Guard<'p, K, V>,
    pub(super) state: MutexGuard<'p, ShardState<V>>,
}

/// Memory that shards hold on the heap, by part.
#[derive(Default)]
pub(crate) struct ShardBytes {
    pub(crate) writer: usize,
    pub(crate) ghosts: usize,
    pub(crate) timers: usize,
    pub(crate) flights: usize,
    pub(crate) writes: usize,
}

/// Which shards give up entries when room is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Donor {
    /// Shards that hold their quota, or at most an eighth less.
    AtQuota,
    /// All shards.
    Any,
}

/// Where a new value goes.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Into the place of a live entry with the same key.
    Replace(SlotId),
    /// To a key that is new to the cache, but perhaps not to the policy.
    Insert(Option<Ghost>),
}

impl<'p, K, V> Shard<'p, K, V> {
    /// Releases the lock at the end of a call that may have changed something, and notes what the
    /// call has to do about garbage. (A shard that was only read may simply be dropped.)
    #[inline]
    pub(crate) fn unlock(mut self, due: &mut Due) {
        self.state.writer.end_call(self.guard, due);
    }

    /// The guard of the thread that holds the lock.
    pub(crate) fn guard(&self) -> &'p Guard<'p, K, V> {
        self.guard
    }

    /// The loads that run for keys of this shard.
    #[inline]
    pub(crate) fn loads(&mut self) -> &mut InFlight<V> {
        &mut self.state.loads
    }

    /// Entries in the shard.
    pub(crate) fn entries(&self) -> usize {
        self.state.writer.blocks().live()
    }

    /// The weight of the shard's entries.
    pub(crate) fn weight(&self) -> u64 {
        self.state.policy.weight()
    }

    /// Returns `true` if it holds more than its part of the capacity.
    pub(crate) fn is_over_quota(&self) -> bool {
        self.weight() > self.state.quota
    }

    /// Returns `true` if this slot is in the shard.
    #[inline]
    pub(crate) fn is_live(&self, id: SlotId) -> bool {
        self.state.writer.blocks().is_live(self.guard.slots(), id)
    }

    /// The slot that holds this slot's key now, following replacements.
    pub(crate) fn newest(&self, mut id: SlotId) -> SlotId {
        let slots = self.guard.slots();
        while slots.at(id).header().state() == State::Replaced {
            id = slots.at(id).links().next.get();
        }
        id
    }

    /// An entry of this shard.
    ///
    /// # Panics
    /// If it is not in the shard.
    pub(crate) fn entry(&self, id: SlotId) -> EntryRef<'p, K, V> {
        self.state.writer.entry(self.guard, id)
    }

    /// Takes a slot and puts a key into it. [`store`](Self::store) adds the value.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, hash: KeyHash, key: K) -> Reserved {
        self.state.writer.reserve(self.guard, hash, key)
    }

    /// Retires a reserved slot that gets no value.
    pub(crate) fn abandon(&mut self, reserved: Reserved) {
        self.state.writer.abandon(self.guard, reserved);
    }

    /// Evicts entries of this shard, one at least, until the reservation holds `need`. Returns
    /// `false` if it cannot: the shard is empty, or holds less than such a donor does.
    pub(crate) fn make_room(
        &mut self,
        need: u64,
        donor: Donor,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) -> bool {
        loop {
            let short = donor == Donor::AtQuota && !self.is_near_quota();
            if short || !self.evict(ledger) {
                return false;
            }
            if ledger.reservation.grow_to(need) {
                return true;
            }
        }
    }

    /// Evicts one entry and hands its weight to the reservation. Returns `false` if there is none.
    #[inline]
    pub(crate) fn evict(&mut self, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        let Some(slot) = self.state.policy.victim(self.guard.slots()) else { return false };
        self.unlink_evicted(slot, ledger);
        true
    }

    /// Evicts an entry, which must be live, in place of the policy's choice.
    pub(crate) fn evict_entry(&mut self, id: SlotId, ledger: &mut Ledger<'_, 'p, K, V>) {
        self.state.policy.evict(self.guard.slots(), id);
        self.unlink_evicted(self.guard.slots().at(id), ledger);
    }

    #[inline]
    fn unlink_evicted(&mut self, slot: SlotRef<'p, K, V>, ledger: &mut Ledger<'_, 'p, K, V>) {
        let entry = self.state.writer.unlink(self.guard, slot);
        ledger.reservation.take_over(u64::from(slot.weight()));
        ledger.removed.push(entry, cause_or_expired(entry, RemovalCause::Size, ledger.now));
    }

    /// The entry that would be evicted next.
    pub(crate) fn candidate(&mut self) -> Option<EntryRef<'p, K, V>> {
        let id = self.state.policy.candidate(self.guard.slots())?;
        Some(self.entry(id))
    }

    /// The oldest of those that the policy has not come to yet.
    pub(crate) fn newcomer(&self) -> Option<EntryRef<'p, K, V>> {
        self.state.policy.newcomer().map(|id| self.entry(id))
    }

    /// Lets a candidate, which must be live, stay for longer.
    pub(crate) fn spare(&mut self, id: SlotId) {
        self.state.policy.spare(self.guard.slots(), id);
    }

    /// Returns `true` if it holds its quota, or at most an eighth less.
    pub(crate) fn is_near_quota(&self) -> bool {
        self.weight() >= self.state.near_quota
    }

    /// The weight that storing a value needs beyond that of the entry in its place.
    #[inline]
    pub(crate) fn need(&self, target: Target, weight: u32) -> u64 {
        let held = match target {
            Target::Replace(old) => self.guard.slots().weight(old),
            Target::Insert(_) => 0,
        };
        u64::from(weight.saturating_sub(held))
    }

    /// Notifies the policy that a new key is about to be stored, before room is made for it.
    #[inline]
    pub(crate) fn miss(&mut self, hash: KeyHash, weight: u32) -> Option<Ghost> {
        self.state.policy.miss(hash.low(), weight)
    }

    /// Stores a value under the key of a reserved slot. An entry to be replaced must be live. The
    /// weight has been reserved; if the shard has as many entries as it may have, it evicts one all
    /// the same.
    pub(crate) fn store(
        &mut self,
        slot: Reserved,
        target: Target,
        new: NewEntry<V>,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) {
        let need = self.need(target, new.weight);
        if matches!(target, Target::Insert(_)) && self.entries() as u64 >= self.state.most {
            self.evict(ledger);
        }
        let (weight, times) = (new.weight, new.times);
        let (state, guard) = (&mut *self.state, self.guard);
        let (policy, slots) = (&mut state.policy, guard.slots());
        ledger.reservation.spend(need);
        let filled = state.writer.complete(guard, slot, new);
        let block = match target {
            Target::Replace(old) => {
                let old = slots.at(old);
                let surplus = old.weight().saturating_sub(weight);
                policy.replace(slots, old, filled.slot());
                let (entry, block) = filled.replace(old);
                ledger.reservation.take_over(u64::from(surplus));
                let cause = cause_or_expired(entry, RemovalCause::Replaced, ledger.now);
                ledger.removed.push(entry, cause);
                block
            }
            Target::Insert(ghost) => {
                policy.admit(slots, filled.slot(), weight, ghost);
                filled.enter()
            }
        };
        state.arm(block, times.deadline.min(times.idle_deadline));
    }

    /// Does not store a value under the key of a reserved slot, but has the listener notified of
    /// both.
    pub(crate) fn reject(
        &mut self,
        slot: Reserved,
        new: NewEntry<V>,
        cause: RemovalCause,
        removed: &mut RemovedEntries<'p, K, V>,
    ) {
        removed.push(self.state.writer.refuse(self.guard, slot, new), cause);
    }

    /// Schedules the timer of a live entry's block no later than this entry's removal time.
    pub(crate) fn arm(&mut self, entry: EntryRef<'_, K, V>) {
        let block = self.guard.slots().block_of(entry.id());
        self.state.arm(block, entry.deadline());
    }

    /// When an entry is to be removed: its deadline, or some time later if stale values may be
    /// served.
    #[inline]
    fn end_of(&self, id: SlotId) -> u64 {
        self.guard.slots().deadline(id).saturating_add(self.state.grace)
    }

    /// Removes an entry for another reason than eviction, and hands its weight to the reservation.
    pub(crate) fn remove(
        &mut self,
        id: SlotId,
        cause: RemovalCause,
        ledger: &mut Ledger<'_, 'p, K, V>,
    ) -> EntryRef<'p, K, V> {
        let (state, slots) = (&mut *self.state, self.guard.slots());
        let slot = slots.at(id);
        state.policy.remove(slots, slot);
        ledger.reservation.take_over(u64::from(slot.weight()));
        let entry = state.writer.unlink(self.guard, slot);
        ledger.removed.push(entry, cause);
        entry
    }

    /// Removes up to `steps` expired entries, and checks no more than [`LOOKS`] slots. Returns
    /// `true` if more may be due.
    #[inline]
    pub(crate) fn expire_some(&mut self, steps: usize, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        self.is_due(ledger.now) && self.expire_due(steps, ledger)
    }

    /// Returns `true` if entries may have expired.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.state.wheel.next_due() <= now
    }

    #[cold]
    fn expire_due(&mut self, mut steps: usize, ledger: &mut Ledger<'_, 'p, K, V>) -> bool {
        let (mut moves, mut looks) = (WHEEL_STEP, LOOKS);
        while steps > 0 && looks >= Guard::<K, V>::BLOCK {
            let Some(block) = self.state.wheel.pop_due(ledger.now, &mut moves) else {
                // Nothing is due, unless the moves ran out before that was certain.
                return moves == 0;
            };
            looks -= Guard::<K, V>::BLOCK;
            // Its timer is scheduled anew for those that are left.
            let mut earliest = NEVER;
            for id in self.state.writer.blocks().live_in(BlockNo(block)) {
                let end = self.end_of(id);
                if end > ledger.now || steps == 0 {
                    earliest = earliest.min(end);
                    continue;
                }
                steps -= 1;
                self.remove(id, RemovalCause::Expired, ledger);
            }
            if earliest != NEVER {
                self.state.wheel.schedule(block, earliest);
            }
        }
        self.is_due(ledger.now)
    }

    /// Frees memory that the shard does not need at present.
    pub(crate) fn shrink(&mut self) {
        let state = &mut *self.state;
        // The entries of blocks that are given up were removed; their timers were not.
        for (old, new) in state.writer.shrink(self.guard) {
            state.wheel.renumber(old.0, new.map(|new| new.0));
        }
        state.wheel.shrink(state.writer.blocks().numbers().len());
        state.policy.shrink();
    }

    /// Empties the shard at once, and releases the lock. `release` is called with the weight of its
    /// entries when no thread can find them any more, and none can store others yet.
    pub(crate) fn detach(mut self, release: impl FnOnce(u64)) -> Detached<'p, K, V> {
        let state = &mut *self.state;
        let weight = state.policy.weight();
        state.policy.clear();
        state.wheel.clear();
        state.loads.supersede_all();
        let detached = state.writer.detach(self.guard);
        release(weight);
        detached
    }

    /// A tick before which no entry of the shard is to be removed; [`NEVER`] if none expires.
    pub(crate) fn next_expiry(&self) -> u64 {
        self.state.wheel.earliest()
    }

    /// Adds the memory that it holds on the heap.
    pub(crate) fn add_bytes(&self, sum: &mut ShardBytes) {
        let state = &*self.state;
        sum.writer += state.writer.bytes();
        sum.ghosts += state.policy.heap_bytes();
        sum.timers += state.wheel.heap_bytes();
        sum.flights += state.loads.heap_bytes();
        sum.writes += state.loads.written_bytes();
    }

    /// Checks every invariant of the shard; panics where one is broken.
    pub(crate) fn validate_shard(&self) {
        let state = &*self.state;
        state.writer.validate(self.guard);
        state.policy.validate(self.guard.slots());
        state.wheel.validate();
        assert_eq!(state.policy.len(), self.entries(), "the policy knows every entry");
        for block in state.writer.blocks().numbers() {
            for end in state.writer.blocks().live_in(block).map(|id| self.end_of(id)) {
                let timer = state.wheel.deadline(block.0);
                assert!(timer <= end, "an entry that ends at {end} has its timer at {timer}");
            }
        }
    }
}

/// Why an entry is removed: it has expired, or else for `cause`.
#[inline]
pub(crate) fn cause_or_expired<K, V>(
    entry: EntryRef<'_, K, V>,
    cause: RemovalCause,
    now: u64,
) -> RemovalCause {
    if entry.deadline() <= now { RemovalCause::Expired } else { cause }
}
