//! Values whose `Drop` panics: the others are dropped all the same, and the call still does its
//! work.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock};

use crate::common::census::{Census, Token};
use crate::common::panics::panics;
use cache_core::__private::testing::validate;

/// Panics when it is dropped, unless that would abort the process.
struct Bomb(u64, #[allow(dead_code, reason = "it counts its own drop")] Token);

impl Clone for Bomb {
    fn clone(&self) -> Self {
        unreachable!("no call clones it")
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 % 10 == 3 && !std::thread::panicking() {
            panic!("on purpose");
        }
    }
}

const MANY: u64 = 10_000;

struct Armed {
    cache: Cache<u64, Bomb>,
    census: Census,
    clock: FakeClock,
}

/// A cache of many shards, filled.
fn armed() -> Armed {
    let (census, clock) = (Census::default(), FakeClock::new());
    let cache = Cache::builder()
        .max_capacity(100_000)
        .time_to_live(Duration::from_secs(1))
        .clock(clock.clone())
        .build();
    (0..MANY).for_each(|n| cache.insert(n, Bomb(n, census.token())));
    Armed { cache, census, clock }
}

/// Calls until nothing panics any more.
fn until_it_is_done(call: impl Fn()) {
    let mut calls = 0;
    while panics(&call) {
        calls += 1;
        assert!(calls <= MANY, "each bomb goes off once");
    }
}

#[test]
fn invalidate_all_removes_everything_although_drops_panic() {
    let Armed { cache, census, .. } = armed();
    assert!(panics(|| cache.invalidate_all()), "the panic reaches the caller");
    assert_eq!(cache.entry_count(), 0);
    validate(&cache);
    until_it_is_done(|| cache.run_pending_tasks());
    assert_eq!(census.alive(), 0);
}

#[test]
fn invalidate_entries_if_removes_all_it_picks_although_drops_panic() {
    let Armed { cache, census, .. } = armed();
    let _ = panics(|| cache.invalidate_entries_if(|key, _| *key >= 100));
    assert_eq!(cache.entry_count(), 100);
    validate(&cache);
    until_it_is_done(|| cache.run_pending_tasks());
    assert_eq!(census.alive(), 100);
    // The last handle drops the rest, and passes their panic on.
    assert!(panics(|| drop(cache)));
    assert_eq!(census.alive(), 0);
}

#[test]
fn run_pending_tasks_frees_all_that_expired_although_drops_panic() {
    let Armed { cache, census, clock } = armed();
    clock.advance(Duration::from_secs(1));
    let _ = panics(|| cache.run_pending_tasks());
    assert_eq!(cache.entry_count(), 0);
    validate(&cache);
    until_it_is_done(|| cache.run_pending_tasks());
    assert_eq!(census.alive(), 0);
}

#[test]
fn writes_go_through_although_drops_of_others_panic() {
    let census = Census::default();
    let cache = Cache::<u64, Bomb>::new(100);
    for n in 0..MANY {
        let _ = panics(|| cache.insert(n, Bomb(n, census.token())));
        assert!(cache.contains_key(&n), "{n} is stored");
        assert!(cache.entry_count() <= 100);
    }
    validate(&cache);
    until_it_is_done(|| cache.run_pending_tasks());
    assert_eq!(census.alive(), 100);
    until_it_is_done(|| cache.invalidate_all());
    assert_eq!(census.alive(), 0);
}

#[test]
fn the_last_handle_drops_everything_although_drops_panic() {
    let Armed { cache, census, .. } = armed();
    (0..MANY / 2).for_each(|n| _ = panics(|| cache.invalidate(&n)));
    assert!(panics(|| drop(cache)));
    assert_eq!(census.alive(), 0);
}

/// A panic during a panic aborts the process, so the second must not leave the cache.
#[test]
fn a_load_that_panics_while_drops_panic_ends_in_one_panic() {
    let census = Census::default();
    let cache = Cache::<u64, Bomb>::new(4);
    for n in 0..200 {
        let _ = panics(|| cache.insert(3 + 10 * n, Bomb(3, census.token())));
        assert!(panics(|| cache.get_with(1, || panic!("on purpose"))));
    }
    until_it_is_done(|| cache.invalidate_all());
    until_it_is_done(|| cache.run_pending_tasks());
    assert_eq!(census.alive(), 0);
    validate(&cache);
}

/// The payload of the panics of `Awkward`, which panics in turn when it is dropped.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        assert!(thread::panicking(), "on purpose, of a payload");
    }
}

/// Panics when it is dropped, with a payload that does too. Counts its drops.
#[derive(Clone)]
struct Awkward(Arc<AtomicUsize>, Arc<AtomicBool>);

impl Drop for Awkward {
    fn drop(&mut self) {
        if self.1.load(SeqCst) {
            self.0.fetch_add(1, SeqCst);
            panic_any(Payload);
        }
    }
}

#[test]
fn payloads_that_panic_when_dropped_cause_no_second_drop() {
    let (drops, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let cache: Cache<u64, Awkward> = Cache::new(64);
    for key in 0..8 {
        cache.insert(key, Awkward(Arc::clone(&drops), Arc::clone(&armed)));
    }
    armed.store(true, SeqCst);
    for attempt in [catch(|| cache.invalidate_all()), catch(|| drop(cache))] {
        attempt.map_or_else(std::mem::forget, |()| ());
    }
    assert_eq!(drops.load(SeqCst), 8);
}

fn catch(work: impl FnOnce()) -> thread::Result<()> {
    catch_unwind(AssertUnwindSafe(work))
}
