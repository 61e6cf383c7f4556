//! Configuring a tiered cache.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::adapt::{Inline, Offloaded};
use super::cache::TieredCache;
use super::codec::{Codec, Postcard};
use super::generation::Generation;
use super::hearing;
use super::link::{AsyncTier, Tier};
use super::lock::ForkMutex;
use super::names::NameIndex;
use super::pending::PendingRemovals;
use super::poll;
use super::remote_key::RemoteKey;
use super::shared::{AnyCodec, KeepRemotely, Lives, LoadTimes, Shared, WallClock};
use super::stats::RemoteCounters;
use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::types::error::BuildError;
use crate::types::executor::Spawn;

/// The memory life, if none is set, is a tenth of the time to live, and no more than this.
const LONGEST_DEFAULT_MEMORY_LIFE: Duration = Duration::from_secs(5);
const DEFAULT_LEASE_WAIT: Duration = Duration::from_secs(1);
const DEFAULT_POLL_PERIOD: Duration = Duration::from_secs(1);

/// Configures a [`TieredCache`]; made by [`TieredCache::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct TieredCacheBuilder<K, V, C = Postcard> {
    name: String,
    memory: CacheBuilder<K, V>,
    tier: Option<Arc<dyn Tier>>,
    async_tier: Option<Arc<dyn AsyncTier>>,
    codec: C,
    schema: u32,
    time_to_live: Option<Duration>,
    memory_time_to_live: Option<Duration>,
    negative_ttl: Option<Duration>,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    lease_wait: Duration,
    poll_period: Duration,
    keep_remotely: Option<KeepRemotely<K, V>>,
    wall_clock: WallClock,
}

impl<K, V, C> fmt::Debug for TieredCacheBuilder<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredCacheBuilder")
            .field("name", &self.name)
            .field("memory", &self.memory)
            .field("schema", &self.schema)
            .field("time_to_live", &self.time_to_live)
            .field("memory_time_to_live", &self.memory_time_to_live)
            .field("negative_ttl", &self.negative_ttl)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("stale_if_error", &self.stale_if_error)
            .field("lease_wait", &self.lease_wait)
            .field("poll_period", &self.poll_period)
            .finish_non_exhaustive()
    }
}

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns a builder, to configure a tiered cache. The name is part of every remote key:
    /// processes that are to share values give the same one, and no other cache does. Up to 64
    /// printable ASCII characters, without blanks and colons.
    pub fn builder(name: &str) -> TieredCacheBuilder<K, V, Postcard>
    where
        // Here, not at the `impl`: so that an error shows what the trait says about it.
        K: RemoteKey,
    {
        TieredCacheBuilder {
            name: name.to_owned(),
            memory: Cache::builder(),
            tier: None,
            async_tier: None,
            codec: Postcard,
            schema: 0,
            time_to_live: None,
            memory_time_to_live: None,
            negative_ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            lease_wait: DEFAULT_LEASE_WAIT,
            poll_period: DEFAULT_POLL_PERIOD,
            keep_remotely: None,
            wall_clock: Box::new(SystemTime::now),
        }
    }
}

impl<K, V, C> TieredCacheBuilder<K, V, C> {
    /// Sets the memory tier, with any of its options. Its clock is the tiered cache's; its executor
    /// runs what a blocking remote tier does for tasks. Default: a cache without a bound.
    ///
    /// Stale windows of its own
    /// ([`stale_while_revalidate`](CacheBuilder::stale_while_revalidate),
    /// [`stale_if_error`](CacheBuilder::stale_if_error)) begin when the memory life ends, and serve
    /// what is in memory although another process may have invalidated it meanwhile. Those of this
    /// builder serve what the remote tier still has.
    pub fn memory(mut self, memory: CacheBuilder<K, V>) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the remote tier. With this alone the `_async` methods run it on the memory tier's
    /// executor, which by default starts a thread for each operation.
    pub fn tier(mut self, tier: impl Tier) -> Self {
        self.tier = Some(Arc::new(tier));
        self
    }

    /// Sets the remote tier as tasks use it. With this alone the other methods, and the thread that
    /// polls, block until its futures are ready: do not call them on a thread that has to run for
    /// that.
    pub fn tier_async(mut self, tier: impl AsyncTier) -> Self {
        self.async_tier = Some(Arc::new(tier));
        self
    }

    /// Sets how long values live in the remote tier, from their writing on. Default: without end.
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.time_to_live = Some(ttl);
        self
    }

    /// Sets how long a value lives in memory at most: for how long this process may serve a value
    /// that another one has invalidated, if the tier does not tell. Of this and of the memory
    /// tier's own [`time_to_live`](CacheBuilder::time_to_live) the earlier counts. Default: a tenth
    /// of the [`time_to_live`](Self::time_to_live), at most five seconds. With zero nothing is kept
    /// in memory.
    pub fn memory_time_to_live(mut self, ttl: Duration) -> Self {
        self.memory_time_to_live = Some(ttl);
        self
    }

    /// Stores in the remote tier, for this long, that a key has no value: that an `init` of
    /// `optionally_get_with` returned `None`. Default: that is not stored.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// For how long after its life a value is still served while one caller, of all processes,
    /// loads it again (RFC 5861). Default: zero.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For how long after its life a value is still served if loading it again fails (RFC 5861).
    /// Default: zero.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// Sets the schema of the values: part of every remote key. Change it with the type of the
    /// values, and programs of both versions run side by side. Default: 0.
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Sets how values are written as bytes. Default: [`Postcard`].
    pub fn codec<C2: Codec<V>>(self, codec: C2) -> TieredCacheBuilder<K, V, C2> {
        self.with_codec(|_| codec)
    }

    /// Replaces the codec.
    pub(crate) fn with_codec<C2>(
        self,
        codec: impl FnOnce(C) -> C2,
    ) -> TieredCacheBuilder<K, V, C2> {
        TieredCacheBuilder {
            name: self.name,
            memory: self.memory,
            tier: self.tier,
            async_tier: self.async_tier,
            codec: codec(self.codec),
            schema: self.schema,
            time_to_live: self.time_to_live,
            memory_time_to_live: self.memory_time_to_live,
            negative_ttl: self.negative_ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            lease_wait: self.lease_wait,
            poll_period: self.poll_period,
            keep_remotely: self.keep_remotely,
            wall_clock: self.wall_clock,
        }
    }

    /// Limits how long a call waits for the value of another process that holds the lease. Real
    /// time. Default: one second.
    pub fn lease_wait(mut self, limit: Duration) -> Self {
        self.lease_wait = limit;
        self
    }

    /// Sets how often the generation is read: how soon this process hears of a flush. Real time, on
    /// a thread of the process, `cache-tier`. It is also read as soon as the tier's
    /// [`Invalidations`](super::Invalidations) tell of a flush. Default: one second.
    /// [`Duration::MAX`]: only when [`TieredCache::poll`] is called.
    pub fn poll_period(mut self, period: Duration) -> Self {
        self.poll_period = period;
        self
    }

    /// Keeps values out of the remote tier for which this returns `false`. They are kept in memory
    /// alone, and each process loads its own. It runs without any lock held.
    pub fn keep_remotely_if(
        mut self,
        keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.keep_remotely = Some(Box::new(keep));
        self
    }

    /// Sets the clock for the times that stand beside remote values. Default:
    /// [`SystemTime::now`].
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.wall_clock = Box::new(now);
        self
    }

    /// Replaces the name.
    pub(crate) fn name(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    fn memory_life(&self) -> Duration {
        let by_default = || {
            let tenth = self.time_to_live.map_or(Duration::MAX, |ttl| ttl / 10);
            tenth.min(LONGEST_DEFAULT_MEMORY_LIFE)
        };
        let asked = self.memory_time_to_live.unwrap_or_else(by_default);
        self.time_to_live.map_or(asked, |ttl| asked.min(ttl))
    }

    fn check(&self) -> Result<(), BuildError> {
        let is_valid = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(is_valid) {
            let text = format!(
                "{:?} is not a name for remote keys; give 1 to 64 printable ASCII characters \
                 without blanks and colons",
                self.name
            );
            return Err(BuildError::new("name", text));
        }
        let zero = [
            (
                "time_to_live",
                self.time_to_live,
                "values would be dead as soon as they are written; give more than zero, or leave \
                 it out for values that live as long as the tier has room for them",
            ),
            (
                "negative_ttl",
                self.negative_ttl,
                "absence would be forgotten at once; give more than zero, or leave it out for \
                 absence that is not stored",
            ),
            (
                "poll_period",
                Some(self.poll_period),
                "the thread that polls would never rest; give more than zero, or `Duration::MAX` \
                 to poll by `TieredCache::poll` alone",
            ),
        ];
        for (option, duration, text) in zero {
            if duration == Some(Duration::ZERO) {
                return Err(BuildError::new(option, text));
            }
        }
        Ok(())
    }
}

impl<K, V, C> TieredCacheBuilder<K, V, C>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Builds the cache. Reaches for no server: a tier that is down is a miss.
    ///
    /// # Panics
    /// If [`try_build`](Self::try_build) would return an error, with the same text.
    #[track_caller]
    pub fn build(self) -> TieredCache<K, V>
    where
        C: Codec<V>,
    {
        match self.try_build() {
            Ok(cache) => cache,
            Err(error) => panic!("{error}"),
        }
    }

    /// Builds the cache.
    ///
    /// # Errors
    /// If an option of this builder, of the memory tier or of the remote tier has no meaning; if
    /// there is no remote tier; or if the system cannot start the thread that polls.
    pub fn try_build(self) -> Result<TieredCache<K, V>, BuildError>
    where
        C: Codec<V>,
    {
        self.with_codec(|codec| Box::new(codec) as Box<dyn AnyCodec<V>>).try_build_erased()
    }
}

impl<K, V> TieredCacheBuilder<K, V, Box<dyn AnyCodec<V>>>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// As [`try_build`](TieredCacheBuilder::try_build), whatever the codec.
    pub(crate) fn try_build_erased(self) -> Result<TieredCache<K, V>, BuildError> {
        self.check()?;
        let lives = Lives {
            remote: self.time_to_live,
            memory: self.memory_life(),
            negative: self.negative_ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            lease_wait: self.lease_wait,
        };
        let memory = self.memory.for_memory_tier(&self.name, lives.memory)?.try_build()?;
        let executor = &memory.store().config.executor;
        let (threads, tasks) = sides(self.tier, self.async_tier, executor)?;
        for tier in [&threads, &tasks] {
            tier.check().map_err(|text| BuildError::new("tier", text))?;
        }
        let prefix = format!("{}:{}:", self.name, self.schema);
        let generation = format!("{}:generation", self.name).into_bytes();
        let shared = Arc::new(Shared {
            clock: memory.store().clock.clone(),
            memory,
            names: threads.invalidations().is_some().then(NameIndex::new),
            subscription: ForkMutex::new(None),
            threads,
            tasks,
            codec: self.codec,
            lives,
            keep_remotely: self.keep_remotely,
            prefix,
            schema: self.schema,
            wall_clock: self.wall_clock,
            generation: Generation::new(generation, self.poll_period),
            pending: PendingRemovals::new(),
            counters: RemoteCounters::default(),
            load_times: LoadTimes::default(),
        });
        let polls = poll::register(&shared, self.poll_period).map_err(|error| {
            let text = format!("the system could not start its thread ({error}); try again");
            BuildError::new("poll_period", text)
        })?;
        let polls = Arc::new(polls);
        hearing::listen(&shared, &polls);
        Ok(TieredCache { shared, _polls: Some(polls) })
    }
}

/// The remote tier as threads use it, and as tasks do.
type Sides = (Arc<dyn AsyncTier>, Arc<dyn AsyncTier>);

fn sides(
    tier: Option<Arc<dyn Tier>>,
    async_tier: Option<Arc<dyn AsyncTier>>,
    executor: &Arc<dyn Spawn>,
) -> Result<Sides, BuildError> {
    Ok(match (tier, async_tier) {
        (None, None) => {
            let text = "there is none; give one by `tier` or `tier_async`, or use a `Cache`";
            return Err(BuildError::new("tier", text));
        }
        (None, Some(tasks)) => (Arc::clone(&tasks), tasks),
        (Some(tier), Some(tasks)) => (Arc::new(Inline(tier)), tasks),
        (Some(tier), None) => {
            let tasks = Offloaded { tier: Arc::clone(&tier), executor: Arc::clone(executor) };
            (Arc::new(Inline(tier)), Arc::new(tasks))
        }
    })
}
