//! Properties of the public types at compile time: they may be sent, shared, and used after a
//! panic; those with a hasher have the cache's own by default.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use cache_core::{
    BuildError, Cache, CacheBuilder, CompResult, Entry, EntryInfo, EntrySelector, EvictionPolicy,
    FakeClock, GuardError, Iter, LoadError, LoadGuard, LoadTimeouts, LoadingCache, MonotonicClock,
    Op, Policy, RandomState, RemovalCause, Stats, Status, Tick, TickingClock,
};

use crate::common::panics::{panics, silence_panics_on_purpose};
use cache_core::__private::testing::validate;

fn whole_after_a_panic<T: UnwindSafe + RefUnwindSafe>() {}
fn shared<T: Send + Sync>() {}

/// May be shared by threads, but the compiler does not know what it does when something panics.
type Opaque = Arc<dyn Fn() + Send + Sync>;

#[test]
fn every_public_type_is_unwind_safe() {
    whole_after_a_panic::<Cache<String, Vec<u8>>>();
    whole_after_a_panic::<LoadingCache<String, u64, String>>();
    whole_after_a_panic::<EntrySelector<'_, String, u64>>();
    whole_after_a_panic::<Iter<String, u64>>();
    whole_after_a_panic::<CacheBuilder<String, u64>>();
    whole_after_a_panic::<LoadTimeouts>();
    whole_after_a_panic::<(LoadGuard<'_, String, u64>, GuardError<'_, String, u64>)>();
    whole_after_a_panic::<EvictionPolicy>();
    // Whatever is in them, and whatever the hasher is.
    whole_after_a_panic::<Cache<Opaque, Opaque, Opaque>>();
    whole_after_a_panic::<LoadingCache<Opaque, Opaque, Opaque, Opaque>>();
    whole_after_a_panic::<EntrySelector<'_, Opaque, Opaque, Opaque>>();
    whole_after_a_panic::<Iter<Opaque, Opaque, Opaque>>();
    whole_after_a_panic::<CacheBuilder<Opaque, Opaque>>();
    // Plain data, if what they hold is.
    whole_after_a_panic::<(Entry<String, u64>, Op<u64>, CompResult<String, u64>)>();
    whole_after_a_panic::<(LoadError<String>, BuildError, EntryInfo, Policy, Stats, Status)>();
    whole_after_a_panic::<(FakeClock, MonotonicClock, TickingClock, Tick, RemovalCause)>();
    whole_after_a_panic::<cache_core::macro_caches::Bypass>();
}

#[test]
fn handles_are_sent_and_shared_and_builders_are_sent() {
    shared::<Cache<String, Vec<u8>>>();
    shared::<LoadingCache<String, u64, String>>();
    shared::<EntrySelector<'_, String, u64>>();
    shared::<Iter<String, u64>>();
    shared::<CacheBuilder<String, u64>>();
    shared::<LoadTimeouts>();
    shared::<(FakeClock, MonotonicClock, TickingClock)>();
    shared::<(LoadGuard<'_, String, u64>, GuardError<'_, String, u64>)>();
}

#[test]
fn types_with_a_hasher_have_that_of_the_cache_by_default() {
    fn same<T>(_: &T, _: &T) {}
    let cache: Cache<u32, u32> = Cache::new(10);
    let iter: Iter<u32, u32> = cache.iter();
    let with_hasher: Iter<u32, u32, RandomState> = cache.iter();
    same(&iter, &with_hasher);
    let selector: EntrySelector<'_, u32, u32> = cache.entry(1);
    let with_hasher: EntrySelector<'_, u32, u32, RandomState> = cache.entry(1);
    same(&selector, &with_hasher);
    let loading: LoadingCache<u32, u32, ()> = Cache::builder().build_with_loader(|n| Ok(*n));
    let with_hasher: LoadingCache<u32, u32, (), RandomState> = loading.clone();
    same(&loading, &with_hasher);
    let guard: LoadGuard<'_, u32, u32> = cache.get_or_guard(&1).unwrap_err();
    let with_hasher: LoadGuard<'_, u32, u32, RandomState> = cache.get_or_guard(&2).unwrap_err();
    same(&guard, &with_hasher);
}

#[test]
fn a_cache_is_usable_after_a_panic_that_went_through_it() {
    silence_panics_on_purpose();
    let cache: Cache<u32, u32> = Cache::builder().time_to_live(Duration::from_secs(60)).build();
    assert!(catch_unwind(|| cache.get_with(1, || panic!("on purpose"))).is_err());
    assert_eq!(cache.get_with(1, || 10), 10);
    validate(&cache);
}

/// A key whose clone panics if the trap is set.
#[derive(PartialEq, Eq, Hash)]
struct Key(u32);

thread_local! {
    static TRAP: Cell<bool> = const { Cell::new(false) };
}

impl Clone for Key {
    fn clone(&self) -> Key {
        assert!(!TRAP.get(), "on purpose");
        Key(self.0)
    }
}

#[test]
fn an_iterator_goes_on_after_a_clone_that_panicked() {
    silence_panics_on_purpose();
    let cache: Cache<Key, u32> = Cache::new(64);
    (0..10).for_each(|n| cache.insert(Key(n), n));
    let mut iter = cache.iter();
    TRAP.set(true);
    assert!(panics(|| iter.next()));
    TRAP.set(false);
    let mut seen: Vec<u32> = iter.map(|(_, n)| n).collect();
    seen.sort_unstable();
    assert_eq!(seen, Vec::from_iter(0..10));
}
