//! While one thread alone uses a cache, its writes change entries in their place. Nothing of that
//! is to be seen: not by the thread itself, which may be looking at an entry, and not by a second
//! thread that comes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use cache_core::Cache;

use crate::common::configurations::Way;
use cache_core::__private::testing::validate;

fn text(number: u64) -> String {
    format!("the value of {number}")
}

/// A cache of ten entries, whose keys are their numbers.
fn full(way: Way) -> Cache<u64, String> {
    let cache = way.prepare(Cache::builder().max_capacity(10)).build();
    way.begin(&cache);
    (0..10).for_each(|key| cache.insert(key, text(key)));
    cache
}

#[test]
fn a_value_stays_while_its_thread_looks_at_it() {
    let writes: [fn(&Cache<u64, String>); 4] = [
        |cache| cache.insert(3, text(100)),
        |cache| cache.invalidate(&3),
        |cache| drop(cache.remove(&3)),
        |cache| (100..130).for_each(|key| cache.insert(key, text(key))),
    ];
    for way in Way::ALL {
        for write in writes {
            let cache = full(way);
            let seen = cache.view(&3, |value| {
                write(&cache);
                assert_eq!(*value, text(3), "{way:?}");
                cache.view(&5, |_| write(&cache));
                assert_eq!(*value, text(3), "{way:?}");
            });
            assert!(seen.is_some(), "nothing was evicted before");
            write(&cache);
            validate(&cache);
        }
    }
}

/// The second thread comes while the first one writes, again and again with new caches; and looks
/// at a value while the first one replaces it.
#[test]
fn a_thread_that_comes_sees_whole_values() {
    for round in 0..200 {
        let cache = &full(Way::InPlace);
        let ((began, begun), (replaced, is_replaced)) = (channel(), channel());
        thread::scope(|scope| {
            scope.spawn(move || {
                cache.view(&3, |value| {
                    let before = value.clone();
                    began.send(()).unwrap();
                    let () = is_replaced.recv().unwrap();
                    assert_eq!(*value, before, "it is not changed under a reader");
                    assert!(before.starts_with("the value of "));
                });
            });
            for number in 0.. {
                cache.insert(3, text(number));
                if number > round && begun.try_recv().is_ok() {
                    break;
                }
            }
            (0..3).for_each(|number| cache.insert(3, text(1000 + number)));
            replaced.send(()).unwrap();
        });
        assert_eq!(cache.get(&3), Some(text(1002)));
        validate(cache);
    }
}

thread_local! {
    /// How many drops run inside each other, and the most so far.
    static DROPS: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Writes to its cache when it is dropped, as long as there is something left to write.
struct Writing {
    cache: Arc<OnceLock<Weak<Cache<u64, Writing>>>>,
    left: u64,
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (depth, most) = DROPS.get();
        DROPS.set((depth + 1, most.max(depth + 1)));
        let cache = self.cache.get().and_then(Weak::upgrade);
        if let (Some(cache), Some(left)) = (cache, self.left.checked_sub(1)) {
            cache.insert(left % 3, Writing { cache: Arc::clone(&self.cache), left });
            cache.insert(1000 + left, Writing { cache: Arc::clone(&self.cache), left: 0 });
        }
        let (depth, most) = DROPS.get();
        DROPS.set((depth - 1, most));
    }
}

/// Otherwise a thousand of them would be on the stack at once.
#[test]
fn drops_that_write_run_inside_few_others() {
    for way in Way::ALL {
        DROPS.set((0, 0));
        let place = Arc::default();
        let cache = Arc::new(way.prepare(Cache::builder().max_capacity(8)).build());
        way.begin(&cache);
        let value = |left| Writing { cache: Arc::clone(&place), left };
        (0..8).for_each(|key| cache.insert(key, value(0)));
        place.set(Arc::downgrade(&cache)).unwrap();
        cache.insert(1, value(1000));
        cache.insert(1, value(0));
        cache.invalidate(&2);
        cache.run_pending_tasks();
        let (depth, most) = DROPS.get();
        assert_eq!(depth, 0);
        assert!(most <= 3, "{way:?}: {most} drops inside each other");
        validate(&cache);
    }
}

/// A value that panics when it is cloned, and again when it is dropped.
struct Trouble {
    _held: Arc<()>,
}

impl Clone for Trouble {
    fn clone(&self) -> Self {
        panic!("no clone")
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        panic!("no drop")
    }
}

/// Two panics at once would abort the program.
#[test]
fn a_value_whose_clone_and_drop_panic_is_removed() {
    for way in Way::ALL {
        let cache = way.prepare(Cache::builder().max_capacity(10)).build();
        way.begin(&cache);
        let shared = Arc::new(());
        cache.insert(1, Trouble { _held: shared.clone() });
        let panic = catch_unwind(AssertUnwindSafe(|| cache.remove(&1))).err().expect("a panic");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"no clone"), "{way:?}: the first one");
        assert!(!cache.contains_key(&1));
        validate(&cache);
        let _second = catch_unwind(AssertUnwindSafe(|| cache.run_pending_tasks()));
        assert_eq!(Arc::strong_count(&shared), 1, "{way:?}: dropped all the same");
        validate(&cache);
    }
}
