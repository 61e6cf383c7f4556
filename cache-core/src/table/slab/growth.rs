//! Which segments the slab has, which of their blocks are given out, and how long the next will be.
//! Numbers only, under the slab's lock: what a segment consists of (`A`) is left to the slab.

use crate::table::ids::SlotId;
use crate::table::segments::{first_of, most_segments};

pub(super) struct Growth<A> {
    /// Slots in a block.
    block: u32,
    /// By number; `None` in the place of one that was freed.
    pub(super) segments: Vec<Option<Segment<A>>>,
    /// Slots in all segments.
    pub(super) total: u64,
    /// How many slots the cache is expected to need at most.
    planned: u64,
}

/// The blocks of one segment.
pub(super) struct Segment<A> {
    /// Its first slot.
    first: u32,
    /// From here to `end`, no block was ever given out.
    next: u32,
    end: u32,
    /// Blocks that shards have.
    out: u32,
    /// Blocks that shards have returned, by their first slots.
    returned: Vec<SlotId>,
    /// Its memory.
    pub(super) arrays: A,
}

impl<A> Growth<A> {
    pub(super) fn new(planned: u64, block: u32) -> Self {
        Growth { block, segments: Vec::new(), total: 0, planned }
    }

    /// Gives out a block that no shard has: its first slot, and whether it is given out for the
    /// first time. `None` if the segments have none left.
    pub(super) fn take(&mut self) -> Option<(SlotId, bool)> {
        let has_some =
            |segment: &&mut Segment<A>| !segment.returned.is_empty() || segment.next < segment.end;
        let segment = self.segments.iter_mut().flatten().find(has_some)?;
        segment.out += 1;
        if let Some(first) = segment.returned.pop() {
            return Some((first, false));
        }
        segment.next += self.block;
        Some((SlotId(segment.next - self.block), true))
    }

    /// The number and the length of the segment to be added next: in the place of one that was
    /// freed, if there is one.
    pub(super) fn next_segment(&self) -> (usize, u32) {
        let freed = self.segments.iter().position(Option::is_none);
        let number = freed.unwrap_or(self.segments.len());
        let last = most_segments(self.block) - 1;
        assert!(number <= last, "a cache holds at most 2^31 - {} entries", self.block);
        let nominal = u64::from(self.block << number);
        let missing = self.planned.saturating_sub(self.total);
        let wanted = if missing > 0 { missing } else { self.step(number, nominal, last) };
        // The nominal length is a multiple of the block's.
        (number, (wanted.min(nominal) as u32).next_multiple_of(self.block))
    }

    /// The length of a segment past the plan: readers keep garbage pinned, or shards are unevenly
    /// filled. By a small step at first. Each step uses up a segment number, so they must grow: a
    /// reader that is pinned for ever may cost memory, never progress. They follow the number, not
    /// the count of segments so far: freed ones do not count. And the fewer numbers are left, the
    /// nearer they come to the full length, so that 2^30 slots can be had whatever the plan and the
    /// block.
    fn step(&self, number: usize, nominal: u64, last: usize) -> u64 {
        let is_planned = |&segment: &usize| u64::from(first_of(segment, self.block)) < self.planned;
        let planned_segments = (0..=last).take_while(is_planned).count();
        let step = 1 + number.saturating_sub(planned_segments);
        (self.total << step.min(20) >> 7).max(nominal >> (last - number)).max(1)
    }

    /// Notes that a segment of this number, which did not exist, was added.
    pub(super) fn add(&mut self, number: usize, len: u32, arrays: A) {
        self.total += u64::from(len);
        let first = first_of(number, self.block);
        let end = first + len;
        let segment = Segment { first, next: first, end, out: 0, returned: Vec::new(), arrays };
        if number == self.segments.len() {
            // Few ever: most caches have one or two.
            self.segments.reserve_exact(1);
            self.segments.push(None);
        }
        self.segments[number] = Some(segment);
    }

    /// Takes back a block of this segment, by its first slot. If that was the last one that a shard
    /// had, the segment ceases to exist, and its memory is returned.
    pub(super) fn put_back(&mut self, number: usize, first: SlotId) -> Option<A> {
        let segment = self.segments[number].as_mut().expect("a block's segment exists");
        segment.returned.push(first);
        segment.out -= 1;
        if segment.out > 0 {
            return None;
        }
        let gone = self.segments[number].take()?;
        self.total -= u64::from(gone.end - gone.first);
        Some(gone.arrays)
    }

    /// All slots of blocks that were ever given out, in the segments that exist.
    pub(super) fn given_out(&self) -> impl Iterator<Item = SlotId> {
        let existing = self.segments.iter().flatten();
        existing.flat_map(|segment| segment.first..segment.next).map(SlotId)
    }

    pub(super) fn bytes(&self) -> usize {
        let returned = |segment: &Segment<A>| segment.returned.capacity() * size_of::<SlotId>();
        self.segments.capacity() * size_of::<Option<Segment<A>>>()
            + self.segments.iter().flatten().map(returned).sum::<usize>()
    }
}
