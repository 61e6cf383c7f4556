//! The other caches as subjects, each built the way its users get it.
//!
//! quick_cache has its own default hasher (foldhash). moka has ahash, as ours does, because its
//! default (SipHash) would say more about hashing than about caches.

use crate::subject::{Loads, Subject, TTL};
use ahash::RandomState;
use std::{convert::Infallible, marker::PhantomData, sync::Arc};

/// The builder that a variant of moka configures.
pub type MokaBuilder = moka::sync::CacheBuilder<u64, u64, moka::sync::Cache<u64, u64>>;

/// One way to build moka's synchronous cache.
pub trait MokaVariant: 'static {
    /// For tables.
    const NAME: &'static str;
    /// What it does not do that ours does.
    const LACKS: &'static str;

    /// Sets the options of the variant; the bound is set already.
    fn configure(builder: MokaBuilder) -> MokaBuilder;
}

/// With a time to live.
pub struct MokaDefault;

impl MokaVariant for MokaDefault {
    const NAME: &'static str = "moka";
    const LACKS: &'static str = "a bound at every instant (it is exceeded for a while); has TTL";

    fn configure(builder: MokaBuilder) -> MokaBuilder {
        builder.time_to_live(TTL)
    }
}

/// moka's synchronous cache with ahash, in one variant.
pub struct Moka<V = MokaDefault> {
    cache: moka::sync::Cache<u64, u64, RandomState>,
    variant: PhantomData<fn() -> V>,
}

// By hand: a derived one would ask for `V: Clone`.
impl<V> Clone for Moka<V> {
    fn clone(&self) -> Self {
        Moka { cache: self.cache.clone(), variant: PhantomData }
    }
}

impl<V: MokaVariant> Subject for Moka<V> {
    const NAME: &'static str = V::NAME;
    const LACKS: &'static str = V::LACKS;

    fn with_capacity(capacity: u64) -> Self {
        let builder = V::configure(moka::sync::Cache::builder().max_capacity(capacity));
        Moka { cache: builder.build_with_hasher(RandomState::new()), variant: PhantomData }
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.cache.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.cache.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.cache.entry_count()
    }
    fn clear(&mut self) {
        self.cache.invalidate_all();
    }
    fn settle(&self) {
        self.cache.run_pending_tasks();
    }
}

impl<V: MokaVariant> Loads for Moka<V> {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.cache.get_with(key, load)
    }
}

/// quick_cache's synchronous cache with its defaults.
#[derive(Clone)]
pub struct QuickCache(Arc<quick_cache::sync::Cache<u64, u64>>);

impl Subject for QuickCache {
    const NAME: &'static str = "quick_cache";
    const LACKS: &'static str = "no TTL (never reads a clock)";

    fn with_capacity(capacity: u64) -> Self {
        QuickCache(Arc::new(quick_cache::sync::Cache::new(capacity as usize)))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.len() as u64
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Loads for QuickCache {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        let Ok(value) = self.0.get_or_insert_with(&key, || Ok::<u64, Infallible>(load()));
        value
    }
}

/// A hash map and nothing else: the floor. A second thread gets a private copy.
#[derive(Clone)]
pub struct BareMap(hashbrown::HashMap<u64, u64, RandomState>);

impl Subject for BareMap {
    const NAME: &'static str = "hashbrown";
    const LACKS: &'static str = "no lock, no bound, no TTL, private map per thread";
    const BOUNDED: bool = false;

    fn with_capacity(_: u64) -> Self {
        BareMap(hashbrown::HashMap::with_hasher(RandomState::new()))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key).copied()
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.len() as u64
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}
