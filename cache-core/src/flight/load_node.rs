//! What a running load shows of itself: the keys it loads, and the loads that depend on it.

use std::any::Any;
use std::sync::Arc;

use crate::table::SharedSlot;
use crate::util::hash::KeyHash;

/// A load that runs, or several that have one loader.
pub(crate) trait LoadNode: Any + Send + Sync {
    /// Visits the loads that cannot end before this one has: the one that it is nested in, and
    /// those that wait for it.
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>));
    /// Visits the keys that it loads.
    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt));
    /// Notes that the calling thread polls the loader, which is a future.
    fn note_poll(&self);
    /// Returns `true` if it is the load at this address, or one of several that is.
    fn includes(&self, address: usize) -> bool;
}

/// A key that is being loaded.
pub(crate) struct KeyAt {
    /// The cache, by its address.
    pub(crate) cache: usize,
    pub(crate) hash: KeyHash,
    /// What holds the key, until the load has ended.
    pub(crate) slot: SharedSlot,
}

/// Loads that one call of a loader serves. A call inside of it is inside of them all.
pub(crate) struct BatchNode(pub(crate) Vec<Arc<dyn LoadNode>>);

impl LoadNode for BatchNode {
    fn for_each_dependent(&self, visit: &mut dyn FnMut(&Arc<dyn LoadNode>)) {
        self.0.iter().for_each(visit);
    }

    fn for_each_key(&self, visit: &mut dyn FnMut(&KeyAt)) {
        self.0.iter().for_each(|load| load.for_each_key(visit));
    }

    fn note_poll(&self) {
        self.0.iter().for_each(|load| load.note_poll());
    }

    fn includes(&self, address: usize) -> bool {
        self.0.iter().any(|load| load.includes(address))
    }
}
