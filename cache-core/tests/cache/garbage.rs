//! Values that have left the cache are dropped soon: at once if a single thread uses it, otherwise
//! within a bounded number of later calls. No more values wait than the number of live ones allows.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock, RemovalCause};

use crate::common::census::{Census, Token};
use crate::common::threads::wait_until;
use cache_core::__private::testing::validate;

type Tokens = Cache<u64, Token>;
type Builder = CacheBuilder<u64, Token>;

const TTL: Duration = Duration::from_secs(60);

/// Runs a test on caches of all sizes, with and without weights, lives, a listener and statistics.
fn every(test: fn(Tokens, &FakeClock, &Census)) {
    let sizes: [fn(Builder) -> Builder; 6] = [
        |builder| builder,
        |builder| builder.max_capacity(10),
        |builder| builder.max_capacity(10_000),
        |builder| builder.max_capacity(10_000_000),
        |builder| builder.max_capacity(30).weigher(|_, _| 3),
        |builder| builder.max_capacity(300_000_000).weigher(|_, _| 3),
    ];
    let lives: [fn(Builder) -> Builder; 3] = [
        |builder| builder,
        |builder| builder.time_to_live(TTL),
        |builder| builder.time_to_live(TTL).time_to_idle(2 * TTL).refresh_after(TTL / 2),
    ];
    for size in sizes {
        for life in lives {
            for hears in [false, true] {
                let (clock, census) = (FakeClock::new(), Census::default());
                clock.advance(TTL);
                let mut builder = life(size(Cache::builder().clock(clock.clone())));
                if hears {
                    let heard = |_: &u64, token: &Token, _: RemovalCause| token.look();
                    builder = builder.eviction_listener(heard).record_stats();
                }
                test(builder.build(), &clock, &census);
                assert_eq!(census.alive(), 0, "the last handle drops the rest");
            }
        }
    }
}

/// Makes another thread one of the cache's users.
fn use_elsewhere(cache: &Tokens) {
    thread::scope(|scope| _ = scope.spawn(|| cache.get(&u64::MAX)).join());
}

/// Also if so many other threads live that its number is beyond the lines that a cache begins with.
#[test]
fn a_single_thread_with_a_large_number_drops_removed_values_at_once() {
    let others = 4 * thread::available_parallelism().map_or(8, |cores| cores.get().max(8));
    let (ready, end) = (Barrier::new(others + 1), Barrier::new(others + 1));
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                // It has a number from here on.
                Cache::<u64, u64>::new(1).insert(1, 1);
                ready.wait();
                end.wait();
            });
        }
        ready.wait();
        let checked = scope.spawn(drops_removed_values_at_once).join();
        end.wait();
        checked.expect("the checks");
    });
}

#[test]
fn a_single_thread_drops_removed_values_at_once() {
    drops_removed_values_at_once();
}

fn drops_removed_values_at_once() {
    every(|cache, clock, census| {
        let check = |step: &str| {
            assert_eq!(census.alive() as u64, cache.entry_count(), "after {step}");
        };
        for key in 0..200 {
            cache.insert(key, census.token());
            check("an insert");
        }
        for key in 190..200 {
            cache.insert(key, census.token());
            check("an update");
            cache.invalidate(&key);
            check("an invalidation");
            drop(cache.get_with(key, || census.token()));
            check("a load");
            drop(cache.remove(&key));
            check("a removal");
            _ = cache.try_get_with(key, || Err::<Token, _>("no"));
            drop(cache.entry(key).and_upsert_with(|_| census.token()));
            check("a computation");
        }
        cache.insert_with_ttl(7, census.token(), TTL / 4);
        clock.advance(TTL / 3);
        cache.insert(8, census.token());
        check("an expiry");
        assert!(cache.invalidate_entries_if(|key, _| key % 2 == 0) > 0);
        check("a removal of many");
        cache.invalidate_all();
        check("a flush");
        validate(&cache);
    });
}

#[test]
fn nothing_is_dropped_that_a_view_may_see() {
    every(|cache, _, census| {
        cache.insert(1, census.token());
        let seen = cache.view(&1, |token| {
            cache.insert(1, census.token());
            cache.invalidate(&1);
            token.look();
        });
        assert!(seen.is_some());
        for _ in 0..2_000 {
            cache.invalidate(&2);
        }
        assert_eq!((census.alive(), cache.entry_count()), (0, 0));
    });
}

/// A removed value is dropped within this many later writes or loads, whichever shards they fall
/// on.
const SOON: u64 = 2_000;

#[test]
fn a_value_is_dropped_within_a_bounded_number_of_later_calls() {
    let later: [fn(&Tokens, u64, &Census); 5] = [
        |cache, n, census| cache.insert(1_000 + n, census.token()),
        |cache, _, census| cache.insert(2, census.token()),
        |cache, _, _| cache.invalidate(&3),
        |cache, n, census| drop(cache.get_with(1_000 + n, || census.token())),
        |cache, n, _| _ = cache.try_get_with(1_000 + n, || Err::<Token, _>("no")),
    ];
    for later in later {
        for capacity in [10, 10_000, 1_000_000, u64::MAX] {
            let (others, census) = (Census::default(), Census::default());
            let cache = Tokens::builder().max_capacity(capacity).build();
            use_elsewhere(&cache);
            cache.insert(1, census.token());
            cache.invalidate(&1);
            let calls = (0..SOON).take_while(|&n| {
                later(&cache, n, &others);
                census.alive() > 0
            });
            let calls = calls.count() as u64;
            assert!(calls < SOON, "capacity {capacity}: {} after {calls} calls", census.alive());
        }
    }
}

/// Returns how many values may wait beside `live` live ones.
fn may_wait(live: usize) -> usize {
    32 + live / 4
}

#[test]
fn waiting_values_are_bounded_by_live_ones() {
    for capacity in [10, 10_000, 1_000_000, u64::MAX] {
        for live in [1, 10, 1_000, 20_000] {
            let live = live.min(capacity as usize);
            let (census, cache) = (Census::default(), Tokens::builder().max_capacity(capacity));
            let cache = cache.build();
            use_elsewhere(&cache);
            (0..live as u64).for_each(|key| cache.insert(key, census.token()));
            let mut most = 0;
            for n in 0..4 * live.max(2_000) as u64 {
                cache.insert(n % live as u64, census.token());
                most = most.max(census.alive());
            }
            let waited = most - live;
            assert!(waited <= may_wait(live), "capacity {capacity}, {live} live: {waited} waited");
        }
    }
}

#[test]
fn waiting_values_are_bounded_by_live_ones_if_two_threads_write() {
    for capacity in [10_000, u64::MAX] {
        let (census, cache) = (Census::default(), Tokens::builder().max_capacity(capacity));
        let (cache, start) = (cache.build(), Barrier::new(2));
        let write = || {
            start.wait();
            let mut most = 0;
            for n in 0..30_000 {
                cache.insert(n % 10, census.token());
                most = most.max(census.alive());
            }
            most
        };
        let most = thread::scope(|scope| {
            let others = scope.spawn(write);
            write().max(others.join().unwrap())
        });
        // A thread that is preempted while it is pinned keeps what the other retires meanwhile. So
        // this is no bound; but in the end, few wait.
        assert!(most >= 10);
        for _ in 0..1_000 {
            cache.insert(1, census.token());
        }
        let waiting = census.alive() - 10;
        assert!(waiting <= may_wait(10), "{waiting} of {most} wait");
        validate(&cache);
    }
}

#[test]
fn a_janitor_drops_removed_values_without_traffic() {
    let census = Census::default();
    let cache = Tokens::builder().janitor(Duration::from_millis(1)).build();
    use_elsewhere(&cache);
    (0..10).for_each(|key| cache.insert(key, census.token()));
    (0..10).for_each(|key| cache.insert(key, census.token()));
    wait_until(|| census.alive() == 10);
    cache.invalidate_all();
    wait_until(|| census.alive() == 0);
}

#[test]
fn only_a_reader_that_stays_delays_drops() {
    let (census, cache) = (Census::default(), Tokens::new(10_000));
    let (inside, leave) = (Barrier::new(2), AtomicBool::new(false));
    cache.insert(0, census.token());
    thread::scope(|scope| {
        scope.spawn(|| {
            cache.view(&0, |token| {
                inside.wait();
                wait_until(|| leave.load(SeqCst));
                token.look();
            })
        });
        inside.wait();
        (0..1_000).for_each(|_| cache.insert(0, census.token()));
        assert!(census.alive() > 900);
        leave.store(true, SeqCst);
    });
    (0..SOON).for_each(|_| cache.invalidate(&1));
    assert_eq!(census.alive(), 1);
}

/// A `Drop` that writes to its cache again and again is not run inside itself, whatever drops the
/// values.
#[test]
fn drops_that_write_do_not_nest() {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    thread_local! { static DEPTH: Cell<usize> = const { Cell::new(0) }; }

    #[derive(Clone)]
    struct Writes(Place, u64);
    type Place = Arc<Mutex<Option<Cache<u64, Arc<Writes>>>>>;
    impl Drop for Writes {
        fn drop(&mut self) {
            let cache = self.0.lock().unwrap().clone();
            if let (Some(cache), 1..) = (cache, self.1) {
                DEPTH.set(DEPTH.get() + 1);
                assert!(DEPTH.get() == 1, "a drop inside a drop");
                cache.insert(1, Arc::new(Writes(Arc::clone(&self.0), self.1 - 1)));
                DEPTH.set(DEPTH.get() - 1);
            }
        }
    }
    for shared in [false, true] {
        let place = Place::default();
        let cache = Cache::new(10);
        if shared {
            thread::scope(|scope| _ = scope.spawn(|| cache.contains_key(&9)).join());
        }
        *place.lock().unwrap() = Some(cache.clone());
        cache.insert(1, Arc::new(Writes(Arc::clone(&place), 1_000)));
        for _ in 0..1_000 {
            cache.invalidate(&1);
        }
        cache.run_pending_tasks();
        validate(&cache);
        _ = place.lock().unwrap().take();
    }
}
