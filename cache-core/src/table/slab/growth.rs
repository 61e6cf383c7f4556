//! Which segments the slab has, which of their blocks are given out, which have no pages, and how
//! long the next segment will be. Numbers only, under the slab's lock: what a segment consists of
//! (`A`) is left to the slab.
//!
//! A block that no shard has is *idle*. A shard with some blocks is given the next one beside its
//! last: in the same *group* of eight, or else the first of a group that is wholly idle. So shards
//! that grow side by side do not share pages. That is a preference: while any block is idle, no
//! segment is added.

use std::ops::Range;

use crate::table::ids::SlotId;
use crate::table::pages;
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
    /// The system takes no pages back.
    pub(super) keeps_pages: bool,
}

/// The blocks of one segment.
pub(super) struct Segment<A> {
    /// Its first slot.
    first: u32,
    /// Its blocks.
    count: u32,
    /// Blocks that shards have.
    out: u32,
    /// What is known of its blocks. Those that are missing at the end were never given out.
    blocks: Vec<BlockBits>,
    /// No block before this element of `blocks` is idle.
    lowest: u32,
    /// Nor a group of idle blocks before this one.
    lowest_group: u32,
    /// No idle block at or after this element of `blocks` has pages.
    pages_end: u32,
    /// Its memory.
    pub(super) arrays: A,
}

/// Up to 64 blocks, a bit each.
#[derive(Clone, Copy)]
struct BlockBits {
    /// No shard has it.
    idle: u64,
    /// It must be zeroed before it is given out: it never was, or its pages were given back.
    raw: u64,
    /// It is idle, and its pages were given back.
    without_pages: u64,
}

/// Neighbouring blocks that are given to one shard if possible: so many have a page of links. A
/// shard's entries come and go together more often than those of all shards.
pub(in crate::table) const GROUP: u32 = 8;
const GROUP_BITS: u64 = (1 << GROUP) - 1;

impl BlockBits {
    /// The first blocks of the groups that are wholly idle.
    fn idle_groups(&self) -> u64 {
        let firsts = u64::MAX / GROUP_BITS;
        (0..GROUP).fold(self.idle, |all, offset| all & self.idle >> offset) & firsts
    }
}

/// Neighbouring idle blocks of one segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) first: SlotId,
    /// In slots.
    pub(super) len: u32,
}

impl<A> Segment<A> {
    fn new(first: u32, len: u32, block: u32, arrays: A) -> Self {
        let count = len / block;
        let (blocks, lowest, lowest_group, pages_end) = (Vec::new(), 0, 0, 0);
        Segment { first, count, out: 0, blocks, lowest, lowest_group, pages_end, arrays }
    }

    /// Adds the next element of `blocks`, if there are more.
    fn note_more(&mut self) -> Option<u32> {
        let at = self.blocks.len() as u32;
        let rest = self.count.checked_sub(64 * at).filter(|&rest| rest > 0)?;
        let idle = u64::MAX >> (64 - rest.min(64));
        self.blocks.push(BlockBits { idle, raw: u64::MAX, without_pages: 0 });
        self.pages_end = at + 1;
        Some(at)
    }

    /// The first element of `blocks`, from this one on, that has what is wanted; of what was never
    /// given out, one more is noted if need be. If there is none, the number after the last.
    fn first(&mut self, from: u32, has: fn(&BlockBits) -> u64) -> u32 {
        let found =
            (from..self.blocks.len() as u32).find(|&at| has(&self.blocks[at as usize]) != 0);
        found.or_else(|| self.note_more()).unwrap_or(self.blocks.len() as u32)
    }

    /// The place of the first idle block, if there is one.
    fn first_idle(&mut self) -> Option<u32> {
        self.lowest = self.first(self.lowest, |blocks| blocks.idle);
        let idle = self.blocks.get(self.lowest as usize)?.idle;
        Some(64 * self.lowest + idle.trailing_zeros())
    }

    /// The place of the first block of the first group that is idle, if there is one.
    fn first_group(&mut self) -> Option<u32> {
        self.lowest_group = self.first(self.lowest_group, BlockBits::idle_groups);
        let groups = self.blocks.get(self.lowest_group as usize)?.idle_groups();
        (groups != 0).then(|| 64 * self.lowest_group + groups.trailing_zeros())
    }

    /// The place of an idle block in the same group as another block, if there is one.
    fn beside(&self, slot: SlotId, block: u32) -> Option<u32> {
        let place = slot.offset_from(SlotId(self.first)) / block;
        if place >= self.count {
            return None;
        }
        let group = place / GROUP * GROUP;
        let idle = self.blocks[group as usize / 64].idle >> (group % 64) & GROUP_BITS;
        (idle != 0).then(|| group + idle.trailing_zeros())
    }

    /// Takes out an idle block. Returns whether it is raw.
    fn take(&mut self, place: u32) -> bool {
        let blocks = &mut self.blocks[place as usize / 64];
        let bit = 1 << (place % 64);
        let is_raw = blocks.raw & bit != 0;
        blocks.idle &= !bit;
        blocks.raw &= !bit;
        blocks.without_pages &= !bit;
        self.out += 1;
        is_raw
    }

    /// The places of the blocks with these bits, in order.
    fn places(&self, bits: impl Fn(&BlockBits) -> u64) -> impl Iterator<Item = u32> {
        self.blocks.iter().zip(0u32..).flat_map(move |(blocks, at)| {
            let mut left = bits(blocks);
            std::iter::from_fn(move || {
                let offset = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(64 * at + offset)
            })
        })
    }

    fn put_back(&mut self, place: u32) {
        let at = place / 64;
        self.blocks[at as usize].idle |= 1 << (place % 64);
        self.lowest = self.lowest.min(at);
        self.lowest_group = self.lowest_group.min(at);
        self.pages_end = self.pages_end.max(at + 1);
        self.out -= 1;
    }

    /// The places of the last idle blocks that have their pages, at most `most` of them, and of the
    /// idle blocks on both sides of those, up to `reach`: as far as a page may go.
    fn run_with_pages(&mut self, most: u32, reach: usize) -> Option<(Range<u32>, Range<u32>)> {
        while self.note_more().is_some() {}
        let has_some = |blocks: &BlockBits| blocks.idle & !blocks.without_pages != 0;
        let at = (0..self.pages_end).rev().find(|&at| has_some(&self.blocks[at as usize]));
        self.pages_end = at.map_or(0, |at| at + 1);
        let blocks = self.blocks[at? as usize];
        let last = 64 * at? + (blocks.idle & !blocks.without_pages).ilog2();
        let is = |place: u32, mask: fn(&BlockBits) -> u64| {
            let blocks = self.blocks.get(place as usize / 64);
            blocks.is_some_and(|blocks| mask(blocks) & 1 << (place % 64) != 0)
        };
        let idle = |place: &u32| is(*place, |blocks| blocks.idle);
        let with_pages = |place: &u32| is(*place, |blocks| blocks.idle & !blocks.without_pages);
        let mut run = last..last + 1;
        run.start -= (0..last).rev().take(most as usize - 1).take_while(with_pages).count() as u32;
        let before = (0..run.start).rev().take(reach).take_while(idle).count() as u32;
        let after = (run.end..).take(reach).take_while(idle).count() as u32;
        let around = run.start - before..run.end + after;
        Some((run, around))
    }
}

/// No page reaches over more slots than this: so many have 4 KiB of the smallest column.
const REACH: u32 = 1024;

impl<A> Growth<A> {
    pub(super) fn new(planned: u64, block: u32) -> Self {
        let keeps_pages = !pages::MAY_GO;
        Growth { block, segments: Vec::new(), total: 0, planned, keeps_pages }
    }

    /// Gives out a block that no shard has, [near](Self::place_near) another one: its first slot,
    /// and whether it must be zeroed. `None` if
    /// the segments have none left.
    pub(super) fn take(&mut self, near: Option<SlotId>) -> Option<(SlotId, bool)> {
        let block = self.block;
        let place = near.and_then(|near| self.place_near(near)).or_else(|| {
            let mut segments = self.segments.iter_mut().enumerate();
            segments.find_map(|(number, segment)| {
                let segment = segment.as_mut()?;
                Some((number, segment.first_idle()?))
            })
        });
        let (number, place) = place?;
        let segment = self.segments[number].as_mut()?;
        let is_raw = segment.take(place);
        Some((SlotId(segment.first + place * block), is_raw))
    }

    /// Where a shard's next block should be, given its last one: the number of a segment, and the
    /// place in it. `None` if no place is better than another.
    fn place_near(&mut self, near: SlotId) -> Option<(usize, u32)> {
        let block = self.block;
        let segments = || self.segments.iter().enumerate();
        let beside = segments()
            .find_map(|(number, segment)| Some((number, segment.as_ref()?.beside(near, block)?)));
        beside.or_else(|| {
            let mut segments = self.segments.iter_mut().enumerate();
            segments.find_map(|(number, segment)| Some((number, segment.as_mut()?.first_group()?)))
        })
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
        let segment = Segment::new(first_of(number, self.block), len, self.block, arrays);
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
        segment.put_back((first.0 - segment.first) / self.block);
        if segment.out > 0 {
            return None;
        }
        let gone = self.segments[number].take()?;
        self.total -= u64::from(gone.count * self.block);
        Some(gone.arrays)
    }

    /// Notes that some idle blocks lose their pages, at most so many of those that have them.
    /// Returns them, with idle ones beside them that lost theirs before: they may share a page.
    pub(super) fn take_pages(&mut self, most: u32) -> Option<Run> {
        if self.keeps_pages {
            return None;
        }
        let block = self.block;
        self.segments.iter_mut().flatten().find_map(|segment| {
            let (run, around) = segment.run_with_pages(most, REACH.div_ceil(block) as usize)?;
            for place in run {
                let (blocks, bit) = (&mut segment.blocks[place as usize / 64], 1 << (place % 64));
                blocks.raw |= bit;
                blocks.without_pages |= bit;
            }
            let first = SlotId(segment.first + around.start * block);
            Some(Run { first, len: (around.end - around.start) * block })
        })
    }

    /// All runs of blocks without pages.
    pub(super) fn without_pages(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let some = self.segments.iter().filter(|_| !self.keeps_pages).flatten();
        for segment in some {
            let mut before = None;
            for place in segment.places(|blocks| blocks.without_pages) {
                match runs.last_mut().filter(|_| before == place.checked_sub(1)) {
                    Some(run) if before.is_some() => run.len += self.block,
                    _ => runs.push(Run {
                        first: SlotId(segment.first + place * self.block),
                        len: self.block,
                    }),
                }
                before = Some(place);
            }
        }
        runs
    }

    /// All slots of blocks that are zeroed, or are in use, in the segments that exist.
    pub(super) fn given_out(&self) -> impl Iterator<Item = SlotId> {
        let (existing, block) = (self.segments.iter().flatten(), self.block);
        existing.flat_map(move |segment| {
            let firsts = segment.places(|blocks| !blocks.raw);
            let firsts = firsts.map(move |place| segment.first + place * block);
            firsts.flat_map(move |first| first..first + block).map(SlotId)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let blocks = |segment: &Segment<A>| segment.blocks.capacity() * size_of::<BlockBits>();
        self.segments.capacity() * size_of::<Option<Segment<A>>>()
            + self.segments.iter().flatten().map(blocks).sum::<usize>()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
