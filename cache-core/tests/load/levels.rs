//! Loads inside of loads, many levels deep: one key inside of itself ends in a panic that says so,
//! different keys go on, and what has ended is not counted, nor read.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::testing::validate;
use crate::common::threads::must_end;
use cache_core::Cache;

/// As documented: so many levels of one key are too many.
const MOST_LEVELS: u32 = 32;

/// Runs `body` with a stack for some thousand levels.
fn on_a_deep_stack(body: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(1 << 30).spawn(body).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// A key that lives on the heap, so that reading it too late is seen by a checker.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(Box<u64>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

fn key(n: u64) -> Key {
    Key(Box::new(n))
}

/// A value whose `Drop` uses the cache it was in.
#[derive(Clone)]
struct Value(#[expect(dead_code, reason = "its drop matters")] Arc<Inner>);

/// Where values find the cache; emptied in the end, or they would keep each other alive.
type Place = Arc<Mutex<Option<Cache<Key, Value>>>>;

struct Inner {
    place: Place,
    uses_again: Option<u64>,
}

thread_local! { static AGAIN: Cell<u32> = const { Cell::new(0) }; }

impl Drop for Inner {
    fn drop(&mut self) {
        let cache = self.place.lock().unwrap().clone();
        let (Some(cache), Some(n)) = (cache, self.uses_again) else { return };
        cache.invalidate(&key(n));
        // Another thread frees what this one has just removed.
        let other = cache.clone();
        thread::spawn(move || other.run_pending_tasks()).join().unwrap();
        let place = Arc::clone(&self.place);
        cache.get_with(key(n), || Value(Arc::new(Inner { place, uses_again: None })));
        AGAIN.set(AGAIN.get() + 1);
    }
}

/// The innermost of many nested loads publishes, which evicts a value whose `Drop` removes what was
/// published and loads it again: the outer load of that key has ended, though the thread is still in
/// the middle of its call.
#[test]
fn a_load_that_has_ended_is_no_level() {
    fn nest(cache: &Cache<Key, Value>, place: &Place, left: u64) {
        let value = |uses_again| Value(Arc::new(Inner { place: Arc::clone(place), uses_again }));
        cache.get_with(key(1_000 + left), || {
            if left > 0 {
                nest(cache, place, left - 1);
            } else {
                // Something to be evicted by each load on the way out.
                (0..4).for_each(|n| cache.insert(key(n), value(Some(1_000))));
            }
            value(None)
        });
    }
    must_end(|| {
        on_a_deep_stack(|| {
            let (cache, place) = (Cache::new(4), Place::default());
            *place.lock().unwrap() = Some(cache.clone());
            for _ in 0..20 {
                nest(&cache, &place, 40);
                validate(&cache);
            }
            assert!(AGAIN.get() > 0, "nothing was evicted");
            _ = place.lock().unwrap().take();
        });
    });
}

#[test]
fn a_key_inside_itself_ends_in_a_panic_that_counts_its_levels() {
    /// With so many other keys between, which do not count.
    fn nest<S: TestHasher>(cache: &Cache<u64, u64, S>, between: u64, levels: &Cell<u32>) {
        levels.set(levels.get() + 1);
        let level = u64::from(levels.get());
        cache.get_with(1, || others(cache, between, level, &mut || nest(cache, between, levels)));
    }
    fn others<S: TestHasher>(
        cache: &Cache<u64, u64, S>,
        left: u64,
        level: u64,
        then: &mut dyn FnMut(),
    ) -> u64 {
        if left == 0 {
            then();
            return 0;
        }
        cache.get_with(1_000 * left + level, || others(cache, left - 1, level, then))
    }
    fn check<S: TestHasher>(between: u64) {
        let (cache, levels) = (Cache::builder().build_with_hasher(S::default()), Cell::new(0));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            nest::<S>(&cache, between, &levels);
        }));
        let text = result.expect_err("it has no end");
        let text = text.downcast_ref::<String>().expect("a text");
        assert!(text.contains("32 levels deep"), "{text}");
        assert_eq!(levels.get(), MOST_LEVELS + 1);
        validate(&cache);
        assert_eq!(cache.get_with(1, || 7), 7);
    }
    silence_panics_on_purpose();
    must_end(|| {
        on_a_deep_stack(|| {
            for between in [0, 1, 3] {
                check::<cache_core::RandomState>(between);
                check::<Constant>(between);
            }
        });
    });
}

#[test]
fn a_key_that_is_removed_inside_its_load_counts_all_the_same() {
    silence_panics_on_purpose();
    must_end(|| {
        on_a_deep_stack(|| {
            fn nest(cache: &Cache<u64, u64>) -> u64 {
                cache.get_with(1, || {
                    cache.invalidate(&1);
                    nest(cache)
                })
            }
            let cache = Cache::new(10);
            assert!(panics(|| nest(&cache)));
            validate(&cache);
        });
    });
}

#[test]
fn different_keys_nest_as_deep_as_the_stack_allows_whatever_their_hash() {
    fn nest<S: TestHasher>(cache: &Cache<u64, u64, S>, left: u64) -> u64 {
        cache.get_with(left, || if left == 0 { 0 } else { 1 + nest(cache, left - 1) })
    }
    must_end(|| {
        on_a_deep_stack(|| {
            assert_eq!(nest(&Cache::<u64, u64>::new(100_000), 20_000), 20_000);
            let colliding = Cache::builder().build_with_hasher(Constant);
            assert_eq!(nest(&colliding, 200), 200);
        });
    });
}
