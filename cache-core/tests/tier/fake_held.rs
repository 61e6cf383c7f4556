//! Operations of a fake tier that wait until the test lets them go on.

use std::thread;

use cache_core::tier::{AsyncTier, Filled, Tier};

use crate::common::tasks::Polled;
use crate::support::{fake, value, won};

#[test]
fn a_thread_blocks_until_its_request_is_let_go() {
    let (_, tier) = fake();
    let lease = won(&tier, b"key");
    let hold = tier.hold_requests();
    thread::scope(|scope| {
        let fills = scope.spawn(|| Tier::fill(&tier, b"key", lease, b"late", None));
        hold.wait_for(1);
        // Another process is not held. The fill comes after the removal.
        assert_eq!(Tier::remove(&tier.peer(), b"key"), Ok(false));
        assert_eq!(hold.waiting(), 1);
        hold.release();
        assert_eq!(fills.join().unwrap(), Ok(Filled::Refused));
    });
    assert_eq!(value(&tier, b"key"), None);
}

#[test]
fn a_reply_that_was_held_is_old() {
    let (_, tier) = fake();
    Tier::put(&tier, b"key", b"old", None).unwrap();
    let hold = tier.hold_replies();
    let get = Polled::pending(AsyncTier::get(&tier, b"key"));
    Tier::remove(&tier.peer(), b"key").unwrap();
    assert_eq!((hold.waiting(), get.wakes.count()), (1, 0));
    drop(hold);
    assert_eq!(get.wakes.count(), 1);
    assert_eq!(get.finish().unwrap().unwrap().value, b"old");
    assert_eq!(value(&tier, b"key"), None);
}

#[test]
fn every_hold_has_to_be_released() {
    let (_, tier) = fake();
    let (first, second) = (tier.hold_requests(), tier.hold_requests());
    let mut get = Polled::pending(AsyncTier::get(&tier, b"key"));
    drop(first);
    assert!(get.poll().is_none());
    assert_eq!(format!("{second:?}"), "FakeHold { waiting: 1 }");
    drop(second);
    assert_eq!(get.finish(), Ok(None));
}

#[test]
fn a_future_that_is_dropped_is_no_longer_held() {
    let (_, tier) = fake();
    let requests = tier.hold_requests();
    let put = Polled::pending(AsyncTier::put(&tier, b"request", b"value", None));
    drop(put);
    assert_eq!((requests.waiting(), tier.operations().puts), (0, 1));
    drop(requests);
    let replies = tier.hold_replies();
    drop(Polled::pending(AsyncTier::put(&tier, b"reply", b"value", None)));
    assert_eq!(replies.waiting(), 0);
    // The one had not been made, the other had.
    assert_eq!(tier.keys(), [b"reply"]);
}
