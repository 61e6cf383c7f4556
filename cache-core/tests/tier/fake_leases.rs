//! The leases of a fake tier are those of memcached.

use cache_core::tier::{Filled, LeaseTerms, Leased, Tier};

use crate::support::{SECOND, fake, terms, value, won};

#[test]
fn one_caller_wins_the_lease_of_a_missing_key() {
    let (_, tier) = fake();
    let lease = won(&tier, b"key");
    assert_eq!(tier.peer().lease(b"key", terms()), Ok(Leased::Lost));
    assert_eq!(value(&tier, b"key"), None);
    assert_eq!(tier.fill(b"key", lease, b"value", None), Ok(Filled::Stored));
    assert_eq!(value(&tier.peer(), b"key").unwrap(), b"value");
    // It was good for one fill.
    assert_eq!(tier.fill(b"key", lease, b"again", None), Ok(Filled::Refused));
    assert!(matches!(
        tier.lease(b"key", terms()),
        Ok(Leased::Found { lease: None, is_stale: false, .. })
    ));
}

#[test]
fn a_lease_lasts_whole_seconds_and_at_least_two() {
    for (asked, lasts) in [(SECOND / 10, 2), (2 * SECOND, 2), (SECOND * 5 / 2, 3)] {
        let (clock, tier) = fake();
        let Ok(Leased::Won(old)) = tier.lease(b"key", LeaseTerms::new(asked)) else { panic!() };
        clock.advance(lasts * SECOND - SECOND / 1_000);
        assert_eq!(tier.lease(b"key", terms()), Ok(Leased::Lost));
        clock.advance(SECOND / 1_000);
        let new = won(&tier, b"key");
        assert_eq!(tier.fill(b"key", old, b"old", None), Ok(Filled::Refused));
        assert_eq!(tier.fill(b"key", new, b"new", None), Ok(Filled::Stored));
    }
}

#[test]
fn a_lease_that_has_ended_stores_nothing_even_if_no_other_began() {
    let (clock, tier) = fake();
    let lease = won(&tier, b"key");
    clock.advance(10 * SECOND);
    assert_eq!(tier.fill(b"key", lease, b"late", None), Ok(Filled::Refused));
    assert_eq!(tier.keys(), Vec::<Vec<u8>>::new());
}

#[test]
fn every_write_ends_the_lease() {
    let writes: [fn(&dyn Tier, &[u8]); 3] = [
        |tier, key| tier.put(key, b"put", None).unwrap(),
        |tier, key| assert!(!tier.remove(key).unwrap(), "a lease is no item"),
        |tier, key| assert!(!tier.mark_stale(key, SECOND).unwrap(), "a lease is no item"),
    ];
    for write in writes {
        let (_, tier) = fake();
        let lease = won(&tier, b"key");
        write(&tier.peer(), b"key");
        assert_eq!(tier.fill(b"key", lease, b"late", None), Ok(Filled::Refused));
        assert_ne!(value(&tier, b"key").as_deref(), Some(&b"late"[..]));
    }
    let (_, tier) = fake();
    let lease = won(&tier, b"key");
    tier.flush();
    assert_eq!(tier.fill(b"key", lease, b"late", None), Ok(Filled::Refused));
    won(&tier, b"key");
}

#[test]
fn a_stale_item_is_given_out_with_one_lease() {
    let (clock, tier) = fake();
    tier.put(b"key", b"old", None).unwrap();
    assert_eq!(tier.mark_stale(b"key", 30 * SECOND), Ok(true));
    let found = tier.lease(b"key", terms());
    let Ok(Leased::Found { item, lease: Some(lease), is_stale: true }) = found else { panic!() };
    assert_eq!((&item.value[..], item.life), (&b"old"[..], Some(30 * SECOND)));
    assert!(matches!(
        tier.lease(b"key", terms()),
        Ok(Leased::Found { lease: None, is_stale: true, .. })
    ));
    // A second mark ends the lease: what its holder loads may be from before.
    assert_eq!(tier.mark_stale(b"key", 30 * SECOND), Ok(true));
    assert_eq!(tier.fill(b"key", lease, b"late", None), Ok(Filled::Refused));
    let found = tier.lease(b"key", terms());
    let Ok(Leased::Found { lease: Some(lease), .. }) = found else { panic!() };
    assert_eq!(tier.fill(b"key", lease, b"new", Some(SECOND)), Ok(Filled::Stored));
    assert!(matches!(tier.lease(b"key", terms()), Ok(Leased::Found { is_stale: false, .. })));
    // The mark has the time that it was given.
    tier.mark_stale(b"key", 3 * SECOND).unwrap();
    clock.advance(3 * SECOND);
    assert_eq!(value(&tier, b"key"), None);
}

#[test]
fn an_item_near_its_end_is_refreshed_by_one_caller() {
    let (clock, tier) = fake();
    tier.put(b"key", b"old", Some(10 * SECOND)).unwrap();
    tier.put(b"for ever", b"old", None).unwrap();
    let terms = terms().refresh_within(4 * SECOND);
    let lease = |key| match tier.lease(key, terms) {
        Ok(Leased::Found { lease, is_stale: false, .. }) => lease,
        other => panic!("{other:?}"),
    };
    clock.advance(5 * SECOND);
    assert_eq!((lease(b"key"), lease(b"for ever")), (None, None));
    clock.advance(SECOND);
    let (first, second) = (lease(b"key"), lease(b"key"));
    assert_eq!(second, None);
    assert_eq!(tier.fill(b"key", first.unwrap(), b"new", None), Ok(Filled::Stored));
    assert_eq!(value(&tier, b"key").unwrap(), b"new");
}

#[test]
fn an_item_lives_as_long_as_it_was_given() {
    let (clock, tier) = fake();
    tier.put(b"key", b"value", Some(3 * SECOND)).unwrap();
    clock.advance(SECOND);
    assert_eq!(tier.get(b"key").unwrap().unwrap().life, Some(2 * SECOND));
    clock.advance(2 * SECOND);
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.remove(b"key"), Ok(false));
    tier.put(b"key", b"value", None).unwrap();
    assert_eq!(tier.get(b"key").unwrap().unwrap().life, None);
    assert_eq!(tier.remove(b"key"), Ok(true));
}

#[test]
fn a_counter_only_rises() {
    let (_, tier) = fake();
    assert_eq!(tier.generation(b"name", 100), Ok(100));
    assert_eq!((tier.generation(b"name", 7), tier.generation(b"name", 150)), (Ok(100), Ok(100)));
    assert_eq!((tier.bump(b"name", 7), tier.bump(b"name", 200)), (Ok(101), Ok(200)));
    assert_eq!((tier.bump(b"other", 0), tier.bump(b"other", 50)), (Ok(1), Ok(50)));
    tier.flush();
    assert_eq!(tier.generation(b"name", 300), Ok(300));
}
