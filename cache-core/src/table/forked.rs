//! The table while the process forks, and in the child: see `util/fork.rs`.

use super::table::Table;
use crate::util::fork::{CacheLocks, Level, OnlyThread, Suspend};

impl<K, V> CacheLocks for Table<K, V> {
    fn suspend(&self, level: Level) {
        if level == Level::Inner {
            self.limbo.queue.suspend();
            self.deferred.suspend();
            self.slab.stock.suspend();
        }
    }

    unsafe fn resume(&self, in_child: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            self.slab.stock.resume(in_child);
            self.deferred.resume(in_child);
            self.limbo.queue.resume(in_child);
        }
    }
}

impl<K, V> Table<K, V> {
    /// In a forked child, where there are no other threads: withdraws what they announced. Returns
    /// `true` if the calling thread may be pinned.
    pub(crate) fn forget_other_threads(&self, _: &OnlyThread) -> bool {
        // What they had deferred is shown to no listener.
        let own = crate::util::thread_slot::held();
        // SAFETY: there is no other thread, and this one holds no lock.
        let queues = unsafe { &mut *self.deferred.data_ptr() };
        if !queues.is_empty() {
            queues.retain(|(line, _)| *line == own);
        }
        self.epoch.forget_other_threads()
    }
}
