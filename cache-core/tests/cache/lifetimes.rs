//! When keys and values live and die: slow readers, destructors that use the cache, threads that
//! come and go, many caches.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use cache_core::{Cache, RandomState};

use crate::common::census::{Census, Token};
use crate::common::hashers::{Constant, TestHasher};
use crate::common::numbers::Numbers;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::{memory, validate};

/// A key with a token, compared by its number.
#[derive(Clone)]
struct Key(u64, Token);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.look();
        other.1.look();
        self.0 == other.0
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[test]
fn a_slow_view_keeps_its_value_and_delays_no_writer() {
    const INSERTS: u64 = 200_000;
    must_end(|| {
        let census = Census::default();
        let cache = Cache::<u64, (u64, Token)>::new(1000);
        cache.insert(u64::MAX, (77, census.token()));
        thread::scope(|scope| {
            let (entered, is_in) = channel();
            let (leave, may_leave) = channel::<()>();
            let cache = &cache;
            let reader = scope.spawn(move || {
                cache.view(&u64::MAX, |(number, token)| {
                    entered.send(()).unwrap();
                    may_leave.recv().unwrap();
                    token.look();
                    *number
                })
            });
            is_in.recv().unwrap();
            for half in 0..2 {
                let census = census.clone();
                let writer = scope.spawn(move || {
                    for n in 0..INSERTS / 2 {
                        cache.insert(2 * n + half, (n, census.token()));
                    }
                });
                writer.join().expect("writers do not wait for the reader");
            }
            cache.invalidate(&u64::MAX);
            cache.run_pending_tasks();
            assert!(cache.peek(&u64::MAX).is_none());
            leave.send(()).unwrap();
            assert_eq!(reader.join().unwrap(), Some(77));
        });
        cache.run_pending_tasks();
        // What was viewed may have been evicted before it was invalidated, or not.
        assert!((999..=1000).contains(&cache.entry_count()));
        assert_eq!(census.alive() as u64, cache.entry_count(), "what the view held back is freed");
        validate(&cache);
        // The memory is used again: the same number of inserts, without a reader, takes no more.
        let held = |cache: &Cache<_, _>| memory(cache).iter().map(|part| part.1).sum::<usize>();
        let before = held(&cache);
        for n in 0..INSERTS {
            cache.insert(n, (n, census.token()));
        }
        assert!(held(&cache) <= before + before / 10);
    });
}

/// Nested views, each of which writes, removes and reclaims while the outer ones look at their
/// values.
fn nested_views(cache: &Cache<u64, (u64, Token)>, census: &Census, depth: u64) {
    let value = |number| (number, census.token());
    let seen = cache.view(&depth, |(number, token)| {
        cache.insert(depth, value(7000 + depth));
        assert_eq!(cache.peek(&depth).map(|value| value.0), Some(7000 + depth));
        cache.insert(depth + 1, value(8000 + depth + 1));
        if depth < 60 {
            nested_views(cache, census, depth + 1);
        }
        match depth % 4 {
            0 => cache.invalidate_all(),
            1 => drop(cache.remove(&depth)),
            2 => cache.run_pending_tasks(),
            _ => drop(cache.invalidate_entries_if(|key, _| key % 2 == 0)),
        }
        assert_eq!(cache.get_with(depth + 500, || value(depth)).0, depth);
        // What may be freed is freed by these, and its memory used again.
        (0..200).for_each(|n| cache.insert(9000 + n % 20, value(n)));
        cache.run_pending_tasks();
        token.look();
        *number
    });
    assert_eq!(seen, Some(8000 + depth), "what is viewed does not change");
}

#[test]
fn view_may_use_the_cache_that_it_views() {
    must_end(|| {
        for cache in [Cache::builder().build(), Cache::new(1000), Cache::new(50)] {
            let census = Census::default();
            // Another thread has used the cache: its memory is freed with more care.
            thread::scope(|scope| drop(scope.spawn(|| cache.contains_key(&0))));
            cache.insert(0, (8000, census.token()));
            nested_views(&cache, &census, 0);
            validate(&cache);
            cache.invalidate_all();
            cache.run_pending_tasks();
            assert_eq!((cache.entry_count(), census.alive()), (0, 0));
        }
    });
}

fn everything_is_dropped_once<S: TestHasher>(max: u64, keys: u64, operations: u64) {
    let census = Census::default();
    let cache: Cache<Key, Token, S> =
        Cache::builder().max_capacity(max).build_with_hasher(S::default());
    thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, census) = (&cache, &census);
            scope.spawn(move || {
                let mut numbers = Numbers::seeded(seed + 1);
                for _ in 0..operations {
                    let key = Key(numbers.below(keys), census.token());
                    match numbers.below(12) {
                        0..=3 => cache.insert(key, census.token()),
                        4 => cache.get_with(key, || census.token()).look(),
                        5 => cache.invalidate(&key),
                        6 => drop(cache.remove(&key)),
                        7 if numbers.below(40) == 0 => cache.invalidate_all(),
                        8 if numbers.below(40) == 0 => {
                            cache.iter().for_each(|(key, value)| (key.1.look(), value.look()).0);
                        }
                        9 => {
                            if let Ok(value) = cache.try_get_with(key, || Err::<Token, _>(())) {
                                value.look();
                            }
                        }
                        _ => drop(cache.view(&key, Token::look)),
                    }
                }
            });
        }
    });
    validate(&cache);
    cache.run_pending_tasks();
    assert_eq!(census.alive() as u64, 2 * cache.entry_count(), "a key and a value for each entry");
    let other = cache.clone();
    drop(cache);
    assert_eq!(census.alive() as u64, 2 * other.entry_count());
    other.insert(Key(0, census.token()), census.token());
    drop(other);
    assert_eq!(census.alive(), 0);
}

#[test]
fn keys_and_values_are_dropped_exactly_once() {
    must_end(|| {
        everything_is_dropped_once::<RandomState>(10, 30, 8000);
        everything_is_dropped_once::<RandomState>(500, 2000, 8000);
        everything_is_dropped_once::<RandomState>(u64::MAX, 2000, 4000);
        everything_is_dropped_once::<Constant>(10, 30, 2000);
    });
}

thread_local! {
    /// How many drops are running on this thread, nested in each other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Counts itself in `DEPTH`, and holds that number.
struct Nested(usize);

impl Nested {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Nested(DEPTH.get())
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(self.0 - 1);
    }
}

/// Makes the cache collect garbage when it is dropped.
struct Collects(Weak<Holder<Collects>>, Arc<AtomicUsize>);

/// Where values find the cache they are in, while there is one.
type Holder<V> = Mutex<Option<Cache<u64, Arc<V>>>>;

impl Drop for Collects {
    fn drop(&mut self) {
        let nested = Nested::enter();
        self.1.fetch_max(nested.0, SeqCst);
        let Some(holder) = self.0.upgrade() else { return };
        let cache = holder.lock().unwrap().clone();
        if let Some(cache) = cache {
            cache.run_pending_tasks();
            cache.invalidate(&u64::MAX);
        }
    }
}

/// However many values wait, drops that call the cache need no more stack than one does. Otherwise
/// each would free the next from inside, and many would overflow the stack.
#[test]
fn drops_that_call_the_cache_nest_to_a_bounded_depth() {
    let deepest = Arc::new(AtomicUsize::new(0));
    let holder = Arc::new(Mutex::new(Some(Cache::new(3))));
    let cache = holder.lock().unwrap().clone().unwrap();
    let value = || Arc::new(Collects(Arc::downgrade(&holder), Arc::clone(&deepest)));
    cache.insert(0, value());
    cache.view(&0, |_| (0..200).for_each(|n| cache.insert(n, value()))).unwrap();
    cache.run_pending_tasks();
    assert!(deepest.load(SeqCst) >= 1, "some were dropped");
    assert!(deepest.load(SeqCst) <= 10, "{} drops within each other", deepest.load(SeqCst));
    drop(holder.lock().unwrap().take());
}

/// Calls the cache that it was in when it is dropped.
struct CallsBack(u64, Weak<Holder<CallsBack>>, Token);

impl Drop for CallsBack {
    fn drop(&mut self) {
        let nested = Nested::enter();
        // Another test is about the depth.
        if nested.0 > 4 {
            return;
        }
        let Some(holder) = self.1.upgrade() else { return };
        // A clone of the handle, so that nothing is locked while the cache is called.
        let cache = holder.lock().unwrap().clone();
        let Some(cache) = cache else { return };
        let _ = cache.get(&self.0);
        cache.invalidate(&(self.0 + 1));
        cache.run_pending_tasks();
        if self.0.is_multiple_of(4) {
            // A value that ends the chain: its own drop finds no cache.
            cache.insert(self.0 + 2, Arc::new(CallsBack(1, Weak::new(), self.2.clone())));
        }
    }
}

#[test]
fn values_may_call_the_cache_when_they_are_dropped() {
    must_end(|| {
        for max in [3, 1000] {
            let census = Census::default();
            let holder = Arc::new(Mutex::new(Some(Cache::new(max))));
            let cache = holder.lock().unwrap().clone().unwrap();
            thread::scope(|scope| {
                for seed in 0..3 {
                    let (cache, holder, census) = (&cache, &holder, &census);
                    scope.spawn(move || {
                        let mut numbers = Numbers::seeded(seed + 1);
                        for n in 0..2000 {
                            let key = numbers.below(50);
                            let value = CallsBack(key, Arc::downgrade(holder), census.token());
                            cache.insert(key, Arc::new(value));
                            if n % 500 == 0 {
                                cache.invalidate_all();
                            }
                        }
                    });
                }
            });
            validate(&cache);
            drop(holder.lock().unwrap().take());
            drop(cache);
            assert_eq!(census.alive(), 0);
        }
    });
}

#[test]
fn values_written_to_by_readers_keep_every_write_while_the_table_grows() {
    must_end(|| {
        let cache: Cache<u64, Arc<Mutex<Vec<u64>>>> = Cache::new(60_000);
        let counter: Cache<u64, Arc<AtomicU64>> = Cache::new(60_000);
        cache.insert(0, Arc::default());
        counter.insert(0, Arc::default());
        thread::scope(|scope| {
            for thread in 0..4 {
                let (cache, counter) = (&cache, &counter);
                scope.spawn(move || {
                    for n in 0..4000 {
                        let number = thread * 4000 + n;
                        cache.view(&0, |log| log.lock().unwrap().push(number)).unwrap();
                        counter.view(&0, |count| count.fetch_add(1, SeqCst)).unwrap();
                        cache.insert(1 + number, Arc::default());
                        counter.insert(1 + number, Arc::default());
                    }
                });
            }
        });
        let mut log = cache.view(&0, |log| log.lock().unwrap().clone()).unwrap();
        log.sort_unstable();
        assert_eq!(log, (0..16_000).collect::<Vec<_>>());
        assert_eq!(counter.view(&0, |count| count.load(SeqCst)), Some(16_000));
    });
}

thread_local! {
    static AT_EXIT: RefCell<Option<UsesCache>> = const { RefCell::new(None) };
}

/// Uses a cache from a destructor of a thread that is ending.
struct UsesCache(Cache<u64, Token>, u64, Arc<AtomicUsize>);

impl Drop for UsesCache {
    fn drop(&mut self) {
        let UsesCache(cache, number, destroyed) = self;
        cache.view(number, Token::look);
        cache.view(&u64::MAX, |token| {
            cache.insert(*number + 1_000_000, token.clone());
            cache.view(&u64::MAX, Token::look)
        });
        cache.invalidate(number);
        cache.get_with(*number + 2_000_000, || Census::default().token()).look();
        destroyed.fetch_add(1, SeqCst);
    }
}

/// `before`: the thread-local is made before the thread's first use of the cache, so that it is
/// destroyed after whatever the cache keeps for the thread.
fn short_lived_threads(before: bool) {
    let census = Census::default();
    let destroyed = Arc::new(AtomicUsize::new(0));
    let cache = Cache::<u64, Token>::builder().max_capacity(100).record_stats().build();
    cache.insert(u64::MAX, census.token());
    for batch in 0..125 {
        thread::scope(|scope| {
            for n in 0..8 {
                let (cache, census, destroyed) = (cache.clone(), &census, Arc::clone(&destroyed));
                scope.spawn(move || {
                    let number = batch * 8 + n;
                    let leave = || AT_EXIT.set(Some(UsesCache(cache.clone(), number, destroyed)));
                    if before {
                        leave();
                        cache.insert(number, census.token());
                    } else {
                        cache.insert(number, census.token());
                        leave();
                    }
                });
            }
        });
    }
    wait_until(|| destroyed.load(SeqCst) == 1000);
    assert!(cache.entry_count() <= 100);
    // The threads have dropped their handles once the destructors are through.
    validate(&cache);
    assert!(cache.stats().requests() >= 3000, "what threads have counted outlives them");
    cache.invalidate_all();
    cache.run_pending_tasks();
    assert_eq!(census.alive(), 0);
}

#[test]
fn ending_threads_may_use_the_cache_in_their_last_destructors() {
    must_end(|| {
        short_lived_threads(true);
        short_lived_threads(false);
    });
}

#[test]
fn many_caches_at_once_do_not_mix() {
    must_end(|| {
        let census = Census::default();
        let slots: Vec<Mutex<Cache<u64, (u64, Token)>>> =
            (0..100).map(|_| Mutex::new(Cache::new(20))).collect();
        thread::scope(|scope| {
            for seed in 0..4 {
                let (slots, census) = (&slots, &census);
                scope.spawn(move || {
                    let mut numbers = Numbers::seeded(seed + 5);
                    for _ in 0..8000 {
                        let number = numbers.below(100);
                        let slot = &slots[number as usize];
                        let cache = slot.lock().unwrap().clone();
                        let key = numbers.below(40);
                        match numbers.below(20) {
                            0 => *slot.lock().unwrap() = Cache::new(1 + key),
                            1 => cache.invalidate_all(),
                            2 => cache.invalidate(&key),
                            3..=12 => cache.insert(key, (number, census.token())),
                            _ => {
                                cache.view(&key, |(owner, token)| {
                                    token.look();
                                    assert_eq!(*owner, number, "another cache's value");
                                });
                            }
                        }
                    }
                });
            }
        });
        slots.iter().for_each(|slot| validate(&slot.lock().unwrap()));
        drop(slots);
        assert_eq!(census.alive(), 0);
    });
}

#[test]
fn iter_outlives_the_last_handle() {
    let census = Census::default();
    let cache = Cache::<u64, Token>::new(5000);
    (0..1000).for_each(|key| cache.insert(key, census.token()));
    let mut iter = cache.iter();
    assert!(iter.next().is_some());
    drop(cache);
    assert_eq!(iter.by_ref().map(|(_, token)| token.look()).count(), 999);
    drop(iter);
    assert_eq!(census.alive(), 0);
}

#[test]
fn values_may_have_any_alignment() {
    #[derive(Clone)]
    #[repr(align(256))]
    struct Wide(u8);
    let cache: Cache<u32, Wide> = Cache::new(64);
    for key in 0..100 {
        cache.insert(key, Wide(key as u8));
        let aligned = cache.view(&key, |wide| std::ptr::from_ref(wide).addr() % 256 == 0);
        assert_eq!(aligned, Some(true));
        assert_eq!(cache.get(&key).map(|wide| wide.0), Some(key as u8));
    }
}
