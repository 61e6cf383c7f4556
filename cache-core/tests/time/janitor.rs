//! How memory is freed when entries expire without writes: `next_expiry`, the janitor, idle entries
//! among threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, Clock, RemovalCause};

use super::timed::Timed;
use crate::common::census::{Census, Token};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::threads::wait_until;
use cache_core::__private::testing::validate;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Threads use entries that expire when idle: none does while it is used, and all do afterwards.
#[test]
fn idle_entries_among_threads_stay_while_used_and_go_afterwards() {
    let it = Timed::new(|builder| builder.time_to_idle(MINUTE).max_capacity(1000));
    (0..64).for_each(|key| it.cache.insert(key, key));
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for half in 0..2 {
            let (cache, start) = (&it.cache, &start);
            scope.spawn(move || {
                for _ in 0..200 {
                    start.wait();
                    // Both use keys 0 to 31 now.
                    (0..32).for_each(|key| assert_eq!(cache.get(&(key ^ half)), Some(key ^ half)));
                    cache.run_pending_tasks();
                    start.wait();
                }
            });
        }
        for _ in 0..200 {
            start.wait();
            start.wait();
            it.clock.advance(MINUTE / 3);
        }
    });
    validate(&it.cache);
    assert_eq!(it.cache.entry_count(), 32);
    it.clock.advance(MINUTE);
    it.cache.run_pending_tasks();
    assert_eq!(it.cache.entry_count(), 0);
}

#[test]
fn next_expiry_drives_a_cache_without_a_janitor() {
    let it = Timed::new(|builder| builder);
    for n in 1..=500 {
        it.cache.insert_with_ttl(n, n, n * Duration::from_millis(7));
    }
    let mut turns = 0;
    while let Some(next) = it.cache.next_expiry() {
        it.clock.advance(next);
        it.cache.run_pending_tasks();
        turns += 1;
        let gone = it.clock.now().as_duration() - SECOND;
        let expected = 500 - (gone.as_millis() / 7) as u64;
        assert_eq!(it.cache.entry_count(), expected);
    }
    assert_eq!((turns, it.cache.entry_count()), (500, 0));
}

#[test]
fn what_may_be_served_stale_is_kept_for_so_long_and_no_longer() {
    for (revalidate, if_error) in [(SECOND, 2 * SECOND), (2 * SECOND, SECOND)] {
        let it = Timed::new(|builder| {
            let builder = builder.time_to_live(MINUTE).stale_while_revalidate(revalidate);
            builder.stale_if_error(if_error)
        });
        it.cache.insert(1, 1);
        assert_eq!(it.cache.next_expiry(), Some(MINUTE + 2 * SECOND));
        it.clock.advance(MINUTE + 2 * SECOND - Duration::from_nanos(1));
        it.cache.run_pending_tasks();
        assert_eq!((it.cache.entry_count(), it.cache.get(&1)), (1, None));
        it.clock.advance(Duration::from_nanos(1));
        it.cache.run_pending_tasks();
        assert_eq!(it.cache.entry_count(), 0);
    }
}

/// In real time, and no duration is part of the outcome.
#[test]
fn a_janitor_frees_memory_without_calls() {
    silence_panics_on_purpose();
    let (census, notices) = (Census::default(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&notices);
    let cache: Cache<u32, Arc<Token>> = Cache::builder()
        .janitor(Duration::from_millis(1))
        .eviction_listener(move |key, _, cause| {
            assert_eq!(cause, RemovalCause::Expired);
            count.fetch_add(1, SeqCst);
            assert_ne!(key % 2, 0, "on purpose");
        })
        .build();
    for key in 0..1000 {
        cache.insert_with_ttl(key, Arc::new(census.token()), Duration::from_millis(1));
    }
    wait_until(|| cache.entry_count() == 0 && census.alive() == 0);
    assert_eq!(notices.load(SeqCst), 1000);
    assert_eq!(cache.stats().listener_panics, 0, "nothing is counted without `record_stats`");
    validate(&cache);
}

/// Panics when it is dropped.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        panic!("on purpose")
    }
}

#[test]
fn a_janitor_survives_drops_that_panic_and_keeps_no_cache_alive() {
    silence_panics_on_purpose();
    let dropped = Arc::new(AtomicUsize::new(0));
    let bombs: Cache<u32, Arc<Bomb>> = Cache::builder().janitor(Duration::from_millis(1)).build();
    let census = Census::default();
    for round in 1..=5 {
        for key in 0..10 {
            let bomb = Arc::new(Bomb(Arc::clone(&dropped)));
            // An insert may drop what has expired meanwhile, and then panics.
            _ = panics(|| bombs.insert_with_ttl(key, bomb, Duration::from_millis(1)));
        }
        wait_until(|| dropped.load(SeqCst) == round * 10);
        let other: Cache<u32, Arc<Token>> =
            Cache::builder().janitor(Duration::from_millis(1)).build();
        other.insert(1, Arc::new(census.token()));
        drop(other);
        // At once, or when the janitor has released it.
        wait_until(|| census.alive() == 0);
    }
    validate(&bombs);
}
