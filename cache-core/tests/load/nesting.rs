//! Loads and computations inside others, many levels deep: one key inside itself ends in a panic
//! that says so, different keys go on, and a load that has ended counts as no level, nor is its key
//! read.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread;

use cache_core::{Cache, CompResult, Op, RandomState};

use crate::common::hashers::{Constant, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::block_on;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// As documented: so many levels of one key are too many.
const MOST_LEVELS: u32 = 32;

/// Runs `body` with a stack for some thousand levels.
fn on_a_deep_stack(body: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(1 << 30).spawn(body).unwrap();
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
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

/// The innermost of many nested loads stores its value, which evicts one whose `Drop` removes what
/// was stored and loads it again: the outer load of that key has ended, though the thread is still
/// in the middle of its call.
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
        let text = text_of(|| nest::<S>(&cache, between, &levels));
        assert!(text.contains("32 levels deep"), "{text}");
        assert_eq!(levels.get(), MOST_LEVELS + 1);
        validate(&cache);
        assert_eq!(cache.get_with(1, || 7), 7);
    }
    silence_panics_on_purpose();
    must_end(|| {
        on_a_deep_stack(|| {
            for between in [0, 1, 3] {
                check::<RandomState>(between);
                check::<Constant>(between);
            }
        });
    });
}

#[test]
fn a_key_that_is_removed_inside_its_load_still_counts() {
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

/// The text of the panic of this call.
pub(crate) fn text_of(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_recursion_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> u64 {
        cache.get_with(1, || load(cache) + 1)
    }
    must_end(|| {
        let cache = Cache::builder().name("numbers").build();
        let text = text_of(|| _ = load(&cache));
        assert!(text.starts_with("cache `numbers`: a load of a key runs inside itself"), "{text}");
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get_with(1, || 2), 2, "the cache is whole");
        validate(&cache);
    });
}

/// There is no flight to be found here: each level deregisters the one before.
#[test]
fn a_recursion_without_end_that_writes_its_key_says_so() {
    fn load(cache: &Cache<u64, u64>, other: u64) -> u64 {
        cache.get_with(1, || {
            cache.invalidate(&1);
            // A load of another key in between makes no difference.
            cache.get_with(other, || load(cache, other + 1))
        })
    }
    must_end(|| {
        let cache = Cache::new(1000);
        assert!(text_of(|| _ = load(&cache, 100)).contains("runs inside itself"));
        assert_eq!(cache.entry_count(), 0);
        validate(&cache);
    });
}

#[test]
fn a_recursion_of_tasks_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> Pin<Box<dyn Future<Output = u64> + '_>> {
        Box::pin(cache.get_with_async(1, async { load(cache).await + 1 }))
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert!(text_of(|| _ = block_on(load(&cache))).contains("runs inside itself"));
        validate(&cache);
    });
}

#[test]
fn a_recursion_of_batches_without_end_says_so() {
    fn load(cache: &Cache<u64, u64>) -> Vec<(u64, u64)> {
        let values = cache.get_many_with(&[1, 2, 3], |_| load(cache));
        values.into_iter().flatten().map(|value| (value, value)).collect()
    }
    must_end(|| {
        let cache = Cache::new(10);
        assert!(text_of(|| _ = load(&cache)).contains("runs inside itself"));
        validate(&cache);
    });
}

/// The limit is for one key inside itself. Different keys may go as deep as the stack allows, even
/// if they have one hash.
#[test]
fn recursion_over_different_keys_goes_deeper_than_the_limit_for_one() {
    fn sum<S: TestHasher>(cache: &Cache<u64, u64, S>, n: u64) -> u64 {
        cache.get_with(n, || if n == 0 { 0 } else { n + sum(cache, n - 1) })
    }
    fn test<S: TestHasher>(depth: u64) {
        let cache = Cache::builder().build_with_hasher(S::default());
        assert_eq!(sum::<S>(&cache, depth), depth * (depth + 1) / 2);
        assert_eq!(cache.entry_count(), depth + 1);
        validate(&cache);
    }
    let deep = thread::Builder::new().stack_size(256 << 20).spawn(|| {
        test::<RandomState>(5000);
        test::<Constant>(300);
    });
    deep.unwrap().join().unwrap();
}

#[test]
fn a_computation_inside_one_of_the_same_key_says_that_it_cannot_wait() {
    must_end(|| {
        let cache: Cache<u64, u64> = Cache::builder().name("sums").build();
        let compute_inside = || {
            cache.entry(1).and_upsert_with(|_| {
                cache.entry(1).and_compute_with(|_| Op::Nop);
                2
            });
        };
        assert!(
            text_of(compute_inside).starts_with("cache `sums`: an entry is computed from inside")
        );
        let load_inside = || {
            cache.get_with(1, || cache.entry(1).and_upsert_with(|_| 2).into_value());
        };
        assert!(text_of(load_inside).contains("is computed from inside a load"));
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(cache.entry(1).and_upsert_with(|_| 3).into_value(), 3, "the cache is whole");
        // Different keys may be nested.
        let value = cache.entry(2).and_upsert_with(|_| {
            cache.entry(3).and_upsert_with(|_| 4).into_value() + cache.get_with(4, || 1)
        });
        assert_eq!(value.into_value(), 5);
        validate(&cache);
    });
}

/// A load can run beside the computation that it is nested in. Its value is not stored, because the
/// computation has read that there is none.
#[test]
fn a_load_inside_a_computation_of_the_same_key_is_not_stored() {
    must_end(|| {
        let cache = Cache::<u64, u64>::new(10);
        let result = cache.entry(1).and_compute_with(|_| {
            assert_eq!(cache.get_with(1, || 5), 5);
            assert_eq!(cache.get(&1), None);
            Op::Nop
        });
        assert_eq!(result, CompResult::StillNone(1));
        assert_eq!(cache.entry_count(), 0);
        validate(&cache);
    });
}
