//! A cache of numbers, and the clock that it goes by.

use std::time::Duration;

use cache_core::{Cache, CacheBuilder, FakeClock};

use cache_core::__private::testing::validate;

pub(crate) const NANO: Duration = Duration::from_nanos(1);

/// A cache of numbers, and the clock that it goes by.
pub(crate) struct Timed {
    pub(crate) cache: Cache<u32, u32>,
    pub(crate) clock: FakeClock,
}

impl Timed {
    /// The clock has passed its zero, which might be taken for "no clock".
    pub(crate) fn new(
        build: impl FnOnce(CacheBuilder<u32, u32>) -> CacheBuilder<u32, u32>,
    ) -> Timed {
        let clock = FakeClock::new();
        clock.advance(Duration::from_secs(1));
        Timed { cache: build(Cache::builder().clock(clock.clone())).build(), clock }
    }

    /// Fails unless this key lives exactly so long from now, if it is not used.
    #[track_caller]
    pub(crate) fn check_lives(&self, key: u32, life: Duration) {
        assert_eq!(self.cache.entry_info(&key).unwrap().time_left(), Some(life));
        self.clock.advance(life - NANO);
        assert!(self.cache.contains_key(&key));
        self.clock.advance(NANO);
        assert!(!self.cache.contains_key(&key));
        self.cache.run_pending_tasks();
        validate(&self.cache);
        assert_eq!(self.cache.entry_info(&key), None);
    }
}
