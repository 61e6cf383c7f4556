//! Which blocks of slots hold something that has expired: a hierarchical timing wheel.
//!
//! # A timer for up to 64 entries
//!
//! Exactness of expiry is the business of the reader, who compares an entry's deadline with the
//! clock. This wheel only decides when memory is given back, so it may be sparing. It keeps no
//! timer per entry but one per *block* of neighbouring slots of the slab, 64 unless they are large:
//! the block's id is scheduled at the earliest deadline of its live entries, and when it comes due
//! the shard looks at its slots, removes what has expired, and schedules the block again at the
//! earliest deadline left.
//!
//! * Memory: 16 bytes per block, a quarter of a byte per entry, for a slot of several kilobytes all
//!   16 (at most twice that just after the node array has grown), where a doubly linked timer per
//!   entry takes 8 bytes for its two links alone. To this come 2.9 KB per shard for the lists,
//!   allocated by the first deadline: a cache without expiry pays nothing.
//! * Writes: an insert touches the wheel only if its deadline is earlier than its block's. With
//!   one ttl for all, later inserts have later deadlines, and hardly any of them does. Removing
//!   an entry needs no call at all: the block comes due once too often, and that is all.
//! * The price is the look at up to 64 slots each time a block comes due. Slots filled at about
//!   the same time expire at about the same time, and one look frees many. The worst case is
//!   deadlines spread at random over a block: 64 looks at 64 slots. A shard that minds may
//!   schedule a block a little later than its earliest deadline and collect several at once;
//!   readers cannot tell.
//!
//! # The wheel
//!
//! The scheme is the hierarchical timing wheel of G. Varghese and T. Lauck, "Hashed and
//! Hierarchical Timing Wheels: Data Structures for the Efficient Implementation of a Timer
//! Facility", SOSP 1987. A deadline is read as a number of eleven base-64 digits (eleven cover 64
//! bits). `base` is a moment that has passed, and the highest digit in which a deadline differs
//! from `base` selects the level, the value of that digit the slot: what is near lies in a fine
//! level, what is far in a coarse one. A slot is a doubly linked list, so that scheduling, moving
//! and cancelling touch three nodes at most. One bit per slot and one per level say what is not
//! empty: the earliest slot is found by counting zeros twice, however far time has jumped.
//!
//! When time enters a slot of a coarse level, the nodes in it are spread over the finer levels
//! ("cascade"). Two things differ from the textbook:
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
//! A node moves only to a finer level, so at most ten times in its life (two or three times with
//! deadlines a minute ahead and a clock of 4 ms). Each move and each node handed out costs one
//! step of the caller's budget, and nothing else loops. A cascade that runs out of steps leaves
//! its slot marked as `draining` and the next call goes on with it. Meanwhile `base` has already
//! arrived: what is scheduled in between is placed by the new base, and never into the draining
//! slot.
//!
//! Measured with 16,384 blocks, a million entries: about 10 ns to schedule or move a block, about
//! 50 ns for all of its way down the levels, out, and back in, which up to 64 entries share. In a
//! mass expiry, 6 ns per block.

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// The list after those of the levels: what was scheduled at or before `base`.
const LATE: usize = LEVELS * SLOTS;
const NEVER: u64 = u64::MAX;
const NIL: u32 = u32::MAX;
/// Set in a `prev` that names not a node but the list whose first node this is. A node thereby
/// knows its list when it matters, when it may leave it empty, and need not store it.
const HEAD: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct Node {
    /// `NEVER`: not scheduled, and the links mean nothing.
    at: u64,
    prev: u32,
    next: u32,
}

const IDLE: Node = Node { at: NEVER, prev: NIL, next: NIL };

/// Deadlines of small, dense ids. See the head of this file.
pub(crate) struct Wheel {
    nodes: Vec<Node>,
    /// None before the first use.
    lists: Option<Box<Lists>>,
    /// Deadlines are placed by their distance from here. Never later than any `now` yet given.
    base: u64,
    next_due: u64,
    len: usize,
}

struct Lists {
    /// First nodes of the lists: `LEVELS` times `SLOTS`, then `LATE`.
    heads: [u32; LATE + 1],
    /// A bit for each slot that is not empty, a word for each level.
    occupied: [u64; LEVELS],
    /// A bit for each word of `occupied` that is not zero.
    levels: u16,
    /// The list a cascade has left unfinished. It contains `base`.
    draining: Option<usize>,
}

impl Lists {
    fn new() -> Self {
        Self { heads: [NIL; LATE + 1], occupied: [0; LEVELS], levels: 0, draining: None }
    }

    /// The list of the slot that comes first.
    fn first(&self) -> Option<usize> {
        let level = (self.levels != 0).then(|| self.levels.trailing_zeros() as usize)?;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// Marks the slot of a list as not empty.
    fn mark(&mut self, list: usize) {
        if list != LATE {
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
            self.levels |= 1 << (list / SLOTS);
        }
    }

    /// Marks the slot of a list as empty.
    fn unmark(&mut self, list: usize) {
        if list != LATE {
            let level = list / SLOTS;
            self.occupied[level] &= !(1 << (list % SLOTS));
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }
}

impl Wheel {
    /// An empty wheel. Allocates nothing until something is scheduled.
    pub(crate) fn new() -> Self {
        Self { nodes: Vec::new(), lists: None, base: 0, next_due: NEVER, len: 0 }
    }

    /// Schedules `id` at `at`, wherever it was before; `u64::MAX` cancels. A moment that has
    /// passed is due at once. O(1), but for the growth of the node array to the largest id.
    ///
    /// # Panics
    ///
    /// When `id` is 2^31 or above.
    pub(crate) fn schedule(&mut self, id: u32, at: u64) {
        if at == NEVER {
            return self.cancel(id);
        }
        assert!(id < HEAD, "wheel ids have 31 bits");
        self.make_room(id);
        let before = std::mem::replace(&mut self.nodes[id as usize].at, at);
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

    /// Takes `id` off the wheel, if it is there. O(1).
    pub(crate) fn cancel(&mut self, id: u32) {
        if self.deadline(id) != NEVER {
            self.unlink(id);
            self.forget(id);
        }
    }

    /// The deadline of `id` as it was given, `u64::MAX` when it is not scheduled.
    #[inline]
    pub(crate) fn deadline(&self, id: u32) -> u64 {
        self.nodes.get(id as usize).map_or(NEVER, |node| node.at)
    }

    /// Nothing is due before this tick; `u64::MAX` when nothing is scheduled.
    ///
    /// A bound from below: a call of [`pop_due`](Self::pop_due) at this tick may find that it only
    /// had to move something. After a `pop_due(now)` that ended with steps to spare the bound lies
    /// after `now`.
    #[inline]
    pub(crate) fn next_due(&self) -> u64 {
        self.next_due
    }

    /// The earliest deadline, exactly; `u64::MAX` when nothing is scheduled. Looks at the nodes of the slot
    /// that comes first, and of the one that is being spread.
    pub(crate) fn earliest(&self) -> u64 {
        let Some(lists) = &self.lists else { return NEVER };
        let mut earliest = NEVER;
        for list in [Some(LATE), lists.draining, lists.first()].into_iter().flatten() {
            let mut next = lists.heads[list];
            while next != NIL {
                let node = self.nodes[next as usize];
                (earliest, next) = (earliest.min(node.at), node.next);
            }
        }
        earliest
    }

    /// Takes an id off the wheel whose deadline is at or before `now`; in no particular order.
    ///
    /// Each node moved on the way, and the one returned, costs one of `steps`. `None` with steps
    /// left: nothing is due. `None` with none left: perhaps something is, and the next call goes
    /// on where this one stopped.
    ///
    /// A `now` earlier than one given before (a thread that read the clock, then waited for the
    /// lock) gets `None`; the next call that is up to date finds what is due. Loop on the
    /// answer, therefore, not on `next_due`.
    pub(crate) fn pop_due(&mut self, now: u64, steps: &mut usize) -> Option<u32> {
        if now < self.base {
            return None;
        }
        while now >= self.next_due {
            if *steps == 0 {
                return None;
            }
            let Some(id) = self.next_to_visit(now) else { break };
            *steps -= 1;
            self.unlink(id);
            if self.nodes[id as usize].at <= now {
                self.forget(id);
                return Some(id);
            }
            self.link(id);
        }
        // No list begins at or before `now`, so all stay where they are when the base moves there.
        self.base = now;
        None
    }

    /// Is nothing scheduled?
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many ids are scheduled.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Cancels everything and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self { base: self.base, ..Self::new() };
    }

    /// Bytes allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self.lists.as_ref().map_or(0, |_| size_of::<Lists>());
        self.nodes.capacity() * size_of::<Node>() + lists
    }

    /// The first node of a list that either holds only due nodes or has to be spread, or `None`
    /// when every list begins after `now`. Wants `base <= now`.
    fn next_to_visit(&mut self, now: u64) -> Option<u32> {
        let lists = self.lists.as_mut()?;
        if lists.heads[LATE] != NIL {
            return Some(lists.heads[LATE]);
        }
        if let Some(list) = lists.draining {
            if lists.heads[list] != NIL {
                return Some(lists.heads[list]);
            }
            lists.draining = None;
        }
        // Finer levels lie before coarser ones, and within a level all lies after `base`.
        let Some(list) = lists.first() else {
            self.next_due = NEVER;
            return None;
        };
        let (level, slot) = (list / SLOTS, list % SLOTS);
        let first = slot_start(self.base, level, slot);
        let last = first | !mask_from(level);
        self.next_due = first;
        if first > now {
            return None;
        }
        if last > now {
            // Nothing lies between the old base and this slot, so the base may enter it, as deep
            // as `now`: spread from there, a node skips levels.
            self.base = now;
            lists.draining = Some(list);
        }
        Some(lists.heads[list])
    }

    fn make_room(&mut self, id: u32) {
        self.lists.get_or_insert_with(|| Box::new(Lists::new()));
        if self.nodes.len() <= id as usize {
            self.nodes.resize(id as usize + 1, IDLE);
        }
    }

    /// Puts a node that is in no list where its deadline belongs. Returns a moment that lies
    /// neither after the deadline nor, in a level, after the beginning of the slot.
    fn link(&mut self, id: u32) -> u64 {
        let at = self.nodes[id as usize].at;
        let (list, starts) = place(self.base, at);
        let lists = self.lists.as_mut().expect("there are lists where there are nodes");
        lists.mark(list);
        let second = std::mem::replace(&mut lists.heads[list], id);
        if second != NIL {
            self.nodes[second as usize].prev = id;
        }
        self.nodes[id as usize] = Node { at, prev: HEAD | list as u32, next: second };
        starts
    }

    /// Takes a node out of its list. Leaves `at` alone: some callers have overwritten it already.
    fn unlink(&mut self, id: u32) {
        let Node { prev, next, .. } = self.nodes[id as usize];
        if next != NIL {
            self.nodes[next as usize].prev = prev;
        }
        if prev & HEAD == 0 {
            self.nodes[prev as usize].next = next;
            return;
        }
        let list = (prev & !HEAD) as usize;
        let lists = self.lists.as_mut().expect("the node is in a list");
        lists.heads[list] = next;
        if next == NIL {
            lists.unmark(list);
        }
    }

    /// Marks a node that is in no list as not scheduled.
    fn forget(&mut self, id: u32) {
        self.nodes[id as usize].at = NEVER;
        self.len -= 1;
        if self.len == 0 {
            self.next_due = NEVER;
            // With nothing due in sight the base may run ahead without a look at this mark.
            self.lists.iter_mut().for_each(|lists| lists.draining = None);
        }
    }

    /// Checks every invariant, in time linear in the number of ids.
    ///
    /// # Panics
    ///
    /// When one is broken.
    pub(crate) fn validate(&self) {
        assert!(self.len > 0 || self.next_due == NEVER, "next_due of an empty wheel");
        let Some(lists) = &self.lists else {
            return assert!(self.nodes.is_empty(), "nodes without lists");
        };
        let linked: usize = (0..=LATE).map(|list| self.validate_list(lists, list)).sum();
        assert_eq!(linked, self.len, "len differs from what the lists hold");
        let scheduled = self.nodes.iter().filter(|node| node.at != NEVER).count();
        assert_eq!(scheduled, self.len, "a scheduled node is in no list, or an idle one is");
        for (level, &word) in lists.occupied.iter().enumerate() {
            assert_eq!(lists.levels >> level & 1 == 1, word != 0, "bit of level {level}");
        }
        if let Some(list) = lists.draining {
            assert!((SLOTS..LATE).contains(&list), "only coarse slots are spread");
            assert!(self.next_due <= self.base, "next_due hides an unfinished cascade");
        }
    }

    /// Checks one list and returns its length.
    fn validate_list(&self, lists: &Lists, list: usize) -> usize {
        let (mut prev, mut id, mut count) = (HEAD | list as u32, lists.heads[list], 0);
        while id != NIL {
            let node = self.nodes[id as usize];
            assert_eq!(node.prev, prev, "back link of {id}");
            assert!(self.next_due <= node.at, "next_due lies after the deadline of {id}");
            let (belongs, starts) = place(self.base, node.at);
            if lists.draining == Some(list) {
                let same_slot = (node.at ^ self.base) & mask_from(list / SLOTS) == 0;
                assert!(same_slot, "{id} does not belong into the draining slot");
            } else {
                assert_eq!(belongs, list, "{id} lies in the wrong list");
                assert!(self.next_due <= starts, "next_due lies after the start of a slot");
            }
            count += 1;
            assert!(count <= self.len, "a loop in list {list}");
            (prev, id) = (id, node.next);
        }
        if list != LATE {
            let bit = lists.occupied[list / SLOTS] >> (list % SLOTS) & 1 == 1;
            assert_eq!(bit, count > 0, "bit of list {list}");
        }
        count
    }
}

/// The list for the deadline `at` seen from `base`, and the beginning of the list's slot (for
/// `LATE`, which has none, the deadline itself).
fn place(base: u64, at: u64) -> (usize, u64) {
    if at <= base {
        return (LATE, at);
    }
    let level = ((at ^ base).ilog2() / DIGIT_BITS) as usize;
    let slot = (at >> (level as u32 * DIGIT_BITS)) as usize % SLOTS;
    (level * SLOTS + slot, at & mask_from(level))
}

/// When a slot begins that lies ahead of `base` on `level`.
fn slot_start(base: u64, level: usize, slot: usize) -> u64 {
    base & mask_from(level + 1) | (slot as u64) << (level as u32 * DIGIT_BITS)
}

/// The bits of the digits from `level` upwards.
fn mask_from(level: usize) -> u64 {
    NEVER.checked_shl(level as u32 * DIGIT_BITS).unwrap_or(0)
}

#[cfg(all(test, not(loom)))]
mod tests;
