//! A loading cache whose loader is asked for many keys by one call.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock, LoadError, LoadingCache, RandomState};

use crate::common::configurations::{Subject, TTL, in_every_configuration};
use crate::common::crowd::{Crowd, Key};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled, block_on};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

type Calls = Arc<Mutex<Vec<Vec<u64>>>>;

/// Knows the tens of keys below 100; fails if it is asked for 666; panics if for 999.
fn load(calls: &Calls, keys: &[u64]) -> Result<Vec<(u64, u64)>, String> {
    calls.lock().unwrap().push(keys.to_vec());
    assert!(!keys.contains(&999), "on purpose");
    if keys.contains(&666) {
        return Err("not now".to_owned());
    }
    // Not in the order in which they were asked for.
    let known = keys.iter().rev().filter(|key| **key < 100);
    Ok(known.map(|key| (*key, 10 * key)).collect())
}

fn tens<S: TestHasher>(cache: Cache<u64, u64, S>) -> (LoadingCache<u64, u64, String, S>, Calls) {
    let calls = Calls::default();
    let asked = Arc::clone(&calls);
    (LoadingCache::with_bulk_loader(cache, move |keys: &[u64]| load(&asked, keys)), calls)
}

fn take(calls: &Calls) -> Vec<Vec<u64>> {
    std::mem::take(&mut *calls.lock().unwrap())
}

fn one_call<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    let (tens, calls) = tens(subject.cache.clone());
    subject.put(2, 2);
    let all = tens.get_all(&[1, 2, 100, 1, 3]);
    let absent = || Err(LoadError::NotFound);
    assert_eq!(all, [Ok(10), Ok(2), absent(), Ok(10), Ok(30)]);
    assert_eq!(take(&calls), [[1, 100, 3]], "the missing ones, each once");
    assert_eq!(tens.get_all(&[]), []);
    assert_eq!(take(&calls), Vec::<Vec<u64>>::new());
    subject.invalidate_all();
    assert_eq!((tens.get(&4), block_on(tens.get_async(&100))), (Ok(40), absent()));
    assert_eq!(take(&calls), [[4], [100]]);
    assert_eq!(tens.get(&100).unwrap_err().to_string(), "the loader has no value for this key");
    take(&calls);
    // An error is that of the keys that this call has asked for; the others have their values.
    let failed = || Err(LoadError::Failed(Arc::new("not now".to_owned())));
    subject.put(1, 1);
    assert_eq!(tens.get_all(&[1, 666, 7, 666]), [Ok(1), failed(), failed(), failed()]);
    assert_eq!(tens.get_all(&[7]), [Ok(70)], "the error was not stored");
    assert!(panics(|| tens.get_all(&[8, 999])));
    assert_eq!(tens.get_all(&[8]), [Ok(80)]);
    // A refresh that finds nothing removes the old value; one that fails leaves it.
    for key in [100, 666] {
        subject.put(key, 5);
        assert!(tens.refresh(&key).is_err());
        assert_eq!(subject.get(&key).is_some(), key == 666);
    }
    subject.put(1, 1);
    assert_eq!((tens.refresh(&1), subject.get(&1)), (Ok(10), Some(10)));
}

#[test]
fn get_all_is_one_call_of_the_loader() {
    silence_panics_on_purpose();
    in_every_configuration!(one_call);
}

#[test]
fn what_others_load_is_not_asked_for_and_their_failure_is_its_own() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    let (tens, calls) = tens(cache.clone());
    let first = Polled::pending(cache.get_with_async(1, gate.then(11)));
    let fails = async { gate.then(Err::<u64, _>("another's".to_owned())).await };
    let second = Polled::pending(cache.try_get_with_async(2, fails));
    let absent = Polled::pending(cache.optionally_get_with_async(4, gate.then(None)));
    thread::scope(|scope| {
        let all = scope.spawn(|| tens.get_all(&[1, 2, 3, 4]));
        // It has loaded what it leads before it waits.
        while cache.get(&3).is_none() {
            thread::yield_now();
        }
        gate.open();
        assert_eq!((first.finish(), second.finish().is_err(), absent.finish()), (11, true, None));
        let error = |text: &str| LoadError::Failed(Arc::new(text.to_owned()));
        let all = all.join().unwrap();
        // A key whose load has ended before it was joined is asked for.
        assert_eq!((&all[0], &all[2]), (&Ok(11), &Ok(30)));
        assert!(all[1] == Ok(20) || all[1] == Err(error("another's")), "{all:?}");
        assert!(all[3] == Ok(40) || all[3] == Err(LoadError::NotFound), "{all:?}");
        assert_eq!(calls.lock().unwrap()[0], [3]);
    });
    validate(&cache);
}

/// A loader of one key has not said that there is nothing.
#[test]
fn a_loader_of_one_key_is_asked_after_another_load_has_found_nothing() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    let one = LoadingCache::new(cache.clone(), |key: &u64| Ok::<_, String>(2 * key));
    let (many, _) = tens(cache.clone());
    let absent = Polled::pending(cache.optionally_get_with_async(1, gate.then(None)));
    let mut own = Polled::pending(one.get_async(&1));
    let mut shared = Polled::pending(many.get_async(&1));
    gate.open();
    assert_eq!(absent.finish(), None);
    assert_eq!(shared.poll(), Some(Err(LoadError::NotFound)));
    assert_eq!(own.poll(), Some(Ok(2)));
}

#[test]
fn waiters_share_what_the_loader_has_not_found() {
    must_end(|| {
        let crowd = Crowd::default();
        let joined = crowd.clone();
        let builder: CacheBuilder<Key, u32> = Cache::builder();
        let none = builder.coalesce_timeout(Duration::MAX).build_with_bulk_loader(move |_| {
            joined.wait_for(3);
            Ok::<_, String>(Vec::new())
        });
        let calls: Vec<_> = (0..4)
            .map(|n| {
                let (none, key) = (none.clone(), crowd.key(1));
                thread::spawn(
                    move || if n == 0 { none.get_all(&[key])[0].clone() } else { none.get(&key) },
                )
            })
            .collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), Err(LoadError::NotFound));
        }
        validate(none.cache());
    });
}

fn old_values_and_pages<S: TestHasher>() {
    let clock = FakeClock::new();
    let builder = Cache::builder().time_to_live(TTL).stale_if_error(TTL).clock(clock.clone());
    let (tens, calls) = tens(builder.build_with_hasher(S::default()));
    tens.cache().insert(666, 6);
    tens.cache().insert(100, 1);
    clock.advance(TTL);
    // The one has an old value; the other does not.
    let all = tens.get_all(&[666, 5]);
    assert_eq!((&all[0], all[1].is_err()), (&Ok(6), true), "{all:?}");
    assert_eq!(tens.get_all(&[100]), [Err(LoadError::NotFound)], "no failure");
    take(&calls);
    validate(tens.cache());
    let page = |_: &[u64]| Ok::<_, String>(vec![(1, 10), (2, 20), (3, 30)]);
    let pages = LoadingCache::with_bulk_loader(Cache::<u64, u64>::new(10), page);
    assert_eq!((pages.get(&1), pages.cache().entry_count()), (Ok(10), 1));
    assert_eq!((pages.get_all(&[2]), pages.cache().get(&3)), (vec![Ok(20)], Some(30)));
}

#[test]
fn old_values_are_served_key_by_key() {
    old_values_and_pages::<RandomState>();
    old_values_and_pages::<Constant>();
}

#[test]
fn build_with_bulk_loader_checks_the_configuration() {
    let loader = |_: &[u64]| Ok::<Vec<(u64, u64)>, ()>(Vec::new());
    let wrong = || Cache::builder().ttl_jitter(1.0);
    assert_eq!(wrong().try_build_with_bulk_loader(loader).unwrap_err().option(), "ttl_jitter");
    assert!(panics(|| wrong().build_with_bulk_loader(loader)));
    assert!(Cache::builder().try_build_with_bulk_loader(loader).is_ok());
}
