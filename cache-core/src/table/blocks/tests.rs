//! The blocks of one shard, without readers: which slots are ready, which are their blocks'.

use super::*;
use crate::table::slab::ColumnSet;

/// A shard's blocks with so many slots in use, and those.
fn in_use(slab: &Slab<u64, u64>, count: usize) -> (BlockList, Vec<SlotId>) {
    let mut blocks = BlockList::default();
    let ids = (0..count).map(|_| take(&mut blocks, slab)).collect();
    (blocks, ids)
}

fn take(blocks: &mut BlockList, slab: &Slab<u64, u64>) -> SlotId {
    let (slot, number) = blocks.take_slot(slab);
    assert_eq!(slot.block(), number);
    slot.header().set_state(State::Live);
    blocks.set_live(number, slot.id());
    slot.id()
}

fn free(blocks: &mut BlockList, slab: &Slab<u64, u64>, ids: &[SlotId]) {
    for &id in ids {
        blocks.take_live(slab.at(id));
        slab.header(id).set_state(State::Emptied);
    }
    blocks.free_slots(slab, ids);
    blocks.validate(slab);
}

fn slab() -> Slab<u64, u64> {
    Slab::new(Some(10_000), ColumnSet::default())
}

#[test]
fn what_was_freed_last_is_given_out_first() {
    let slab = slab();
    let (mut blocks, ids) = in_use(&slab, 640);
    free(&mut blocks, &slab, &ids[100..110]);
    free(&mut blocks, &slab, &ids[5..7]);
    let again: Vec<SlotId> = (0..12).map(|_| take(&mut blocks, &slab)).collect();
    let expected: Vec<SlotId> = ids[100..110].iter().chain(&ids[5..7]).rev().copied().collect();
    assert_eq!(again, expected);
    blocks.validate(&slab);
}

#[test]
fn no_more_slots_are_ready_than_two_batches() {
    let slab = slab();
    let (mut blocks, ids) = in_use(&slab, 6_400);
    for batch in ids.chunks(BATCH) {
        free(&mut blocks, &slab, batch);
    }
    assert_eq!(blocks.ready.len(), 2 * BATCH);
    let in_blocks: u32 = blocks.blocks.iter().map(|block| block.free.count_ones()).sum();
    assert_eq!(in_blocks as usize + blocks.ready.len(), 6_400);
}

#[test]
fn in_a_shard_that_empties_no_slots_become_ready() {
    let slab = slab();
    let (mut blocks, ids) = in_use(&slab, 6_400);
    free(&mut blocks, &slab, &ids[..3_200]);
    assert!(blocks.ready.is_empty(), "too many at once");
    for batch in ids[3_200..].chunks(BATCH) {
        free(&mut blocks, &slab, batch);
        assert!(blocks.ready.is_empty());
    }
}

#[test]
fn blocks_are_released_though_their_slots_were_ready() {
    let slab = slab();
    let (mut blocks, ids) = in_use(&slab, 256);
    free(&mut blocks, &slab, &ids[..64]);
    free(&mut blocks, &slab, &ids[128..192]);
    let (firsts, renumbered) = blocks.release_free(&slab);
    blocks.validate(&slab);
    assert_eq!(firsts, [ids[0], ids[128]]);
    let [first, third] = [0, 2].map(|number| (BlockNo(number), None));
    let moved = [(1, 0), (3, 1)].map(|(old, new)| (BlockNo(old), Some(BlockNo(new))));
    assert_eq!(renumbered, [first, moved[0], third, moved[1]]);
    assert_eq!(blocks.ready.capacity(), 0);
    // SAFETY: given up, all slots free, and no thread reads this slab.
    unsafe { slab.return_blocks(&firsts) };
    // What is free again is used before new blocks.
    free(&mut blocks, &slab, &ids[64..128]);
    let again: Vec<SlotId> = (0..192).map(|_| take(&mut blocks, &slab)).collect();
    blocks.validate(&slab);
    assert!(ids[64..128].iter().all(|id| again[..64].contains(id)));
    assert_eq!((blocks.blocks.len(), blocks.live()), (4, 256));
}
