//! The table while the process forks, and in the child: see `util/fork.rs`.

use super::table::Table;
use crate::util::fork::{Alone, Level, Locks, StandStill};

impl<K, V> Locks for Table<K, V> {
    fn stand_still(&self, level: Level) {
        if level == Level::Inner {
            self.limbo.queue.stand_still();
            self.deferred.queues.stand_still();
            self.slab.stock.stand_still();
        }
    }

    unsafe fn go_on(&self, in_child: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            self.slab.stock.go_on(in_child);
            self.deferred.queues.go_on(in_child);
            self.limbo.queue.go_on(in_child);
        }
    }
}

impl<K, V> Table<K, V> {
    /// In a forked child, where there are no other threads: withdraws what they announced. Returns
    /// `true` if the calling thread may be pinned.
    pub(crate) fn forget_other_threads(&self, _: &Alone) -> bool {
        // What they had deferred is shown to no listener.
        let own = crate::util::thread_slot::held();
        // SAFETY: there is no other thread, and this one holds no lock.
        let queues = unsafe { &mut *self.deferred.queues.data_ptr() };
        if !queues.is_empty() {
            queues.retain(|(line, _)| *line == own);
        }
        self.epoch.forget_other_threads()
    }
}
