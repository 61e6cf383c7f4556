//! A timer that the test drives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::LoadTimeouts;

use crate::common::tasks::Gate;

/// A timer whose sleeps end when the test says so.
#[derive(Clone, Default)]
pub(crate) struct Timer(pub(crate) Arc<Mutex<Vec<(Duration, Gate)>>>);

impl Timer {
    pub(crate) fn timeouts(&self) -> LoadTimeouts {
        let sleeps = Arc::clone(&self.0);
        LoadTimeouts::new(move |duration| {
            let gate = Gate::default();
            sleeps.lock().unwrap().push((duration, gate.clone()));
            async move { gate.passed().await }
        })
    }

    /// Ends all sleeps, and returns how long they were to be.
    pub(crate) fn ring(&self) -> Vec<Duration> {
        let sleeps = std::mem::take(&mut *self.0.lock().unwrap());
        sleeps
            .into_iter()
            .map(|(duration, gate)| {
                gate.open();
                duration
            })
            .collect()
    }
}
