//! The slab alone: blocks, plans, segments that come and go.

use super::*;
use crate::table::meta::State;
use crate::table::segments::SEGMENTS;

#[test]
fn a_slot_costs_24_bytes_beside_key_and_value() {
    assert_eq!(size_of::<Slot<u64, u64>>(), 16 + 16);
    assert_eq!(size_of::<Slot<String, [u8; 3]>>(), 24 + 8 + 16);
    assert_eq!(size_of::<Links>(), 8);
}

#[test]
fn blocks_do_not_overlap_and_all_their_slots_exist() {
    let slab = Slab::<u64, u64>::new(Some(1000), Keeps { weights: true, ..Keeps::default() });
    let mut firsts: Vec<u32> = (0..100).map(|owner| slab.take_block(owner)).collect();
    for (owner, &first) in firsts.iter().enumerate() {
        for id in first..first + BLOCK {
            assert_eq!(slab.owner(id), owner as u32);
            slab.set_weight(id, id);
            slab.meta(id).set_hash(id);
        }
    }
    for &first in &firsts {
        for id in first..first + BLOCK {
            assert_eq!((slab.weight(id), slab.meta(id).hash()), (id, id));
        }
    }
    firsts.sort_unstable();
    assert!(firsts.windows(2).all(|pair| pair[0] + BLOCK <= pair[1]));
}

#[test]
fn a_planned_slab_is_allocated_to_plan_and_grows_past_it_by_small_steps() {
    let slab = Slab::<u64, u64>::new(Some(10_000), Keeps::default());
    for owner in 0..10_000u32.div_ceil(BLOCK) {
        slab.take_block(owner);
    }
    assert_eq!(slab.growth.lock().total, 10_048);
    slab.take_block(0);
    assert!(slab.growth.lock().total <= 10_048 + 10_048 / 64 + 64);
}

#[test]
fn a_slab_goes_on_growing_however_far_past_its_plan() {
    let slab = Slab::<(), ()>::new(Some(64), Keeps::default());
    for owner in 0..(1 << 20) / BLOCK {
        slab.take_block(owner);
    }
    let growth = slab.growth.lock();
    assert!(growth.segments.len() < SEGMENTS - 6, "{} segments", growth.segments.len());
    assert!(growth.total < 3 << 20);
}

#[test]
fn a_segment_is_freed_with_its_last_block_and_may_come_again() {
    let keeps = Keeps { weights: true, dates: true, paces: true, idles: true };
    let slab = Slab::<u64, u64>::new(Some(10_000), keeps);
    let empty = slab.bytes();
    for _ in 0..3 {
        let mut blocks: Vec<u32> = (0..150).map(|owner| slab.take_block(owner)).collect();
        let full = slab.bytes();
        assert!(full.0 > empty.0 && full.1 > empty.1);
        let total = slab.growth.lock().total;
        // All but one of the last, largest segment: nothing of that is freed.
        let last = blocks.pop().unwrap();
        slab.return_blocks(&blocks);
        let len = |id| slab.slots.len(Segments::<Links>::place(id).1) as u64;
        assert_eq!(slab.growth.lock().total, len(last));
        assert!(slab.growth.lock().total < total);
        // What was returned is given out again, lower segments first.
        let again = slab.take_block(7);
        assert!(slab.slots.get(again).meta.state() == State::Free && slab.owner(again) == 7);
        slab.return_blocks(&[again, last]);
        assert_eq!((slab.bytes().0, slab.growth.lock().total), (empty.0, 0));
    }
}

#[test]
fn past_plan_steps_do_not_grow_with_the_age_of_the_cache() {
    let slab = Slab::<u64, u64>::new(Some(10_000), Keeps::default());
    let mut totals = Vec::new();
    for _ in 0..20 {
        let blocks: Vec<u32> =
            (0..10_048 / BLOCK + 1).map(|owner| slab.take_block(owner)).collect();
        totals.push(slab.growth.lock().total);
        slab.return_blocks(&blocks);
        assert_eq!(slab.growth.lock().total, 0);
    }
    assert!(totals.iter().all(|&total| total == totals[0]), "{totals:?}");
}
