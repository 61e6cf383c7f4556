//! Which blocks are given out, where they stand, and which may lose their pages.

use std::collections::BTreeSet;

use super::*;

const BLOCK: u32 = 64;

/// A growth of so many blocks, some taken: first slots, in order.
fn taken(planned: u64, blocks: usize) -> (Growth<()>, Vec<SlotId>) {
    let mut growth = Growth::new(planned, BLOCK);
    let firsts = (0..blocks).map(|_| take(&mut growth, None).0).collect();
    (growth, firsts)
}

fn take(growth: &mut Growth<()>, near: Option<SlotId>) -> (SlotId, bool) {
    loop {
        if let Some(taken) = growth.take(near) {
            return taken;
        }
        let (number, len) = growth.next_segment();
        growth.add(number, len, ());
    }
}

fn put_back(growth: &mut Growth<()>, first: SlotId) {
    let number = (first.0 / BLOCK + 1).ilog2() as usize;
    growth.put_back(number, first);
}

/// The first slots of the blocks in a run.
fn blocks(run: Run) -> impl Iterator<Item = SlotId> {
    (0..run.len / BLOCK).map(move |place| run.first.plus(place * BLOCK))
}

#[test]
fn blocks_of_one_shard_stand_together() {
    let (mut growth, first) = taken(1 << 20, 1000);
    // Four shards take turns.
    let mut shards: Vec<Vec<SlotId>> = (0..4).map(|shard| vec![first[shard]]).collect();
    for _ in 0..64 {
        for shard in &mut shards {
            shard.push(take(&mut growth, shard.last().copied()).0);
        }
    }
    for shard in shards {
        let neighbours = shard.windows(2).filter(|pair| pair[1] == pair[0].plus(BLOCK)).count();
        assert!(neighbours >= 64 * 6 / 8, "{neighbours} of 64 are beside the one before");
    }
}

#[test]
fn no_memory_is_taken_for_the_sake_of_neighbours() {
    let (mut growth, first) = taken(1 << 20, 1000);
    let total = growth.total;
    let mut shards: Vec<SlotId> = first[..100].to_vec();
    let mut left = total / u64::from(BLOCK) - 1000;
    for shard in (0..100).cycle() {
        if left == 0 {
            break;
        }
        shards[shard] = growth.take(Some(shards[shard])).expect("a block is left").0;
        left -= 1;
    }
    assert_eq!((growth.total, growth.take(Some(first[0]))), (total, None));
}

#[test]
fn what_was_returned_is_given_out_again_lowest_first() {
    let (mut growth, firsts) = taken(1 << 20, 500);
    [300, 7, 120].into_iter().for_each(|at| put_back(&mut growth, firsts[at]));
    for at in [7, 120, 300] {
        assert_eq!(take(&mut growth, None), (firsts[at], false));
    }
}

#[test]
fn idle_blocks_lose_their_pages_once_and_are_zeroed_before_they_come_again() {
    let (mut growth, firsts) = taken(1 << 20, 2000);
    growth.keeps_pages = false;
    let is_kept = |at: usize| at < 20 || at.is_multiple_of(10) || (500..530).contains(&at);
    let idle: BTreeSet<SlotId> =
        (0..2000).filter(|&at| !is_kept(at)).map(|at| firsts[at]).collect();
    let exist: u64 = growth.total / u64::from(BLOCK);
    let never_given_out = exist as usize - 2000;
    idle.iter().for_each(|&first| put_back(&mut growth, first));
    while let Some(run) = growth.take_pages(16) {
        assert!(run.len / BLOCK <= 16 + 2 * REACH / BLOCK);
        let last = firsts[1999];
        assert!(blocks(run).all(|first| idle.contains(&first) || first > last));
    }
    let without: Vec<SlotId> = growth.without_pages().into_iter().flat_map(blocks).collect();
    assert_eq!(without.len(), idle.len() + never_given_out);
    assert!(idle.iter().all(|first| without.contains(first)));
    let given_out: BTreeSet<SlotId> =
        growth.given_out().filter(|slot| slot.0.is_multiple_of(BLOCK)).collect();
    assert_eq!(given_out.len(), 2000 - idle.len());
    assert!(given_out.is_disjoint(&idle));
    // Taken again, one has its pages; returned, it loses them with those that it shares.
    let (again, is_raw) = take(&mut growth, None);
    assert!(is_raw && idle.contains(&again));
    assert!(growth.without_pages().into_iter().flat_map(blocks).all(|first| first != again));
    assert_eq!(growth.take_pages(16), None);
    put_back(&mut growth, again);
    let run = growth.take_pages(16).expect("one has its pages");
    assert!(run.len > BLOCK && blocks(run).any(|first| first == again));
}
