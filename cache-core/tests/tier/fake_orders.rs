//! What a test may order of a fake tier.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{Event, EventSink, FakeTier, Filled, Leased, Subscription, Tier, TierError};

use crate::support::{SECOND, fake, terms, value, won};

#[test]
fn failures_come_in_their_order_and_do_nothing() {
    let (_, tier) = fake();
    tier.fail_next(2, TierError::TimedOut);
    tier.fail_next(1, TierError::BreakerOpen);
    assert_eq!(tier.put(b"key", b"value", None), Err(TierError::TimedOut));
    // A batch is one operation.
    assert_eq!(tier.get_many(&[b"a", b"b"]), vec![Err(TierError::TimedOut); 2]);
    assert_eq!(tier.remove(b"key"), Err(TierError::BreakerOpen));
    assert_eq!(tier.get(b"key"), Ok(None));
    let seen = tier.operations();
    assert_eq!((seen.puts, seen.batches, seen.removes, seen.gets, seen.fills), (1, 1, 1, 1, 0));
}

#[test]
fn a_tier_that_is_down_for_one_process_serves_the_others() {
    let (_, tier) = fake();
    let other = tier.peer();
    tier.put(b"key", b"value", None).unwrap();
    tier.go_down();
    assert!(matches!(tier.get(b"key"), Err(TierError::Unreachable(_))));
    assert!(matches!(tier.clone().bump(b"name", 1), Err(TierError::Unreachable(_))));
    assert_eq!((tier.health().servers_out, other.health().servers_out), (1, 0));
    assert_eq!(value(&other, b"key").unwrap(), b"value");
    tier.come_back();
    tier.distrust_before(UNIX_EPOCH + Duration::from_secs(7));
    let item = tier.get(b"key").unwrap().unwrap();
    assert_eq!(item.distrusted_before, Some(UNIX_EPOCH + Duration::from_secs(7)));
    assert_eq!(other.get(b"key").unwrap().unwrap().distrusted_before, None);
    assert_eq!((other.operations().gets, tier.operations().gets), (2, 2));
}

#[test]
fn a_write_whose_reply_is_lost_is_made() {
    let (_, tier) = fake();
    let lease = won(&tier, b"key");
    tier.lose_reply_of_next_write();
    // A read is no write.
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.fill(b"key", lease, b"value", None), Err(TierError::TimedOut));
    assert_eq!(value(&tier, b"key").unwrap(), b"value");
    assert_eq!(tier.remove(b"key"), Ok(true));
}

#[test]
fn values_can_be_corrupted_and_looked_at() {
    let (_, tier) = fake();
    tier.put(b"key", b"value", Some(SECOND)).unwrap();
    assert!(tier.corrupt(b"key", |value| value[0] ^= 1));
    assert!(!tier.corrupt(b"other", |_| unreachable!("there is none")));
    let item = tier.item(b"key").unwrap();
    assert_eq!((&item.value[..], item.life), (&b"walue"[..], Some(SECOND)));
    won(&tier, b"leased");
    assert_eq!(tier.keys(), [b"key"]);
    assert_eq!((tier.operations().gets, format!("{tier:?}")), {
        (0, "FakeTier { keys: 1, .. }".to_owned())
    });
}

#[test]
fn old_data_comes_back_without_leases() {
    let (clock, tier) = fake();
    tier.put(b"kept", b"old", Some(9 * SECOND)).unwrap();
    tier.mark_stale(b"kept", 9 * SECOND).unwrap();
    tier.bump(b"name", 5).unwrap();
    let missing = won(&tier, b"missing");
    let found = tier.lease(b"kept", terms());
    let Ok(Leased::Found { lease: Some(refresh), .. }) = found else { panic!() };
    let snapshot = tier.snapshot();
    tier.put(b"kept", b"new", None).unwrap();
    tier.put(b"later", b"new", None).unwrap();
    tier.bump(b"name", 6).unwrap();
    clock.advance(SECOND);

    tier.restore(&snapshot);
    let item = tier.get(b"kept").unwrap().unwrap();
    assert_eq!((&item.value[..], item.life), (&b"old"[..], Some(8 * SECOND)));
    assert_eq!((value(&tier, b"later"), tier.generation(b"name", 0)), (None, Ok(5)));
    for (key, lease) in [(&b"missing"[..], missing), (b"kept", refresh)] {
        assert_eq!(tier.fill(key, lease, b"late", None), Ok(Filled::Refused));
    }
    won(&tier, b"missing");
    assert!(matches!(tier.lease(b"kept", terms()), Ok(Leased::Found { lease: Some(_), .. })));
}

/// Collects what a process is told.
fn hear(tier: &FakeTier) -> (Arc<Mutex<Vec<Event>>>, Subscription) {
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let own = Arc::clone(&heard);
    let sink: EventSink = Arc::new(move |event| own.lock().unwrap().push(event));
    (heard, tier.invalidations().unwrap().subscribe(sink))
}

#[test]
fn a_test_says_what_a_process_hears() {
    let (_, tier) = fake();
    let other = tier.peer();
    let (heard, subscription) = hear(&tier);
    let (heard_by_other, _subscription) = hear(&other);
    tier.hear(Event::Prefix(b"a:".to_vec()));
    tier.lose_hearing();
    assert_eq!((tier.health().hearing_losses, other.health().hearing_losses), (1, 0));
    // Not asked to tell.
    other.put(b"key", b"value", None).unwrap();
    drop(subscription);
    tier.hear(Event::Everything);
    assert_eq!(*heard.lock().unwrap(), [Event::Prefix(b"a:".to_vec()), Event::Lost]);
    assert_eq!(*heard_by_other.lock().unwrap(), []);
}

#[test]
fn the_writes_of_others_are_told_if_asked_for() {
    let (_, tier) = fake();
    tier.tell_writes();
    let other = tier.peer();
    let (heard, _subscription) = hear(&tier);
    let (heard_by_other, _subscription) = hear(&other);
    other.put(b"put", b"value", None).unwrap();
    other.mark_stale(b"put", SECOND).unwrap();
    other.remove(b"removed").unwrap();
    let lease = won(&other, b"filled");
    other.fill(b"filled", lease, b"value", None).unwrap();
    // What did not happen is not told; what happened is, whether or not its reply arrives.
    other.fail_next(1, TierError::TimedOut);
    other.remove(b"failed").unwrap_err();
    other.lose_reply_of_next_write();
    other.remove(b"lost").unwrap_err();
    other.flush();
    let keys = [&b"put"[..], b"put", b"removed", b"lost"];
    let told = keys.map(|key| Event::Key(key.to_vec())).into_iter().chain([Event::Lost]);
    assert_eq!(*heard.lock().unwrap(), told.collect::<Vec<_>>());
    assert_eq!(*heard_by_other.lock().unwrap(), [Event::Lost]);
}

/// Else a cache that drops its memory for an event could not ask the tier.
#[test]
fn a_sink_may_ask_the_tier() {
    let (_, tier) = fake();
    tier.tell_writes();
    let (own, other) = (tier.clone(), tier.peer());
    let sink: EventSink = Arc::new(move |_| assert_eq!(value(&own, b"key").unwrap(), b"value"));
    let subscription = tier.invalidations().unwrap().subscribe(sink);
    other.put(b"key", b"value", None).unwrap();
    drop(subscription);
    assert_eq!(other.operations().puts, 1);
}
