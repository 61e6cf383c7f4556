//! The table: the only part of the cache that many threads use at once without a lock, and the
//! only one with `unsafe` code.
//!
//! # Idea
//! A key's hash leads to a shard's *region*, in it to a *group* of twelve tags in one cache line,
//! from a matching tag to the *slot* with the key and the value. A look-up is these three steps
//! and a comparison of keys: it takes no lock, writes nothing shared and allocates nothing. All
//! changes to a shard are made by the holder of its lock ([`Locked`]), with plain stores in an
//! order that readers can live with at any instant.
//!
//! # Why a look-up is right without a lock
//! 1. *It reads only initialised memory.* A slot is written before its index is stored (`Release`)
//!    and the reader loads the index (`Acquire`). No slot is written again before a grace period
//!    has passed since its unlinking, and the reader is pinned (see `epoch.rs`).
//! 2. *An entry never moves.* Growth rebuilds tags and indices; keys and values stay where they
//!    were written (see `slab.rs`), so a value with a lock or an atomic inside exists once.
//! 3. *No false miss.* A key keeps its lane from its insertion to its removal; an update stores
//!    the new slot's index into that lane. So every lane on a present key's way, and every
//!    overflow count, says "go on" for as long as it is present, and a reader that answers
//!    "absent" overlapped an instant when it was. A reader still in an outgrown region sees the
//!    instant of the switch, which its call overlaps too. (Versions to be checked again before a
//!    miss is answered are thus not needed. While a key is removed and stored anew by another
//!    thread, a reader may find it, not find it, and find it again: the lane's index is seen before
//!    its tag. It never finds a value older than one it has found.)
//! 4. *Unwinding.* User code that may panic (`Eq`, `Clone`, a `view` closure) runs with nothing
//!    held but the pin, which its guard releases.
//!
//! # Files
//! `group.rs` twelve lanes · `region.rs` a shard's array of groups · `slab.rs` the slots
//! (`slot.rs`), in the arrays of `segments.rs`; `slab/growth.rs` how many there are ·
//! `meta.rs` what a slot holds beside key and value · `times.rs` what else of time ·
//! `reserved.rs` slots on their way into the table · `epoch.rs` when memory is free, by `barrier.rs` ·
//! `notes.rs` what a thread notes for itself · `notices.rs` entries that the listener is to be shown ·
//! `limbo.rs` garbage waiting · `collect.rs` dropping it ·
//! `due.rs` whose turn it is · `forked.rs` the table while the process forks · `lock_key.rs` how a writer finds a key · `locked.rs` the writer ·
//! `writer.rs` what its lock guards · `alloc.rs` zeroed arrays.
//!
//! # Who may misuse it
//! Nobody outside this folder: whatever safe code there does with what it is given, no memory is read
//! that is not there. A reference to an entry ([`EntryRef`]) lives no longer than the pin it was found
//! under. A number of a slot is only a number: what takes an entry out or puts another in its place
//! asks for the lock of the shard and checks that the slot is live there. A slot that has no value
//! yet, or has one and is not published, is a token that is used up, and knows its shard.
//! Within this folder, what needs a promise is an `unsafe fn`.
//!
//! Two things are left that ask for care outside. The numbers that the lists of timers and of the
//! policy keep ([`Nodes`], [`Locked::newest`]) are to be those of slots that are live, or were
//! replaced since the thread was pinned; of others, memory may be read that was given back. And a
//! [`Due`] belongs to the call that it was made for.
#![allow(unsafe_code)]

mod alloc;
mod collect;
mod entry;
#[cfg(all(unix, not(any(loom, shuttle))))]
mod forked;
mod group;
mod lock_key;
mod locked;
#[cfg(all(test, loom))]
mod loom_tests;
mod meta;
mod notices;
mod reclaim;
mod region;
mod reserved;
mod segments;
mod slab;
mod slot;
#[cfg(all(test, not(loom)))]
mod tests;
mod times;
mod writer;

pub(crate) use self::entry::EntryRef;
pub(crate) use self::lock_key::Retries;
pub(crate) use self::locked::Locked;
#[cfg(test)]
pub(crate) use self::meta::{Links, MAX_USES};
pub(crate) use self::meta::{Meta, NEVER, NIL, Nodes, Queue};
use self::notices::Deferred;
pub(crate) use self::notices::Notices;
pub(crate) use self::reclaim::due::Due;
pub(crate) use self::reclaim::epoch::EpochGuard;
use self::reclaim::epoch::{Epoch, Reader};
pub(crate) use self::reclaim::limbo::Live;
use self::reclaim::limbo::{Limbo, Limits, SWEEP};
use self::reclaim::sweeper::Sweeper;
pub(crate) use self::region::entries_for_groups;
use self::region::{Class, Region, RegionWord, Visit};
pub(crate) use self::reserved::{Reserved, SharedSlot};
use self::slab::Slab;
pub(crate) use self::times::{RefreshState, Times};
use self::writer::{Core, Writer};
use crate::types::stats::Counters;
use crate::util::hash::KeyHash;
use crate::util::sync::{OuterMutex as Mutex, Padded};

/// How large a table is to become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableConfig {
    pub(crate) shards: usize,
    /// The most entries there will be, where that is known.
    pub(crate) entries: Option<u64>,
    /// The most weight there will be, where entries have weights.
    pub(crate) weight: Option<u64>,
    /// Entries to have room for from the start.
    pub(crate) initial: usize,
    /// Threads for which a pin is fastest.
    pub(crate) threads: usize,
    pub(crate) columns: ColumnSet,
}

/// What is kept of each entry beyond what all caches keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColumnSet {
    pub(crate) weights: bool,
    /// When it was written; from the start, see [`Slab::record_write_times`].
    pub(crate) write_times: bool,
    /// See [`RefreshState`].
    pub(crate) refresh_states: bool,
    /// It expires when nobody reads it. Needs `paces`.
    pub(crate) idles: bool,
}

/// See the module's head. `X` is what the floors above keep beside each shard, under its lock.
pub(crate) struct Table<K, V, X> {
    /// The first of the numbers of its shards, which tell them from all others that there have been
    /// and will be. See `reserved.rs`.
    first_home: u64,
    /// The cache's, for messages.
    name: Option<String>,
    epoch: Epoch,
    slab: Slab<K, V>,
    /// Apart from the locks: readers of a region's word should not feel writers taking the lock.
    regions: Box<[RegionWord]>,
    shards: Box<[Padded<Mutex<Core<X>>>]>,
    limbo: Limbo,
    limits: Limits,
    /// Weight that makes a batch full with fewer slots than usual.
    batch_weight: u64,
    sweeper: Sweeper,
    deferred: Deferred,
}

impl<K, V, X> Table<K, V, X> {
    pub(crate) fn new(plan: TableConfig, mut state: impl FnMut(usize) -> X) -> Self {
        let share = plan.entries.map(|entries| entries.div_ceil(plan.shards as u64));
        let limits =
            const { Limits::new(size_of::<slot::Slot<K, V>>(), std::mem::needs_drop::<(K, V)>()) };
        // Every shard keeps a block that is partly used, a batch of garbage, and some slots from when it
        // held more than it does; what is queued comes to about as much again as makes an epoch advance.
        let spare = |share: u64| {
            u64::from(Slab::<K, V>::BLOCK) + (share / 16).clamp(1, 64) + share.isqrt() / 2
        };
        let slack =
            |share: u64, entries| spare(share) * plan.shards as u64 + 2 * limits.slots(entries);
        let planned =
            plan.entries.zip(share).map(|(entries, share)| entries + slack(share, entries));
        let initial = plan.initial.div_ceil(plan.shards);
        // Garbage of heavy entries must not weigh as much again as the cache.
        let weight = plan.weight.unwrap_or(u64::MAX);
        let batch_weight = (weight / (16 * plan.shards as u64)).max(1);
        let region = |_| match initial {
            0 => Region::none(),
            initial => Region::allocate(Class::for_entries(initial)),
        };
        let all_regions: Vec<Region> = (0..plan.shards).map(region).collect();
        let shard = |(index, &region)| {
            // Their turns to look after the others are spread evenly.
            let calls = (index as u64 * u64::from(SWEEP) / plan.shards as u64) as u8;
            let writer = Writer::new(index, region, calls);
            Padded(Mutex::new(Core::new(writer, state(index))))
        };
        let shards = all_regions.iter().enumerate().map(shard).collect();
        static HOMES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        Table {
            // Relaxed: only a number.
            first_home: HOMES.fetch_add(plan.shards as u64, std::sync::atomic::Ordering::Relaxed),
            name: None,
            epoch: Epoch::new(plan.threads),
            slab: Slab::new(planned, plan.columns),
            regions: all_regions.into_iter().map(RegionWord::new).collect(),
            shards,
            limbo: Limbo::new(limits),
            limits,
            batch_weight,
            sweeper: Sweeper::new(plan.shards),
            deferred: Deferred::new(),
        }
    }

    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// Pins the calling thread: what it finds from here on stays valid until the guard drops.
    #[inline]
    pub(crate) fn pin(&self) -> Guard<'_, K, V, X> {
        Guard { table: self, pin: self.epoch.pin() }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard a key with this hash belongs to. The low half of the hash is left for the group,
    /// the tag and the ghosts.
    #[inline]
    pub(crate) fn shard_of(&self, hash: KeyHash) -> usize {
        hash.shard(self.regions.len())
    }

    /// Keeps from now on when each entry was written.
    #[inline]
    pub(crate) fn record_write_times(&self) {
        self.slab.record_write_times();
    }

    /// The counters of all threads that have used this table.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.epoch.readers().map(|reader| &reader.counters)
    }

    /// Memory held, by part: slots, what stands beside them, regions, garbage queues and the
    /// lists of free slots.
    pub(crate) fn bytes(&self) -> TableBytes {
        let (slots, columns) = self.slab.bytes();
        let mut writers = 0;
        for shard in &self.shards {
            writers += shard.lock().writer.bytes();
        }
        TableBytes {
            slots,
            regions: size_of_val(&*self.regions)
                + self.regions.iter().map(|word| word.load().bytes()).sum::<usize>(),
            bookkeeping: columns + writers + self.limbo.bytes(),
            shards: self.shards.len() * size_of::<Padded<Mutex<Core<X>>>>(),
            threads: self.epoch.readers().count() * size_of::<Reader>(),
        }
    }

    /// Pieces of garbage waiting.
    #[cfg(test)]
    pub(crate) fn garbage(&self) -> usize {
        self.limbo.len()
    }
}

/// See [`Table::bytes`].
pub(crate) struct TableBytes {
    pub(crate) slots: usize,
    pub(crate) regions: usize,
    pub(crate) bookkeeping: usize,
    pub(crate) shards: usize,
    pub(crate) threads: usize,
}

/// A table in the hands of a pinned thread.
pub(crate) struct Guard<'t, K, V, X> {
    table: &'t Table<K, V, X>,
    pin: EpochGuard<'t>,
}

impl<K, V, X> Guard<'_, K, V, X> {
    /// The calling thread's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.pin.reader.counters
    }

    /// The number of the calling thread's line: no other thread has it while this one is pinned.
    pub(crate) fn line(&self) -> usize {
        self.pin.reader.number()
    }

    /// The entry whose key `eq` accepts. No lock; `eq` runs on the keys of the same tag.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
    ) -> Option<EntryRef<'_, K, V>> {
        // SAFETY: a shard's number is below the number of shards, and there is a region for each.
        let word = unsafe { self.table.regions.get_unchecked(self.table.shard_of(hash)) };
        let region = word.load();
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        let found = unsafe {
            region.search(hash.low(), move |id, _| {
                // SAFETY: the index was in a published region, so its slot exists, was filled
                // before, and is not reused while this thread is pinned.
                let slot = slab.slot_unchecked(id);
                if eq(slot.key()) { Visit::Stop((id, slot)) } else { Visit::Continue }
            })
        };
        // Made of a pair, which fits registers, on the hit path.
        found.map(|(id, slot)| EntryRef { id, slot, slab })
    }

    /// Visits all entries of a shard: each that stays there throughout once, others perhaps.
    pub(crate) fn for_each<'p>(&'p self, shard: usize, mut visit: impl FnMut(EntryRef<'p, K, V>)) {
        let region = self.table.regions[shard].load();
        let slab = &self.table.slab;
        // SAFETY: the region was published to a pinned thread.
        unsafe { region.for_each(|id| visit(EntryRef { id, slot: slab.slot_unchecked(id), slab })) }
    }

    /// Takes a shard's lock.
    pub(crate) fn lock(&self, shard: usize) -> Locked<'_, K, V, X> {
        Locked::new(self, self.table.shards[shard].lock())
    }

    /// Takes a shard's lock if nobody has it.
    pub(crate) fn try_lock(&self, shard: usize) -> Option<Locked<'_, K, V, X>> {
        Some(Locked::new(self, self.table.shards[shard].try_lock()?))
    }
}
