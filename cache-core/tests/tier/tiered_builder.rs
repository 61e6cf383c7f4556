//! What the builder refuses, and how it says so.

use std::time::Duration;

use cache_core::tier::{FakeTier, TieredCache, TieredCacheBuilder};
use cache_core::{Cache, FakeClock};

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
        "time_to_live: zero; leave it out, or give a duration",
    );
    refused(
        builder("a").negative_ttl(Duration::ZERO),
        "negative_ttl: zero; leave it out, or give a duration",
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

#[test]
fn a_memory_tier_that_is_off_is_no_tier() {
    let cache = builder("a").memory(Cache::builder().max_capacity(0)).build();
    assert_eq!(cache.get_with(1, || "one".to_owned()), "one");
    assert_eq!(cache.memory().entry_count(), 0);
    assert_eq!(cache.get_with(1, || unreachable!("the remote tier has it")), "one");
}

#[test]
fn a_handle_says_what_it_is_and_its_name_is_the_memory_tiers() {
    let cache = builder("prices").build();
    assert_eq!(cache.memory().name(), Some("prices"));
    assert!(format!("{cache:?}").contains("prices:0:"), "{cache:?}");
    let named = builder("prices").memory(Cache::builder().name("mine")).build();
    assert_eq!(named.memory().name(), Some("mine"));
}
