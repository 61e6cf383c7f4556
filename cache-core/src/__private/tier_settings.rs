//! The options of a function whose cache has a remote tier, under the names that they have in the
//! attribute.

use super::macro_caches;
use super::settings::{DEFAULT_CAPACITY, Settings};
use super::tier_names;
use crate::api::cache::Cache;
use crate::tier::{AnyCodec, AsyncTier, Codec, RemoteKey, Tier, TieredCache, TieredCacheBuilder};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// Sets the options of a cache with a remote tier.
pub type TieredSet<K, V> = fn(TieredSettings<K, V>) -> TieredSettings<K, V>;

/// The cache of one function, before it is built.
pub struct TieredSettings<K, V> {
    memory: Settings<K, V>,
    builder: TieredCacheBuilder<K, V>,
    codec: Option<Box<dyn AnyCodec<V>>>,
    /// The type of which the function is a method.
    of_type: Option<&'static str>,
    /// Where the function stands, if the user has not given it a name.
    place: Option<&'static str>,
}

/// Builds the cache of one function.
///
/// # Panics
///
/// If the options contradict each other, with the text of the `BuildError` and the name of the
/// function; if its name in the tier is that of another function.
pub(super) fn build<K, V>(name: &str, set: TieredSet<K, V>) -> TieredCache<K, V>
where
    K: RemoteKey + Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    // With statistics, because `f::stats()` is there for every function.
    let memory = Cache::builder().name(name).max_capacity(DEFAULT_CAPACITY).record_stats();
    let memory = Settings { builder: memory };
    let (builder, codec) = (TieredCache::builder(""), None);
    let settings = set(TieredSettings { memory, builder, codec, of_type: None, place: None });
    let remote = tier_names::remote_name(name, settings.of_type);
    if let Some(place) = settings.place {
        tier_names::claim(&remote, place);
    }
    let codec = settings.codec.expect("an expansion names a codec");
    let builder = settings.builder.name(remote).memory(settings.memory.builder);
    let built = builder.with_codec(|_| codec).try_build_erased();
    let cache = built.unwrap_or_else(|error| panic!("#[cached] on `{name}`: {error}"));
    macro_caches::list(cache.memory());
    cache
}

impl<K, V: 'static> TieredSettings<K, V> {
    fn with(
        self,
        change: impl FnOnce(TieredCacheBuilder<K, V>) -> TieredCacheBuilder<K, V>,
    ) -> Self {
        Self { builder: change(self.builder), ..self }
    }

    fn with_memory(self, change: impl FnOnce(Settings<K, V>) -> Settings<K, V>) -> Self {
        Self { memory: change(self.memory), ..self }
    }

    /// The function is a method of this type, and the user has named it.
    pub fn of_type(self, of_type: &'static str) -> Self {
        Self { of_type: Some(of_type), ..self }
    }

    /// The function stands here, and the user has not named it.
    pub fn at(self, place: &'static str) -> Self {
        Self { place: Some(place), ..self }
    }

    /// `tier = ..`, for a function.
    pub fn tier(self, tier: impl Tier) -> Self {
        self.with(|builder| builder.tier(tier))
    }

    /// `tier = ..`, for an `async fn`.
    pub fn tier_of_tasks(self, TierSides { threads, tasks }: TierSides) -> Self {
        self.with(|builder| match (threads, tasks) {
            (Some(threads), Some(tasks)) => builder.tier(threads).tier_async(tasks),
            (Some(threads), None) => builder.tier(threads),
            (None, Some(tasks)) => builder.tier_async(tasks),
            (None, None) => builder,
        })
    }

    /// `codec = ..`, or the default one.
    pub fn codec<C: Codec<V>>(self, codec: C) -> Self {
        Self { codec: Some(Box::new(codec)), ..self }
    }

    /// `schema = ..`
    pub fn schema(self, schema: u32) -> Self {
        self.with(|builder| builder.schema(schema))
    }

    /// `ttl = ..`: in the tier.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|builder| builder.time_to_live(ttl))
    }

    /// `l1_ttl = ..`: in memory.
    pub fn l1_ttl(self, ttl: Duration) -> Self {
        self.with(|builder| builder.memory_time_to_live(ttl))
    }

    /// `negative_ttl = ..`: of the knowledge that there is no value, in the tier.
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        self.with(|builder| builder.negative_ttl(ttl))
    }

    /// `stale_while_revalidate = ..`: of the tier's values.
    pub fn stale_while_revalidate(self, window: Duration) -> Self {
        self.with(|builder| builder.stale_while_revalidate(window))
    }

    /// `stale_if_error = ..`: of the tier's values.
    pub fn stale_if_error(self, window: Duration) -> Self {
        self.with(|builder| builder.stale_if_error(window))
    }

    /// `cache_if = |value| ..`: in both.
    pub fn cache_if(self, keep: impl Fn(&V) -> bool + Send + Sync + 'static) -> Self {
        let keep = Arc::new(keep);
        let also = Arc::clone(&keep);
        self.with(|builder| builder.keep_remotely_if(move |_, value| also(value)))
            .with_memory(|memory| memory.cache_if(move |value| keep(value)))
    }

    /// `max_capacity = ..`: of the memory.
    pub fn max_capacity(self, max_capacity: u64) -> Self {
        self.with_memory(|memory| memory.max_capacity(max_capacity))
    }

    /// `weigher = |key, value| ..`: in memory.
    pub fn weigher(self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.with_memory(|memory| memory.weigher(weigher))
    }

    /// `jitter = ..`: of the life in memory.
    pub fn jitter(self, jitter: f64) -> Self {
        self.with_memory(|memory| memory.jitter(jitter))
    }

    /// `refresh_after = ..`: of the value in memory, from the tier.
    pub fn refresh_after(self, age: Duration) -> Self {
        self.with_memory(|memory| memory.refresh_after(age))
    }
}

/// A tier for an `async fn`, of which rustc is to choose the sides: what
/// `(&&&TierOf(tier)).sides_for_cached()` finds with the most references.
pub struct TierOf<T>(pub T);

/// A tier as threads use it, and as tasks do, if it serves them.
pub struct TierSides {
    threads: Option<Arc<dyn Tier>>,
    tasks: Option<Arc<dyn AsyncTier>>,
}

/// The first choice: it serves threads and tasks.
pub trait BothSides {
    /// Returns both.
    fn sides_for_cached(&self) -> TierSides;
}

impl<T: Tier + AsyncTier + Clone> BothSides for &&TierOf<T> {
    fn sides_for_cached(&self) -> TierSides {
        let (threads, tasks) = (self.0.clone(), self.0.clone());
        TierSides { threads: Some(Arc::new(threads)), tasks: Some(Arc::new(tasks)) }
    }
}

/// The second choice: it serves tasks.
pub trait TaskSide {
    /// Returns that side.
    fn sides_for_cached(&self) -> TierSides;
}

impl<T: AsyncTier + Clone> TaskSide for &TierOf<T> {
    fn sides_for_cached(&self) -> TierSides {
        TierSides { threads: None, tasks: Some(Arc::new(self.0.clone())) }
    }
}

/// What is left: it must serve threads, and its operations are jobs of the executor.
pub trait ThreadSide<T> {
    /// Returns that side.
    fn sides_for_cached(&self) -> TierSides
    where
        T: Tier + Clone;
}

impl<T> ThreadSide<T> for TierOf<T> {
    fn sides_for_cached(&self) -> TierSides
    where
        T: Tier + Clone,
    {
        TierSides { threads: Some(Arc::new(self.0.clone())), tasks: None }
    }
}
