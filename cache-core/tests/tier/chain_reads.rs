//! A chain reads tier after tier, and copies up what it finds.

use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{Filled, Leased, Tier, TierError};

use crate::chain_support::Process;
use crate::support::{SECOND, terms, value, won};

#[test]
fn what_is_found_below_is_copied_up_with_its_remaining_life() {
    let (clock, Process { chain, new, old }) = Process::first();
    old.put(b"key", b"value", Some(9 * SECOND)).unwrap();
    old.put(b"for ever", b"value", None).unwrap();
    clock.advance(SECOND);
    let item = chain.get(b"key").unwrap().unwrap();
    assert_eq!((&item.value[..], item.life), (&b"value"[..], Some(8 * SECOND)));
    assert_eq!(new.item(b"key").unwrap().life, Some(8 * SECOND));
    chain.get(b"for ever").unwrap().unwrap();
    assert_eq!(new.item(b"for ever").unwrap().life, None);
    // From now on the first tier has it.
    let asked = old.operations();
    assert_eq!(value(&chain, b"key").unwrap(), b"value");
    assert_eq!(old.operations(), asked);
    assert_eq!(chain.get(b"other"), Ok(None));
    let [first, second] = chain.stats()[..] else { panic!() };
    assert_eq!((first.hits, first.misses, first.copies, first.errors), (1, 3, 2, 0));
    assert_eq!((second.hits, second.misses, second.copies, second.errors), (2, 1, 0, 0));
}

#[test]
fn a_tier_that_fails_is_a_miss_and_counted() {
    let (_, Process { chain, new, old }) = Process::first();
    old.put(b"key", b"value", None).unwrap();
    new.go_down();
    assert_eq!(value(&chain, b"key").unwrap(), b"value");
    assert_eq!(chain.get(b"other"), Ok(None));
    old.fail_next(1, TierError::BreakerOpen);
    // Both fail: the first tier's error.
    assert!(matches!(chain.get(b"key"), Err(TierError::Unreachable(_))));
    new.come_back();
    old.fail_next(1, TierError::BreakerOpen);
    assert_eq!(chain.get(b"key"), Ok(None));
    // Without the first tier nothing was copied, as there is no lease.
    assert_eq!((chain.stats()[0].errors, chain.stats()[1].errors), (3, 2));
    assert!(new.keys().is_empty());
}

#[test]
fn a_batch_is_merged_key_by_key() {
    let (_, Process { chain, new, old }) = Process::first();
    new.put(b"new", b"1", None).unwrap();
    old.put(b"old", b"2", None).unwrap();
    old.put(b"new", b"older", None).unwrap();
    let read = |keys: &[&[u8]]| -> Vec<Option<Vec<u8>>> {
        let items = chain.get_many(keys).into_iter();
        items.map(|item| item.unwrap().map(|item| item.value)).collect()
    };
    let all: [&[u8]; 4] = [b"old", b"none", b"new", b"old"];
    let found = [Some(b"2".to_vec()), None, Some(b"1".to_vec()), Some(b"2".to_vec())];
    assert_eq!(read(&all), found);
    assert_eq!((new.operations().batches, old.operations().batches), (1, 1));
    assert_eq!(new.keys(), [&b"new"[..], b"old"]);
    // The lower tier is not asked for what is above.
    assert_eq!(read(&[b"old", b"new"]).len(), 2);
    assert_eq!(old.operations().batches, 1);
    assert_eq!(chain.get_many(&[]), []);
    // A tier that fails is a miss for each key; two that fail are the error of each.
    new.go_down();
    assert_eq!(read(&[b"new", b"none"]), [Some(b"older".to_vec()), None]);
    old.go_down();
    let failed = chain.get_many(&[b"a", b"b"]);
    assert!(failed.iter().all(|read| matches!(read, Err(TierError::Unreachable(_)))));
    assert_eq!(failed.len(), 2);
}

/// Else a slow tier would take its time limit from the caller once for each key.
#[test]
fn a_batch_copies_no_more_after_a_copy_has_failed() {
    let (_, Process { chain, new, old }) = Process::first();
    for key in [b"1", b"2", b"3"] {
        old.put(key, b"value", None).unwrap();
    }
    let hold = new.hold_replies();
    std::thread::scope(|scope| {
        let batch = scope.spawn(|| chain.get_many(&[b"1", b"2", b"3"]));
        // It has been answered; what comes next fails.
        hold.wait_for(1);
        new.fail_next(1, TierError::TimedOut);
        hold.release();
        assert!(batch.join().unwrap().iter().all(|read| matches!(read, Ok(Some(_)))));
    });
    assert_eq!((new.operations().leases, new.keys().len()), (1, 0));
}

#[test]
fn a_lease_is_won_only_if_no_tier_has_the_key() {
    let (_, Process { chain, new, old }) = Process::first();
    old.put(b"key", b"value", Some(SECOND)).unwrap();
    let found = chain.lease(b"key", terms()).unwrap();
    let Leased::Found { item, lease: None, is_stale: false } = found else { panic!("{found:?}") };
    assert_eq!(item.value, b"value");
    assert_eq!(new.item(b"key").unwrap().life, Some(SECOND));
    assert_eq!((chain.stats()[0].copies, old.operations().leases), (1, 0));

    let lease = won(&chain, b"missing");
    assert_eq!(chain.lease(b"missing", terms()), Ok(Leased::Lost));
    assert_eq!(chain.fill(b"missing", lease, b"loaded", None), Ok(Filled::Stored));
    assert_eq!((value(&new, b"missing").unwrap(), value(&old, b"missing")), {
        (b"loaded".to_vec(), None)
    });
}

#[test]
fn without_the_first_tier_the_second_gives_the_leases() {
    let (clock, process) = Process::first();
    let other = process.peer(&clock);
    let Process { chain, new, old } = process;
    new.go_down();
    let (filled, removed) = (won(&chain, b"filled"), won(&chain, b"removed"));
    assert_eq!(chain.lease(b"filled", terms()), Ok(Leased::Lost));
    // Another process reaches both: it has a lease of its own, and its removal ends all.
    let theirs = won(&other.chain, b"filled");
    other.chain.remove(b"removed").unwrap();
    new.come_back();
    assert_eq!(chain.fill(b"removed", removed, b"late", None), Ok(Filled::Refused));
    assert_eq!(chain.fill(b"filled", filled, b"old", None), Ok(Filled::Stored));
    assert_eq!((new.keys().len(), old.keys().len()), (0, 1));
    assert_eq!(other.chain.fill(b"filled", theirs, b"new", None), Ok(Filled::Stored));
    assert_eq!(value(&chain, b"filled").unwrap(), b"new");
    new.go_down();
    old.go_down();
    assert!(matches!(chain.lease(b"key", terms()), Err(TierError::Unreachable(_))));
}

#[test]
fn a_lease_to_refresh_goes_to_the_tier_that_gave_it() {
    let (_, Process { chain, new, old }) = Process::first();
    old.put(b"key", b"old", Some(SECOND)).unwrap();
    new.fail_next(1, TierError::TimedOut);
    let found = chain.lease(b"key", terms().refresh_within(SECOND));
    let Ok(Leased::Found { lease: Some(lease), .. }) = found else { panic!("{found:?}") };
    assert_eq!(chain.fill(b"key", lease, b"new", None), Ok(Filled::Stored));
    assert_eq!((new.keys().len(), value(&old, b"key").unwrap()), (0, b"new".to_vec()));
}

/// A copy would look as if the upper tier vouched for it.
#[test]
fn what_a_server_does_not_vouch_for_is_not_copied() {
    let (_, Process { chain, new, old }) = Process::first();
    old.put(b"key", b"value", None).unwrap();
    let end_of_outage = UNIX_EPOCH + Duration::from_secs(7);
    old.distrust_before(end_of_outage);
    let item = chain.get(b"key").unwrap().unwrap();
    assert_eq!(item.distrusted_before, Some(end_of_outage));
    let found = chain.lease(b"key", terms()).unwrap();
    let Leased::Found { item, lease: Some(lease), .. } = found else { panic!("{found:?}") };
    assert_eq!((item.distrusted_before, new.keys().len()), (Some(end_of_outage), 0));
    // The caller may load it anew.
    assert_eq!(chain.fill(b"key", lease, b"new", None), Ok(Filled::Stored));
    assert_eq!(value(&chain, b"key").unwrap(), b"new");
}
