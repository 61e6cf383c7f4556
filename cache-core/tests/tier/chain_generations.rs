//! The tiers of a chain agree on the generation, and a flush reaches all of them.

use std::thread;

use cache_core::tier::{FakeTier, Tier, TierError};

use crate::chain_support::Process;
use crate::support::{SECOND, next_reply};

/// The counter of a tier, which it has.
#[track_caller]
fn counter(tier: &FakeTier) -> u64 {
    let counter = tier.peer().generation(b"name", 0).unwrap();
    assert_ne!(counter, 0, "the tier had no counter");
    counter
}

/// Else the first use of a new cluster would flush the old one.
#[test]
fn a_tier_without_a_counter_takes_that_of_the_tiers_below() {
    let (_, Process { chain, new, old }) = Process::first();
    old.bump(b"name", 50).unwrap();
    assert_eq!(chain.generation(b"name", 90), Ok(50));
    assert_eq!((counter(&new), counter(&old)), (50, 50));
    // It has lost its counter.
    new.flush();
    assert_eq!((chain.generation(b"name", 95), counter(&new)), (Ok(50), 50));
    // None has one.
    new.flush();
    old.flush();
    assert_eq!(chain.generation(b"name", 99), Ok(99));
    assert_eq!((counter(&new), counter(&old)), (99, 99));
}

#[test]
fn the_generation_is_the_highest_and_the_others_are_raised_to_it() {
    let (_, Process { chain, new, old }) = Process::first();
    chain.generation(b"name", 50).unwrap();
    // By a process that knows the old tier only.
    assert_eq!(old.bump(b"name", 0), Ok(51));
    assert_eq!(chain.generation(b"name", 90), Ok(51));
    assert_eq!(counter(&new), 51);
    // The lowest has lost its counter: it begins at the time, which is a flush.
    old.flush();
    assert_eq!(chain.generation(b"name", 90), Ok(90));
    assert_eq!((counter(&new), counter(&old)), (90, 90));
    assert_eq!((new.keys().len(), old.keys().len()), (0, 0));
}

#[test]
fn a_tier_that_fails_is_left_out_of_a_generation() {
    let (_, Process { chain, new, old }) = Process::first();
    chain.generation(b"name", 50).unwrap();
    old.go_down();
    assert_eq!(chain.generation(b"name", 90), Ok(50));
    new.go_down();
    assert!(matches!(chain.generation(b"name", 90), Err(TierError::Unreachable(_))));
    old.come_back();
    assert_eq!(chain.generation(b"name", 90), Ok(50));
    // One that cannot be raised is raised at the next call.
    new.come_back();
    new.bump(b"name", 60).unwrap();
    assert_eq!(chain.generation(b"name", 90), Ok(60));
    assert_eq!(counter(&old), 60);
}

#[test]
fn a_bump_raises_every_tier_above_all() {
    let (_, Process { chain, new, old }) = Process::first();
    old.bump(b"name", 50).unwrap();
    assert_eq!(chain.bump(b"name", 10), Ok(51));
    assert_eq!(chain.bump(b"name", 90), Ok(90));
    assert_eq!((counter(&new), counter(&old)), (90, 90));
    old.go_down();
    assert!(matches!(chain.bump(b"name", 0), Err(TierError::Unreachable(_))));
    old.come_back();
    assert_eq!((chain.bump(b"name", 0), counter(&new), counter(&old)), (Ok(92), 92, 92));
}

#[test]
fn two_bumps_at_once_end_with_one_generation() {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    process.chain.bump(b"name", 10).unwrap();
    // It reads 11, raises the first tier, and is held before the second.
    let replies = process.new.hold_replies();
    thread::scope(|scope| {
        let bump = scope.spawn(|| process.chain.bump(b"name", 0));
        replies.wait_for(1);
        let requests = process.old.hold_requests();
        drop(replies);
        requests.wait_for(1);
        assert_eq!(counter(&process.new), 12);
        assert_eq!(other.chain.bump(b"name", 0), Ok(13));
        drop(requests);
        assert_eq!(bump.join().unwrap(), Ok(14));
    });
    assert_eq!((counter(&process.new), counter(&process.old)), (14, 14));
}

/// Else each would add one, and the other tier be lower in turn, for as long as both read. However
/// far the one has come, the other leaves it at that.
#[test]
fn two_processes_raise_a_counter_once() {
    for replies_before in 0..3 {
        let (clock, process) = Process::first();
        let other = process.peer(&clock);
        process.chain.generation(b"name", 50).unwrap();
        process.old.peer().bump(b"name", 51).unwrap();
        let mut replies = process.new.hold_replies();
        thread::scope(|scope| {
            let generation = scope.spawn(|| process.chain.generation(b"name", 0));
            replies.wait_for(1);
            // The counter; the lease; the counter under the lease.
            for _ in 0..replies_before {
                replies = next_reply(&process.new, replies);
            }
            assert_eq!(other.chain.generation(b"name", 0), Ok(51));
            drop(replies);
            assert_eq!(generation.join().unwrap(), Ok(51));
        });
        assert_eq!((counter(&process.new), counter(&process.old)), (51, 51));
        let bumps = (process.new.operations().bumps, other.new.operations().bumps);
        assert_eq!(bumps, if replies_before == 0 { (0, 1) } else { (1, 0) });
    }
}

/// Its lease has ended meanwhile, so that another process raises the counter as well.
#[test]
fn a_process_that_stood_still_raises_nothing_twice() {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    process.chain.generation(b"name", 50).unwrap();
    process.old.peer().bump(b"name", 51).unwrap();
    let replies = process.new.hold_replies();
    thread::scope(|scope| {
        let generation = scope.spawn(|| process.chain.generation(b"name", 0));
        replies.wait_for(1);
        other.chain.generation(b"name", 0).unwrap();
        clock.advance(5 * SECOND);
        drop(replies);
        generation.join().unwrap().unwrap();
    });
    assert_eq!((counter(&process.new), counter(&process.old)), (51, 51));
}
