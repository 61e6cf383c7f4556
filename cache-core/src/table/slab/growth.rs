//! Which segments the slab has, what of them is given out, and how long the next will be. Numbers
//! only, under the slab's lock: the arrays are the slab's affair.

use crate::table::meta::Links;
use crate::table::segments::{BLOCK, SEGMENTS, Segments};

pub(super) struct Growth {
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

    pub(super) fn len(&self, number: usize) -> u32 {
        self.end - Segments::<Links>::first_of(number)
    }

    fn has_some(&self) -> bool {
        self.exists() && (!self.returned.is_empty() || self.next < self.end)
    }
}

impl Growth {
    pub(super) fn new(planned: u64) -> Self {
        let holds = |segments: usize| u64::from(Segments::<Links>::first_of(segments));
        let planned_segments = (0..SEGMENTS - 1).find(|&segments| holds(segments) >= planned);
        Growth {
            segments: Vec::new(),
            total: 0,
            planned,
            planned_segments: planned_segments.unwrap_or(SEGMENTS - 1),
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
        // The end of the last segment would be no 32-bit position.
        assert!(number < SEGMENTS - 1, "a cache holds at most 2^31 - 64 entries");
        let nominal = BLOCK << number;
        let missing = self.planned.saturating_sub(self.total);
        let wanted = if missing > 0 {
            missing
        } else {
            // Past the plan: readers keep garbage pinned, or shards are unevenly filled. By a
            // small step at first. Each step uses up a segment number, so they must grow: a reader
            // that is pinned for ever may cost memory, never progress. They go by the number, not by
            // how many there were: those that were freed do not count.
            let step = 1 + number.saturating_sub(self.planned_segments);
            (self.total << step.min(20) >> 7).max(1)
        };
        // The nominal length is a multiple of the block's.
        (number, (wanted.min(u64::from(nominal)) as u32).next_multiple_of(BLOCK))
    }

    pub(super) fn add(&mut self, number: usize, len: u32) {
        self.total += u64::from(len);
        let first = Segments::<Links>::first_of(number);
        let segment = Segment { next: first, end: first + len, out: 0, returned: Vec::new() };
        if number < self.segments.len() {
            self.segments[number] = segment;
        } else {
            self.segments.push(segment);
        }
    }
}
