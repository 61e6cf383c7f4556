//! Loads under a guard, which may be dropped, and callers that refuse what is there.

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::{Source, cache, model, together};
use crate::__private::testing::validate;
use crate::Cache;

/// Gets the value, as a thread or as a task; a guard is dropped in one of three cases.
fn get(cache: &Cache<u64, u64>, source: &Source) -> Option<u64> {
    let got = match thread_rng().gen_bool(0.5) {
        true => block_on(cache.get_or_guard_async(&1)),
        false => cache.get_or_guard(&1),
    };
    match got {
        Ok(value) => Some(value),
        Err(guard) if thread_rng().gen_range(0..3) > 0 => Some(guard.insert(source.read())),
        Err(guard) => {
            thread::yield_now();
            drop(guard);
            None
        }
    }
}

/// shuttle would report a waiter that nobody wakes.
#[test]
fn a_guard_serves_or_hands_over_to_its_waiters_and_nothing_older_than_an_invalidation() {
    model(|| {
        let (cache, source) = (cache(), Source::default());
        let load = || -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            Box::new(move || _ = get(&cache, &source))
        };
        let (flushed, flushing) = (source.clone(), cache.clone());
        let invalidate = Box::new(move || {
            let floor = flushed.now();
            match thread_rng().gen_range(0..3) {
                0 => flushing.invalidate(&1),
                1 => flushing.invalidate_all(),
                _ => _ = flushing.remove_if(&1, |value| *value < floor),
            }
            assert!(flushing.get(&1).is_none_or(|value| value >= floor));
        });
        let (asked, asking) = (source.clone(), cache.clone());
        let ask = Box::new(move || _ = asking.get_with(1, || asked.read()));
        together([load(), load(), ask, invalidate]);
        cache.run_pending_tasks();
        validate(&cache);
    });
}

/// A call after an invalidation is given no value whose guard was there before.
#[test]
fn a_guard_that_was_superseded_serves_no_later_call() {
    model(|| {
        let (cache, source) = (cache(), Source::default());
        let load = || -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            Box::new(move || _ = get(&cache, &source))
        };
        let (flushed, flushing) = (source.clone(), cache.clone());
        let invalidate = Box::new(move || {
            let floor = flushed.now();
            flushing.invalidate(&1);
            assert!(get(&flushing, &flushed).is_none_or(|value| value >= floor));
        });
        together([load(), load(), invalidate]);
        validate(&cache);
    });
}

/// Callers that refuse what is old, beside writers: none is given what it refuses.
#[test]
fn no_caller_is_given_what_it_refuses() {
    model(|| {
        let (cache, source) = (cache(), Source::default());
        cache.insert(1, source.read());
        let revalidate = || -> Box<dyn FnOnce() + Send> {
            let (cache, source) = (cache.clone(), source.clone());
            Box::new(move || {
                let floor = source.now();
                let is_new = |value: &u64| *value >= floor;
                // What it waits for may have begun before, but not before what it refuses.
                let value = cache.get_or_revalidate(1, is_new, || source.read());
                assert!(value > 0);
            })
        };
        let (source, writing) = (source.clone(), cache.clone());
        let write = Box::new(move || {
            writing.insert(1, source.read());
            writing.remove_if(&1, |_| thread_rng().gen_bool(0.5));
        });
        together([revalidate(), revalidate(), write]);
        validate(&cache);
    });
}
