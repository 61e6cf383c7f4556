//! The same cache used in two ways: through its loading call, and without it.
//!
//! [`GetWith`] gets and inserts by `get_with` only. So the loops of [`crate::workload`], which know
//! only `get` and `insert`, measure loads: reading a full cache is nothing but hits of `get_with`,
//! and inserting keys never seen is nothing but loads. [`Plain`] is our cache without it.

use crate::{
    ours::{Builder, Variant},
    subject::{Loads, Subject, TTL},
};

/// A cache of which only the loading call is used.
#[derive(Clone)]
pub struct GetWith<S>(pub S);

impl<S: Loads> Subject for GetWith<S> {
    const NAME: &'static str = S::NAME;
    const LACKS: &'static str = S::LACKS;
    const OURS: bool = S::OURS;

    fn with_capacity(capacity: u64) -> Self {
        GetWith(S::with_capacity(capacity))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        Some(self.0.get_with(key, || key))
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.get_with(key, || value);
    }
    #[inline]
    fn remove(&mut self, key: u64) {
        self.0.remove(key);
    }
    fn entries(&self) -> u64 {
        self.0.entries()
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn settle(&self) {
        self.0.settle();
    }
}

/// Our cache by `get` and `insert`; beside it, [`GetWith`] shows what the loading call adds.
pub struct Plain;

impl Variant for Plain {
    const NAME: &'static str = "plain";
    const LACKS: &'static str = "the load: our cache by get and insert, default clock";
    const OURS: bool = false;

    fn configure(builder: Builder) -> Builder {
        builder.time_to_live(TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ours::{Ours, Ticking},
        peers::{Cached, Moka, QuickCache, Scc},
        subject::{fill, settle_fully},
    };

    fn loads_what_is_missing<S: Loads>() {
        let mut cache = GetWith::<S>::with_capacity(1000);
        fill(&mut cache, 0..100);
        cache.insert(7, 70);
        assert_eq!(cache.0.get(7), Some(7), "{}: it was present", S::NAME);
        assert_eq!((cache.0.get(500), cache.get(500)), (None, Some(500)), "{}", S::NAME);
        settle_fully(&cache);
        assert_eq!(cache.entries(), 101, "{}", S::NAME);
    }

    #[test]
    fn every_subject_loads_what_is_missing() {
        loads_what_is_missing::<Ours>();
        loads_what_is_missing::<Ours<Ticking>>();
        loads_what_is_missing::<Moka>();
        loads_what_is_missing::<QuickCache>();
        loads_what_is_missing::<Cached>();
        loads_what_is_missing::<Scc>();
    }
}
