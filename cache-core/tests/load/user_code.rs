//! User code around loads: wakers that panic, values that panic when they are dropped, weighers,
//! listeners and captures of loaders that call the cache again. No waiter is forgotten, and none
//! waits for itself.
//!
//! Each of these tests failed once. The faults were found by reading and by changing single lines.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use cache_core::{Cache, CacheBuilder, CompResult, Op};

use super::entry::plus_one;
use crate::common::configurations::Log;
use crate::common::crowd::{Crowd, Key};
use crate::common::panics::panics;
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// How a listener or a weigher reaches its own cache, as long as the tie lasts.
struct Handle<K, V>(Arc<Mutex<Option<Cache<K, V>>>>);

impl<K, V> Handle<K, V> {
    fn tie(&self, cache: &Cache<K, V>) -> Untie<K, V> {
        *self.0.lock().unwrap() = Some(cache.clone());
        Untie(self.clone())
    }

    fn cache(&self) -> Cache<K, V> {
        self.0.lock().unwrap().clone().expect("tied")
    }
}

impl Handle<u64, u64> {
    /// Returns a function that loads the key that it is given, the first time.
    fn ask_once(&self) -> impl Fn(&u64) + Send + Sync + 'static {
        let (own, ask) = (self.clone(), AtomicBool::new(true));
        move |key| {
            if ask.swap(false, SeqCst) {
                own.cache().get_with(*key, || 5);
            }
        }
    }
}

impl<K, V> Clone for Handle<K, V> {
    fn clone(&self) -> Self {
        Handle(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Handle<K, V> {
    fn default() -> Self {
        Handle(Arc::default())
    }
}

/// A cache that held itself for ever would never be dropped.
struct Untie<K, V>(Handle<K, V>);

impl<K, V> Drop for Untie<K, V> {
    fn drop(&mut self) {
        let _untied = self.0.0.lock().unwrap().take();
    }
}

/// A cache whose callers never time out.
fn waits_for_ever() -> CacheBuilder<u64, u64> {
    Cache::builder().coalesce_timeout(Duration::MAX)
}

/// The computation has read 3, and what it read was removed before it stored.
#[test]
fn a_removal_by_condition_supersedes_a_computation_that_began_during_the_pass() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    cache.insert(1, 3);
    let mut compute = None;
    let removed = cache.invalidate_entries_if(|_, _| {
        compute = Some(Polled::pending(
            cache.entry(1).and_upsert_with_async(|old| gate.then(plus_one(old))),
        ));
        true
    });
    assert_eq!((removed, cache.get(&1)), (1, None));
    gate.open();
    let entry = compute.unwrap().finish();
    assert_eq!((*entry.value(), entry.is_old_value_replaced()), (4, true));
    assert_eq!(cache.get(&1), None, "it saw 3, so it came before the removal");
}

#[test]
fn a_computation_that_began_during_the_pass_does_not_remove_twice() {
    let (cache, gate) = (Cache::<u64, u64>::new(10), Gate::default());
    cache.insert(1, 3);
    let mut compute = None;
    cache.invalidate_entries_if(|_, _| {
        compute =
            Some(Polled::pending(cache.entry(1).and_compute_with_async(|_| gate.then(Op::Remove))));
        true
    });
    cache.get_with(2, || 2);
    gate.open();
    assert!(matches!(compute.unwrap().finish(), CompResult::Removed(_)));
}

struct Trap;
impl Wake for Trap {
    fn wake(self: Arc<Self>) {
        panic!("on purpose")
    }
}

/// A waker that panics must not keep the others from being woken.
#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    let (cache, gate) = (waits_for_ever().build(), Gate::default());
    let mut leader = Polled::pending(cache.get_with_async(1, gate.then(1)));
    let mut trapped = Box::pin(cache.get_with_async(1, async { 0 }));
    let trap = Waker::from(Arc::new(Trap));
    assert!(trapped.as_mut().poll(&mut Context::from_waker(&trap)).is_pending());
    let waits = Polled::pending(cache.get_with_async(1, async { 0 }));
    gate.open();
    let _ = panics(|| leader.poll());
    assert_eq!(waits.wakes.count(), 1, "woken");
}

/// The same if the leader is dropped.
#[test]
fn a_waker_that_panics_when_the_leader_is_dropped_does_not_keep_others_from_being_woken() {
    let cache = waits_for_ever().build();
    let leader = Polled::pending(cache.get_with_async(1, std::future::pending()));
    let mut trapped = Box::pin(cache.get_with_async(1, async { 0 }));
    let trap = Waker::from(Arc::new(Trap));
    assert!(trapped.as_mut().poll(&mut Context::from_waker(&trap)).is_pending());
    let waits = Polled::pending(cache.get_with_async(1, async { 0 }));
    let _ = panics(|| drop(leader));
    assert_eq!(waits.wakes.count(), 1, "woken");
}

/// Panics once when dropped, if it is armed.
#[derive(Clone)]
struct Bomb(Arc<AtomicBool>);
impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0.swap(false, SeqCst) {
            panic!("on purpose");
        }
    }
}

/// A leader is dropped, and the collection of garbage that comes with it panics.
#[test]
fn a_leader_whose_drop_collects_garbage_that_panics_wakes_its_waiters() {
    let armed = Arc::new(AtomicBool::new(false));
    let mut seen = 0;
    for removed in 0..200 {
        let cache: Cache<u64, Bomb> =
            Cache::builder().max_capacity(100).coalesce_timeout(Duration::MAX).build();
        // What a single thread removes is dropped at once; this is about what waits.
        thread::scope(|scope| _ = scope.spawn(|| cache.contains_key(&0)).join());
        let leader = Polled::pending(cache.get_with_async(1, std::future::pending()));
        let waits = Polled::pending(cache.get_with_async(1, std::future::pending()));
        for n in 0..removed {
            cache.insert(1000, Bomb(Arc::clone(&armed)));
            if n + 1 == removed {
                armed.store(true, SeqCst);
            }
            if panics(|| cache.invalidate(&1000)) {
                break;
            }
        }
        // `invalidate` supersedes flights of its own key only.
        if !armed.load(SeqCst) {
            continue;
        }
        let panicked = panics(|| drop(leader));
        seen += usize::from(panicked);
        armed.store(false, SeqCst);
        assert_eq!(waits.wakes.count(), 1, "woken, {removed} removed, panicked: {panicked}");
    }
    assert!(seen > 0, "no drop of a leader collected the garbage");
}

/// The listener that a load notifies asks for a key whose loader waits for that load.
#[test]
fn a_listener_notified_by_a_load_may_ask_for_what_waits_for_that_load() {
    must_end(|| {
        let (handle, crowd) = (Handle::<Key, u32>::default(), Crowd::default());
        let (own, asked) = (handle.clone(), crowd.key(2));
        let ask = AtomicBool::new(true);
        let cache: Cache<Key, u32> = Cache::builder()
            .max_capacity(1)
            .coalesce_timeout(Duration::MAX)
            .eviction_listener(move |key: &Key, _, _| {
                if key.name == 9 && ask.swap(false, SeqCst) {
                    own.cache().get_with(asked.clone(), || 22);
                }
            })
            .build();
        let _untie = handle.tie(&cache);
        cache.insert(crowd.key(9), 9);
        let (end, ends) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        let first = {
            let (cache, key) = (cache.clone(), crowd.key(1));
            thread::spawn(move || {
                cache.get_with(key, || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                    1
                })
            })
        };
        begins.recv().unwrap();
        let before = crowd.joined();
        let second = {
            let (cache, one, two) = (cache.clone(), crowd.key(1), crowd.key(2));
            thread::spawn(move || cache.get_with(two, || cache.get_with(one, || 11) + 1))
        };
        crowd.wait_for(before + 1);
        // The second loader has compared its key and is about to wait, if it does not already.
        for _ in 0..10_000 {
            thread::yield_now();
        }
        end.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
    });
}

/// The listener is notified of a loaded value too heavy to be stored, and asks for its key.
#[test]
fn a_listener_notified_of_a_value_too_heavy_may_ask_for_its_key() {
    must_end(|| {
        let handle = Handle::<u64, u64>::default();
        let ask = handle.ask_once();
        let cache = waits_for_ever()
            .max_capacity(10)
            .weigher(|_, value| *value as u32)
            .eviction_listener(move |key, _, _| ask(key))
            .build();
        let _untie = handle.tie(&cache);
        assert_eq!(cache.get_with(1, || 11), 11);
    });
}

/// As documented, the weigher may call the cache again.
#[test]
fn a_weigher_run_by_a_load_may_ask_for_its_key() {
    must_end(|| {
        let handle = Handle::<u64, u64>::default();
        let ask = handle.ask_once();
        let weigher = move |key: &u64, _: &u64| {
            ask(key);
            1
        };
        let cache = waits_for_ever().max_capacity(10).weigher(weigher).build();
        let _untie = handle.tie(&cache);
        assert_eq!(cache.get_with(1, || 6), 6);
    });
}

/// A computation can go ahead of a load that only this thread could poll.
#[test]
fn a_thread_may_compute_an_entry_whose_async_load_it_has_polled() {
    let (cache, gate) = (waits_for_ever().build(), Gate::default());
    let load = Polled::pending(cache.get_with_async(1, gate.then(7)));
    let entry = cache.entry(1).and_upsert_with(plus_one);
    assert_eq!(entry.into_value(), 1);
    gate.open();
    assert_eq!(load.finish(), 7);
    assert_eq!(cache.get(&1), Some(1));
}

/// Asks for its key when it is dropped.
struct Asks<'c>(&'c Cache<u64, u64>);
impl Drop for Asks<'_> {
    fn drop(&mut self) {
        self.0.get_with(1, || 5);
    }
}

/// What a loader holds is dropped while its flight can still be joined.
#[test]
fn what_a_dropped_loader_held_may_ask_for_its_key() {
    must_end(|| {
        let cache = waits_for_ever().build();
        let asks = Asks(&cache);
        let mut load = Box::pin(cache.get_with_async(1, async move {
            let _asks = asks;
            std::future::pending().await
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(load.as_mut().poll(&mut context).is_pending());
        // On another thread than the one that polled it, as when a runtime shuts down.
        thread::scope(|scope| {
            scope.spawn(move || drop(load));
        });
        assert_eq!(cache.get(&1), Some(5));
    });
}

/// One look-up is one hit or miss.
#[test]
fn get_all_counts_each_key_once() {
    must_end(|| {
        let crowd = Crowd::default();
        let cache: Cache<Key, u32> = Cache::builder().record_stats().build();
        let loading = cache_core::LoadingCache::new(cache.clone(), |_: &Key| Ok::<u32, ()>(0));
        let running = crate::common::crowd::Running::begin(&cache, &crowd.key(1), 1, 0);
        let before = (cache.stats().requests(), crowd.joined());
        let key = crowd.key(1);
        let all = thread::spawn(move || loading.get_all(&[key]));
        crowd.wait_for(before.1 + 2);
        running.end();
        assert_eq!(all.join().unwrap(), [Ok(1)]);
        assert_eq!(cache.stats().requests() - before.0, 1);
    });
}

/// A superseded load is not notified.
#[test]
fn a_superseded_load_too_heavy_is_not_notified() {
    let log = Log::<u64, u64>::default();
    let cache = Cache::builder()
        .max_capacity(10)
        .weigher(|_, value: &u64| *value as u32)
        .eviction_listener(log.listener())
        .build();
    cache.get_with(1, || {
        cache.invalidate(&1);
        11
    });
    assert_eq!(log.take(), []);
}

/// A value whose clone, if it is armed, computes an entry.
struct Asking(Arc<Mutex<Option<Cache<u64, Asking>>>>);

impl Clone for Asking {
    fn clone(&self) -> Self {
        let cache = self.0.lock().unwrap().take();
        if let Some(cache) = cache {
            assert!(panics(|| cache.entry(1).and_upsert_with(|_| Asking(Arc::default()))));
        }
        Asking(Arc::clone(&self.0))
    }
}

/// What a computation clones is cloned inside it, so this is detected and does not hang.
#[test]
fn a_clone_made_by_a_computation_that_computes_its_key_panics() {
    must_end(|| {
        let cache: Cache<u64, Asking> = Cache::builder().coalesce_timeout(Duration::MAX).build();
        let armed = Arc::default();
        cache.insert(1, Asking(Arc::clone(&armed)));
        *armed.lock().unwrap() = Some(cache.clone());
        cache.entry(1).and_upsert_with(|old| old.unwrap().into_value());
        assert!(armed.lock().unwrap().is_none(), "it was cloned");
        validate(&cache);
    });
}
