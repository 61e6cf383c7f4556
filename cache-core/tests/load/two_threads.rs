//! Two threads whose loads come to wait for each other.

use std::sync::{Arc, Barrier};
use std::thread;

use cache_core::Cache;

use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

/// Runs both at once, each on a thread.
pub(crate) fn run_both<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) {
    thread::scope(|scope| {
        scope.spawn(first);
        scope.spawn(second);
    });
}

type Names = Cache<&'static str, u64>;

/// A cycle through loads that are nested in others ends.
///
/// `load_a` loads "a", waits at the barrier from inside, and then asks for "inside b". The other
/// thread loads "inside b" from inside a load of "b", waits at the barrier, and asks for "a".
#[track_caller]
pub(crate) fn nested_cycle_ends(load_a: fn(&Names, &Arc<Barrier>)) {
    must_end(move || {
        for _ in 0..100 {
            let (cache, begun) = (Names::new(10), Arc::new(Barrier::new(2)));
            let load_b = || {
                cache.get_with("b", || {
                    cache.get_with("inside b", || {
                        begun.wait();
                        cache.get_with("a", || 2)
                    })
                })
            };
            run_both(|| load_a(&cache, &begun), load_b);
            assert_eq!(cache.entry_count(), 4);
            validate(&cache);
        }
    });
}
