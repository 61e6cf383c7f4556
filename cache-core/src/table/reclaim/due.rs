//! What a call still has to do about garbage when it has released its locks.

use crate::table::ids::SlotId;

/// Slots that one call can drop at once.
const AT_ONCE: usize = 4;

/// Duties of a call, noted by [`Writer::end_call`](crate::table::Writer::end_call): first, while
/// the thread is still pinned, [`Guard::drop_retired`](crate::table::Guard::drop_retired); then,
/// when it is not, a step of collection.
#[derive(Default)]
pub(crate) struct Due {
    /// Garbage was sealed: a step of collection.
    pub(crate) collect: bool,
    /// It is the call's turn to sweep other shards.
    pub(crate) sweep: bool,
    /// Retired slots that may be dropped at once.
    pub(crate) retired: Retired,
}

impl Due {
    /// A step of collection.
    pub(crate) fn collection() -> Self {
        Due { collect: true, ..Due::default() }
    }

    /// Returns `true` if it is the call's turn to sweep other shards.
    pub(crate) fn is_turn_to_sweep(&self) -> bool {
        self.sweep
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !(self.collect || self.sweep)
    }
}

/// A few retired slots. Each has been handed to one call.
pub(crate) struct Retired {
    ids: [SlotId; AT_ONCE],
    len: usize,
}

impl Default for Retired {
    #[inline]
    fn default() -> Self {
        Retired { ids: [SlotId::NIL; AT_ONCE], len: 0 }
    }
}

impl Retired {
    /// Takes as many as fit, from the first on. Returns how many.
    #[inline]
    pub(crate) fn take_from(&mut self, ids: &[SlotId]) -> usize {
        let taken = ids.len().min(AT_ONCE - self.len);
        self.ids[self.len..self.len + taken].copy_from_slice(&ids[..taken]);
        self.len += taken;
        taken
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[SlotId] {
        &self.ids[..self.len]
    }
}
