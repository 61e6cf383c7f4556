//! Counting and timing loads.

use std::time::Instant;

use crate::store::deadlines::nanos;
use crate::store::store::Store;
use crate::time::system::SYSTEM_HAS_CLOCK;

/// A load that runs: counted when this is stopped, or dropped because the loader panics or is
/// dropped.
pub(crate) struct LoadTimer<'s, K, V> {
    store: &'s Store<K, V>,
    /// The cache records statistics.
    counts: bool,
    /// The start by the system's clock, for the statistics; `None` without such a clock.
    began: Option<Instant>,
    /// The start by the cache's clock, if refreshes may come early: that depends on load times.
    started: Option<u64>,
    succeeded: bool,
}

impl<K, V> LoadTimer<'_, K, V> {
    /// Counts the load. Returns how long it took, by the cache's clock, if entries record that;
    /// else 0.
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
    /// Starts to time a load.
    pub(crate) fn start_timer(&self) -> LoadTimer<'_, K, V> {
        let counts = self.config.record_stats;
        let began = (counts && SYSTEM_HAS_CLOCK).then(Instant::now);
        let started = (self.config.lifetimes.early > 0.0).then(|| self.clock.fine_now());
        LoadTimer { store: self, counts, began, started, succeeded: false }
    }
}
