//! A chain writes to every tier, and nothing that was deleted comes back.

use std::thread;

use cache_core::FakeClock;
use cache_core::tier::{Chain, Event, FakeTier, Filled, Leased, Tier, TierError};

use crate::chain_support::{Process, Split};
use crate::support::{SECOND, next_reply, terms, value, won};

#[test]
fn writes_go_to_every_tier() {
    let (_, Process { chain, new, old }) = Process::first();
    chain.put(b"key", b"value", Some(SECOND)).unwrap();
    for tier in [&new, &old] {
        let item = tier.item(b"key").unwrap();
        assert_eq!((&item.value[..], item.life), (&b"value"[..], Some(SECOND)));
    }
    assert_eq!(chain.remove(b"key"), Ok(true));
    assert_eq!(chain.remove(b"key"), Ok(false));
    assert_eq!((new.keys().len(), old.keys().len()), (0, 0));
    old.put(b"below", b"value", None).unwrap();
    assert_eq!(chain.remove(b"below"), Ok(true));
}

#[test]
fn every_tier_is_tried_and_the_first_ones_error_returned() {
    let (_, Process { chain, new, old }) = Process::first();
    new.fail_next(1, TierError::TimedOut);
    assert_eq!(chain.put(b"key", b"value", None), Err(TierError::TimedOut));
    assert_eq!((new.keys().len(), old.keys().len()), (0, 1));
    old.fail_next(1, TierError::BreakerOpen);
    assert_eq!(chain.put(b"key", b"value", None), Err(TierError::BreakerOpen));
    new.fail_next(1, TierError::TimedOut);
    old.fail_next(1, TierError::BreakerOpen);
    assert_eq!(chain.remove(b"key"), Err(TierError::TimedOut));
    new.fail_next(1, TierError::TimedOut);
    assert_eq!(chain.remove(b"key"), Err(TierError::TimedOut));
    assert_eq!((new.keys().len(), old.keys().len()), (1, 0));
    assert_eq!((chain.stats()[0].errors, chain.stats()[1].errors), (3, 2));
}

#[test]
fn a_value_too_large_for_a_tier_leaves_no_older_one_there() {
    let (_, Process { chain, new, old }) = Process::first();
    chain.put(b"key", b"old", None).unwrap();
    let error = TierError::TooLarge { size: 9, limit: 8 };
    old.fail_next(1, error.clone());
    assert_eq!(chain.put(b"key", b"new", None), Err(error));
    assert_eq!((value(&new, b"key").unwrap(), value(&old, b"key")), (b"new".to_vec(), None));
}

/// Else a copy could take its lease above after the removal there, and read below before it.
#[test]
fn the_lowest_tier_is_written_first() {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    process.chain.put(b"key", b"old", None).unwrap();
    let below = || value(&other.old, b"key");
    let hold = process.new.hold_requests();
    thread::scope(|scope| {
        let put = scope.spawn(|| process.chain.put(b"key", b"new", None));
        hold.wait_for(1);
        assert_eq!(below().unwrap(), b"new");
        hold.release();
        put.join().unwrap().unwrap();
    });
    let hold = process.new.hold_requests();
    thread::scope(|scope| {
        let removal = scope.spawn(|| process.chain.remove(b"key"));
        hold.wait_for(1);
        assert_eq!(below(), None);
        hold.release();
        assert_eq!(removal.join().unwrap(), Ok(true));
    });
}

/// The removal comes while a copy is between its steps: `steps` of its exchanges with the lower
/// tier have been answered, the next one (or, with two, the fill above) has not begun.
fn check_removal_during_a_copy(steps: usize) {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    process.old.put(b"key", b"old", None).unwrap();
    let mut replies = process.old.hold_replies();
    thread::scope(|scope| {
        let get = scope.spawn(|| process.chain.get(b"key"));
        replies.wait_for(1);
        if steps == 2 {
            replies = next_reply(&process.old, replies);
        }
        assert_eq!(other.chain.remove(b"key"), Ok(true));
        drop(replies);
        assert_eq!(get.join().unwrap(), Ok(None));
    });
    assert_eq!((process.new.keys().len(), process.chain.stats()[0].copies), (0, 0));
    assert_eq!(process.new.operations().fills, u64::from(steps == 2));
}

#[test]
fn what_was_read_before_a_removal_by_another_process_is_not_copied() {
    check_removal_during_a_copy(1);
    check_removal_during_a_copy(2);
}

#[test]
fn a_removal_during_a_leased_copy_refuses_it() {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    process.old.put(b"key", b"old", None).unwrap();
    let replies = process.old.hold_replies();
    thread::scope(|scope| {
        let lease = scope.spawn(|| process.chain.lease(b"key", terms()));
        replies.wait_for(1);
        assert_eq!(other.chain.remove(b"key"), Ok(true));
        drop(replies);
        assert_eq!(lease.join().unwrap(), Ok(Leased::Lost));
    });
    assert_eq!(process.new.keys().len(), 0);
}

#[test]
fn for_two_seconds_after_a_delete_nothing_comes_from_below() {
    type Delete = fn(&Chain) -> Result<(), TierError>;
    let deletes: [Delete; 3] = [
        |chain| chain.remove(b"key").map(drop),
        |chain| chain.mark_stale(b"key", SECOND).map(drop),
        |chain| chain.put(b"key", b"new", None),
    ];
    for delete in deletes {
        let (clock, process) = Process::first();
        let Process { chain, new, old } = &process;
        old.put(b"key", b"old", None).unwrap();
        old.fail_next(1, TierError::TimedOut);
        assert_eq!(delete(chain), Err(TierError::TimedOut));
        // The tier above has lost it, too.
        new.flush();
        clock.advance(SECOND * 19 / 10);
        assert_eq!((chain.get(b"key"), chain.get_many(&[b"key"])), (Ok(None), vec![Ok(None)]));
        let lease = won(chain, b"key");
        assert_eq!((old.operations().gets, old.operations().batches), (0, 0));
        // But a tier is read where those above fail.
        new.fail_next(1, TierError::TimedOut);
        assert_eq!(value(chain, b"key").unwrap(), b"old");
        assert_eq!(chain.fill(b"key", lease, b"new", Some(SECOND)), Ok(Filled::Stored));
        assert_eq!(value(chain, b"key").unwrap(), b"new");
        // Then the caller has told the lower tier, or accepts what is there.
        clock.advance(SECOND);
        assert_eq!(value(chain, b"key").unwrap(), b"old");
    }
}

/// A tier that is slow to answer leaves no less of them.
#[test]
fn the_two_seconds_after_a_delete_begin_when_the_last_tier_has_answered() {
    let (clock, process) = Process::first();
    let Process { chain, old, .. } = &process;
    old.put(b"key", b"old", None).unwrap();
    let replies = old.hold_replies();
    thread::scope(|scope| {
        let delete = scope.spawn(|| chain.remove(b"key"));
        replies.wait_for(1);
        clock.advance(SECOND * 19 / 10);
        replies.release();
        assert_eq!(delete.join().unwrap(), Ok(true));
    });
    // Of a writer that is late.
    old.put(b"key", b"old", None).unwrap();
    clock.advance(SECOND * 19 / 10);
    assert_eq!(chain.get(b"key"), Ok(None));
    clock.advance(SECOND / 10);
    assert_eq!(value(chain, b"key").unwrap(), b"old");
}

/// The delete reaches the upper tier only, while what is below has been read and not yet copied.
#[test]
fn a_copy_that_has_begun_ends_with_a_delete() {
    let (clock, Process { new, old, .. }) = Process::first();
    let removals = old.peer();
    let lower = Split { tier: old.clone(), removals: removals.clone() };
    let chain = Chain::with_clock(new.clone(), clock.clone()).then(lower);
    old.put(b"key", b"old", None).unwrap();
    let replies = old.hold_replies();
    thread::scope(|scope| {
        let get = scope.spawn(|| chain.get(b"key"));
        replies.wait_for(1);
        removals.fail_next(1, TierError::TimedOut);
        assert_eq!(chain.remove(b"key"), Err(TierError::TimedOut));
        drop(replies);
        assert_eq!(get.join().unwrap(), Ok(None));
    });
    assert_eq!((new.keys().len(), old.keys().len()), (0, 1));
}

#[test]
fn a_mark_is_in_the_first_tier_only() {
    let (_, Process { chain, new, old }) = Process::first();
    chain.put(b"key", b"old", None).unwrap();
    assert_eq!(chain.mark_stale(b"key", 9 * SECOND), Ok(true));
    assert_eq!((new.keys().len(), old.keys().len()), (1, 0));
    let found = chain.lease(b"key", terms());
    let Ok(Leased::Found { lease: Some(lease), is_stale: true, .. }) = found else { panic!() };
    assert_eq!(chain.fill(b"key", lease, b"new", None), Ok(Filled::Stored));
    assert_eq!(chain.mark_stale(b"other", SECOND), Ok(false));
}

#[test]
fn a_chain_has_the_leases_of_many_tiers() {
    let clock = FakeClock::new();
    let tiers: [FakeTier; 3] = std::array::from_fn(|_| FakeTier::new(&clock));
    let [first, second, third] = &tiers;
    let chain = Chain::new(first.clone()).then(second.clone()).then(third.clone());
    for working in &tiers {
        let leases = [won(&chain, b"a"), won(&chain, b"b")];
        assert_eq!(chain.fill(b"b", leases[0], b"other", None), Ok(Filled::Refused));
        for (key, lease) in [b"a", b"b"].into_iter().zip(leases) {
            assert_eq!(chain.fill(key, lease, b"value", None), Ok(Filled::Stored));
        }
        assert_eq!(working.keys(), [b"a", b"b"]);
        working.flush();
        working.go_down();
    }
    let health = chain.health();
    assert_eq!((health.servers_out, health.hearing_losses), (3, 0));
}

#[test]
fn what_any_tier_tells_is_heard() {
    use std::sync::{Arc, Mutex};
    let (_, Process { chain, new, old }) = Process::first();
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let own = Arc::clone(&heard);
    let sink = Arc::new(move |event| own.lock().unwrap().push(event));
    let subscription = chain.invalidations().unwrap().subscribe(sink);
    new.hear(Event::Everything);
    old.lose_hearing();
    drop(subscription);
    old.hear(Event::Everything);
    assert_eq!(*heard.lock().unwrap(), [Event::Everything, Event::Lost]);
    assert_eq!((chain.health().hearing_losses, chain.max_key_len()), (1, 250));
}
