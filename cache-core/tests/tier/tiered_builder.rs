//! What the builder refuses, and how it says so.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cache_core::tier::{FakeTier, TieredCache, TieredCacheBuilder};
use cache_core::{Cache, FakeClock, RandomState};

use crate::tiered::Text;

fn builder(name: &str) -> TieredCacheBuilder<u32, String, Text> {
    TieredCache::builder(name).tier(FakeTier::new(&FakeClock::new())).codec(Text)
}

#[track_caller]
fn refused(builder: TieredCacheBuilder<u32, String, Text>, text: &str) {
    assert_eq!(builder.try_build().map(drop).unwrap_err().to_string(), text);
}

#[test]
fn bad_options_are_told_by_name_with_a_remedy() {
    let name = |shown: &str| {
        format!(
            "name: {shown} is not a name for remote keys; give 1 to 64 printable ASCII characters \
             without blanks and colons"
        )
    };
    for bad in ["", "a b", "a:b", "zürich", "a\r\nb", &"x".repeat(65)] {
        refused(builder(bad), &name(&format!("{bad:?}")));
    }
    assert!(builder(&"x".repeat(64)).try_build().is_ok());
    refused(
        builder("a").time_to_live(Duration::ZERO),
        "time_to_live: values would be dead as soon as they are written; give more than zero, or \
         leave it out for values that live as long as the tier has room for them",
    );
    refused(
        builder("a").negative_ttl(Duration::ZERO),
        "negative_ttl: absence would be forgotten at once; give more than zero, or leave it out \
         for absence that is not stored",
    );
    refused(
        builder("a").poll_period(Duration::ZERO),
        "poll_period: the thread that polls would never rest; give more than zero, or \
         `Duration::MAX` to poll by `TieredCache::poll` alone",
    );
    refused(
        TieredCache::builder("a").codec(Text),
        "tier: there is none; give one by `tier` or `tier_async`, or use a `Cache`",
    );
    refused(
        builder("a").memory(Cache::builder().ttl_jitter(2.0)),
        &Cache::<u32, String>::builder().ttl_jitter(2.0).try_build().unwrap_err().to_string(),
    );
}

/// The memory life that entries would outlive is not one that the user has written down.
#[test]
fn a_refresh_after_the_memory_life_is_told_with_that_life() {
    let second = Duration::from_secs(1);
    let refreshing = |after| Cache::builder().refresh_after(after);
    let late = |life: u64| {
        format!(
            "refresh_after: an entry would leave memory, after {life}s, before its refresh is due, \
             after {life}s; give less, or a longer memory_time_to_live (by default a tenth of \
             time_to_live, at most 5 s)"
        )
    };
    let hour = || builder("a").time_to_live(3600 * second);
    refused(hour().memory(refreshing(5 * second)), &late(5));
    refused(hour().memory_time_to_live(60 * second).memory(refreshing(60 * second)), &late(60));
    assert!(hour().memory(refreshing(4 * second)).try_build().is_ok());
    assert!(hour().memory(refreshing(5 * second).max_capacity(0)).try_build().is_ok());
    let own = Cache::builder().time_to_live(2 * second).refresh_after(3 * second);
    let text = own.try_build().map(|_: Cache<u32, String>| ()).unwrap_err().to_string();
    let own = Cache::builder().time_to_live(2 * second).refresh_after(3 * second);
    refused(hour().memory(own), &text);
}

#[test]
fn a_memory_tier_that_is_off_is_no_tier() {
    let off = [
        builder("a").memory(Cache::builder().max_capacity(0)),
        builder("a").memory(Cache::builder().time_to_live(Duration::ZERO)),
        builder("a").memory_time_to_live(Duration::ZERO),
    ];
    for builder in off {
        let cache = builder.build();
        assert_eq!(cache.get_with(1, || "one".to_owned()), "one");
        assert_eq!(cache.memory().entry_count(), 0);
        assert_eq!(cache.get_with(1, || unreachable!("the remote tier has it")), "one");
    }
}

#[test]
fn a_handle_says_what_it_is_and_its_name_is_the_memory_tiers() {
    let cache = builder("prices").build();
    assert_eq!(cache.memory().name(), Some("prices"));
    assert!(format!("{cache:?}").contains("prices:0:"), "{cache:?}");
    let named = builder("prices").memory(Cache::builder().name("mine")).build();
    assert_eq!(named.memory().name(), Some("mine"));
}

thread_local! {
    static PANICKED_IN: Cell<Option<String>> = const { Cell::new(None) };
}

/// A configuration that cannot be is a mistake of the caller, so its line is the one to be shown.
#[test]
fn a_build_that_panics_points_at_its_caller() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED_IN.set(panic.location().map(|place| place.file().to_owned()));
        tell(panic);
    }));
    let wrong = || Cache::<u32, String>::builder().ttl_jitter(2.0);
    let builds: [&dyn Fn(); 5] = [
        &|| drop(wrong().build()),
        &|| drop(wrong().build_with_hasher(RandomState::new())),
        &|| drop(wrong().build_with_loader(|_| Err("none"))),
        &|| drop(wrong().build_with_bulk_loader(|_| Err("none"))),
        &|| drop(builder("a b").build()),
    ];
    for build in builds {
        assert!(catch_unwind(AssertUnwindSafe(build)).is_err());
        assert_eq!(PANICKED_IN.take().as_deref(), Some(file!()));
    }
}
