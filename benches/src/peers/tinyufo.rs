//! TinyUFO, of pingora.

use crate::subject::Subject;
use std::sync::Arc;

/// TinyUFO with numbers; it looks up by `&K` only, hence not by `&str`.
#[derive(Clone)]
pub struct TinyUfo {
    cache: Arc<tinyufo::TinyUfo<u64, u64>>,
    capacity: usize,
}

impl Subject for TinyUfo {
    const NAME: &'static str = "TinyUFO";
    const LACKS: &'static str =
        "no TTL, no loading call, no number of entries; two keys of one hash are one";

    fn with_capacity(capacity: u64) -> Self {
        let capacity = capacity as usize;
        TinyUfo { cache: Arc::new(tinyufo::TinyUfo::new(capacity, capacity)), capacity }
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.cache.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        drop(self.cache.put(key, value, 1));
    }
    #[inline]
    fn remove(&mut self, key: u64) {
        self.cache.remove(&key);
    }
    /// It does not say.
    fn entries(&self) -> u64 {
        0
    }
    /// It has no such call, so this handle gets another cache.
    fn clear(&mut self) {
        *self = TinyUfo::with_capacity(self.capacity as u64);
    }
}
