//! Threads that use a cache to their very end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use cache_core::Cache;

thread_local! {
    static AT_EXIT: RefCell<Option<AtExit>> = const { RefCell::new(None) };
}

struct AtExit(Option<Box<dyn FnOnce()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        self.0.take().expect("dropped once")();
    }
}

/// Runs `work` in the destructor of a thread-local that is older than all that the cache keeps for
/// the thread, and so runs when that is gone.
pub(crate) fn at_the_end_of_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let outcome = Arc::new(Mutex::new(None));
    let own = Arc::clone(&outcome);
    let thread = thread::spawn(move || {
        let at_exit = move || {
            let worked = catch_unwind(AssertUnwindSafe(work));
            *own.lock().unwrap() = Some(worked);
        };
        AT_EXIT.set(Some(AtExit(Some(Box::new(at_exit)))));
        // After that: whatever is registered for this thread goes first.
        let cache = Cache::<u64, u64>::new(10);
        assert_eq!(cache.get_with(1, || cache.get_with(2, || 3)), 3);
    });
    thread.join().unwrap();
    let worked = outcome.lock().unwrap().take().expect("it ran");
    worked.unwrap_or_else(|panic| resume_unwind(panic))
}
