//! The janitor: one thread for the process that maintains all caches that ask for it, so that
//! memory is freed also when nobody calls them.
//!
//! It is a [`DeadlineThread`] of weak references, each with a period. A cache is registered from
//! its making until its last handle is dropped; with the last cache's [`JanitorRegistration`] the
//! thread ends. So it never outlives the last cache by more than it takes to wake up, however long
//! the period.
//!
//! # What it holds
//! Nothing, except for moments. Maintaining a cache goes by steps ([`Maintain`]), a shard at a
//! time; for each step the thread upgrades its reference and drops it again. If the last handle is
//! dropped in such a moment, the cache is dropped by this thread, a step later. No lock of the
//! janitor's is held while a cache is maintained or dropped, so listeners and drops may build and
//! drop caches.
//!
//! A panic (of a listener, of a drop) is caught, step by step, after the process's panic hook has
//! reported it; the next step goes on.
//!
//! # Cost
//! A lock of the process for moments, when a cache with a janitor is made or dropped. With several
//! caches, one that takes long makes the others late.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::time::{Duration, Instant};

use crate::util::deadline_thread::{DeadlineThread, Scheduled};
use crate::util::panics::drop_payload;

/// What the janitor maintains.
pub(crate) trait Maintain: Send + Sync {
    /// Does one step of the work; steps are numbered from 0. Returns `false` if there is no step of
    /// this number.
    fn maintain(&self, step: usize) -> bool;
}

static JANITOR: DeadlineThread<Weak<dyn Maintain>> =
    DeadlineThread::new("cache-janitor", Duration::ZERO, maintain_all, || JANITOR.restart());

/// A cache's place with the janitor. Dropping it removes the cache.
pub(crate) type JanitorRegistration = Scheduled<Weak<dyn Maintain>>;

/// Has a cache maintained once in each period, from now on, for as long as it holds the
/// [`JanitorRegistration`].
///
/// # Errors
/// If the system cannot start the thread.
pub(crate) fn register(
    cache: Weak<dyn Maintain>,
    period: Duration,
) -> io::Result<JanitorRegistration> {
    let deadline = Instant::now().checked_add(period);
    let (registration, started) = JANITOR.add(cache, deadline, Some(period));
    started.map(|()| registration)
}

fn maintain_all(cache: Weak<dyn Maintain>) {
    for step in 0.. {
        let more = catch_unwind(AssertUnwindSafe(|| {
            // It is not there any more, or not yet: then its `JanitorRegistration` is about to be
            // dropped, or its turn comes again.
            cache.upgrade().is_some_and(|cache| cache.maintain(step))
        }));
        match more {
            Ok(true) => {}
            Ok(false) => return,
            Err(panic) => drop_payload(panic),
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Counts its turns; its second step panics, and there are three.
    #[derive(Default)]
    struct Counting([AtomicUsize; 3]);

    impl Maintain for Counting {
        fn maintain(&self, step: usize) -> bool {
            let Some(count) = self.0.get(step) else { return false };
            count.fetch_add(1, SeqCst);
            assert_ne!(step, 1, "on purpose");
            true
        }
    }

    fn wait_until(condition: impl Fn() -> bool) {
        while !condition() {
            std::thread::yield_now();
        }
    }

    /// In one test, because there is one janitor.
    #[test]
    fn the_thread_goes_on_after_panics_and_ends_with_the_last_cache() {
        let millisecond = Duration::from_millis(1);
        for _ in 0..3 {
            let (first, second) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
            let weak = |cache: &Arc<Counting>| Arc::downgrade(cache) as Weak<dyn Maintain>;
            let registration = register(weak(&first), millisecond).unwrap();
            let far = register(weak(&second), Duration::from_secs(3_600)).unwrap();
            let never = register(weak(&second), Duration::MAX).unwrap();
            // All steps, the one after the panic too, again and again.
            wait_until(|| first.0[2].load(SeqCst) >= 3);
            assert!(first.0[0].load(SeqCst) >= 3 && first.0[1].load(SeqCst) >= 3);
            drop(registration);
            let turns = || first.0[0].load(SeqCst);
            let seen = turns();
            assert!(JANITOR.is_running());
            drop((far, never));
            wait_until(|| !JANITOR.is_running());
            assert!(turns() <= seen + 1, "at most the turn that was under way");
            assert_eq!(second.0[0].load(SeqCst), 0);
        }
    }

    #[test]
    fn a_cache_that_is_gone_is_not_maintained() {
        maintain_all(Weak::<Counting>::new() as Weak<dyn Maintain>);
    }
}
