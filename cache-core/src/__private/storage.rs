//! Where the cache of a function is stored.
//!
//! A function has one [`StaticCache`] in a `static`. A `static` cannot be generic, so a generic
//! function has a [`CacheByType`] there: a list with one node per instance, which only ever grows
//! at its end. Reading it takes no lock: each node is behind a cell that is set once, so a reader
//! either sees a whole node or the end of the list. The cache of a node is built when the node is
//! in the list, so that it is built once, and by another call if building it panics. Finding the
//! first instance costs one comparison of `TypeId`s, the n-th n of them; programs have few
//! instances of one function.
//!
//! A node is found by the type of the closure that builds its cache. A closure has a distinct type
//! for all type and const arguments in force where it is written, those of an `impl` and of a trait
//! too, whether or not they show in key and value: `f::<A>(1)` and `f::<B>(1)` may have the same
//! key and value types and must not share entries. So the attribute need not know what is generic.
//!
//! Functions with `thread_local` have a [`ThreadCaches`] in a `thread_local!`, which works the same
//! way.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

use super::once::Once;

/// The cache of a function without type parameters.
///
/// A panic while it is being built leaves it unbuilt, and the next call panics with the same text.
/// A `LazyLock` would only say that it is poisoned.
pub struct StaticCache<C>(Once<C>);

impl<C> StaticCache<C> {
    /// A cache that is not built yet.
    pub const fn unbuilt() -> Self {
        Self(Once::new())
    }

    /// Returns the cache, built on first use.
    ///
    /// `make` is a pointer and not a closure, so that building is compiled once for each type, not
    /// once for each function.
    #[inline]
    pub fn get(&'static self, make: fn() -> C) -> &'static C {
        self.0.get_or_make(make)
    }
}

/// The caches of a generic function, one per instance.
pub struct CacheByType(Once<Box<Instance>>);

struct Instance {
    marker: TypeId,
    cache: Once<Box<dyn Any + Send + Sync>>,
    next: Once<Box<Self>>,
}

impl CacheByType {
    /// An empty list.
    pub const fn empty() -> Self {
        Self(Once::new())
    }

    /// Returns the cache of the type of `make`, built on first use.
    #[inline]
    pub fn get<C, F>(&'static self, make: F) -> &'static C
    where
        C: Send + Sync + 'static,
        F: FnOnce() -> C + 'static,
    {
        let marker = TypeId::of::<F>();
        let mut place = &self.0;
        let node: &Instance = loop {
            match place.get() {
                Some(node) if node.marker == marker => break node,
                Some(node) => place = &node.next,
                None => break Self::append(place, marker),
            }
        };
        // Of concurrent callers one builds it.
        node.cache.get_or_make(|| Box::new(make())).downcast_ref().expect(ONE_TYPE)
    }

    /// Appends at `place` or behind it: another thread may have appended first, for this marker or
    /// another one.
    #[cold]
    fn append(mut place: &'static Once<Box<Instance>>, marker: TypeId) -> &'static Instance {
        loop {
            let node = place.get_or_init(|| {
                Box::new(Instance { marker, cache: Once::new(), next: Once::new() })
            });
            if node.marker == marker {
                return node;
            }
            place = &node.next;
        }
    }
}

/// A closure returns values of one type.
const ONE_TYPE: &str = "a marker stands for one type of cache";

/// The caches of a function on one thread, one per instance.
pub struct ThreadCaches(RefCell<Vec<(TypeId, Rc<dyn Any>)>>);

impl ThreadCaches {
    /// An empty list.
    pub const fn empty() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Returns the cache of the type of `make` on this thread, built on first use.
    ///
    /// Shared, for a call may come back here while another one uses the cache. When the thread is
    /// being torn down and its caches are gone (a `Drop` of a value calls a function), each call
    /// builds a new one.
    pub fn get<C, F>(list: &'static LocalKey<Self>, make: F) -> Rc<C>
    where
        C: 'static,
        F: FnOnce() -> C + 'static,
    {
        let marker = TypeId::of::<F>();
        let found = list.try_with(|list| {
            let nodes = list.0.borrow();
            let found = nodes.iter().find(|(other, _)| *other == marker);
            found.map(|(_, cache)| Rc::clone(cache))
        });
        let cache = found.ok().flatten().unwrap_or_else(|| {
            // Not while the list is borrowed: building may call a function of the user that uses
            // this list.
            let made: Rc<dyn Any> = Rc::new(make());
            let _ = list.try_with(|list| list.0.borrow_mut().push((marker, Rc::clone(&made))));
            made
        });
        cache.downcast().expect(ONE_TYPE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::catch_unwind;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn static_cache_is_built_once_and_survives_a_panic() {
        static CACHE: StaticCache<u64> = StaticCache::unbuilt();
        assert!(catch_unwind(|| CACHE.get(|| panic!("not yet"))).is_err());
        assert_eq!(*CACHE.get(|| 1), 1);
        assert_eq!(*CACHE.get(|| 2), 1);
    }

    /// The type argument shows in neither key nor value, the hardest case.
    fn of_type<T>(list: &'static CacheByType, make: fn() -> u64) -> u64 {
        list.get(move || (size_of::<T>(), make())).1
    }

    #[test]
    fn cache_by_type_keeps_instances_apart() {
        static LIST: CacheByType = CacheByType::empty();
        assert_eq!(of_type::<u8>(&LIST, || 1), 1);
        assert_eq!(of_type::<&str>(&LIST, || 2), 2);
        assert_eq!(*LIST.get(|| "three"), "three");
        assert!(catch_unwind(|| of_type::<u64>(&LIST, || panic!("not yet"))).is_err());
        assert_eq!(of_type::<u64>(&LIST, || 4), 4);
        for _ in 0..2 {
            assert_eq!(of_type::<u8>(&LIST, || 0), 1);
            assert_eq!(of_type::<&str>(&LIST, || 0), 2);
            assert_eq!(of_type::<u64>(&LIST, || 0), 4);
        }
    }

    #[test]
    fn cache_by_type_threads_agree_on_each_instance() {
        static LIST: CacheByType = CacheByType::empty();
        static MADE: AtomicU64 = AtomicU64::new(0);
        const THREADS: usize = 8;
        let barrier = Barrier::new(THREADS);
        let make = || MADE.fetch_add(1, Ordering::Relaxed);
        let seen: Vec<[u64; 3]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        [
                            of_type::<u8>(&LIST, make),
                            of_type::<u16>(&LIST, make),
                            of_type::<u32>(&LIST, make),
                        ]
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(seen.iter().all(|row| *row == seen[0]), "{seen:?}");
        assert!(seen[0][0] != seen[0][1] && seen[0][1] != seen[0][2], "{seen:?}");
    }

    #[test]
    fn thread_caches_each_thread_builds_its_own() {
        thread_local! {
            static LIST: ThreadCaches = const { ThreadCaches::empty() };
        }
        fn mine(make: fn() -> u64) -> u64 {
            *ThreadCaches::get(&LIST, make)
        }
        assert_eq!(mine(|| 1), 1);
        assert_eq!(mine(|| 2), 1);
        assert_eq!(*ThreadCaches::get(&LIST, || *ThreadCaches::get(&LIST, || 7_u8) + 1), 8_u8);
        let elsewhere = std::thread::spawn(|| mine(|| 3)).join();
        assert_eq!(elsewhere.expect("no panic"), 3);
        assert_eq!(mine(|| 4), 1);
    }
}
