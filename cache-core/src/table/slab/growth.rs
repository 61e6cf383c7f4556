//! Which segments the slab has, what of them is given out, and how long the next will be. Numbers
//! only, under the slab's lock: the arrays are the slab's affair.

use crate::table::segments::{first_of, most_segments};

pub(super) struct Growth {
    /// Slots in a block.
    block: u32,
    /// Those that exist or have existed.
    pub(super) segments: Vec<Segment>,
    /// Slots in all segments.
    pub(super) total: u64,
    /// How many slots the cache is expected to need at most.
    planned: u64,
    /// How many segments of full length that takes.
    planned_segments: usize,
    pub(super) owner_segments: usize,
}

/// What is known of a segment.
pub(super) struct Segment {
    /// What was never given out.
    pub(super) next: u32,
    pub(super) end: u32,
    /// Blocks that shards have.
    pub(super) out: u32,
    /// Blocks that shards have returned, by their first slots.
    pub(super) returned: Vec<u32>,
}

impl Segment {
    pub(super) fn exists(&self) -> bool {
        self.end != 0
    }

    fn has_some(&self) -> bool {
        self.exists() && (!self.returned.is_empty() || self.next < self.end)
    }
}

impl Growth {
    pub(super) fn new(planned: u64, block: u32) -> Self {
        let most = most_segments(block);
        let holds = |segments: usize| u64::from(first_of(segments, block));
        let planned_segments = (0..most).find(|&segments| holds(segments) >= planned);
        Growth {
            block,
            segments: Vec::new(),
            total: 0,
            planned,
            planned_segments: planned_segments.unwrap_or(most),
            owner_segments: 0,
        }
    }

    /// The first segment with a block that nobody has.
    pub(super) fn with_some(&self) -> Option<usize> {
        self.segments.iter().position(Segment::has_some)
    }

    /// The number and the length of the segment to be added next: in the place of one that was freed,
    /// if there is such.
    pub(super) fn next(&self) -> (usize, u32) {
        let freed = self.segments.iter().position(|segment| !segment.exists());
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
    /// reader that is pinned for ever may cost memory, never progress. They go by the number, not
    /// by how many there were: those that were freed do not count. And the fewer numbers are left,
    /// the nearer they come to the full length, so that 2^30 slots can be had whatever the plan and
    /// the block.
    fn step(&self, number: usize, nominal: u64, last: usize) -> u64 {
        let step = 1 + number.saturating_sub(self.planned_segments);
        (self.total << step.min(20) >> 7).max(nominal >> (last - number)).max(1)
    }

    /// Notes that a segment of this number, which did not exist, was added.
    pub(super) fn add(&mut self, number: usize, len: u32) {
        self.total += u64::from(len);
        let first = first_of(number, self.block);
        let segment = Segment { next: first, end: first + len, out: 0, returned: Vec::new() };
        if number < self.segments.len() {
            self.segments[number] = segment;
        } else {
            self.segments.push(segment);
        }
    }

    /// Takes back a block of this segment, by its first slot. True if that was the last one that a
    /// shard had: the segment is no more, and its arrays are to be freed.
    pub(super) fn give_back(&mut self, number: usize, first: u32) -> bool {
        let segment = &mut self.segments[number];
        segment.returned.push(first);
        segment.out -= 1;
        if segment.out == 0 {
            self.total -= u64::from(segment.end - first_of(number, self.block));
            *segment = Segment { next: 0, end: 0, out: 0, returned: Vec::new() };
            return true;
        }
        false
    }
}
