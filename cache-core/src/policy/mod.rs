//! The eviction policy of one shard.
//!
//! # Idea
//!
//! Lazy promotion: a hit adds one to a small counter in the entry, no more, and all thinking is put
//! off until room has to be made. Two queues, as in S3-FIFO: *small*, a FIFO in which newcomers
//! wait to be used again, and *main*, a CLOCK for those that were. Most keys of most traces come
//! once; they pass through small without disturbing main. Three things are added, each because a
//! kind of traffic defeats the plain form:
//!
//! * **The window** (small's part) follows the traffic, in the spirit of ARC: a key that returns
//!   soon after small evicted it shows that small is too short, one that returns soon after main
//!   evicted it shows that main is. Only ghosts younger than a quarter of the capacity count: what
//!   returns late would not have been kept by moving the border a little. Nor does what small
//!   evicted and the gate (below) turns away: in a loop just beyond the cache all is of that kind,
//!   and a window that listened to it would grow until nothing is kept. The steps grow with the
//!   *trend*, an average of the last evidence: after a jump of the traffic the window is where it
//!   should be in half the accesses, and it does not waver more where the evidence is mixed.
//! * **Overflow.** While the cache fills up, small gives its oldest to main, used or not, if it
//!   holds more than its window without it. So main takes whatever room there is. This is what
//!   makes a loop slightly larger than the cache hit: a part of it settles in main and stays, where
//!   LRU loses everything. In a full cache only what was used goes this way: a window that shrinks
//!   would otherwise pump newcomers into main that nobody wanted.
//! * **The gate.** A key with a ghost has been wanted twice and would go straight to main. In a
//!   long loop every key has a ghost, and main would churn. So it enters only if main's oldest
//!   entry has been idle for clearly longer, by a quarter, than the key was away: `used` of the
//!   ghost against that entry's `last_moved`. In a loop the oldest of main was always moved later;
//!   when a working set moves on, it idles, and all that returns gets in. `used` of an entry never
//!   hit in small must be its arrival, not its eviction, or loops leak through. Without the quarter
//!   a loop with other traffic between its keys wears main down until its entries are evicted just
//!   before they come round again.
//!
//! # State
//!
//! `|S|` and `|M|` are the weights of the queues, `C` the shard's capacity, `w` the window.
//!
//! ```text
//!   victim:  the cache is full
//!            while |S| >= w, or M is empty:
//!                e = oldest of S
//!                if used twice, or used and |S| - e >= w: e to M
//!                else: evict e, with a ghost
//!            while the oldest of M was used: frequency -= 1, to the newest end
//!            evict the oldest of M, with a ghost
//!   admit:   to M if it has a ghost and the gate lets it pass, else to S;
//!            a ghost of S younger than C/4 that passed: w += step;   one of M: w -= step
//!                (step = weight * (1 + 4 * trend if the trend points the same way))
//!            while |S| - oldest of S >= w, and it was used or nothing was evicted since the last
//!                admission: the oldest of S to M
//! ```
//!
//! The state of an entry lies in its slot: links, queue mark, `frequency` (0 to 3) and a 16-bit
//! `last_moved`, which counts misses in 32nds of `C` and wraps after 2048 capacities' worth of
//! them. An entry of main idle for longer than that looks fresh again and holds the gate shut until
//! it is a few `C` older: what returns meanwhile goes through small. All other rules depend on
//! order, not on time.
//!
//! **The budget is the cache's, not the shard's.** The caller decides when room is needed, so the
//! shard may hold more or less than `C`. No rule therefore compares what it holds with `C`: main is
//! whatever is not small. (Comparing `|M| + w < C` instead turns a shard that is kept below its
//! quota into a plain CLOCK: everything overflows, nothing is ever evicted from small.) `C` is only
//! the scale for the window, for ages and for time. Between `miss` and `admit` of a key, `victim`
//! is called as often as needed.
//!
//! **Weights.** All sums are of weights, and the oldest overflows only if small is full *without*
//! it. With unit weights that is the same as `|S| > w`; with bytes it matters, as `|S|` then jumps
//! over `w` and never meets it: S would pass everything on to M. Entries are not preferred for
//! being small (see below).
//!
//! # Cost
//!
//! A hit: one relaxed load, and a relaxed store unless the counter is full. `miss`: the ghost's
//! bucket, half a cache line. `admit`: the new slot and the newest, which the last
//! admission touched. `victim`: the slot evicted, and a bucket; besides, it passes over 0.0 to 1.7
//! entries on average, by trace, and 64 at most, after which the oldest goes whatever its count.
//! `benches/instructions.json` of the repository has what an insertion that evicts takes in all.
//!
//! Allocation: none, except for the table of ghosts at the first eviction, whenever the number of
//! entries has doubled, and when it is an eighth.
//!
//! # Memory
//!
//! Ghosts: 2.5 of 4 bytes for each entry. A cache that never evicts has none. In the slot: 12
//! bytes.
//!
//! # Measured
//!
//! Hit ratio as a part of what Belady's MIN attains, mean over 81 cells: 20 public traces, unit
//! weights, one shard, capacities of 0.1, 1, 5, 10 and 20 % of a trace's distinct keys, without the
//! cells of fewer than 32 entries or where MIN is below 1 %.
//!
//! | this | quick_cache | moka | foyer (w-TinyLFU) | LRU | S3-FIFO |
//! |--:|--:|--:|--:|--:|--:|
//! | 86.1 % | 75.4 % | 75.6 % | 71.9 % | 68.2 % | 68.0 % |
//!
//! With the shards that a machine with two cores gets by default: 86.1, and in one cell more than
//! 3 points of hit ratio behind the best of the crates. `docs/eviction.md` of the repository has
//! the table by trace, built-in streams, the weighted figures, and how to repeat this;
//! `eviction.md` of the package has what was measured when the rules were chosen.
//!
//! # What it is bad at
//!
//! Where recency is all that counts (prefix caches of language models at 20 %: 3 points below LRU),
//! and Zipf traffic with scans in a cache that is nearly large enough (3 below quick_cache). An
//! entry's size plays no part, so caches by bytes with room for few entries are 3 to 5 points below
//! moka. Favouring small entries gained 0.2 points on the one trace with sizes, which is not worth
//! a rule.
//!
//! # Papers
//!
//! Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction (S3-FIFO), SOSP
//! 2023: two FIFOs, a ghost queue, counters of two bits. Corbato: A paging experiment with the
//! Multics system, 1968: CLOCK. Megiddo, Modha: ARC, a self-tuning, low overhead replacement cache,
//! FAST 2003: ghosts of both queues that move the border between them. Bansal, Modha: CAR, FAST
//! 2004: the same over CLOCKs.

use self::{
    ghost::{EvictionCounts, Ghosts},
    list::{SlotList, SlotView},
    meter::Meter,
    trend::Trend,
};
use crate::table::{Queue, SlotFields, SlotHeader, SlotId, Slots};

mod evict;
mod ghost;
mod list;
mod meter;
#[cfg(all(test, not(loom)))]
mod tests;
mod trend;

pub(crate) use self::ghost::Ghost;

/// The frequency that carries an entry from the small queue into main.
const PROMOTION: u8 = 2;
/// Entries that one eviction passes over, at most; then the oldest goes, whatever its count.
const SCAN_BOUND: u32 = 64;
/// Entries of main that the gate passes over in search of one not used. More would let loops in,
/// none would shut out what comes back to a main in use.
const GATE_STEPS: u32 = 2;
/// Entries that overflow from small at one admission, at most.
const OVERFLOW_STEPS: u32 = 4;
/// The window's first share of the capacity is 1 / this.
const FIRST_WINDOW: u64 = 32;

/// Ticks of the clock for each capacity's worth of misses.
const CLOCK_TICKS: u64 = 32;
/// Ticks of a queue's meter for each capacity's worth of evictions from it.
const EVICTION_TICKS: u64 = 16;
/// Only a ghost younger than a quarter of the capacity moves the window.
const YOUNG: u32 = EVICTION_TICKS as u32 / 4;

/// Leaves room to multiply and to add; more than any cache weighs.
const MAX_CAPACITY: u64 = 1 << 56;

/// The queues, the ghosts and the window of one shard.
pub(crate) struct QueuePolicy {
    capacity: u64,
    /// What the small queue should weigh, 1 ..= capacity.
    window: u64,
    trend: Trend,
    /// An entry was evicted since the last admission, so the cache is full.
    full: bool,
    small: SlotList,
    main: SlotList,
    ghosts: Ghosts,
    /// Misses.
    clock: Meter,
    small_evictions: Meter,
    main_evictions: Meter,
}

impl QueuePolicy {
    /// `capacity` is the shard's quota, in units of weight.
    pub(crate) fn new(capacity: u64) -> Self {
        let capacity = capacity.clamp(1, MAX_CAPACITY);
        QueuePolicy {
            capacity,
            window: (capacity / FIRST_WINDOW).max(1),
            trend: Trend::default(),
            full: false,
            small: SlotList::new(Queue::Small),
            main: SlotList::new(Queue::Main),
            ghosts: Ghosts::default(),
            clock: Meter::default(),
            small_evictions: Meter::default(),
            main_evictions: Meter::default(),
        }
    }

    /// Notes that a key which is not here is about to be stored, with so much weight. Takes its
    /// ghost, and moves the clock.
    #[inline(always)]
    pub(crate) fn miss(&mut self, hash: u32, weight: u32) -> Option<Ghost> {
        let ghost = self.ghosts.take(hash, self.counts());
        self.clock.add(weight, CLOCK_TICKS, self.capacity);
        ghost
    }

    /// Queues a slot once there is room for it, and moves the window. Its hash and weight, which is
    /// this, are set.
    #[inline(always)]
    pub(crate) fn admit<S: Slots>(
        &mut self,
        slots: &S,
        slot: S::Slot<'_>,
        weight: u32,
        ghost: Option<Ghost>,
    ) {
        let slot = SlotView { slot, weight };
        slot.header().set_moved(self.now(), 0);
        match ghost {
            Some(ghost) if self.admit_returned(slots, weight, ghost) => {
                self.main.push_newest(slots, &slot);
            }
            _ => self.small.push_newest(slots, &slot),
        }
        // Mostly small is as long as its window, and its oldest need not be fetched.
        if self.small.weight > self.window {
            self.pass_on(slots);
        }
        self.full = false;
    }

    /// Lets the oldest of small overflow into main.
    fn pass_on(&mut self, slots: &impl Slots) {
        for _ in 0..OVERFLOW_STEPS {
            let Some(oldest) = self.small.oldest() else { return };
            let oldest = SlotView::of(slots.at(oldest));
            if !self.overflows(&oldest) {
                return;
            }
            self.promote(slots, &oldest);
        }
    }

    /// Decides whether a key with a ghost goes straight to main, and moves the window. (Inlined, it
    /// costs all writes a larger frame.)
    #[inline(never)]
    fn admit_returned(&mut self, slots: &impl Slots, weight: u32, ghost: Ghost) -> bool {
        let passes = self.gate(slots, weight, ghost);
        if passes || ghost.main() {
            self.move_window(ghost, weight);
        }
        passes
    }

    /// Moves the border between the queues towards the one whose ghost has returned soon.
    fn move_window(&mut self, ghost: Ghost, weight: u32) {
        if ghost.age() >= YOUNG {
            return;
        }
        let step = self.trend.step(!ghost.main(), weight);
        self.window = if ghost.main() {
            self.window.saturating_sub(step).max(1)
        } else {
            self.window.saturating_add(step).min(self.capacity)
        };
    }

    /// Returns `true` if a key with a ghost goes straight to main.
    fn gate(&mut self, slots: &impl Slots, weight: u32, ghost: Ghost) -> bool {
        if !self.full && self.small.weight + u64::from(weight) > self.window {
            // Small would overflow into main anyway.
            return true;
        }
        let mut steps = GATE_STEPS;
        let Some(oldest) = self.oldest_unused(slots, &mut steps) else { return true };
        let now = self.now();
        let idle = u32::from(now.wrapping_sub(oldest.header().last_moved()));
        let away = u32::from((now as u8).wrapping_sub(ghost.used()));
        oldest.header().frequency.get() == 0 && away + away / 4 < idle
    }

    /// Main's oldest, after at most `steps` older ones that were used were moved to the newest end.
    #[inline]
    fn oldest_unused<'n, S: Slots>(
        &mut self,
        slots: &'n S,
        steps: &mut u32,
    ) -> Option<SlotView<S::Slot<'n>>> {
        loop {
            let oldest = SlotView::of(slots.at(self.main.oldest()?));
            let frequency = oldest.header().frequency.get();
            if frequency == 0 || *steps == 0 {
                return Some(oldest);
            }
            *steps -= 1;
            oldest.header().set_moved(self.now(), frequency - 1);
            self.main.rotate(slots, oldest.slot);
        }
    }

    /// The oldest of the small queue, whatever its window: when all of main was spared.
    pub(crate) fn newcomer(&self) -> Option<SlotId> {
        self.small.oldest()
    }

    /// Lets a candidate stay: it becomes the newest of main.
    pub(crate) fn spare(&mut self, slots: &impl Slots, id: SlotId) {
        let slot = SlotView::of(slots.at(id));
        if let Some(list) = self.list_of(slot.header()) {
            list.unlink(slots, &slot);
            slot.header().set_moved(self.now(), 0);
            self.main.push_newest(slots, &slot);
        }
    }

    /// Returns `true` if small is full even without its oldest, and has something to give to main:
    /// while the cache fills up, anything; later, what was used.
    #[inline]
    fn overflows(&self, oldest: &SlotView<impl SlotFields>) -> bool {
        self.small.weight - u64::from(oldest.weight) >= self.window
            && (!self.full || oldest.header().frequency.get() > 0)
    }

    /// Moves a slot from small to the newest end of main.
    fn promote<S: Slots>(&mut self, slots: &S, slot: &SlotView<S::Slot<'_>>) {
        self.small.unlink(slots, slot);
        slot.header().set_moved(self.now(), 0);
        self.main.push_newest(slots, slot);
    }

    /// Takes out an entry that was removed or has expired. It leaves no ghost. A slot that stands
    /// in no queue is left as it is.
    #[inline(always)]
    pub(crate) fn remove<S: Slots>(&mut self, slots: &S, slot: S::Slot<'_>) {
        let slot = SlotView::of(slot);
        if let Some(list) = self.list_of(slot.header()) {
            list.unlink(slots, &slot);
        }
    }

    /// Lets `new` take over the place of `old` in its queue, its frequency and the time of its
    /// move.
    #[inline]
    pub(crate) fn replace<S: Slots>(&mut self, slots: &S, old: S::Slot<'_>, new: S::Slot<'_>) {
        let (old, new) = (SlotView::of(old), SlotView::of(new));
        if let Some(list) = self.list_of(old.header()) {
            list.replace(slots, &old, &new);
            new.header().set_moved(old.header().last_moved(), old.header().frequency.get());
        }
    }

    #[inline]
    fn list_of(&mut self, header: &SlotHeader) -> Option<&mut SlotList> {
        match header.queue() {
            Queue::None => None,
            Queue::Small => Some(&mut self.small),
            Queue::Main => Some(&mut self.main),
        }
    }

    /// Forgets all entries and ghosts, without visiting a slot: the caller resets their marks. The
    /// window stays, as the traffic is likely to.
    pub(crate) fn clear(&mut self) {
        self.small = SlotList::new(Queue::Small);
        self.main = SlotList::new(Queue::Main);
        self.ghosts = Ghosts::default();
    }

    /// Gives memory of ghosts back, if there were eight times as many entries when it was taken.
    /// The ghosts are dropped: they tell of traffic that has gone.
    pub(crate) fn shrink(&mut self) {
        match self.len() {
            0 => self.clear(),
            len if 8 * len < self.ghosts.enlarge_at / 2 => self.size_ghosts(),
            _ => {}
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.small.len + self.main.len
    }

    pub(crate) fn weight(&self) -> u64 {
        self.small.weight + self.main.weight
    }

    /// Memory of the ghosts; all else lies in the policy or in the slots.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.ghosts.bytes()
    }

    /// Panics if an invariant is broken.
    pub(crate) fn validate(&self, slots: &impl Slots) {
        assert!((1..=self.capacity).contains(&self.window), "window {}", self.window);
        let meters = [&self.clock, &self.small_evictions, &self.main_evictions];
        assert!(meters.iter().all(|meter| meter.rest < self.capacity));
        self.small.validate(slots);
        self.main.validate(slots);
    }

    #[inline]
    fn now(&self) -> u16 {
        self.clock.ticks as u16
    }

    fn counts(&self) -> EvictionCounts {
        let (small, main) = (self.small_evictions.ticks as u16, self.main_evictions.ticks as u16);
        EvictionCounts { small, main }
    }
}
