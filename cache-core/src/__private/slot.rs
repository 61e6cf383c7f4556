//! Where the cache of a function lives.
//!
//! A function has one [`Slot`] in a `static`. A `static` cannot be generic, so a generic function
//! has a [`ByType`] there: a list with one node per instance, which only ever grows at its end.
//! Reading it takes no lock: each node is behind a `OnceLock` that is set once, so a reader
//! either sees a whole node or the end of the list. Finding the first instance costs one
//! comparison of `TypeId`s, the n-th n of them; programs have few instances of one function.
//!
//! A node is found by a marker type that names *all* type and const arguments, not by the types
//! of key and value: `f::<A>(1)` and `f::<B>(1)` may well have the same key and value types and
//! must not share entries.

use std::any::{Any, TypeId};
use std::sync::OnceLock;

/// The cache of a function without type parameters.
///
/// A panic while it is being built leaves it unbuilt, and the next call fails with the same text:
/// that is why this is no `LazyLock`, which would only speak of poison from then on.
#[derive(Debug)]
pub struct Slot<C>(OnceLock<C>);

impl<C> Slot<C> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// What is in the slot, made on first use.
    #[inline]
    pub fn get(&'static self, make: impl FnOnce() -> C) -> &'static C {
        self.0.get_or_init(make)
    }
}

impl<C> Default for Slot<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// The caches of a generic function, one per instance.
#[derive(Debug)]
pub struct ByType {
    first: OnceLock<Box<Node>>,
}

#[derive(Debug)]
struct Node {
    marker: TypeId,
    cache: Box<dyn Any + Send + Sync>,
    next: OnceLock<Box<Self>>,
}

impl ByType {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// What stands under the type of `_marker`, made on first use.
    ///
    /// `Marker` determines `C`: an expansion uses one list for one generic function, and its
    /// method `cache`, of which each instance has a type of its own, as the marker.
    #[inline]
    pub fn get<Marker, C>(&'static self, _marker: Marker, make: impl FnOnce() -> C) -> &'static C
    where
        Marker: 'static,
        C: Send + Sync + 'static,
    {
        let marker = TypeId::of::<Marker>();
        let mut place = &self.first;
        while let Some(node) = place.get() {
            if node.marker == marker {
                return node.cache();
            }
            place = &node.next;
        }
        Self::append(place, marker, make)
    }

    /// Appends at `place` or behind it: another thread may have been faster, for this marker or
    /// for another one.
    #[cold]
    fn append<C: Send + Sync + 'static>(
        mut place: &'static OnceLock<Box<Node>>,
        marker: TypeId,
        make: impl FnOnce() -> C,
    ) -> &'static C {
        // Made before any place is taken, so that a panic here leaves the list as it was.
        let mut mine =
            Some(Box::new(Node { marker, cache: Box::new(make()), next: OnceLock::new() }));
        loop {
            let node = place.get_or_init(|| mine.take().expect("a node is placed once"));
            if node.marker == marker {
                return node.cache();
            }
            place = &node.next;
        }
    }
}

impl Default for ByType {
    fn default() -> Self {
        Self::new()
    }
}

impl Node {
    fn cache<C: 'static>(&self) -> &C {
        self.cache.downcast_ref().expect("a marker stands for one type of cache")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::catch_unwind;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn slot_makes_once_and_survives_a_panic() {
        static SLOT: Slot<u64> = Slot::new();
        assert!(catch_unwind(|| SLOT.get(|| panic!("not yet"))).is_err());
        assert_eq!(*SLOT.get(|| 1), 1);
        assert_eq!(*SLOT.get(|| 2), 1);
    }

    #[test]
    fn by_type_keeps_markers_apart() {
        static LIST: ByType = ByType::new();
        assert_eq!(*LIST.get(1_u8, || 1_u64), 1);
        assert_eq!(*LIST.get(1_u16, || 2_u64), 2);
        assert_eq!(*LIST.get(1_u32, || "three"), "three");
        assert!(catch_unwind(|| LIST.get(1_u64, || -> u64 { panic!("not yet") })).is_err());
        assert_eq!(*LIST.get(1_u64, || 4_u64), 4);
        assert_eq!(*LIST.get(2_u8, || 0_u64), 1);
        assert_eq!(*LIST.get(2_u16, || 0_u64), 2);
        assert_eq!(*LIST.get(2_u32, || "none"), "three");
        assert_eq!(*LIST.get(2_u64, || 0_u64), 4);
    }

    #[test]
    fn by_type_threads_agree_on_each_marker() {
        static LIST: ByType = ByType::new();
        static MADE: AtomicU64 = AtomicU64::new(0);
        const THREADS: usize = 8;
        let barrier = Barrier::new(THREADS);
        let make = || MADE.fetch_add(1, Ordering::Relaxed);
        let seen: Vec<[u64; 3]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        [*LIST.get(0_u8, make), *LIST.get(0_u16, make), *LIST.get(0_u32, make)]
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(seen.iter().all(|row| *row == seen[0]), "{seen:?}");
        assert!(seen[0][0] != seen[0][1] && seen[0][1] != seen[0][2], "{seen:?}");
    }
}
