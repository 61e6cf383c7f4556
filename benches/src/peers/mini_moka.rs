//! mini-moka's synchronous cache.

use crate::subject::{Subject, TTL};
use ahash::RandomState;
use mini_moka::sync::{Cache, ConcurrentCacheExt};

/// mini-moka with numbers and a time to live; it looks up by `&K` only, hence not by `&str`.
#[derive(Clone)]
pub struct MiniMoka(Cache<u64, u64, RandomState>);

impl Subject for MiniMoka {
    const NAME: &'static str = "mini-moka";
    const LACKS: &'static str = "a loading call, a bound at every instant; has TTL";

    fn with_capacity(capacity: u64) -> Self {
        let builder = Cache::builder().max_capacity(capacity).time_to_live(TTL);
        MiniMoka(builder.build_with_hasher(RandomState::new()))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    #[inline]
    fn remove(&mut self, key: u64) {
        self.0.invalidate(&key);
    }
    fn entries(&self) -> u64 {
        self.0.entry_count()
    }
    fn clear(&mut self) {
        self.0.invalidate_all();
    }
    fn settle(&self) {
        self.0.sync();
    }
}
