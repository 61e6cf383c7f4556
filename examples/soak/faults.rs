//! What was found to be wrong. The first faults count; thousands that follow from them do not help.

use std::sync::{Mutex, PoisonError};

const MOST: usize = 20;

static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes a fault. The run ends at the next barrier.
pub(crate) fn report(what: String) {
    let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if faults.len() < MOST {
        faults.push(what);
    }
}

/// Notes a fault unless it holds.
pub(crate) fn expect(holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        report(what());
    }
}

/// What has been found so far.
pub(crate) fn found() -> Vec<String> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
