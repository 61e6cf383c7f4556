//! A cache that loads what it is asked for.

use std::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use cache_core::{Cache, LoadError, LoadingCache, RandomState};

use super::two_threads::nested_cycle_ends;
use crate::common::crowd::{Crowd, Key};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::panics;
use crate::common::tasks::block_on;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;
use cache_core::__private::{CacheValue, View, Whole, key_of};

/// Loads ten times the key; fails for keys from 100 on; counts.
fn tens<S: TestHasher>() -> (LoadingCache<u64, u64, String, S>, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&loads);
    let cache = Cache::builder().record_stats().build_with_hasher(S::default());
    let loading = LoadingCache::new(cache, move |key: &u64| {
        counts.fetch_add(1, SeqCst);
        if *key < 100 { Ok(10 * key) } else { Err(format!("{key} is too large")) }
    });
    (loading, loads)
}

fn loads_what_is_missing<S: TestHasher>() {
    let (tens, loads) = tens::<S>();
    assert_eq!((tens.get(&1), tens.get(&1)), (Ok(10), Ok(10)));
    assert_eq!((tens.cache().get(&1), tens.cache().get(&2)), (Some(10), None));
    assert_eq!(block_on(tens.get_async(&2)), Ok(20));
    assert_eq!(block_on(tens.get_async(&2)), Ok(20));
    assert_eq!(loads.load(SeqCst), 2);
    let error = tens.get(&100).unwrap_err();
    assert_eq!(error.to_string(), "100 is too large");
    assert_eq!(error.failure(), Some(&"100 is too large".to_owned()));
    assert_eq!(block_on(tens.get_async(&100)), Err(error));
    assert_eq!(loads.load(SeqCst), 4, "an error is not stored");
    tens.cache().insert(100, 5);
    assert_eq!(tens.clone().get(&100), Ok(5), "a clone is another handle");
    validate(tens.cache());
}

#[test]
fn get_loads_what_is_missing() {
    loads_what_is_missing::<RandomState>();
    loads_what_is_missing::<Constant>();
}

#[test]
fn build_with_loader_checks_the_configuration() {
    let loader = |key: &String| Ok::<usize, ()>(key.len());
    let lengths = Cache::builder().max_capacity(10).build_with_loader(loader);
    assert_eq!(lengths.get("four"), Ok(4), "by a borrowed form of the key");
    let wrong = || Cache::builder().ttl_jitter(1.0);
    let error = wrong().try_build_with_loader(loader).unwrap_err();
    assert_eq!(error.option(), "ttl_jitter");
    assert!(panics(|| wrong().build_with_loader(loader)));
    assert!(Cache::builder().try_build_with_loader(loader).is_ok());
}

#[test]
fn callers_of_a_failing_load_share_its_error() {
    must_end(|| {
        let (crowd, loads) = (Crowd::default(), Arc::new(AtomicUsize::new(0)));
        let (joined, counts) = (crowd.clone(), Arc::clone(&loads));
        let failing = Cache::<Key, u32>::builder().build_with_loader(move |_| {
            joined.wait_for(5);
            Err::<u32, _>(format!("failure {}", counts.fetch_add(1, SeqCst)))
        });
        let mut calls: Vec<_> = (0..5)
            .map(|_| {
                let (failing, key) = (failing.clone(), crowd.key(1));
                thread::spawn(move || failing.get(&key).unwrap_err())
            })
            .collect();
        // One goes through the cache, with the same type of error.
        let (cache, key) = (failing.cache().clone(), crowd.key(1));
        calls.push(thread::spawn(move || {
            let own = || {
                crowd.wait_for(5);
                Err::<u32, _>("failure 0".to_owned())
            };
            LoadError::Failed(cache.try_get_with(key, own).unwrap_err())
        }));
        let errors: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        assert!(loads.load(SeqCst) <= 1);
        assert!(errors.iter().all(|error| error.to_string() == "failure 0"));
    });
}

fn get_all<S: TestHasher>() {
    let (tens, loads) = tens::<S>();
    tens.cache().insert(2, 2);
    let all = tens.get_all(&[1, 2, 100, 1, 3]);
    let texts: Vec<_> = all.into_iter().map(|got| got.map_err(|error| error.to_string())).collect();
    assert_eq!(texts, [Ok(10), Ok(2), Err("100 is too large".to_owned()), Ok(10), Ok(30)]);
    assert_eq!(loads.load(SeqCst), 3, "1, 3 and the one that fails");
    assert!(tens.get_all(&[]).is_empty());
}

#[test]
fn get_all_returns_for_each_key_its_value_or_its_error() {
    get_all::<RandomState>();
    get_all::<Constant>();
}

#[test]
fn get_all_of_two_threads_in_opposite_order_loads_each_key_once() {
    must_end(|| {
        for _ in 0..100 {
            let (tens, loads) = tens::<RandomState>();
            let begin = Barrier::new(2);
            thread::scope(|scope| {
                for turned in [false, true] {
                    let (tens, begin) = (&tens, &begin);
                    scope.spawn(move || {
                        let mut keys: Vec<u64> = (0..20).collect();
                        if turned {
                            keys.reverse();
                        }
                        begin.wait();
                        let all = tens.get_all(&keys);
                        assert!(keys.iter().zip(all).all(|(key, got)| got == Ok(10 * key)));
                    });
                }
            });
            assert_eq!(loads.load(SeqCst), 20);
        }
    });
}

#[test]
fn get_all_waits_for_others_when_the_rest_is_loaded() {
    must_end(|| {
        let (cache, crowd) = (Cache::<Key, u32>::new(100), Crowd::default());
        let names = LoadingCache::new(cache.clone(), |key: &Key| Ok::<_, ()>(key.name));
        let running = crate::common::crowd::Running::begin(&cache, &crowd.key(1), 10, 0);
        let keys = [1, 2].map(|name| crowd.key(name));
        let all = thread::spawn(move || names.get_all(&keys));
        wait_until(|| cache.contains_key(&crowd.key(2)));
        assert_eq!(running.end(), [10]);
        assert_eq!(all.join().unwrap(), [Ok(10), Ok(2)]);
    });
}

#[test]
fn a_cycle_through_get_all_inside_a_load_ends() {
    nested_cycle_ends(|cache, begun| {
        let (inner, meets) = (cache.clone(), Arc::clone(begun));
        let loading = LoadingCache::new(cache.clone(), move |_: &&str| {
            meets.wait();
            Ok::<_, ()>(inner.get_with("inside b", || 1))
        });
        cache.get_with("a", || loading.get_all(&["inside a"])[0].clone().unwrap());
    });
}

#[test]
fn a_waiter_for_a_refresh_that_fails_is_given_its_error() {
    must_end(|| {
        let (crowd, loads) = (Crowd::default(), Arc::new(AtomicUsize::new(0)));
        let (joined, counts) = (crowd.clone(), Arc::clone(&loads));
        let failing = Cache::<Key, u32>::builder().build_with_loader(move |_| {
            counts.fetch_add(1, SeqCst);
            joined.wait_for(1);
            Err::<u32, _>("down")
        });
        let (refreshing, key) = (failing.clone(), crowd.key(1));
        let refresh = thread::spawn(move || refreshing.refresh(&key).unwrap_err());
        wait_until(|| loads.load(SeqCst) == 1);
        let error = failing.get(&crowd.key(1)).unwrap_err();
        let own = refresh.join().unwrap();
        assert!(std::ptr::eq(error.failure().unwrap(), own.failure().unwrap()), "one and the same");
        assert_eq!(loads.load(SeqCst), 1);
    });
}

#[test]
fn refresh_replaces_the_value_and_an_error_leaves_it() {
    let version = Arc::new(AtomicU64::new(1));
    let versions = Arc::clone(&version);
    let cache = Cache::builder().max_capacity(10).build_with_loader(move |_: &u64| {
        let version = versions.load(SeqCst);
        if version == 3 { Err("down") } else { Ok(version) }
    });
    assert_eq!(cache.refresh(&7), Ok(1), "it need not be there before");
    version.store(2, SeqCst);
    assert_eq!((cache.get(&7), cache.refresh(&7), cache.get(&7)), (Ok(1), Ok(2), Ok(2)));
    version.store(3, SeqCst);
    assert_eq!(cache.refresh(&7).unwrap_err().to_string(), "down");
    assert_eq!(cache.get(&7), Ok(2));
    validate(cache.cache());
}

/// A cache whose refreshes end when the test says so, with the value that it sends.
struct Refreshing {
    cache: LoadingCache<u64, u64, String>,
    begun: mpsc::Receiver<mpsc::Sender<u64>>,
}

impl Refreshing {
    fn new() -> Self {
        let (begin, begun) = mpsc::channel();
        let begin = Mutex::new(begin);
        let cache = Cache::builder().build_with_loader(move |_: &u64| {
            let (end, ends) = mpsc::channel();
            begin.lock().unwrap().send(end).unwrap();
            Ok(ends.recv().unwrap())
        });
        Refreshing { cache, begun }
    }

    fn begin(&self) -> (thread::JoinHandle<u64>, mpsc::Sender<u64>) {
        let cache = self.cache.clone();
        let thread = thread::spawn(move || cache.refresh(&1).unwrap());
        (thread, self.begun.recv().unwrap())
    }
}

#[test]
fn the_old_value_is_served_while_a_refresh_runs() {
    must_end(|| {
        let refreshing = Refreshing::new();
        refreshing.cache.cache().insert(1, 1);
        let (refresh, end) = refreshing.begin();
        assert_eq!(refreshing.cache.get(&1), Ok(1));
        end.send(2).unwrap();
        assert_eq!((refresh.join().unwrap(), refreshing.cache.get(&1)), (2, Ok(2)));
    });
}

#[test]
fn a_write_during_a_refresh_stays() {
    must_end(|| {
        type Write = fn(&Cache<u64, u64>);
        let writes: [(Write, Option<u64>); 3] = [
            (|cache| cache.insert(1, 99), Some(99)),
            (|cache| cache.invalidate(&1), None),
            (|cache| cache.invalidate_all(), None),
        ];
        for (write, left) in writes {
            let refreshing = Refreshing::new();
            refreshing.cache.cache().insert(1, 1);
            let (refresh, end) = refreshing.begin();
            write(refreshing.cache.cache());
            end.send(2).unwrap();
            assert_eq!((refresh.join().unwrap(), refreshing.cache.cache().get(&1)), (2, left));
        }
    });
}

/// Whatever the order in which they end: what an older one has seen is older.
#[test]
fn of_several_refreshes_the_last_to_begin_wins() {
    must_end(|| {
        for older_first in [true, false] {
            let refreshing = Refreshing::new();
            refreshing.cache.cache().insert(1, 1);
            let (older, end_older) = refreshing.begin();
            let (newer, end_newer) = refreshing.begin();
            if older_first {
                end_older.send(2).unwrap();
                assert_eq!((older.join().unwrap(), refreshing.cache.get(&1)), (2, Ok(2)));
                end_newer.send(3).unwrap();
                assert_eq!(newer.join().unwrap(), 3);
            } else {
                end_newer.send(3).unwrap();
                assert_eq!((newer.join().unwrap(), refreshing.cache.get(&1)), (3, Ok(3)));
                end_older.send(2).unwrap();
                assert_eq!(older.join().unwrap(), 2);
            }
            assert_eq!(refreshing.cache.get(&1), Ok(3));
            validate(refreshing.cache.cache());
        }
    });
}

/// It began before, and nothing was written since: it is as good as a load of the caller.
#[test]
fn a_caller_that_misses_the_key_waits_for_a_running_refresh() {
    must_end(|| {
        let refreshing = Refreshing::new();
        let (refresh, end) = refreshing.begin();
        let cache = refreshing.cache.cache().clone();
        let waits = thread::spawn(move || cache.get_with(1, || unreachable!("it is being loaded")));
        end.send(2).unwrap();
        assert_eq!((refresh.join().unwrap(), waits.join().unwrap()), (2, 2));
    });
}

#[test]
fn a_recursion_of_refreshes_without_end_says_so() {
    fn refresh(cache: &Cache<u64, u64>) -> u64 {
        <u64 as CacheValue<_>>::refresh(cache, key_of(View(&1)), || refresh(cache) + 1, Whole)
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert!(panics(|| refresh(&cache)));
        assert_eq!(cache.entry_count(), 0);
        validate(&cache);
    });
}

#[test]
fn a_panic_of_the_loader_reaches_its_caller() {
    let calls = AtomicUsize::new(0);
    let cache = Cache::builder().build_with_loader(move |key: &u64| {
        assert!(calls.fetch_add(1, SeqCst) > 2, "on purpose");
        Ok::<u64, ()>(*key)
    });
    assert!(panics(|| cache.get(&1)));
    assert!(panics(|| cache.refresh(&1)));
    assert!(panics(|| cache.get_all(&[1])));
    assert_eq!(cache.get(&1), Ok(1));
    validate(cache.cache());
}

#[test]
fn the_source_of_a_load_error_is_that_of_the_failure() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no number")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let numbers =
        Cache::builder().build_with_loader(|text: &String| text.parse::<u8>().map_err(Outer));
    assert_eq!(numbers.get("17").unwrap(), 17);
    let error = numbers.get("x").unwrap_err();
    assert_eq!(error.to_string(), "no number");
    assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
}
