//! The slab alone: blocks, plans, segments that come and go; for slots of all sizes, and thus for
//! blocks of 64 slots down to one.

use super::*;
use crate::table::header::State;
use crate::table::segments::most_segments;

type Bytes<const N: usize> = [u8; N];

#[test]
fn a_slot_costs_24_bytes_beside_key_and_value() {
    assert_eq!(size_of::<Slot<u64, u64>>(), 16 + 16);
    assert_eq!(size_of::<Slot<String, [u8; 3]>>(), 24 + 8 + 16);
    assert_eq!(size_of::<Slot<(), ()>>(), 16);
    assert_eq!(size_of::<Links>(), 8);
}

#[test]
fn a_block_is_a_page_of_slots_but_64_at_most_and_one_at_least() {
    assert_eq!(Slab::<(), ()>::BLOCK, 64);
    assert_eq!(Slab::<u64, u64>::BLOCK, 64);
    assert_eq!(Slab::<String, String>::BLOCK, 64);
    assert_eq!(Slab::<u64, Bytes<41>>::BLOCK, 32);
    assert_eq!(Slab::<u64, Bytes<1000>>::BLOCK, 4);
    assert_eq!(Slab::<u64, Bytes<2000>>::BLOCK, 2);
    assert_eq!(Slab::<u64, Bytes<2048>>::BLOCK, 1);
    assert_eq!(Slab::<u64, Bytes<{ 1 << 20 }>>::BLOCK, 1);
    assert_eq!((Slab::<(), ()>::FULL, Slab::<u64, Bytes<1000>>::FULL), (u64::MAX, 0b1111));
    assert_eq!(Slab::<u64, Bytes<2048>>::FULL, 1);
}

fn blocks_do_not_overlap<V>() {
    let slab = Slab::<u64, V>::new(Some(1000), ColumnSet { weights: true, ..ColumnSet::default() });
    let block = Slab::<u64, V>::BLOCK;
    let take = |number| slab.take_block(BlockNo(number), None);
    let mut firsts: Vec<SlotId> = (0..6400 / block).map(take).collect();
    for (&first, number) in firsts.iter().zip(0..) {
        for id in (0..block).map(|i| first.plus(i)) {
            assert_eq!(slab.block_of(id), BlockNo(number));
            assert_eq!(slab.header(id).state(), State::Free);
            slab.set_weight(id, id.0);
            slab.header(id).set_hash(id.0);
        }
    }
    for &first in &firsts {
        for id in (0..block).map(|i| first.plus(i)) {
            assert_eq!((slab.weight(id), slab.header(id).hash()), (id.0, id.0));
        }
    }
    firsts.sort_unstable();
    assert!(firsts.windows(2).all(|pair| pair[0].plus(block) <= pair[1]));
}

#[test]
fn blocks_do_not_overlap_and_all_their_slots_exist() {
    blocks_do_not_overlap::<()>();
    blocks_do_not_overlap::<u64>();
    blocks_do_not_overlap::<Bytes<100>>();
    blocks_do_not_overlap::<Bytes<1000>>();
    blocks_do_not_overlap::<Bytes<2000>>();
    blocks_do_not_overlap::<Bytes<3000>>();
}

fn no_other_slot_exists<V>() {
    let slab = Slab::<u64, V>::new(None, ColumnSet::default());
    let exists = |id: u32| {
        let look = std::panic::AssertUnwindSafe(|| _ = slab.header(SlotId(id)).state());
        std::panic::catch_unwind(look).is_ok()
    };
    assert!(!exists(0));
    assert_eq!(slab.take_block(BlockNo(0), None), SlotId(0));
    let (block, nil) = (Slab::<u64, V>::BLOCK, SlotId::NIL.0);
    assert!((0..block).all(exists));
    for id in [block, 2 * block, 1 << 20, 1 << 31, nil - 64, nil - 1, nil] {
        assert!(!exists(id), "slot {id} of blocks of {block}");
    }
}

#[test]
fn a_number_that_no_slot_has_is_refused() {
    no_other_slot_exists::<u64>();
    no_other_slot_exists::<Bytes<1000>>();
    no_other_slot_exists::<Bytes<2000>>();
    no_other_slot_exists::<Bytes<3000>>();
}

#[test]
fn a_planned_slab_is_allocated_to_plan_and_grows_past_it_by_small_steps() {
    let slab = Slab::<u64, u64>::new(Some(10_000), ColumnSet::default());
    for number in 0..10_000u32.div_ceil(64) {
        slab.take_block(BlockNo(number), None);
    }
    assert_eq!(slab.stock.lock().growth.total, 10_048);
    slab.take_block(BlockNo(0), None);
    assert!(slab.stock.lock().growth.total <= 10_048 + 10_048 / 64 + 64);
}

#[test]
fn a_slab_of_large_slots_grows_slot_by_slot() {
    let slab = Slab::<u64, Bytes<3000>>::new(Some(10), ColumnSet::default());
    let totals: Vec<u64> = (0..14)
        .map(|number| {
            slab.take_block(BlockNo(number), None);
            slab.stock.lock().growth.total
        })
        .collect();
    assert_eq!(totals, [1, 3, 3, 7, 7, 7, 7, 10, 10, 10, 11, 12, 13, 14]);
}

#[test]
fn a_slab_goes_on_growing_however_far_past_its_plan() {
    let slab = Slab::<(), ()>::new(Some(64), ColumnSet::default());
    for number in 0..(1 << 20) / 64 {
        slab.take_block(BlockNo(number), None);
    }
    let growth = &slab.stock.lock().growth;
    let spared = most_segments(64) - growth.segments.len();
    assert!(spared > 4, "{spared} segments are left");
    assert!(growth.total < 3 << 20);
}

/// What readers that stay pinned make of a cache is bounded by its memory alone, for any plan and
/// any size of slots.
#[test]
fn there_are_2_to_the_30_slots_for_every_plan_and_block() {
    for block in (0..=6).map(|bits| 1 << bits) {
        for planned in (0..=31).flat_map(|bits| [1, 1 << bits, (1 << bits) * 5 / 4]) {
            let mut growth = Growth::<()>::new(planned, block);
            for _ in 0..most_segments(block) {
                let (number, len) = growth.next_segment();
                assert!(len > 0 && len % block == 0);
                growth.add(number, len, ());
            }
            assert!((1 << 30..1 << 31).contains(&growth.total), "{planned}, {block}");
        }
    }
}

fn segments_come_and_go<V>() {
    let columns = ColumnSet { weights: true, write_times: true, refresh_states: true, idles: true };
    let slab = Slab::<u64, V>::new(Some(10_000), columns);
    let empty = slab.bytes();
    for _ in 0..3 {
        let mut blocks: Vec<SlotId> =
            (0..150).map(|number| slab.take_block(BlockNo(number), None)).collect();
        let full = slab.bytes();
        assert!(full.0 > empty.0 && full.1 > empty.1);
        let total = slab.stock.lock().growth.total;
        // All but one of the last, largest segment: nothing of that is freed.
        let last = blocks.pop().unwrap();
        return_blocks(&slab, &blocks);
        let len = |id: SlotId| slab.slots.len(Slot::<u64, V>::segment(id.0)) as u64;
        assert_eq!(slab.stock.lock().growth.total, len(last));
        assert!(slab.stock.lock().growth.total < total);
        // What was returned is given out again, lower segments first.
        let again = slab.take_block(BlockNo(7), None);
        assert!(
            slab.slots.get(again.0).header.state() == State::Free
                && slab.block_of(again) == BlockNo(7)
        );
        return_blocks(&slab, &[again, last]);
        assert_eq!((slab.bytes().0, slab.stock.lock().growth.total), (empty.0, 0));
    }
}

#[test]
fn a_segment_is_freed_with_its_last_block_and_may_come_again() {
    segments_come_and_go::<u64>();
    segments_come_and_go::<Bytes<1000>>();
    segments_come_and_go::<Bytes<2000>>();
    segments_come_and_go::<Bytes<3000>>();
}

#[test]
fn past_plan_steps_do_not_grow_with_the_age_of_the_cache() {
    let slab = Slab::<u64, u64>::new(Some(10_000), ColumnSet::default());
    let mut totals = Vec::new();
    for _ in 0..20 {
        let blocks: Vec<SlotId> =
            (0..10_048 / 64 + 1).map(|number| slab.take_block(BlockNo(number), None)).collect();
        totals.push(slab.stock.lock().growth.total);
        return_blocks(&slab, &blocks);
        assert_eq!(slab.stock.lock().growth.total, 0);
    }
    assert!(totals.iter().all(|&total| total == totals[0]), "{totals:?}");
}

/// Blocks, some of which stay. The others lose their pages, and come again as new.
fn pages_come_and_go<V>() {
    let columns = ColumnSet { weights: true, write_times: true, refresh_states: true, idles: true };
    let slab = Slab::<u64, V>::new(None, columns);
    let all: Vec<SlotId> = (0..4000)
        .map(|number| slab.take_block(BlockNo(number), None))
        .inspect(|first| mark(&slab, *first))
        .collect();
    let (stay, go): (Vec<_>, Vec<_>) =
        all.iter().zip(0..).partition(|(_, place)| place % 500 == 0 || *place > 3_700);
    let (stay, go) = (firsts(stay), firsts(go));
    return_blocks(&slab, &go);
    let full = slab.bytes();
    slab.give_back_pages();
    let left = slab.bytes();
    if cfg!(all(target_os = "linux", not(miri))) {
        assert!(left.0 < full.0 / 4 && left.1 < full.1, "{left:?} of {full:?}");
    } else {
        assert_eq!(left, full);
    }
    stay.iter().for_each(|&first| check(&slab, first, |id| (id.0, id.0)));
    // All come again, those that lost nothing as well, and some further ones.
    for number in 0..all.len() as u32 {
        let first = slab.take_block(BlockNo(number), Some(stay[0]));
        assert!(!stay.contains(&first));
        // What lost nothing is as it was returned.
        let lost = cfg!(all(target_os = "linux", not(miri))) || !go.contains(&first);
        check(&slab, first, |id| if lost { (0, 0) } else { (id.0, id.0) });
        mark(&slab, first);
    }
    stay.iter().for_each(|&first| check(&slab, first, |id| (id.0, id.0)));
}

fn firsts(blocks: Vec<(&SlotId, u32)>) -> Vec<SlotId> {
    blocks.into_iter().map(|(first, _)| *first).collect()
}

fn mark<V>(slab: &Slab<u64, V>, first: SlotId) {
    for id in (0..Slab::<u64, V>::BLOCK).map(|i| first.plus(i)) {
        slab.set_weight(id, id.0);
        slab.header(id).set_hash(id.0);
    }
}

fn check<V>(slab: &Slab<u64, V>, first: SlotId, expected: impl Fn(SlotId) -> (u32, u32)) {
    for id in (0..Slab::<u64, V>::BLOCK).map(|i| first.plus(i)) {
        assert_eq!(slab.header(id).state(), State::Free);
        assert_eq!((slab.weight(id), slab.header(id).hash()), expected(id));
    }
}

#[test]
fn blocks_are_new_again_after_their_pages_were_given_back() {
    pages_come_and_go::<u64>();
    pages_come_and_go::<Bytes<1000>>();
    pages_come_and_go::<Bytes<3000>>();
}

/// Takes back blocks whose slots were not used.
fn return_blocks<K, V>(slab: &Slab<K, V>, blocks: &[SlotId]) {
    // SAFETY: the test has taken them, and has kept no index.
    unsafe { slab.return_blocks(blocks) };
}
