//! The faults found. The first ones count; thousands that follow from them do not help.

use std::sync::{Mutex, PoisonError};

const MOST: usize = 20;

static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records a fault. The run ends at the next barrier.
pub(crate) fn report(what: String) {
    let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if faults.len() < MOST {
        faults.push(what);
    }
}

/// Records a fault unless `holds` is true.
pub(crate) fn expect(holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        report(what());
    }
}

/// Returns the faults found so far.
pub(crate) fn found() -> Vec<String> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
