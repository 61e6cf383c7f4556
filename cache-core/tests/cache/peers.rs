//! What has the name and the meaning that other caches have given it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, EvictionPolicy, RemovalCause};

use crate::common::configurations::{Subject, in_every_configuration};
use crate::common::hashers::TestHasher;
use crate::common::panics::silence_panics_on_purpose;
use cache_core::__private::testing::validate;

type Owned = Arc<Mutex<Vec<(Arc<u64>, u64, RemovalCause)>>>;

fn an_owned_listener<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let notices = Owned::default();
    let log = Arc::clone(&notices);
    let owned = Subject::<u64, u64, S>::built(subject.setup, |builder| {
        builder.eviction_listener_owned(move |key, value, cause| {
            log.lock().unwrap().push((key, value, cause));
        })
    });
    owned.insert(1, 10);
    owned.insert(1, 11);
    owned.invalidate(&1);
    let expected = [(1, 10, RemovalCause::Replaced), (1, 11, RemovalCause::Explicit)];
    let expected = expected.map(|(key, value, cause)| (Arc::new(key), value, cause));
    assert_eq!(*notices.lock().unwrap(), expected);
    owned.check_notified(vec![]);
    owned.check_holds(0);
}

#[test]
fn an_owned_listener_is_given_clones_and_takes_the_place_of_the_other() {
    in_every_configuration!(an_owned_listener);
}

/// A value whose clone panics.
struct Unclonable;

impl Clone for Unclonable {
    fn clone(&self) -> Self {
        panic!("on purpose")
    }
}

#[test]
fn a_clone_for_an_owned_listener_that_panics_is_caught_and_counted() {
    silence_panics_on_purpose();
    let notified = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&notified);
    let cache: Cache<u64, Unclonable> = Cache::builder()
        .record_stats()
        .eviction_listener_owned(move |_, _, _| _ = count.fetch_add(1, SeqCst))
        .build();
    cache.insert(1, Unclonable);
    cache.invalidate(&1);
    assert_eq!((cache.stats().listener_panics, notified.load(SeqCst)), (1, 0));
    validate(&cache);
}

#[test]
#[expect(deprecated, reason = "they are there for programs that call them")]
fn options_that_change_nothing_build_the_same_cache() {
    let builders: [CacheBuilder<u64, u64>; 4] = [
        CacheBuilder::new(2),
        CacheBuilder::new(2).eviction_policy(EvictionPolicy::lru()),
        CacheBuilder::default().max_capacity(2).eviction_policy(EvictionPolicy::tiny_lfu()),
        Cache::builder().support_invalidation_closures().max_capacity(2),
    ];
    for builder in builders {
        let cache = builder.build();
        (0..5).for_each(|n| cache.insert(n, n));
        assert_eq!((cache.entry_count(), cache.policy().max_capacity()), (2, Some(2)));
        assert_eq!(cache.invalidate_entries_if(|_, _| true), 2);
    }
    assert!(CacheBuilder::<u8, u8>::new(0).build().get(&1).is_none());
}

#[test]
fn debug_shows_figures_and_no_entries() {
    /// Not `Debug`.
    #[derive(PartialEq, Eq, Hash)]
    struct Secret(u8);
    let cache: Cache<Secret, Secret> =
        Cache::builder().name("secrets").max_capacity(10).time_to_live(Duration::MAX).build();
    cache.insert(Secret(7), Secret(77));
    let text = format!("{cache:?}");
    let figures =
        r#"Cache { name: Some("secrets"), max_capacity: Some(10), weighted_size: 1, .. }"#;
    assert_eq!(text, figures);
}
