//! Leases: one caller loads, and what it stores depends on that.

use std::time::Duration;

use cache_core::tier::{Filled, LeaseTerms, Leased, Tier};

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::{MINUTE, leased, made_up, patient, value, won};

cases![
    a_missing_key_has_one_winner,
    a_fill_without_its_lease_is_refused,
    a_lease_ends_with_every_write,
    a_lease_ends_by_itself,
    a_lease_that_was_taken_is_no_item,
    a_stale_item_is_refreshed_by_one,
    a_plain_read_takes_no_lease,
    a_load_is_not_stored_after_a_soft_invalidation,
    an_item_about_to_end_is_refreshed_by_one,
];

fn a_missing_key_has_one_winner() {
    let server = Server::start();
    let tiers: Vec<_> = (0..3).map(|_| patient([server.address()]).build()).collect();
    let lease = won(&tiers[0], b"key");
    for tier in &tiers {
        assert_eq!(leased(tier, b"key"), Leased::Lost);
    }
    assert_eq!(tiers[0].fill(b"key", lease, b"value", Some(MINUTE)), Ok(Filled::Stored));
    for tier in &tiers {
        let Leased::Found { item, lease: None, is_stale: false } = leased(tier, b"key") else {
            panic!("nothing is found");
        };
        assert_eq!(item.value, b"value");
    }
    assert_eq!(tiers[0].fill(b"key", lease, b"twice", None), Ok(Filled::Refused));
}

fn a_fill_without_its_lease_is_refused() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(tier.fill(b"key", made_up(), b"value", None), Ok(Filled::Refused));
    let lease = won(&tier, b"key");
    assert_eq!(tier.fill(b"key", made_up(), b"value", None), Ok(Filled::Refused));
    assert_eq!(tier.fill(b"key", lease, b"value", None), Ok(Filled::Stored));
}

fn a_lease_ends_with_every_write() {
    let server = Server::start();
    let (tier, other) = (patient([server.address()]).build(), patient([server.address()]).build());
    let refused = |key: &[u8], end: &dyn Fn()| {
        let lease = won(&tier, key);
        end();
        assert_eq!(tier.fill(key, lease, b"old", None), Ok(Filled::Refused), "{key:?}");
    };
    refused(b"removed", &|| assert_eq!(other.remove(b"removed"), Ok(true)));
    assert_eq!(value(&tier, b"removed"), None);
    refused(b"put", &|| other.put(b"put", b"new", None).expect("stored"));
    assert_eq!(value(&tier, b"put").as_deref(), Some(&b"new"[..]));
    refused(b"marked", &|| assert_eq!(other.mark_stale(b"marked", MINUTE), Ok(true)));
    assert_eq!(value(&tier, b"marked"), None);
    refused(b"flushed", &|| {
        assert_eq!(server.say("flush_all"), "OK");
    });
    assert_eq!(value(&tier, b"flushed"), None);
}

fn a_lease_ends_by_itself() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let terms = LeaseTerms::new(Duration::from_millis(1));
    let Ok(Leased::Won(old)) = tier.lease(b"key", terms) else { panic!("no lease") };
    assert_eq!(tier.lease(b"key", terms), Ok(Leased::Lost), "two seconds at least");
    let mut newer = None;
    crate::harness::wait_until(|| {
        if let Ok(Leased::Won(lease)) = tier.lease(b"key", terms) {
            newer = Some(lease);
        }
        newer.is_some()
    });
    assert_eq!(tier.fill(b"key", old, b"old", None), Ok(Filled::Refused));
    assert_eq!(tier.fill(b"key", newer.expect("a lease"), b"new", None), Ok(Filled::Stored));
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b"new"[..]));
}

fn a_lease_that_was_taken_is_no_item() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let lease = won(&tier, b"key");
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.get_many(&[b"key", b"other"]), [Ok(None), Ok(None)]);
    assert_eq!(tier.fill(b"key", lease, b"", None), Ok(Filled::Stored), "the lease still holds");
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b""[..]));
}

fn a_stale_item_is_refreshed_by_one() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(tier.mark_stale(b"key", MINUTE), Ok(false));
    tier.put(b"key", b"old", Some(MINUTE)).expect("stored");
    assert_eq!(tier.mark_stale(b"key", 2 * MINUTE), Ok(true));
    let Leased::Found { item, lease: Some(lease), is_stale: true } = leased(&tier, b"key") else {
        panic!("no lease for the first");
    };
    assert_eq!(item.value, b"old");
    assert!(item.life.is_some_and(|life| life > MINUTE + MINUTE / 2), "{:?}", item.life);
    for _ in 0..3 {
        let again = leased(&tier, b"key");
        let Leased::Found { item, lease: None, is_stale: true } = again else {
            panic!("{again:?}");
        };
        assert_eq!(item.value, b"old");
    }
    assert_eq!(tier.fill(b"key", lease, b"new", Some(MINUTE)), Ok(Filled::Stored));
    let Leased::Found { item, lease: None, is_stale: false } = leased(&tier, b"key") else {
        panic!("it is fresh");
    };
    assert_eq!(item.value, b"new");
}

/// The server gives the lease of a stale item to any reader, so a reader that cannot use it has to
/// return it.
fn a_plain_read_takes_no_lease() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    for key in [&b"one"[..], b"two", b"three"] {
        tier.put(key, b"old", Some(MINUTE)).expect("stored");
        assert_eq!(tier.mark_stale(key, MINUTE), Ok(true));
    }
    assert_eq!(value(&tier, b"one").as_deref(), Some(&b"old"[..]));
    let many = tier.get_many(&[b"two", b"missing", b"three"]);
    assert!(many[0].as_ref().is_ok_and(Option::is_some), "{many:?}");
    for key in [&b"one"[..], b"two", b"three"] {
        let Leased::Found { lease: Some(lease), is_stale: true, .. } = leased(&tier, key) else {
            panic!("the lease was taken");
        };
        // Nor does it take one that somebody has.
        assert_eq!(value(&tier, key).as_deref(), Some(&b"old"[..]));
        assert_eq!(tier.fill(key, lease, b"new", None), Ok(Filled::Stored));
    }
}

fn a_load_is_not_stored_after_a_soft_invalidation() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let early = won(&tier, b"key");
    assert_eq!(tier.mark_stale(b"key", MINUTE), Ok(true));
    // There was no item to be stale: the next reader loads, under its own lease.
    let lease = won(&tier, b"key");
    assert_eq!(leased(&tier, b"key"), Leased::Lost);
    assert_eq!(tier.fill(b"key", early, b"old", None), Ok(Filled::Refused));
    assert_eq!(tier.fill(b"key", lease, b"new", None), Ok(Filled::Stored));
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b"new"[..]));
}

fn an_item_about_to_end_is_refreshed_by_one() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    tier.put(b"key", b"old", Some(MINUTE)).expect("stored");
    let terms = LeaseTerms::new(Duration::from_secs(30));
    let early = tier.lease(b"key", terms.refresh_within(MINUTE / 2)).expect("an answer");
    assert!(matches!(early, Leased::Found { lease: None, .. }), "{early:?}");
    let due = terms.refresh_within(2 * MINUTE);
    let first = tier.lease(b"key", due).expect("an answer");
    let Leased::Found { lease: Some(lease), is_stale: false, .. } = first else {
        panic!("{first:?}");
    };
    let second = tier.lease(b"key", due).expect("an answer");
    assert!(matches!(second, Leased::Found { lease: None, .. }), "{second:?}");
    assert_eq!(tier.fill(b"key", lease, b"new", Some(MINUTE)), Ok(Filled::Stored));
}
