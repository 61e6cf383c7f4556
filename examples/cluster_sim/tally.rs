//! What the processes have been served.

use std::time::Duration;

use crate::promise::Announced;

/// Since it was emptied last.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    /// Reads that asked the origin.
    pub(crate) loads: u64,
    /// How long each read took, in microseconds.
    pub(crate) times: Vec<u32>,
    /// For how long before each stale read another process had invalidated what it was served.
    pub(crate) stale: Vec<Duration>,
    /// The same, where that invalidation had returned an error.
    pub(crate) stale_after_error: Vec<Duration>,
    /// Reads that were served what the origin had replaced before they began, told or not.
    pub(crate) old: u64,
    pub(crate) invalidations: u64,
    pub(crate) failed_invalidations: u64,
}

impl Tally {
    pub(crate) fn read(&mut self, began: Duration, ended: Duration, has_loaded: bool) {
        self.reads += 1;
        self.loads += u64::from(has_loaded);
        self.times.push(u32::try_from((ended - began).as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn stale(&mut self, began: Duration, announced: Announced) {
        let ages = match announced.is_ok {
            true => &mut self.stale,
            false => &mut self.stale_after_error,
        };
        ages.push(began - announced.at);
    }

    pub(crate) fn invalidated(&mut self, ok: bool) {
        self.invalidations += 1;
        self.failed_invalidations += u64::from(!ok);
    }
}

/// Returns the value below which so many of all are, in percent.
pub(crate) fn percentile<T: Copy + Ord>(values: &[T], percent: f64) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}
