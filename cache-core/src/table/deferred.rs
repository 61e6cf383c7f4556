//! The queues of entries that the listener is still to be shown: see `notices.rs`.

use super::ids::SlotId;
use crate::types::removal::RemovalCause;
use crate::util::sync::InnerMutex as Mutex;

/// Entries that wait to be shown: slots that hold keys and values, each with the cause.
pub(super) type DeferredEntries = Vec<(SlotId, RemovalCause)>;

/// The queues of all threads that have one, by the numbers of their lines.
pub(super) struct Deferred {
    pub(super) queues: Mutex<Vec<(usize, DeferredEntries)>>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Deferred { queues: Mutex::new(Vec::new()) }
    }

    pub(super) fn push(&self, line: usize, more: DeferredEntries) {
        let mut queues = self.queues.lock();
        match queues.iter_mut().find(|(other, _)| *other == line) {
            Some((_, queue)) => queue.extend(more),
            None => queues.push((line, more)),
        }
    }

    pub(super) fn take(&self, line: usize) -> DeferredEntries {
        let mut queues = self.queues.lock();
        let place = queues.iter().position(|(other, _)| *other == line);
        place.map_or(Vec::new(), |place| queues.swap_remove(place).1)
    }
}
