//! Removed entries that are still to be shown to the user's listener by the thread that removed
//! them. So a listener that removes entries, by writing to the cache, is not called within itself.
//!
//! # Idea
//! The outermost call of a thread that notifies the listener notes that in the thread's line
//! ([`Guard::begin_notices`]). Calls that the listener makes meanwhile find the note, leave what
//! they remove in the thread's queue ([`Guard::defer`]), and return. When the outermost call has
//! shown the entries that it removed, it shows those in the queue, until none is left. So a
//! thread's notices of one table are given one after another, in the order of the removals, at
//! whatever depth these happen; the stack holds one listener of each cache at most.
//!
//! # Why a queued entry can still be read
//! It outlives the pin of the call that removed it. But all pins that a thread holds of one table
//! at a time announce themselves by one line (also on a thread that is ending, see
//! `thread_slot.rs`), and what was announced by the first stands until the last is released. An
//! entry is deferred by a thread that is pinned and could read it; so it can be read for as long as
//! the line's announcement stands; and [`Notices`] borrows a pin of that line.
//!
//! The price: while a listener goes on writing, what leaves is not freed.

use super::deferred::DeferredEntries;
use super::entry::EntryRef;
use super::guard::Guard;
use crate::types::removal::RemovalCause;

/// While it lives, what the thread removes from the table waits in the thread's queue.
pub(crate) struct Notices<'p, K, V> {
    guard: &'p Guard<'p, K, V>,
}

impl<K, V> Guard<'_, K, V> {
    /// Begins to notify the listener. Returns nothing if the calling thread is doing that already.
    pub(crate) fn begin_notices(&self) -> Option<Notices<'_, K, V>> {
        self.pin.reader.notes.begin_notices().then(|| Notices { guard: self })
    }

    /// Leaves entries in the calling thread's queue.
    ///
    /// # Panics
    /// If the thread is not notifying the listener, or they are another table's.
    pub(crate) fn defer<'e>(
        &self,
        removed: impl Iterator<Item = (EntryRef<'e, K, V>, RemovalCause)>,
    ) where
        K: 'e,
        V: 'e,
    {
        let reader = self.pin.reader;
        assert!(reader.notes.has_notices(), "a call of this thread shows them");
        let number = |(entry, cause): (EntryRef<'e, K, V>, RemovalCause)| {
            assert!(std::ptr::eq(entry.slab, &self.table.slab), "an entry of another table");
            (entry.id, cause)
        };
        let removed: DeferredEntries = removed.map(number).collect();
        self.table.deferred.push(reader.number(), removed);
        reader.notes.set_deferred(true);
    }
}

impl<'p, K, V> Notices<'p, K, V> {
    /// Takes what was deferred since the last time, in order.
    pub(crate) fn take(
        &mut self,
    ) -> impl Iterator<Item = (EntryRef<'p, K, V>, RemovalCause)> + use<'p, K, V> {
        let (guard, reader) = (self.guard, self.guard.pin.reader);
        let queue = match reader.notes.set_deferred(false) {
            true => guard.table.deferred.take(reader.number()),
            false => Vec::new(),
        };
        let slab = &guard.table.slab;
        queue.into_iter().map(move |(id, cause)| {
            // SAFETY: this thread could read the slot's entry when it deferred it, by a pin of this
            // line: an `EntryRef` cannot be sent to another thread, and all pins of a thread are of
            // one line. This `Notices` existed already: the line has no other meanwhile, and
            // a queue is emptied before they drop. So the line's announcement has stood since then,
            // held up by the pin that they borrow.
            let slot = unsafe { slab.slot_unchecked(id) };
            (EntryRef { id, slot, slab }, cause)
        })
    }
}

impl<K, V> Drop for Notices<'_, K, V> {
    fn drop(&mut self) {
        let reader = self.guard.pin.reader;
        if reader.notes.set_deferred(false) {
            drop(self.guard.table.deferred.take(reader.number()));
        }
        reader.notes.end_notices();
    }
}
