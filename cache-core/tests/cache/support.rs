//! What the tests of this family share.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

pub(crate) const NANO: Duration = Duration::from_nanos(1);

/// Returns how often each key occurs.
pub(crate) fn occurrences<K: Hash + Eq>(keys: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}
