//! A tiered cache over a chain: processes move from one cluster to another, one after the other.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{Chain, FakeTier, Tier, TieredCache};
use cache_core::{Cache, Clock, FakeClock};

use crate::tiered::{MINUTE, SECOND, Strings, Text};

/// A process whose tier is this one. It polls when it is told to.
fn process(clock: &FakeClock, tier: impl Tier) -> Strings {
    let wall = clock.clone();
    TieredCache::builder("moving")
        .memory(Cache::builder().clock(clock.clone()))
        .time_to_live(MINUTE)
        .poll_period(Duration::MAX)
        .lease_wait(Duration::ZERO)
        .wall_clock(move || UNIX_EPOCH + 1_000_000 * MINUTE + wall.now().as_duration())
        .codec(Text)
        .tier(tier)
        .build()
}

#[track_caller]
fn hit(cache: &Strings, key: u32) -> String {
    cache.get_with(key, || panic!("{key} was to be in a tier"))
}

#[test]
fn a_new_cluster_is_filled_from_the_old_one_and_keeps_no_old_value() {
    let clock = FakeClock::new();
    clock.advance(MINUTE);
    let (new, old) = (FakeTier::new(&clock), FakeTier::new(&clock));
    let yesterday = process(&clock, old.peer());
    for key in 0..3 {
        assert_eq!(yesterday.get_with(key, || "old".to_owned()), "old");
    }
    clock.advance(10 * SECOND);
    let chain = |new: &FakeTier, old: &FakeTier| Arc::new(Chain::new(new.peer()).then(old.peer()));
    let first = chain(&new, &old);
    let today = process(&clock, Arc::clone(&first));
    assert_eq!((hit(&today, 0), hit(&today, 1)), ("old".to_owned(), "old".to_owned()));
    assert_eq!((first.stats()[0].copies, new.keys().len()), (2, 2));
    // A value that this process replaces is replaced for the others, too, in both clusters.
    today.invalidate(&0).unwrap();
    assert_eq!(today.get_with(0, || "new".to_owned()), "new");
    let tomorrow = process(&clock, new.peer());
    assert_eq!((hit(&tomorrow, 0), hit(&tomorrow, 1)), ("new".to_owned(), "old".to_owned()));
    clock.advance(5 * SECOND);
    assert_eq!(yesterday.get_with(0, || "loaded".to_owned()), "loaded");
    // A flush reaches both, too.
    today.invalidate_all().unwrap();
    assert_eq!(today.get_with(1, || "flushed".to_owned()), "flushed");
    tomorrow.poll().unwrap();
    yesterday.poll().unwrap();
    assert_eq!((tomorrow.get(&1), yesterday.get(&2)), (Some("flushed".to_owned()), None));
}
