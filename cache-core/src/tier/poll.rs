//! The thread that polls: one for the process, whatever the number of tiered caches.
//!
//! It reads each cache's generation once in each period, and makes what is pending. It holds a weak
//! reference to each cache, as the janitor does; with the last handle of a cache its place ends,
//! and with the last place the thread.
//!
//! A cache whose tier tells of a flush has its turn at once ([`PollRegistration::hasten`]). The
//! listener only says so: the exchange with the tier, which may take its whole time limit, is made
//! by this thread. So a tier that hangs makes other caches hear later, by its time limits, but no
//! listener waits for it.

use std::hash::Hash;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::fetch::Way;
use super::remote_key::RemoteKey;
use super::shared::Shared;
use crate::util::deadline_thread::{DeadlineThread, Scheduled};
use crate::util::panics::drop_payload;
use crate::util::signal::block_on;

/// What the thread polls.
trait Poll: Send + Sync {
    fn poll(&self);
}

impl<K, V> Poll for Shared<K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn poll(&self) {
        // It was counted, and the next poll tries again.
        let _ = block_on(Way { shared: self, tier: &*self.threads }.poll());
    }
}

static POLLS: DeadlineThread<Weak<dyn Poll>> =
    DeadlineThread::new("cache-tier", Duration::ZERO, poll_one, || POLLS.restart());

/// A cache's place with the thread. Dropping it removes the cache.
pub(super) struct PollRegistration {
    scheduled: Scheduled<Weak<dyn Poll>>,
}

impl PollRegistration {
    /// Has the cache polled now; once more, if it is just being polled. Not if it is polled only
    /// when its user says so. It waits for nothing.
    pub(super) fn hasten(&self) {
        self.scheduled.hasten();
    }
}

/// Has a cache polled once in each period, for as long as it holds the registration.
///
/// # Errors
/// If the system cannot start the thread.
pub(super) fn register<K, V>(
    shared: &Arc<Shared<K, V>>,
    period: Duration,
) -> io::Result<PollRegistration>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let weak = Arc::downgrade(shared) as Weak<dyn Poll>;
    let (scheduled, started) = POLLS.add(weak, Instant::now().checked_add(period), Some(period));
    started.map(|()| PollRegistration { scheduled })
}

fn poll_one(cache: Weak<dyn Poll>) {
    let poll = || {
        cache.upgrade().is_some_and(|cache| {
            cache.poll();
            true
        })
    };
    // A tier that panics does not stop the others.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(poll)) {
        drop_payload(panic);
    }
}
