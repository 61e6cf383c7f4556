//! What forks and the janitor do to a cache: see `util/fork.rs` and `store/janitor.rs`.

use super::Inner;
use crate::store::janitor::Maintain;
use crate::util::fork::{AtFork, ForkAware};

#[cfg(all(unix, not(any(loom, shuttle))))]
impl<K: Send + Sync, V: Send + Sync, S: Send + Sync> AtFork for ForkAware<Inner<K, V, S>> {
    fn locks(&self) -> [&dyn crate::util::fork::CacheLocks; 2] {
        self.store.locks()
    }

    fn after_fork(&self, thread: &crate::util::fork::OnlyThread) {
        self.store.after_fork(thread);
    }
}

#[cfg(any(not(unix), loom, shuttle))]
impl<K, V, S> AtFork for ForkAware<Inner<K, V, S>> {}

impl<K: Send + Sync, V: Send + Sync, S: Send + Sync> Maintain for ForkAware<Inner<K, V, S>> {
    fn maintain(&self, step: usize) -> bool {
        self.store.maintain(step)
    }
}
