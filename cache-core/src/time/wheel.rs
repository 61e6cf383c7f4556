//! Which blocks of slots hold something that has expired: a hierarchical timing wheel.
//!
//! # One timer for up to 64 entries
//!
//! Expiry is exact because readers compare an entry's deadline with the clock. This wheel only
//! decides when memory is freed, so it may be sparing. It keeps no timer per entry but one per
//! *block* of neighbouring slots of the slab, 64 unless they are large: the block's id is scheduled
//! at the earliest deadline of its live entries, and when it comes due the shard looks at its
//! slots, removes what has expired, and schedules the block again at the earliest deadline left.
//!
//! * Memory: 16 bytes per block, a quarter of a byte per entry, for a slot of several kilobytes all
//!   16 (at most twice that just after the array of timers has grown), where a doubly linked timer
//!   per entry takes 8 bytes for its two links alone. To this come 2.9 KB per shard for the lists,
//!   allocated by the first deadline: a cache without expiry pays nothing.
//! * Writes: an insert touches the wheel only if its deadline is earlier than its block's. With
//!   one ttl for all, later inserts have later deadlines, and hardly any of them does. Removing
//!   an entry needs no call at all: at worst the block comes due once too often.
//! * The price is the look at up to 64 slots each time a block comes due. Slots filled at about
//!   the same time expire at about the same time, and one look frees many. The worst case is
//!   deadlines spread at random over a block: 64 looks at 64 slots. To avoid it, a shard may
//!   schedule a block a little later than its earliest deadline and free several entries at once;
//!   readers cannot tell.
//!
//! # The wheel
//!
//! The scheme is the hierarchical timing wheel of G. Varghese and T. Lauck, "Hashed and
//! Hierarchical Timing Wheels: Data Structures for the Efficient Implementation of a Timer
//! Facility", SOSP 1987. A deadline is read as a number of eleven base-64 digits (eleven cover 64
//! bits). `elapsed` is a moment that has passed, and the highest digit in which a deadline differs
//! from it selects the level, the value of that digit the slot: what is near lies in a fine level,
//! what is far in a coarse one. A slot is a doubly linked list, so that scheduling, moving and
//! cancelling touch three timers at most. One bit per slot and one per level mark what is not
//! empty: the earliest slot is found by counting zeros twice, however far time has jumped.
//!
//! When time enters a slot of a coarse level, its timers are spread over the finer levels (a
//! *cascade*). Two things differ from the textbook:
//!
//! * A slot that has passed *entirely* is not spread. All in it is due and is handed out from
//!   where it lies: a mass expiry moves nothing.
//! * The digits go down to single nanoseconds although nobody needs that resolution. A wheel that
//!   stops at a millisecond has to treat its current, partly elapsed slot in a special way: look
//!   through it again at each call, or sort it. Here it is one more slot to be spread, so
//!   deadlines are exact with no special case, and [`next_due`](Wheel::next_due) lies *after*
//!   `now` whenever the wheel has nothing left to do, so that a shard full of timers about to
//!   fire costs its writers one comparison. The fine levels cost 0.8 KB per shard and are hardly
//!   ever used with a clock that itself ticks in milliseconds.
//!
//! # Bounded work
//!
//! A timer moves only to a finer level, so at most ten times in its life (two or three times with
//! deadlines a minute ahead and a clock of 4 ms). Each move and each timer handed out costs one
//! step of the caller's budget, and nothing else loops. A cascade that runs out of steps leaves
//! its slot marked as `cascading` and the next call continues it. Meanwhile `elapsed` has already
//! arrived there: what is scheduled in between is placed by the new `elapsed`, and never into the
//! cascading slot.
//!
//! Measured with 16,384 blocks, a million entries: about 10 ns to schedule or move a block, about
//! 50 ns for all of its way down the levels, out, and back in, which up to 64 entries share. In a
//! mass expiry, 6 ns per block.

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// The list after those of the levels: what was scheduled at or before `elapsed`.
const OVERDUE: usize = LEVELS * SLOTS;
const NEVER: u64 = u64::MAX;
const NIL: u32 = u32::MAX;
/// Set in a `prev` that names not a timer but the list whose first timer this is. So a timer knows
/// its list in the one case where it must, when its removal may leave the list empty, and need not
/// store it.
const HEAD: u32 = 1 << 31;

/// The timer of one id, in the list of its slot.
#[derive(Clone, Copy)]
struct Timer {
    /// `NEVER`: not scheduled, and the links mean nothing.
    at: u64,
    prev: u32,
    next: u32,
}

const IDLE: Timer = Timer { at: NEVER, prev: NIL, next: NIL };

/// A timing wheel: deadlines of small, dense ids.
pub(crate) struct Wheel {
    timers: Vec<Timer>,
    /// `None` before the first use.
    lists: Option<Box<Lists>>,
    /// Deadlines are placed by their distance from here. Never later than any `now` yet given.
    elapsed: u64,
    next_due: u64,
    len: usize,
}

struct Lists {
    /// First timers of the lists: `LEVELS` times `SLOTS`, then `OVERDUE`.
    heads: [u32; OVERDUE + 1],
    /// A bit for each list that is not empty: a word for each level, and one for `OVERDUE`.
    occupied: [u64; LEVELS + 1],
    /// A bit for each word of `occupied` that is not zero.
    levels: u16,
    /// The list that a cascade has left unfinished. Its slot contains `elapsed`.
    cascading: Option<usize>,
}

impl Lists {
    fn new() -> Self {
        Self { heads: [NIL; OVERDUE + 1], occupied: [0; LEVELS + 1], levels: 0, cascading: None }
    }

    /// Returns the list of the slot that comes first; `OVERDUE` if all others are empty.
    fn first(&self) -> Option<usize> {
        let level = (self.levels != 0).then(|| self.levels.trailing_zeros() as usize)?;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }
}

impl Wheel {
    /// An empty wheel. Allocates nothing until something is scheduled.
    pub(crate) fn new() -> Self {
        Self { timers: Vec::new(), lists: None, elapsed: 0, next_due: NEVER, len: 0 }
    }

    /// Schedules `id` at `at`, wherever it was before; `u64::MAX` cancels. A moment that has
    /// passed is due at once. O(1), plus the growth of the array of timers to the largest id.
    ///
    /// # Panics
    /// If `id` is 2^31 or above.
    pub(crate) fn schedule(&mut self, id: u32, at: u64) {
        if at == NEVER {
            return self.cancel(id);
        }
        assert!(id < HEAD, "wheel ids have 31 bits");
        self.lists.get_or_insert_with(|| Box::new(Lists::new()));
        if self.timers.len() <= id as usize {
            self.timers.resize(id as usize + 1, IDLE);
        }
        let before = std::mem::replace(&mut self.timers[id as usize].at, at);
        if before == at {
            return;
        }
        if before == NEVER {
            self.len += 1;
        } else {
            self.unlink(id);
        }
        let starts = self.link(id);
        self.next_due = self.next_due.min(starts);
    }

    /// Cancels `id`, if it is scheduled. O(1).
    pub(crate) fn cancel(&mut self, id: u32) {
        if self.deadline(id) != NEVER {
            self.unlink(id);
            self.forget(id);
        }
    }

    /// Gives the timer of `id` to another id, or cancels it. O(1).
    pub(crate) fn renumber(&mut self, id: u32, new: Option<u32>) {
        let at = self.deadline(id);
        self.cancel(id);
        if let Some(new) = new {
            self.schedule(new, at);
        }
    }

    /// Frees the memory of timers from this id on, none of which is scheduled; and of everything
    /// if nothing is.
    pub(crate) fn shrink(&mut self, ids: usize) {
        if self.is_empty() {
            return self.clear();
        }
        self.timers.truncate(ids);
        if self.timers.capacity() > 2 * self.timers.len() {
            self.timers.shrink_to_fit();
        }
    }

    /// Returns the deadline of `id` as it was given, `u64::MAX` if it is not scheduled.
    #[inline]
    pub(crate) fn deadline(&self, id: u32) -> u64 {
        self.timers.get(id as usize).map_or(NEVER, |timer| timer.at)
    }

    /// Returns a tick before which nothing is due; `u64::MAX` if nothing is scheduled.
    ///
    /// A bound from below: a call of [`pop_due`](Self::pop_due) at this tick may find that it only
    /// had to move something. After a `pop_due(now)` that ended with steps to spare the bound lies
    /// after `now`.
    #[inline]
    pub(crate) fn next_due(&self) -> u64 {
        self.next_due
    }

    /// Returns the earliest deadline, exactly; `u64::MAX` if nothing is scheduled. Looks at the
    /// timers of the slot that comes first, and of the one that is cascading.
    pub(crate) fn earliest(&self) -> u64 {
        let Some(lists) = &self.lists else { return NEVER };
        let mut earliest = NEVER;
        for list in [Some(OVERDUE), lists.cascading, lists.first()].into_iter().flatten() {
            let mut next = lists.heads[list];
            while next != NIL {
                let timer = self.timers[next as usize];
                (earliest, next) = (earliest.min(timer.at), timer.next);
            }
        }
        earliest
    }

    /// Removes and returns an id whose deadline is at or before `now`; in no particular order.
    ///
    /// Each timer moved on the way, and the one returned, costs one of `steps`. `None` with steps
    /// left: nothing is due. `None` with none left: perhaps something is, and the next call
    /// continues where this one stopped.
    ///
    /// For a `now` earlier than one given before (the thread read the clock, then waited for the
    /// lock) it returns `None`; the next call that is up to date finds what is due. Loop on the
    /// result, therefore, not on `next_due`.
    pub(crate) fn pop_due(&mut self, now: u64, steps: &mut usize) -> Option<u32> {
        if now < self.elapsed {
            return None;
        }
        while now >= self.next_due {
            if *steps == 0 {
                return None;
            }
            let Some(id) = self.next_to_visit(now) else { break };
            *steps -= 1;
            self.unlink(id);
            if self.timers[id as usize].at <= now {
                self.forget(id);
                return Some(id);
            }
            self.link(id);
        }
        // No list begins at or before `now`, so all stay where they are when `elapsed` moves there.
        self.elapsed = now;
        None
    }

    /// Returns `true` if nothing is scheduled.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cancels everything and frees the memory.
    pub(crate) fn clear(&mut self) {
        *self = Self { elapsed: self.elapsed, ..Self::new() };
    }

    /// Returns the number of bytes allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self.lists.as_ref().map_or(0, |_| size_of::<Lists>());
        self.timers.capacity() * size_of::<Timer>() + lists
    }

    /// Returns the first timer of a list that either holds only due timers or has to be spread, or
    /// `None` if every list begins after `now`. Requires `elapsed <= now`.
    fn next_to_visit(&mut self, now: u64) -> Option<u32> {
        let lists = self.lists.as_mut()?;
        let mut before_others = [Some(OVERDUE), lists.cascading].into_iter().flatten();
        if let Some(list) = before_others.find(|&list| lists.heads[list] != NIL) {
            return Some(lists.heads[list]);
        }
        lists.cascading = None;
        // Finer levels lie before coarser ones, and within a level all lies after `elapsed`.
        let Some(list) = lists.first() else {
            self.next_due = NEVER;
            return None;
        };
        let (level, slot) = (list / SLOTS, list % SLOTS);
        // It lies ahead of `elapsed`.
        let digit = (slot as u64) << (level as u32 * DIGIT_BITS);
        let first = self.elapsed & mask_from(level + 1) | digit;
        let last = first | !mask_from(level);
        self.next_due = first;
        if first > now {
            return None;
        }
        if last > now {
            // Nothing lies between `elapsed` and this slot, so `elapsed` may enter it, as deep as
            // `now`: spread from there, a timer skips levels.
            self.elapsed = now;
            lists.cascading = Some(list);
        }
        Some(lists.heads[list])
    }

    /// Puts a timer that is in no list into the one of its deadline. Returns a moment that lies
    /// neither after the deadline nor, in a level, after the beginning of the slot.
    fn link(&mut self, id: u32) -> u64 {
        let at = self.timers[id as usize].at;
        let (list, starts) = place(self.elapsed, at);
        let lists = self.lists.as_mut().expect("there are lists where there are timers");
        lists.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        lists.levels |= 1 << (list / SLOTS);
        let second = std::mem::replace(&mut lists.heads[list], id);
        if second != NIL {
            self.timers[second as usize].prev = id;
        }
        self.timers[id as usize] = Timer { at, prev: HEAD | list as u32, next: second };
        starts
    }

    /// Removes a timer from its list. Leaves `at` as it is: some callers have overwritten it.
    fn unlink(&mut self, id: u32) {
        let Timer { prev, next, .. } = self.timers[id as usize];
        if next != NIL {
            self.timers[next as usize].prev = prev;
        }
        if prev & HEAD == 0 {
            self.timers[prev as usize].next = next;
            return;
        }
        let list = (prev & !HEAD) as usize;
        let lists = self.lists.as_mut().expect("the timer is in a list");
        lists.heads[list] = next;
        if next == NIL {
            let level = list / SLOTS;
            lists.occupied[level] &= !(1 << (list % SLOTS));
            if lists.occupied[level] == 0 {
                lists.levels &= !(1 << level);
            }
        }
    }

    /// Marks a timer that is in no list as not scheduled.
    fn forget(&mut self, id: u32) {
        self.timers[id as usize].at = NEVER;
        self.len -= 1;
        if self.len == 0 {
            self.next_due = NEVER;
            // With nothing scheduled `elapsed` may run ahead without a look at this mark.
            self.lists.iter_mut().for_each(|lists| lists.cascading = None);
        }
    }

    /// Checks every invariant, in time linear in the number of ids.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) fn validate(&self) {
        assert!(self.len > 0 || self.next_due == NEVER, "next_due of an empty wheel");
        let Some(lists) = &self.lists else {
            return assert!(self.timers.is_empty(), "timers without lists");
        };
        let linked: usize = (0..=OVERDUE).map(|list| self.validate_list(lists, list)).sum();
        assert_eq!(linked, self.len, "len differs from what the lists hold");
        let scheduled = self.timers.iter().filter(|timer| timer.at != NEVER).count();
        assert_eq!(scheduled, self.len, "a scheduled timer is in no list, or an idle one is");
        for (level, &word) in lists.occupied.iter().enumerate() {
            assert_eq!(lists.levels >> level & 1 == 1, word != 0, "bit of level {level}");
        }
        if let Some(list) = lists.cascading {
            assert!((SLOTS..OVERDUE).contains(&list), "only coarse slots are spread");
            assert!(self.next_due <= self.elapsed, "next_due hides an unfinished cascade");
        }
    }

    /// Checks one list and returns its length.
    fn validate_list(&self, lists: &Lists, list: usize) -> usize {
        let (mut prev, mut id, mut count) = (HEAD | list as u32, lists.heads[list], 0);
        while id != NIL {
            let timer = self.timers[id as usize];
            assert_eq!(timer.prev, prev, "back link of {id}");
            assert!(self.next_due <= timer.at, "next_due lies after the deadline of {id}");
            let (belongs, starts) = place(self.elapsed, timer.at);
            if lists.cascading == Some(list) {
                let same_slot = (timer.at ^ self.elapsed) & mask_from(list / SLOTS) == 0;
                assert!(same_slot, "{id} does not belong into the cascading slot");
            } else {
                assert_eq!(belongs, list, "{id} lies in the wrong list");
                assert!(self.next_due <= starts, "next_due lies after the start of a slot");
            }
            count += 1;
            assert!(count <= self.len, "a loop in list {list}");
            (prev, id) = (id, timer.next);
        }
        let bit = lists.occupied[list / SLOTS] >> (list % SLOTS) & 1 == 1;
        assert_eq!(bit, count > 0, "bit of list {list}");
        count
    }
}

/// Returns the list for the deadline `at` seen from `elapsed`, and the beginning of the list's slot
/// (for `OVERDUE`, which has none, the deadline itself).
fn place(elapsed: u64, at: u64) -> (usize, u64) {
    if at <= elapsed {
        return (OVERDUE, at);
    }
    let level = ((at ^ elapsed).ilog2() / DIGIT_BITS) as usize;
    let slot = (at >> (level as u32 * DIGIT_BITS)) as usize % SLOTS;
    (level * SLOTS + slot, at & mask_from(level))
}

/// Returns the bits of the digits from `level` upwards.
fn mask_from(level: usize) -> u64 {
    NEVER.checked_shl(level as u32 * DIGIT_BITS).unwrap_or(0)
}

#[cfg(all(test, not(loom)))]
mod tests;
