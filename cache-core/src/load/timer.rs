//! How long loads take, and how many there are.

use std::time::Instant;

use crate::store::deadlines::nanos;
use crate::store::store::Store;
use crate::time::system::SYSTEM_HAS_CLOCK;

/// Counts a load, also one that panics.
pub(crate) struct LoadTimer<'s, K, V> {
    store: &'s Store<K, V>,
    counts: bool,
    /// Where loads are counted, and there is a clock.
    began: Option<Instant>,
    /// By the cache's clock, where entries are to know what they cost.
    started: Option<u64>,
    succeeded: bool,
}

impl<K, V> LoadTimer<'_, K, V> {
    /// Answers how long the load took, where that is of interest.
    pub(crate) fn stop(mut self, succeeded: bool) -> u64 {
        self.succeeded = succeeded;
        self.started.map_or(0, |started| self.store.clock.fine_now().saturating_sub(started))
    }
}

impl<K, V> Drop for LoadTimer<'_, K, V> {
    fn drop(&mut self) {
        if !self.counts {
            return;
        }
        let nanos = self.began.map_or(0, |began| nanos(began.elapsed()));
        let guard = self.store.table.pin();
        let counters = guard.counters();
        if self.succeeded { &counters.loads } else { &counters.load_failures }.add(1);
        counters.load_nanos.add(nanos);
    }
}

impl<K, V> Store<K, V> {
    /// Counts and times a load until it is stopped or dropped.
    pub(crate) fn start_timer(&self) -> LoadTimer<'_, K, V> {
        let counts = self.config.record_stats;
        let began = (counts && SYSTEM_HAS_CLOCK).then(Instant::now);
        let started = (self.config.lifetimes.early > 0.0).then(|| self.clock.fine_now());
        LoadTimer { store: self, counts, began, started, succeeded: false }
    }
}
