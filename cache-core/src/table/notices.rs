//! Entries that left the table and are to be shown to the user's listener by the thread that
//! removed them: how a listener that removes entries, by writing to the cache, is not called inside
//! of itself.
//!
//! # Idea
//! The outermost call of a thread that has something to show says so in the thread's line
//! ([`Guard::begin_notices`]). Calls which the listener makes meanwhile find that there, leave
//! what they remove in a queue of the thread's ([`Guard::defer`]), and return. When the outermost
//! call has shown its own, it shows what is in the queue, until nothing is left. So a thread's
//! notices of one table are given one after another, in the order of the removals, at whatever
//! depth these happen; the stack holds one listener of each cache at most.
//!
//! # Why what waits in the queue can still be read
//! It outlives the pin of the call that removed it. But all pins that a thread holds of one table
//! at a time announce themselves by one line (also on a thread that is ending, see
//! `thread_slot.rs`), and what was announced by the first stands until the last is released. An
//! entry is deferred by a thread that is pinned and could read it; so it can be read for as long as
//! the line's announcement stands; and [`Notices`] borrows a pin of that line.
//!
//! The price: while a listener goes on writing, what leaves is not freed.

use super::{EntryRef, Guard};
use crate::types::removal::RemovalCause;
use crate::util::sync::InnerMutex as Mutex;

/// What waits to be shown: slots that hold keys and values, each with what the listener is told.
type Queue = Vec<(u32, RemovalCause)>;

/// The queues of the threads that have one, by the numbers of their lines.
pub(super) struct Deferred {
    pub(super) queues: Mutex<Vec<(usize, Queue)>>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Deferred { queues: Mutex::new(Vec::new()) }
    }

    fn push(&self, line: usize, more: Queue) {
        let mut queues = self.queues.lock();
        match queues.iter_mut().find(|(other, _)| *other == line) {
            Some((_, queue)) => queue.extend(more),
            None => queues.push((line, more)),
        }
    }

    fn take(&self, line: usize) -> Queue {
        let mut queues = self.queues.lock();
        let place = queues.iter().position(|(other, _)| *other == line);
        place.map_or(Vec::new(), |place| queues.swap_remove(place).1)
    }
}

/// While it lives, what the thread removes from the table waits in a queue. See the module's head.
pub(crate) struct Notices<'p, K, V, X> {
    guard: &'p Guard<'p, K, V, X>,
}

impl<K, V, X> Guard<'_, K, V, X> {
    /// Begins to show what was removed; nothing if the calling thread is in the middle of that.
    pub(crate) fn begin_notices(&self) -> Option<Notices<'_, K, V, X>> {
        self.pin.reader.notes.begin_notices().then(|| Notices { guard: self })
    }

    /// Leaves entries in the calling thread's queue.
    ///
    /// # Panics
    /// If the thread is not showing any, or they are another table's.
    pub(crate) fn defer<'e>(
        &self,
        removed: impl Iterator<Item = (EntryRef<'e, K, V>, RemovalCause)>,
    ) where
        K: 'e,
        V: 'e,
    {
        let reader = self.pin.reader;
        assert!(reader.notes.has_notices(), "somebody is there to show them");
        let number = |(entry, cause): (EntryRef<'e, K, V>, RemovalCause)| {
            assert!(std::ptr::eq(entry.slab, &self.table.slab), "an entry of another table");
            (entry.id, cause)
        };
        let removed: Queue = removed.map(number).collect();
        self.table.deferred.push(reader.number(), removed);
        reader.notes.set_deferred(true);
    }
}

impl<'p, K, V, X> Notices<'p, K, V, X> {
    /// What was deferred since the last time, in order.
    pub(crate) fn take(
        &mut self,
    ) -> impl Iterator<Item = (EntryRef<'p, K, V>, RemovalCause)> + use<'p, K, V, X> {
        let (guard, reader) = (self.guard, self.guard.pin.reader);
        let queue = match reader.notes.set_deferred(false) {
            true => guard.table.deferred.take(reader.number()),
            false => Vec::new(),
        };
        let slab = &guard.table.slab;
        queue.into_iter().map(move |(id, cause)| {
            // SAFETY: this thread could read the slot's entry when it deferred it, by a pin of this
            // line: an `Entry` cannot be sent to another thread, and all pins of a thread are of
            // one line. These notices lived already: there are no others of the line meanwhile, and
            // a queue is emptied before they drop. So the line's announcement has stood since then,
            // held up by the pin that they borrow.
            let slot = unsafe { slab.slot_unchecked(id) };
            (EntryRef { id, slot, slab }, cause)
        })
    }
}

impl<K, V, X> Drop for Notices<'_, K, V, X> {
    fn drop(&mut self) {
        let reader = self.guard.pin.reader;
        if reader.notes.set_deferred(false) {
            drop(self.guard.table.deferred.take(reader.number()));
        }
        reader.notes.end_notices();
    }
}
