//! A cache while the process forks, and in the child: see `util/fork.rs`.

use super::Inner;
use crate::store::janitor::Maintain;
use crate::util::fork::{Standing, Stands};

#[cfg(all(unix, not(any(loom, shuttle))))]
impl<K, V, S> Stands for Standing<Inner<K, V, S>>
where
    K: Send + Sync,
    V: Send + Sync,
    S: Send + Sync,
{
    fn locks(&self) -> [&dyn crate::util::fork::Locks; 2] {
        self.store.locks()
    }

    fn after_fork(&self, alone: &crate::util::fork::Alone) {
        self.store.after_fork(alone);
    }
}

#[cfg(any(not(unix), loom, shuttle))]
impl<K, V, S> Stands for Standing<Inner<K, V, S>> {}

impl<K, V, S> Maintain for Standing<Inner<K, V, S>>
where
    K: Send + Sync,
    V: Send + Sync,
    S: Send + Sync,
{
    fn maintain(&self, step: usize) -> bool {
        self.store.maintain(step)
    }
}
