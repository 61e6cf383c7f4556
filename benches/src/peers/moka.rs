//! moka's synchronous cache.

use crate::{
    peer::Peer,
    subject::{Loads, Subject, TTL},
};
use ahash::RandomState;
use std::{borrow::Borrow, hash::Hash, marker::PhantomData, sync::Arc};

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
    #[inline]
    fn remove(&mut self, key: u64) {
        self.cache.invalidate(&key);
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

/// moka with texts.
#[derive(Clone)]
pub struct MokaTexts(moka::sync::Cache<String, Arc<str>, RandomState>);

impl Peer<String, Arc<str>> for MokaTexts {
    const NAME: &'static str = MokaDefault::NAME;
    const LACKS: &'static str = MokaDefault::LACKS;

    fn sized(capacity: u64) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity).time_to_live(TTL);
        MokaTexts(builder.build_with_hasher(RandomState::new()))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<str>>
    where
        String: Borrow<Q>,
    {
        self.0.get(key)
    }
    #[inline]
    fn store(&mut self, key: String, value: Arc<str>) {
        self.0.insert(key, value);
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        String: Borrow<Q>,
    {
        self.0.invalidate(key);
    }
    fn count(&self) -> u64 {
        self.0.entry_count()
    }
    fn empty(&mut self) {
        self.0.invalidate_all();
    }
    fn tidy(&self) {
        self.0.run_pending_tasks();
    }
}
