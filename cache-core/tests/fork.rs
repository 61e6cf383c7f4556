//! The child of a fork without `exec`: there is one thread, and the caches work. What is started
//! anew there, `fork_anew.rs` tests. A binary of its own, because a fork copies whatever the other
//! tests of the process are doing.
#![cfg(target_os = "linux")]

mod common {
    #[allow(dead_code, unused_imports, unused_macros, reason = "other binaries use the rest")]
    pub(crate) mod configurations;
    pub(crate) mod forks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod hashers;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod numbers;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod tasks;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod threads;
}

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, RandomState, TickingClock};

use cache_core::__private::testing::validate;
use common::configurations::{Subject, every};
use common::forks::{fork, forking};
use common::numbers::Numbers;
use common::tasks::Polled;
use common::threads::wait_until;

type Counts = Cache<u64, Arc<u64>>;

const HOUR: Duration = Duration::from_secs(3_600);

/// Uses a cache in all ways, in a child.
fn use_it(cache: &Counts) {
    for key in 1_000..1_200 {
        cache.insert(key, Arc::new(key));
        assert!(cache.get(&key).is_none_or(|value| *value == key));
        assert_eq!(*cache.get_with(key + 500, || Arc::new(key + 500)), key + 500);
    }
    const KEY: u64 = 100_000;
    assert_eq!(*cache.entry(KEY).or_insert_with(|| Arc::new(1)).into_value(), 1);
    cache.remove(&KEY);
    // What is replaced is freed, although others looked at it when the process was forked.
    let values: Vec<_> = (0..2_000).map(Arc::new).collect();
    values.iter().for_each(|value| cache.insert(KEY, Arc::clone(value)));
    // A janitor may be running just now.
    wait_until(|| {
        cache.run_pending_tasks();
        values.iter().filter(|value| Arc::strong_count(value) > 1).count() <= 1
    });
    // The bound is not smaller for what other threads had reserved.
    if let Some(room) = cache.policy().max_capacity() {
        (0..2 * room.min(2_000)).for_each(|key| cache.insert(key, Arc::new(key)));
        assert!(room > 2_000 || cache.entry_count() == room, "{} of {room}", cache.entry_count());
    }
    validate(cache);
    // Threads of the child.
    thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || traffic(cache, &mut Numbers::seeded(seed + 1), 500));
        }
    });
    cache.invalidate_all();
    cache.run_pending_tasks();
    validate(cache);
    assert_eq!(cache.entry_count(), 0);
}

fn traffic(cache: &Counts, numbers: &mut Numbers, calls: usize) {
    for _ in 0..calls {
        let key = numbers.below(300);
        match numbers.below(12) {
            0..3 => cache.insert(key, Arc::new(key)),
            3..6 => assert_eq!(*cache.get_with(key, || Arc::new(key)), key),
            6 => drop(cache.remove(&key)),
            7 => cache.run_pending_tasks(),
            8 => drop(cache.get_many_with(&[key, key + 1], |keys| {
                keys.iter().map(|&key| (key, Arc::new(key))).collect()
            })),
            9 => drop(cache.entry(key).and_upsert_with(|_| Arc::new(key))),
            10 if key == 0 => cache.invalidate_all(),
            _ => drop(cache.view(&key, |value| **value)),
        }
    }
}

/// Makes the other threads end, even if the test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Forks again and again while other threads use the cache. No user code here takes locks: a lock
/// that it holds when the process is forked is never released in the child.
#[test]
fn children_of_a_busy_process_have_whole_caches() {
    type Builder = CacheBuilder<u64, Arc<u64>>;
    let setups: [fn(Builder) -> Builder; 7] = [
        |builder| builder,
        |builder| builder.max_capacity(10),
        |builder| builder.max_capacity(200).record_stats(),
        |builder| builder.max_capacity(200).weigher(|_, _| 1).time_to_live(HOUR),
        |builder| builder.max_capacity(5_000).clock(TickingClock::new()).time_to_idle(HOUR),
        |builder| builder.janitor(Duration::from_millis(1)).eviction_listener(|_, _, _| ()),
        |builder| builder.max_capacity(200).time_to_live(HOUR).refresh_after(HOUR / 2),
    ];
    forking(|| {
        for setup in setups {
            let cache = setup(Cache::builder()).build();
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                let _stop = Stop(&stop);
                for seed in 0..3 {
                    let (cache, stop) = (&cache, &stop);
                    scope.spawn(move || {
                        let mut numbers = Numbers::seeded(seed + 1);
                        while !stop.load(SeqCst) {
                            traffic(cache, &mut numbers, 50);
                        }
                    });
                }
                for round in 0..8 {
                    let mut numbers = Numbers::seeded(round + 9);
                    traffic(&cache, &mut numbers, 30);
                    fork().then(|| {
                        use_it(&cache);
                        if round % 4 == 0 {
                            fork().then(|| use_it(&cache));
                        }
                    });
                }
            });
            use_it(&cache);
        }
    });
}

/// One thread is in a view and one in a loader.
#[test]
fn vanished_threads_hold_nothing_back() {
    fn test(it: &Subject<u64, Arc<u64>, RandomState>) {
        let cache = &it.cache;
        let (ready, wait) = channel();
        // It ends, also if the test fails, when the sender is dropped.
        let (end, loader_ends) = channel::<()>();
        let (end_too, view_ends) = channel::<()>();
        thread::scope(|scope| {
            let (_end, ready_too) = ((end, end_too), ready.clone());
            scope.spawn(move || {
                cache.get_with(1, || {
                    ready.send(()).unwrap();
                    let _ = loader_ends.recv();
                    Arc::new(1)
                })
            });
            wait.recv().unwrap();
            it.put(2, Arc::new(2));
            scope.spawn(move || {
                cache.view(&2, |_| {
                    ready_too.send(()).unwrap();
                    let _ = view_ends.recv();
                })
            });
            wait.recv().unwrap();
            fork().then(|| {
                // Handed over at once.
                assert_eq!(*cache.get_with(1, || Arc::new(11)), 11);
                let values: Vec<_> = (0..300).map(Arc::new).collect();
                values.iter().for_each(|value| it.put(3, Arc::clone(value)));
                cache.run_pending_tasks();
                drop(it.log.take());
                let alive = values.iter().filter(|value| Arc::strong_count(value) > 1).count();
                assert!(alive <= 1, "{alive} values are kept");
                (10..100).for_each(|key| it.put(key, Arc::new(key)));
                assert_eq!(cache.entry_count(), it.room().min(90 + 3));
                validate(cache);
                cache.invalidate_all();
                it.check_holds(0);
            });
        });
        assert_eq!(cache.get(&1).map_or(1, |value| *value), 1);
    }
    forking(|| every(test));
}

/// All the ways to ask for a key that is being loaded by a thread that has vanished.
#[test]
fn loads_of_vanished_threads_are_handed_over_at_once() {
    forking(|| {
        let builder = || Cache::builder().coalesce_timeout(Duration::MAX);
        let cache: Counts = builder().build();
        let loading = builder().build_with_loader(|&key: &u64| Ok::<_, ()>(Arc::new(key)));
        let (cache, loading) = (&cache, &loading);
        let (ready, wait) = channel();
        let (end, may_end) = channel::<()>();
        thread::scope(|scope| {
            let end = end;
            scope.spawn(move || {
                let keys: Vec<u64> = (0..8).collect();
                cache.get_many_with(&keys, |_| {
                    cache.entry(10).and_upsert_with(|_| {
                        loading.cache().get_with(1, || {
                            ready.send(()).unwrap();
                            let _ = may_end.recv();
                            Arc::new(0)
                        })
                    });
                    Vec::new()
                });
            });
            wait.recv().unwrap();
            // Tasks that wait for such a load see it ended when they are polled.
            let mut task = Polled::pending(cache.get_with_async(5, async { Arc::new(25) }));
            fork().then(|| {
                assert_eq!(task.poll().as_deref(), Some(&25));
                assert_eq!(*cache.get_with(0, || Arc::new(20)), 20);
                let future = cache.get_with_async(1, async { Arc::new(21) });
                assert_eq!(*Polled::new(future).finish(), 21);
                let answers = cache.get_many_with(&[2, 3], |keys| {
                    keys.iter().map(|&key| (key, Arc::new(20 + key))).collect()
                });
                assert_eq!(answers, [Some(Arc::new(22)), Some(Arc::new(23))]);
                assert_eq!(**cache.entry(4).or_insert_with(|| Arc::new(24)).value(), 24);
                assert_eq!(**cache.entry(10).and_upsert_with(|_| Arc::new(30)).value(), 30);
                assert_eq!(loading.get(&1).as_deref(), Ok(&1));
                assert_eq!(loading.refresh(&1).as_deref(), Ok(&1));
                validate(cache);
            });
            drop(end);
        });
    });
}

/// The thread that forks leads a load that another thread waits for, and itself waits for a
/// third's.
#[test]
fn a_loader_that_forks_ends_in_both_processes() {
    forking(|| {
        let cache: Counts = Cache::builder().coalesce_timeout(Duration::MAX).build();
        let cache = &cache;
        let (ready, wait) = channel();
        let (end, may_end) = channel::<()>();
        thread::scope(|scope| {
            let end = end;
            let of_other = scope.spawn(move || {
                cache.get_with(502, || {
                    ready.send(()).unwrap();
                    let _ = may_end.recv();
                    Arc::new(2)
                })
            });
            wait.recv().unwrap();
            let (mut child, mut waiter) = (None, None);
            // One batch leads 501 and joins 502.
            let answers = cache.get_many_with(&[501, 502], |keys| {
                if keys == [501] && child.is_none() {
                    waiter = Some(scope.spawn(|| cache.get_with(501, || Arc::new(9))));
                    let forked = child.insert(fork());
                    if !forked.is_child() {
                        end.send(()).unwrap();
                    }
                }
                keys.iter().map(|&key| (key, Arc::new(10 * (key - 500)))).collect()
            });
            let child = child.expect("it was forked");
            let second = if child.is_child() { 20 } else { 2 };
            assert_eq!(answers, [Some(Arc::new(10)), Some(Arc::new(second))]);
            child.then(|| {
                // It is stored, as the load was the thread's own.
                assert_eq!(
                    (cache.get(&501), cache.get(&502)),
                    (Some(Arc::new(10)), Some(Arc::new(20)))
                );
                use_it(cache);
            });
            let waited = waiter.expect("it was spawned").join().unwrap();
            assert!(*waited == 10 || *waited == 9);
            assert_eq!(*of_other.join().unwrap(), 2);
        });
    });
}

/// Forks now and then when it is compared or dropped.
#[derive(Clone)]
struct Forks(u64);

impl PartialEq for Forks {
    fn eq(&self, other: &Self) -> bool {
        now_and_then(self.0);
        self.0 == other.0
    }
}

impl Eq for Forks {}

impl Hash for Forks {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(0);
    }
}

impl Drop for Forks {
    fn drop(&mut self) {
        now_and_then(self.0);
    }
}

static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Forks now and then, in the parent only.
fn now_and_then(number: u64) {
    let count = FORKS.fetch_add(1, SeqCst);
    // A child does not fork in turn, and not each of many calls does.
    if count < 1 << 20 && count.is_multiple_of(97) {
        let child = fork();
        if child.is_child() {
            FORKS.store(1 << 20, SeqCst);
            let cache = Forks::cache();
            Forks::fill(&cache);
            drop(cache);
        }
        child.then(|| assert!(number < 100));
    }
}

impl Forks {
    fn cache() -> Cache<Self, Self> {
        Cache::builder()
            .max_capacity(20)
            .weigher(|key: &Forks, _| {
                now_and_then(key.0);
                1
            })
            .eviction_listener(|key: &Forks, _: &Forks, _| now_and_then(key.0))
            .build()
    }

    fn fill(cache: &Cache<Self, Self>) {
        for number in 0..60 {
            cache.insert(Forks(number % 40), Forks(number));
            cache.get_with(Forks(number % 7), || Forks(number));
            cache.view(&Forks(number % 40), |value| now_and_then(value.0));
        }
        cache.run_pending_tasks();
        validate(cache);
    }
}

/// `Eq`, `Drop`, a weigher, a listener, a view: each forks, and both processes go on.
#[test]
fn code_of_the_user_may_fork_wherever_it_runs() {
    forking(|| {
        let cache = Forks::cache();
        let (stop, other) = (AtomicBool::new(false), Counts::new(100));
        thread::scope(|scope| {
            let _stop = Stop(&stop);
            scope.spawn(|| {
                let mut numbers = Numbers::seeded(5);
                while !stop.load(SeqCst) {
                    traffic(&other, &mut numbers, 10);
                }
            });
            Forks::fill(&cache);
        });
        drop(cache);
        assert!(FORKS.load(SeqCst) > 97);
    });
}

/// A thread forks inside a view: its epoch guard stays, and with it the value that it looks at.
#[test]
fn a_view_that_forks_goes_on_looking_in_both_processes() {
    forking(|| {
        let cache: Counts = Cache::new(100);
        cache.insert(1, Arc::new(1));
        thread::scope(|scope| _ = scope.spawn(|| cache.get(&1)).join());
        let child = cache.view(&1, |value| {
            let child = fork();
            (0..5_000).for_each(|n| cache.insert(n % 200, Arc::new(n)));
            cache.invalidate_all();
            cache.run_pending_tasks();
            assert!(**value == 1 && Arc::strong_count(value) == 1);
            child
        });
        child.expect("it is there").then(|| use_it(&cache));
        use_it(&cache);
    });
}

#[test]
fn a_process_with_thousands_of_caches_forks() {
    forking(|| {
        let caches: Vec<Counts> = (0..4_000).map(|_| Cache::new(100)).collect();
        let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let _stop = Stop(&stop);
            // Caches come and go meanwhile: their last handles, too.
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let cache: Counts = Cache::new(100);
                    cache.insert(1, Arc::new(1));
                    drop(cache);
                    made.fetch_add(1, SeqCst);
                }
            });
            for _ in 0..10 {
                let before = made.load(SeqCst);
                fork().then(|| caches.iter().step_by(500).for_each(use_it));
                wait_until(|| made.load(SeqCst) > before);
            }
        });
    });
}

/// Caches whose values do not leave their thread are on the list, too: the thread that forks
/// reaches those of others, and touches none of their values.
#[test]
#[cfg(feature = "macros")]
fn caches_of_one_thread_are_whole_in_a_child() {
    use cache_core::cached;
    use std::rc::Rc;

    #[cached(thread_local, max_capacity = 50)]
    fn own(key: u64) -> Rc<u64> {
        Rc::new(key)
    }
    forking(|| {
        let (stop, busy) = (AtomicBool::new(false), AtomicUsize::new(0));
        let work = || {
            busy.fetch_add(1, SeqCst);
            while !stop.load(SeqCst) {
                (0..100).for_each(|key| assert_eq!(*own(key), key));
                own::clear();
            }
        };
        thread::scope(|scope| {
            let _stop = Stop(&stop);
            (0..2).for_each(|_| _ = scope.spawn(work));
            wait_until(|| busy.load(SeqCst) == 2);
            let before = own(1);
            let cache = own::with(Cache::clone);
            for _ in 0..20 {
                // Nobody polls it in the child.
                let mut load = Polled::pending(cache.get_with_async((2,), std::future::pending()));
                fork().then(|| {
                    assert!(Rc::ptr_eq(&before, &own(1)));
                    let asked = cache.get_with_async((2,), async { Rc::new(2) });
                    assert_eq!((*Polled::new(asked).finish(), *own(2)), (2, 2));
                    (0..100).for_each(|key| assert_eq!(*own(key), key));
                    own::clear();
                    validate(&cache);
                });
                assert!(load.poll().is_none());
                drop(load);
                assert_eq!((own::get(2), Rc::strong_count(&before)), (None, 2));
            }
        });
    });
}
