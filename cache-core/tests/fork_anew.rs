//! The child of a fork without `exec`: threads and clocks are started anew there, random numbers
//! differ, and caches are built that other threads were building. A binary of its own, as `fork.rs`
//! is.
#![cfg(target_os = "linux")]

mod common {
    pub(crate) mod forks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cache_core::{Cache, Clock, FakeClock, TickingClock};

use common::forks::{fork, forking};
use common::tasks::Polled;
use common::threads::wait_until;

type Counts = Cache<u64, Arc<u64>>;

const HOUR: Duration = Duration::from_secs(3_600);

/// In a child there is a janitor: for caches of the parent's as soon as one is used, and for its
/// own.
#[test]
fn a_child_has_a_janitor_of_its_own() {
    forking(|| {
        let build = |clock: &FakeClock| -> Counts {
            let builder = Cache::builder().clock(clock.clone()).janitor(Duration::from_millis(1));
            builder.time_to_live(HOUR).build()
        };
        for round in 0..10 {
            let clock = FakeClock::new();
            let (mut first, second) = (Some(build(&clock)), build(&clock));
            // Other threads use them, and the janitor may have had turns.
            thread::scope(|scope| {
                scope.spawn(|| first.iter().for_each(|cache| cache.insert(1, Arc::new(1))));
                scope.spawn(|| second.insert(1, Arc::new(1)));
            });
            let child = fork();
            if child.is_child() && round % 3 == 0 {
                first = None;
            }
            child.then(|| {
                // One use of one cache, even a miss, and all are maintained.
                assert_eq!(first.as_ref().unwrap_or(&second).get(&0), None);
                clock.advance(2 * HOUR);
                wait_until(|| second.entry_count() == 0);
                let own = build(&clock);
                own.insert(1, Arc::new(1));
                clock.advance(2 * HOUR);
                wait_until(|| own.entry_count() == 0);
                drop(own);
            });
            clock.advance(2 * HOUR);
            wait_until(|| first.iter().all(|cache| cache.entry_count() == 0));
        }
    });
}

#[test]
fn the_ticking_clock_goes_on_in_a_child() {
    forking(|| {
        let clock = TickingClock::new();
        let build = || Cache::<u64, u64>::builder().clock(clock.clone());
        let plain = build().time_to_live(HOUR).build();
        let idle = build().time_to_idle(HOUR).build();
        let stale = build().time_to_live(HOUR).stale_if_error(HOUR).build();
        for cache in [&plain, &idle, &stale] {
            (0..5).for_each(|key| cache.insert(key, key));
        }
        for first in 0..5 {
            let before = clock.now();
            fork().then(|| {
                // Not the end of time, whatever is the first to look.
                match first {
                    0 => assert_eq!(plain.get(&1), Some(1)),
                    1 => assert_eq!(idle.get(&1), Some(1)),
                    2 => assert_eq!(stale.get_with(1, || 9), 1),
                    3 => assert!(plain.contains_key(&1) && plain.peek(&1) == Some(1)),
                    _ => {
                        plain.run_pending_tasks();
                        assert_eq!(plain.entry_count(), 5);
                    }
                }
                let now = clock.now();
                assert!(before <= now && now.as_nanos() < before.as_nanos() + u64::MAX / 4);
                for cache in [&plain, &idle, &stale] {
                    assert!((0..5).all(|key| cache.get(&key) == Some(key)));
                    cache.insert_with_ttl(9, 9, Duration::from_millis(3));
                    wait_until(|| cache.get(&9).is_none());
                }
                wait_until(|| clock.now() > now);
                let again = TickingClock::new();
                let now = again.now();
                wait_until(|| again.now() > now && clock.now() > now);
            });
        }
    });
}

/// The timer thread, which wakes tasks at their wait limit.
#[test]
fn tasks_time_out_in_a_child_too() {
    forking(|| {
        let cache: Counts = Cache::builder().coalesce_timeout(Duration::from_millis(5)).build();
        let cache = &cache;
        // A task times out on a load that does not end.
        let time_out = |key: u64| {
            let (ready, wait) = channel();
            let (end, may_end) = channel::<()>();
            thread::scope(|scope| {
                let end = end;
                scope.spawn(move || {
                    cache.get_with(key, || {
                        ready.send(()).unwrap();
                        let _ = may_end.recv();
                        Arc::new(0)
                    })
                });
                wait.recv().unwrap();
                let mut task = Polled::new(cache.get_with_async(key, async { Arc::new(1) }));
                let mut value = task.poll();
                while value.is_none() {
                    let seen = task.wakes.count();
                    value = task.poll();
                    wait_until(|| value.is_some() || task.wakes.count() > seen);
                }
                assert_eq!(value.as_deref(), Some(&1));
                drop(end);
            });
        };
        // The parent starts the timer thread.
        time_out(1);
        fork().then(|| time_out(2));
        time_out(3);
    });
}

/// Random choices are not the same in all children of one parent: they would all refresh the same
/// entries at the same time.
#[test]
fn children_do_not_draw_the_same_numbers() {
    forking(|| {
        let clock = FakeClock::new();
        let cache = Cache::<u64, ()>::builder()
            .clock(clock.clone())
            .time_to_live(HOUR)
            .refresh_early(1.0)
            .executor(|job: cache_core::Job| job())
            .build();
        let minute = Duration::from_secs(60);
        cache.get_with(1, || clock.advance(minute));
        // One call in 150 or so refreshes the entry.
        clock.advance(HOUR - 5 * minute);
        let calls_until_refresh = || {
            let mut ran = false;
            (1_u64..).find(|_| {
                cache.get_with(1, || ran = true);
                ran
            })
        };
        let drawn = |_| {
            let mut ends = [0; 2];
            // SAFETY: there is room for two numbers.
            assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
            fork().then(|| {
                let calls = calls_until_refresh().expect("one refreshes");
                // SAFETY: eight bytes are there.
                assert_eq!(unsafe { libc::write(ends[1], (&raw const calls).cast(), 8) }, 8);
            });
            let mut calls = 0_u64;
            // SAFETY: there is room for eight bytes.
            assert_eq!(unsafe { libc::read(ends[0], (&raw mut calls).cast(), 8) }, 8);
            calls
        };
        let calls: Vec<u64> = (0..4).map(drawn).collect();
        assert!(calls.iter().any(|&other| other != calls[0]), "{calls:?}");
    });
}

/// The cache of a function is being built by another thread, or by this one.
#[cfg(feature = "macros")]
#[test]
fn caches_of_functions_are_built_in_a_child_that_other_threads_were_building() {
    use std::hash::Hash;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender};

    use cache_core::cached;

    static GATES: Mutex<Vec<Receiver<()>>> = Mutex::new(Vec::new());
    static READY: Mutex<Option<Sender<()>>> = Mutex::new(None);
    // Other threads wait, that of a child does not.
    fn capacity() -> u64 {
        let gate = GATES.lock().unwrap().pop();
        if let Some(gate) = gate {
            READY.lock().unwrap().as_ref().expect("there is one").send(()).unwrap();
            let _ = gate.recv();
        }
        10
    }
    #[cached(max_capacity = capacity())]
    fn twice(n: u64) -> u64 {
        2 * n
    }
    #[cached(max_capacity = capacity())]
    fn same<T: Clone + Hash + Eq + Send + Sync + 'static>(it: T) -> T {
        it
    }
    forking(|| {
        let (ready, wait) = channel();
        *READY.lock().unwrap() = Some(ready);
        thread::scope(|scope| {
            let mut ends = Vec::new();
            for call in [|| assert_eq!(twice(2), 4), || assert_eq!(same(2), 2)] {
                let (end, gate) = channel();
                ends.push(end);
                GATES.lock().unwrap().push(gate);
                scope.spawn(call);
                wait.recv().unwrap();
            }
            fork().then(|| {
                assert_eq!((twice(2), same(2), same("2")), (4, 2, "2"));
                assert_eq!((twice::get(2), twice::stats().misses), (Some(4), 1));
            });
        });
        assert_eq!((twice(2), same(2), twice::stats().misses), (4, 2, 1));
    });
}
