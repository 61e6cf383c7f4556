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

use std::sync::atomic::Ordering::Relaxed;

use super::guard::{EntryRef, Guard};
use super::table::DeferredEntries;
use crate::types::removal::RemovalCause;

/// While it lives, what the thread removes from the table waits in the thread's queue.
pub(crate) struct Notices<'p, K, V> {
    guard: &'p Guard<'p, K, V>,
}

impl<K, V> Guard<'_, K, V> {
    /// Begins to notify the listener. Returns nothing if the calling thread is doing that already.
    pub(crate) fn begin_notices(&self) -> Option<Notices<'_, K, V>> {
        let has_notices = &self.pin.reader.notes.has_notices;
        if has_notices.load(Relaxed) {
            return None;
        }
        has_notices.store(true, Relaxed);
        Some(Notices { guard: self })
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
        assert!(reader.notes.has_notices.load(Relaxed), "a call of this thread shows them");
        let number = |(entry, cause): (EntryRef<'e, K, V>, RemovalCause)| {
            assert!(std::ptr::eq(entry.at.slab, &self.table.slab), "an entry of another table");
            (entry.id(), cause)
        };
        let removed: DeferredEntries = removed.map(number).collect();
        let mut queues = self.table.deferred.lock();
        match queues.iter_mut().find(|(line, _)| *line == reader.number()) {
            Some((_, queue)) => queue.extend(removed),
            None => queues.push((reader.number(), removed)),
        }
        reader.notes.has_deferred.store(true, Relaxed);
    }

    /// Takes the calling thread's queue.
    fn take_deferred(&self) -> DeferredEntries {
        let reader = self.pin.reader;
        if !reader.notes.has_deferred.load(Relaxed) {
            return Vec::new();
        }
        reader.notes.has_deferred.store(false, Relaxed);
        let mut queues = self.table.deferred.lock();
        let place = queues.iter().position(|(line, _)| *line == reader.number());
        place.map_or(Vec::new(), |place| queues.swap_remove(place).1)
    }
}

impl<'p, K, V> Notices<'p, K, V> {
    /// Takes what was deferred since the last time, in order.
    pub(crate) fn take(
        &mut self,
    ) -> impl Iterator<Item = (EntryRef<'p, K, V>, RemovalCause)> + use<'p, K, V> {
        let slab = &self.guard.table.slab;
        self.guard.take_deferred().into_iter().map(move |(id, cause)| {
            // SAFETY: this thread could read the slot's entry when it deferred it, by a pin of this
            // line: an `EntryRef` cannot be sent to another thread, and all pins of a thread are of
            // one line. This `Notices` existed already: the line has no other meanwhile, and
            // a queue is emptied before they drop. So the line's announcement has stood since then,
            // held up by the pin that they borrow.
            let at = unsafe { slab.at_unchecked(id) };
            (EntryRef { at }, cause)
        })
    }
}

impl<K, V> Drop for Notices<'_, K, V> {
    fn drop(&mut self) {
        drop(self.guard.take_deferred());
        self.guard.pin.reader.notes.has_notices.store(false, Relaxed);
    }
}
