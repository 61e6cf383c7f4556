//! Values that cannot be cloned: all that makes no clone can be done with them.

use std::collections::HashSet;
use std::time::Duration;

use cache_core::{Cache, FakeClock, RemovalCause};

use crate::common::hashers::{Constant, Identity, TestHasher};
use cache_core::__private::testing::validate;
use cache_core::RandomState;

/// Neither `Clone` nor `Copy`.
#[derive(Debug, PartialEq)]
struct Unique(u64);

fn does_all_but_clone<S: TestHasher>() {
    let clock = FakeClock::new();
    let cache: Cache<String, Unique, S> = Cache::builder()
        .max_capacity(100)
        .weigher(|_, value: &Unique| value.0 as u32)
        .time_to_live(Duration::from_secs(60))
        .eviction_listener(|_, value: &Unique, _: RemovalCause| assert!(value.0 < 100))
        .clock(clock.clone())
        .build_with_hasher(S::default());
    cache.insert("one".to_owned(), Unique(1));
    cache.insert_with_ttl("two".to_owned(), Unique(2), Duration::from_secs(5));
    assert_eq!(cache.view("one", |value| value.0), Some(1));
    assert!(cache.contains_key("two") && cache.set_ttl("one", Duration::from_secs(10)));
    assert_eq!((cache.entry_count(), cache.weighted_size()), (2, 3));
    assert_eq!(cache.entry_info("two").map(|info| info.weight()), Some(2));
    assert_eq!(cache.next_expiry(), Some(Duration::from_secs(5)));
    clock.advance(Duration::from_secs(5));
    cache.run_pending_tasks();
    assert!(!cache.contains_key("two") && cache.contains_key("one"));
    cache.invalidate("one");
    for number in 0..8 {
        cache.insert(number.to_string(), Unique(number));
    }
    assert_eq!(cache.invalidate_entries_if(|_, value| value.0 % 2 == 0), 4);
    let shown: HashSet<u64> = (0..8).filter_map(|n| cache.view(&n.to_string(), |v| v.0)).collect();
    assert_eq!(shown, HashSet::from([1, 3, 5, 7]));
    cache.clone().invalidate_all();
    assert_eq!((cache.entry_count(), cache.stats().hits), (0, 0));
    validate(&cache);
}

#[test]
fn values_that_cannot_be_cloned_are_stored_viewed_and_invalidated() {
    does_all_but_clone::<RandomState>();
    does_all_but_clone::<Identity>();
    does_all_but_clone::<Constant>();
    assert_eq!(Cache::<u8, Unique>::disabled().view(&1, |value| value.0), None);
    assert!(Cache::<u8, Unique>::new(10).policy().max_capacity().is_some());
}
