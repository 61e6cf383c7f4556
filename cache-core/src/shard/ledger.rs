//! What a write carries from shard to shard: the time, the weight it has reserved, and the list of
//! what it has removed.
//!
//! The write owns it and lends it to each shard whose lock it holds. So what one shard gives up can
//! be used in the next, and the listener is notified of all of it after the last unlocking.

use crate::shard::budget::Reservation;
use crate::table::EntryRef;
use crate::types::removal::RemovalCause;
use crate::types::stats::Counters;

/// The accounts of one write.
pub(crate) struct Ledger<'s, 'p, K, V> {
    /// The time at which the write began, by the cache's clock; 0 where nothing expires.
    pub(crate) now: u64,
    /// Weight reserved and not yet used.
    pub(crate) reservation: Reservation<'s>,
    /// What it has removed.
    pub(crate) removed: RemovedEntries<'p, K, V>,
}

/// What a write removed, for the listener to be notified of after the unlocking.
pub(crate) struct RemovedEntries<'p, K, V> {
    pub(crate) entries: Vec<(EntryRef<'p, K, V>, RemovalCause)>,
    /// There is a listener; without one, entries are only counted.
    pub(crate) is_listening: bool,
    counters: Option<&'p Counters>,
}

impl<'p, K, V> RemovedEntries<'p, K, V> {
    pub(crate) fn new(is_listening: bool, counters: Option<&'p Counters>) -> Self {
        RemovedEntries { entries: Vec::new(), is_listening, counters }
    }

    #[inline]
    pub(crate) fn count(&self, cause: RemovalCause) {
        if let Some(counters) = self.counters {
            counters.removed(cause).add(1);
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: EntryRef<'p, K, V>, cause: RemovalCause) {
        self.count(cause);
        if self.is_listening {
            self.entries.push((entry, cause));
        }
    }
}
