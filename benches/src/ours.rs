//! Our cache as a subject, in variants that differ in their configuration and in the calls used.

use crate::subject::{Loads, Subject, TTL};
use cache_core::__private::testing::memory;
use cache_core::{Cache, CacheBuilder, TickingClock};
use std::marker::PhantomData;

/// The builder that a variant configures.
pub type Builder = CacheBuilder<u64, u64>;

/// One way to build and to use our cache.
pub trait Variant: 'static {
    /// For tables.
    const NAME: &'static str;
    /// What it does not do that our cache can do.
    const LACKS: &'static str;
    /// `true` if the other subjects are compared with it.
    const OURS: bool = true;

    /// Sets the options of the variant; the bound is set already.
    fn configure(builder: Builder) -> Builder;

    /// The call that a get of the subject is.
    #[inline]
    fn get(cache: &Cache<u64, u64>, key: u64) -> Option<u64> {
        cache.get(&key)
    }

    /// The call that an insert of the subject is.
    #[inline]
    fn insert(cache: &Cache<u64, u64>, key: u64, value: u64) {
        cache.insert(key, value);
    }
}

/// Our cache as it is by default: exact by its clock, with a time to live.
pub struct DefaultClock;

impl Variant for DefaultClock {
    const NAME: &'static str = "cache-core";
    const LACKS: &'static str = "nothing: exact clock, TTL";

    fn configure(builder: Builder) -> Builder {
        builder.time_to_live(TTL)
    }
}

/// Our cache with the clock that a thread advances each millisecond, with a time to live.
pub struct Ticking;

impl Variant for Ticking {
    const NAME: &'static str = "cache-core-tick";
    const LACKS: &'static str = "exactness: its clock moves once a millisecond; TTL";

    fn configure(builder: Builder) -> Builder {
        builder.time_to_live(TTL).clock(TickingClock::new())
    }
}

/// Our cache in one variant.
pub struct Ours<V = DefaultClock> {
    cache: Cache<u64, u64>,
    variant: PhantomData<fn() -> V>,
}

impl<V> Ours<V> {
    /// Returns another handle to the same cache, whose gets and inserts are those of another
    /// variant. Its configuration remains that of `V`.
    pub fn used_as<W: Variant>(&self) -> Ours<W> {
        Ours { cache: self.cache.clone(), variant: PhantomData }
    }
}

// By hand: a derived one would ask for `V: Clone`.
impl<V> Clone for Ours<V> {
    fn clone(&self) -> Self {
        Ours { cache: self.cache.clone(), variant: PhantomData }
    }
}

impl<V: Variant> Subject for Ours<V> {
    const NAME: &'static str = V::NAME;
    const LACKS: &'static str = V::LACKS;
    const OURS: bool = V::OURS;

    fn with_capacity(capacity: u64) -> Self {
        let builder = V::configure(Cache::builder().max_capacity(capacity));
        Ours { cache: builder.build(), variant: PhantomData }
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        V::get(&self.cache, key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        V::insert(&self.cache, key, value);
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
    fn breakdown(&self) -> Vec<(&'static str, u64)> {
        memory(&self.cache).into_iter().map(|(part, bytes)| (part, bytes as u64)).collect()
    }
    fn settle(&self) {
        self.cache.run_pending_tasks();
    }
}

impl<V: Variant> Loads for Ours<V> {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.cache.get_with(key, load)
    }
}
