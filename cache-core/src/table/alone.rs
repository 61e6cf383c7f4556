//! A thread that has a table for itself, and what it may do then.
//!
//! # Idea
//! Beside readers, a value is never written where it stands: an update takes another slot, and the
//! old one waits for a grace period. While one thread alone has ever used the table, there is
//! nobody to wait for: the writer exchanges keys and values in their slots (`access.rs`). That
//! saves two fifths of an update's instructions and a sixth of an eviction's. Programs of one
//! thread gain by it; with the second thread it is over, for good.
//!
//! # Why it is right
//! An entry is changed in its place under three conditions.
//! 1. *No other thread has it.* No other thread has ever pinned, or else it comes now: then it
//!    counts itself, and before it reads anything it is shown the writers of all shards
//!    ([`Table::pin`]). A reference to a writer can be shown only when nobody has that writer by
//!    `&mut`, and an [`Access`] has it for as long as it lives. So either the change comes before
//!    all that the other thread reads, or the other thread was counted before [`Writer::access`]
//!    has looked. `epoch.rs` has the details.
//! 2. *This thread has no other guard*, in a `view` further up its stack, say: its line counts its
//!    pins.
//! 3. *Nothing was found with this guard that is still in use*: an [`Access`] is made of the guard
//!    by `&mut`, a reference to an entry borrows it, and an `Access` hands out neither the guard
//!    nor, while the thread is alone, a reference to an entry.
//!
//! [`Access`]: super::access::Access

use super::guard::Guard;
use super::table::Table;
use super::writer::Writer;

/// The writers of a table's shards, in whatever keeps them.
pub(crate) trait AllWriters {
    /// Shows each writer, in the order of their shards: one at a time, when no thread has it for
    /// writing.
    fn show(&self, see: &mut dyn FnMut(&Writer));
}

impl<K, V> Table<K, V> {
    /// Pins the calling thread: what it finds from here on stays valid until the guard drops. The
    /// second thread that uses the table is shown all of its writers first.
    #[inline]
    pub(crate) fn pin(&self, writers: &impl AllWriters) -> Guard<'_, K, V> {
        Guard { table: self, pin: self.epoch.pin(|| self.meet(writers)) }
    }

    /// Is shown the writers of all shards.
    ///
    /// # Panics
    /// If it is shown others, or not all.
    #[cold]
    #[inline(never)]
    fn meet(&self, writers: &dyn AllWriters) {
        let mut shard = 0;
        writers.show(&mut |writer| {
            assert!(writer.home() == self.home(shard), "not the writer of shard {shard}");
            shard += 1;
        });
        assert!(shard == self.shards(), "not the writers of all shards");
    }
}
