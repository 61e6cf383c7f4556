//! Processes that share a tier: how their caches are built, and how they are called.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{
    Codec, CodecError, FakeTier, Postcard, TierError, TieredCache, TieredCacheBuilder,
};
use cache_core::{Cache, Clock, FakeClock};

use crate::common::tasks::block_on;

pub(crate) type Strings = TieredCache<u32, String>;

/// Text in an envelope, so that the tests need no feature.
pub(crate) struct Text;

impl Codec<String> for Text {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if value == "unwritable" {
            return Err(CodecError::new("on purpose"));
        }
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(CodecError::new)
    }
}

/// How a process calls its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Threads, over a blocking tier.
    Threads,
    /// Tasks, over a blocking tier: its operations are jobs of the executor.
    Jobs,
    /// Tasks, over an asynchronous tier.
    Tasks,
    /// Threads, over an asynchronous tier: they block for its futures.
    BlockedThreads,
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Several processes, one tier, one clock.
pub(crate) struct World {
    pub(crate) clock: FakeClock,
    pub(crate) tier: FakeTier,
    pub(crate) by: By,
}

/// One process: its cache, and the tier as it sees it.
pub(crate) struct Process {
    pub(crate) cache: Strings,
    pub(crate) tier: FakeTier,
    by: By,
}

pub(crate) type Builder = TieredCacheBuilder<u32, String, Text>;

impl World {
    /// Runs a test once for each way of calling.
    pub(crate) fn each(test: impl Fn(&World)) {
        for by in [By::Threads, By::Jobs, By::Tasks, By::BlockedThreads] {
            test(&World::new(by));
        }
    }

    pub(crate) fn new(by: By) -> Self {
        let clock = FakeClock::new();
        // A day after the beginning of time, so that a tick of zero is nothing special.
        clock.advance(1440 * MINUTE);
        let tier = FakeTier::new(&clock);
        World { clock, tier, by }
    }

    /// Starts a process. Its values live a minute remotely and five seconds in memory; it polls
    /// only when it is told to.
    pub(crate) fn process(&self) -> Process {
        self.process_with(|builder| builder)
    }

    pub(crate) fn process_with(&self, configure: impl FnOnce(Builder) -> Builder) -> Process {
        self.process_of(Cache::builder().record_stats(), configure)
    }

    pub(crate) fn process_of(
        &self,
        memory: cache_core::CacheBuilder<u32, String>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Process {
        let (tier, clock) = (self.tier.peer(), self.clock.clone());
        let builder = TieredCache::builder("test")
            .memory(memory.clock(clock.clone()))
            .time_to_live(MINUTE)
            .poll_period(Duration::MAX)
            .lease_wait(Duration::ZERO)
            .wall_clock(move || UNIX_EPOCH + 1_000_000 * MINUTE + clock.now().as_duration())
            .codec(Text);
        let builder = match self.by {
            By::Threads | By::Jobs => builder.tier(tier.clone()),
            By::Tasks | By::BlockedThreads => builder.tier_async(tier.clone()),
        };
        Process { cache: configure(builder).build(), tier, by: self.by }
    }
}

impl Process {
    fn by_tasks(&self) -> bool {
        matches!(self.by, By::Jobs | By::Tasks)
    }

    pub(crate) fn load(&self, key: u32, init: impl FnOnce() -> String) -> String {
        match self.by_tasks() {
            false => self.cache.get_with(key, init),
            true => block_on(self.cache.get_with_async(key, async { init() })),
        }
    }

    /// Loads a key for which both tiers have a value, or fails.
    pub(crate) fn hit(&self, key: u32) -> String {
        self.load(key, || panic!("{key} was to be in a tier: {:?}", self.remote()))
    }

    /// Loads a key that neither tier has, or fails.
    pub(crate) fn miss(&self, key: u32, value: &str) {
        let mut loads = 0;
        let loaded = self.load(key, || {
            loads += 1;
            value.to_owned()
        });
        assert_eq!((loads, loaded.as_str()), (1, value), "{key} was to be in neither tier");
    }

    pub(crate) fn try_load<E: Send + Sync + 'static>(
        &self,
        key: u32,
        init: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, Arc<E>> {
        match self.by_tasks() {
            false => self.cache.try_get_with(key, init),
            true => block_on(self.cache.try_get_with_async(key, async { init() })),
        }
    }

    pub(crate) fn find(&self, key: u32, init: impl FnOnce() -> Option<String>) -> Option<String> {
        match self.by_tasks() {
            false => self.cache.optionally_get_with(key, init),
            true => block_on(self.cache.optionally_get_with_async(key, async { init() })),
        }
    }

    pub(crate) fn load_many(
        &self,
        keys: &[u32],
        mut init: impl FnMut(&[u32]) -> Vec<(u32, String)>,
    ) -> Vec<Option<String>> {
        match self.by_tasks() {
            false => self.cache.get_many_with(keys, init),
            true => block_on(
                self.cache.get_many_with_async(keys, |keys| std::future::ready(init(&keys))),
            ),
        }
    }

    pub(crate) fn get(&self, key: u32) -> Option<String> {
        match self.by_tasks() {
            false => self.cache.get(&key),
            true => block_on(self.cache.get_async(&key)),
        }
    }

    pub(crate) fn insert(&self, key: u32, value: &str) -> Result<(), TierError> {
        match self.by_tasks() {
            false => self.cache.insert(key, value.to_owned()),
            true => block_on(self.cache.insert_async(key, value.to_owned())),
        }
    }

    pub(crate) fn invalidate(&self, key: u32) -> Result<(), TierError> {
        match self.by_tasks() {
            false => self.cache.invalidate(&key),
            true => block_on(self.cache.invalidate_async(&key)),
        }
    }

    pub(crate) fn flush(&self) -> Result<(), TierError> {
        match self.by_tasks() {
            false => self.cache.invalidate_all(),
            true => block_on(self.cache.invalidate_all_async()),
        }
    }

    /// What is in memory, without a look at the tier.
    pub(crate) fn in_memory(&self, key: u32) -> Option<String> {
        self.cache.memory().peek(&key)
    }

    /// The key's name in the tier, which has one key.
    pub(crate) fn only_name(&self) -> Vec<u8> {
        let mut keys = self.tier.keys();
        keys.retain(|key| !key.ends_with(b":generation"));
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys.remove(0)
    }

    pub(crate) fn remote(&self) -> cache_core::tier::RemoteStats {
        self.cache.stats().remote
    }
}

/// The default codec needs no feature to be named.
#[allow(dead_code)]
fn default_codec(
    builder: TieredCacheBuilder<u32, String>,
) -> TieredCacheBuilder<u32, String, Postcard> {
    builder
}
