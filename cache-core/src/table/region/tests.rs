//! Regions alone.

use super::*;

#[test]
fn a_class_is_the_smallest_for_its_entries() {
    assert_eq!(SizeClass::for_entries(0), SizeClass::SMALLEST);
    for entries in [1, 18, 19, 1000, 36_864, 36_865, 1 << 20] {
        let class = SizeClass::for_entries(entries);
        assert!(class.entries() >= entries);
        assert!(class == SizeClass::SMALLEST || class.entries() / 2 < entries);
    }
}

#[test]
fn every_probe_reaches_every_group() {
    for class in (1..12).map(SizeClass) {
        for hash in [0, 1, 0xffff_ffff, 0x1234_5678, 0x9e37_79b9] {
            let mut seen = vec![false; class.groups()];
            for group in probe(hash, class) {
                assert!(!std::mem::replace(&mut seen[group], true));
            }
            assert!(seen.iter().all(|&seen| seen));
        }
    }
}

#[test]
fn entries_are_found_after_overflow_and_removal() {
    let region = Region::allocate(SizeClass::for_entries(300));
    // All with the same first group: hashes that differ in the low bits only.
    let hashes: Vec<u32> = (0..100).collect();
    // SAFETY: the region is this test's own.
    unsafe {
        for (slot, &hash) in hashes.iter().enumerate() {
            region.insert(hash, SlotId(slot as u32));
        }
        assert_eq!(region.validate(|slot| hashes[slot.0 as usize]), 100);
        for slot in (0..100u32).step_by(2) {
            let lane = region.lane_of(hashes[slot as usize], SlotId(slot)).unwrap();
            region.remove(hashes[slot as usize], lane);
            region.validate(|slot| hashes[slot.0 as usize]);
        }
        for slot in 0..100u32 {
            let found = region.lane_of(hashes[slot as usize], SlotId(slot)).is_some();
            assert_eq!(found, slot % 2 == 1);
        }
        let mut left = 0;
        region.for_each(|_| left += 1);
        assert_eq!(left, 50);
        region.free();
    }
}

#[test]
fn a_word_carries_address_and_size() {
    for class in [SizeClass(1), SizeClass(2), SizeClass(3), SizeClass(7), SizeClass(12)] {
        let region = Region::allocate(class);
        let word = RegionPtr::new(region);
        assert_eq!(word.load().groups, region.groups);
        assert_eq!(word.load().class, class);
        // SAFETY: the region is this test's own.
        unsafe { region.free() };
    }
}
