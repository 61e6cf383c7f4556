//! Listeners that write to their cache: they are notified of what that removes after they have
//! returned, not inside themselves.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, RandomState, RemovalCause};

use crate::common::census::{Census, Token};
use crate::common::configurations::{
    Life, Notice, Setup, Size, Subject, TTL, Way, every, in_every_configuration,
};
use crate::common::ending::at_the_end_of_a_thread;
use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::silence_panics_on_purpose;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;

thread_local! {
    /// Calls of listeners that run on this thread, and the most that there were at once.
    static DEPTH: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A running call of a listener.
struct Level;

impl Level {
    fn enter() -> Level {
        let (depth, most) = DEPTH.get();
        DEPTH.set((depth + 1, most.max(depth + 1)));
        Level
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        let (depth, most) = DEPTH.get();
        DEPTH.set((depth - 1, most));
    }
}

/// Returns how deep calls of listeners were nested at most, on this thread.
fn deepest() -> usize {
    DEPTH.replace((0, 0)).1
}

/// Where a listener finds its cache. Emptied in the end, or the cache would hold itself.
type Reached<V, S = RandomState> = Arc<Mutex<Option<Cache<u64, V, S>>>>;

/// A cache whose listener can reach it.
struct Listening<S> {
    subject: Subject<u64, u64, S>,
    notices: Arc<Mutex<Vec<Notice<u64, u64>>>>,
    reached: Reached<u64, S>,
}

impl<S: TestHasher> Listening<S> {
    fn new(
        setup: Setup,
        react: impl Fn(&Cache<u64, u64, S>, u64, RemovalCause) + Send + Sync + 'static,
    ) -> Self {
        let notices: Arc<Mutex<Vec<_>>> = Arc::default();
        let reached: Reached<u64, S> = Arc::default();
        let (log, cache) = (Arc::clone(&notices), Arc::clone(&reached));
        let subject = Subject::built(setup, |builder| {
            builder.eviction_listener(move |key: &u64, value: &u64, cause| {
                let _level = Level::enter();
                log.lock().unwrap().push((*key, *value, cause));
                let cache = cache.lock().unwrap().clone();
                react(&cache.expect("it is there by now"), *key, cause);
            })
        });
        *reached.lock().unwrap() = Some(subject.cache.clone());
        Listening { subject, notices, reached }
    }

    fn take(&self) -> Vec<Notice<u64, u64>> {
        std::mem::take(&mut *self.notices.lock().unwrap())
    }

    /// Fails unless the cache is whole, and no listener was called inside itself.
    #[track_caller]
    fn check(&self) {
        validate(&self.subject.cache);
        assert!(deepest() <= 1);
    }
}

impl<S> Drop for Listening<S> {
    fn drop(&mut self) {
        let reached = self.reached.lock().unwrap().take();
        drop(reached);
    }
}

const PLAIN: Setup = Setup {
    size: Size::Count(10),
    life: Life::Forever,
    listening: true,
    stats: true,
    way: Way::General,
};

/// Returns a function that stores a value and removes it again, the first `times` times.
fn remove_again_and_again<S: TestHasher>(times: u64) -> impl Fn(&Cache<u64, u64, S>) {
    let done = AtomicU64::new(0);
    move |cache| {
        let n = done.fetch_add(1, SeqCst);
        if n < times {
            cache.insert(1000 + n, n);
            cache.invalidate(&(1000 + n));
        }
    }
}

fn nested_writes<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    const TIMES: u64 = 100;
    let again = remove_again_and_again(TIMES);
    let listening = Listening::<S>::new(subject.setup, move |cache, _, _| again(cache));
    listening.subject.put(1, 1);
    listening.subject.invalidate(&1);
    listening.check();
    let notices = listening.take();
    assert_eq!(notices[0], (1, 1, RemovalCause::Explicit));
    // Each of them once, and in order.
    let of_listener: Vec<u64> =
        notices.iter().filter(|notice| notice.0 >= 1000).map(|notice| notice.0).collect();
    assert_eq!(of_listener, (1000..1000 + TIMES).collect::<Vec<_>>());
    assert_eq!(notices.len() as u64, 1 + TIMES);
    listening.subject.check_holds(0);
}

#[test]
fn a_listener_that_writes_is_not_called_inside_itself() {
    must_end(|| {
        in_every_configuration!(nested_writes);
    });
}

/// Each evicted entry is stored again, under another key, and evicts the next.
#[test]
fn a_hundred_thousand_levels_take_the_stack_of_one() {
    let evicting = || {
        const TIMES: u64 = 100_000;
        let next = AtomicU64::new(0);
        let listening = Listening::<RandomState>::new(PLAIN, move |cache, _, _| {
            let n = next.fetch_add(1, SeqCst);
            if n < TIMES {
                cache.insert(1000 + n, n);
            }
        });
        (0..11).for_each(|n| listening.subject.put(n, n));
        listening.check();
        assert_eq!(listening.take().len() as u64, TIMES + 1);
        listening.subject.check_holds(10);
    };
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(evicting).unwrap();
    thread.join().unwrap();
}

/// The notices of a key are what happened to it, in this order; those of a call that removed
/// several entries come first, all of them.
#[test]
fn what_a_listener_removes_is_notified_in_order() {
    let listening = Listening::<RandomState>::new(PLAIN, |cache, key, _| {
        if key < 5 {
            cache.insert(50, 10 * key);
            cache.insert(50, 10 * key + 1);
            cache.invalidate(&50);
            // Not notified yet.
            assert!(cache.get(&50).is_none());
        }
    });
    (0..5).for_each(|n| listening.subject.put(n, n));
    listening.subject.invalidate_all();
    listening.check();
    let notices = listening.take();
    let (first, rest) = notices.split_at(5);
    assert!(first.iter().all(|notice| notice.0 < 5 && notice.2 == RemovalCause::Explicit));
    let expected: Vec<_> = first
        .iter()
        .flat_map(|&(key, ..)| {
            [(50, 10 * key, RemovalCause::Replaced), (50, 10 * key + 1, RemovalCause::Explicit)]
        })
        .collect();
    assert_eq!(rest, expected);
}

/// Nor one that waits behind another.
#[test]
fn a_panic_of_the_listener_loses_no_notice() {
    silence_panics_on_purpose();
    let again = remove_again_and_again(20);
    let listening = Listening::<RandomState>::new(PLAIN, move |cache, key, _| {
        again(cache);
        assert!(key % 2 == 0, "on purpose");
    });
    listening.subject.put(1, 1);
    listening.subject.invalidate(&1);
    listening.check();
    assert_eq!(listening.take().len(), 21);
    assert_eq!(listening.subject.stats().listener_panics, 11);
    // And it is called again.
    listening.subject.put(2, 2);
    listening.subject.invalidate(&2);
    assert_eq!(listening.take(), [(2, 2, RemovalCause::Explicit)]);
}

#[test]
fn listeners_of_two_caches_that_write_to_each_other_are_each_called_once_at_a_time() {
    must_end(|| {
        let (first, second) = (Reached::<u64>::default(), Reached::<u64>::default());
        let left = Arc::new(AtomicUsize::new(10_000));
        let listener = |other: &Reached<u64>| {
            let (other, left) = (Arc::clone(other), Arc::clone(&left));
            move |key: &u64, _: &u64, _: RemovalCause| {
                let _level = Level::enter();
                if left.load(SeqCst) > 0 {
                    left.fetch_sub(1, SeqCst);
                    let other = other.lock().unwrap().clone().unwrap();
                    other.insert(*key + 1, 0);
                    other.invalidate(&(*key + 1));
                }
            }
        };
        let build = |other| Cache::builder().eviction_listener(listener(other)).build();
        let (a, b) = (build(&second), build(&first));
        *first.lock().unwrap() = Some(a.clone());
        *second.lock().unwrap() = Some(b.clone());
        a.insert(1, 1);
        a.invalidate(&1);
        assert_eq!(left.load(SeqCst), 0);
        assert_eq!(deepest(), 2);
        validate(&a);
        validate(&b);
        drop((first.lock().unwrap().take(), second.lock().unwrap().take()));
    });
}

/// Everything that removes, from inside a listener.
fn nested_removals<S: TestHasher>(subject: &Subject<u64, u64, S>) {
    type Way<S> = fn(&Cache<u64, u64, S>);
    let ways: [Way<S>; 8] = [
        |cache| cache.invalidate_all(),
        |cache| cache.run_pending_tasks(),
        |cache| _ = cache.invalidate_entries_if(|_, _| true),
        |cache| _ = cache.remove(&100),
        |cache| cache.insert_with_ttl(100, 1, Duration::ZERO),
        |cache| _ = cache.get_with(101, || 1),
        |cache| _ = cache.get_many_with(&[102, 103], |_| vec![(102, 1), (103, 1)]),
        |cache| _ = cache.entry(100).and_compute_with(|_| cache_core::Op::Remove),
    ];
    for remove in ways {
        let times = AtomicUsize::new(0);
        let listening = Listening::<S>::new(subject.setup, move |cache, key, _| {
            if times.fetch_add(1, SeqCst) < 5 {
                cache.insert(100, key);
                cache.insert(100, key + 1);
                remove(cache);
            }
        });
        let subject = &listening.subject;
        (0..20).for_each(|n| subject.put(n, n));
        subject.invalidate(&19);
        subject.clock.advance(TTL * 3);
        subject.run_pending_tasks();
        subject.invalidate_all();
        subject.run_pending_tasks();
        listening.check();
        let (notices, stats) = (listening.take().len() as u64, subject.stats());
        if subject.setup.stats {
            let removed = stats.removed_expired + stats.removed_explicit;
            assert_eq!(notices, removed + stats.removed_replaced + stats.removed_size);
        }
        subject.check_holds(0);
    }
}

#[test]
fn whatever_a_listener_calls_each_entry_is_notified_once() {
    must_end(|| {
        every::<u64, u64, RandomState>(nested_removals);
        every::<u64, u64, Constant>(nested_removals);
    });
}

/// A rejected value is notified too, of a load as of an insert, after the value that it was to
/// replace.
#[test]
fn a_value_rejected_inside_a_listener_is_notified_after_it() {
    let (census, reached) = (Census::default(), Reached::<Token>::default());
    let notices: Arc<Mutex<Vec<_>>> = Arc::default();
    let (own, log, tokens) = (Arc::clone(&reached), Arc::clone(&notices), census.clone());
    let cache: Cache<u64, Token> = Cache::builder()
        .max_capacity(10)
        .weigher(|key, _| if *key >= 50 { 11 } else { 1 })
        .record_stats()
        .eviction_listener(move |key: &u64, value: &Token, cause| {
            let _level = Level::enter();
            value.look();
            log.lock().unwrap().push((*key, cause));
            if *key == 1 {
                let cache = own.lock().unwrap().clone().unwrap();
                cache.insert(50, tokens.token());
                cache.get_with(51, || tokens.token()).look();
                cache.insert_with_ttl(2, tokens.token(), Duration::ZERO);
                cache.run_pending_tasks();
            }
        })
        .build();
    *reached.lock().unwrap() = Some(cache.clone());
    cache.insert(1, census.token());
    cache.insert(2, census.token());
    cache.invalidate(&1);
    let expected = [
        (1, RemovalCause::Explicit),
        (50, RemovalCause::Size),
        (51, RemovalCause::Size),
        (2, RemovalCause::Replaced),
        (2, RemovalCause::Expired),
    ];
    assert_eq!(*notices.lock().unwrap(), expected);
    assert_eq!(deepest(), 1);
    assert_eq!(cache.stats().removed_size, 2);
    validate(&cache);
    cache.run_pending_tasks();
    assert_eq!(census.alive(), 0);
    drop(reached.lock().unwrap().take());
}

#[test]
fn a_listener_that_writes_is_not_called_inside_itself_while_a_thread_ends() {
    let again = remove_again_and_again(1000);
    let listening = Listening::<RandomState>::new(PLAIN, move |cache, _, _| again(cache));
    let cache = listening.subject.cache.clone();
    let depth = at_the_end_of_a_thread(move || {
        cache.insert(1, 1);
        cache.invalidate(&1);
        deepest()
    });
    assert_eq!(depth, 1);
    listening.check();
    assert_eq!(listening.take().len(), 1001);
}

/// A cache whose listener counts, and writes again on some keys. Comes with the place where its
/// listener finds it.
fn writing_and_counting(notices: &Arc<AtomicU64>) -> (Cache<u64, Token>, Reached<Token>) {
    let reached = Reached::<Token>::default();
    let (own, count) = (Arc::clone(&reached), Arc::clone(notices));
    let cache: Cache<u64, Token> = Cache::builder()
        .max_capacity(50)
        .record_stats()
        .eviction_listener(move |key: &u64, value: &Token, _| {
            let _level = Level::enter();
            value.look();
            count.fetch_add(1, SeqCst);
            if key.is_multiple_of(3) {
                let cache = own.lock().unwrap().clone().unwrap();
                cache.insert(key + 1, value.clone());
                if key.is_multiple_of(9) {
                    cache.run_pending_tasks();
                }
            }
        })
        .build();
    *reached.lock().unwrap() = Some(cache.clone());
    (cache, reached)
}

/// Each thread notifies of what its own calls have removed. No notice comes twice, no value is used
/// after its drop, and none is kept.
#[test]
fn listeners_that_write_on_several_threads_do_not_mix() {
    must_end(|| {
        let (census, notices) = (Census::default(), Arc::new(AtomicU64::new(0)));
        let (cache, reached) = writing_and_counting(&notices);
        let write = |n: u64| {
            let (cache, census) = (cache.clone(), census.clone());
            move || {
                for round in 0..500 {
                    let key = (round * 7 + n) % 200;
                    cache.insert(key, census.token());
                    if round % 5 == 0 {
                        cache.invalidate(&(key + 1));
                    }
                }
                assert!(deepest() <= 1);
            }
        };
        thread::scope(|scope| {
            for n in 0..4 {
                let (write, write_at_end) = (write(n), write(n + 4));
                scope.spawn(move || {
                    write();
                    at_the_end_of_a_thread(write_at_end);
                });
            }
        });
        validate(&cache);
        cache.invalidate_all();
        let stats = cache.stats();
        let removed = stats.removed_explicit + stats.removed_replaced + stats.removed_size;
        assert_eq!(notices.load(SeqCst), removed);
        cache.invalidate_all();
        cache.run_pending_tasks();
        drop(reached.lock().unwrap().take());
        drop(cache);
        wait_until(|| census.alive() == 0);
    });
}
