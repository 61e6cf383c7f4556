//! Building a cache from its options.

use std::hash::{BuildHasher, Hash};

use super::CacheBuilder;
use crate::api::cache::Cache;
use crate::api::loading::LoadingCache;
use crate::store::config::{Config, MOST_ENTRIES};
use crate::store::store::Store;
use crate::types::error::BuildError;
use ahash::RandomState;

/// Building.
impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> CacheBuilder<K, V> {
    /// Sets the number of entries at which the cache is full, instead of `MOST_ENTRIES`.
    pub(crate) fn most_entries(mut self, most: u64) -> Self {
        self.config.most_entries = most.clamp(1, MOST_ENTRIES);
        self
    }

    /// Has every write go the general way.
    pub(crate) fn general_writes(mut self) -> Self {
        self.config.short_writes = false;
        self
    }

    /// Builds the cache, with the default hasher (ahash, seeded at random in each cache).
    ///
    /// # Panics
    /// If [`try_build`](Self::try_build) would return an error, with the same text.
    #[track_caller]
    pub fn build(self) -> Cache<K, V> {
        self.build_with_hasher(RandomState::new())
    }

    /// Builds the cache with any hasher.
    ///
    /// # Panics
    /// If [`try_build`](Self::try_build) would return an error, with the same text.
    #[track_caller]
    pub fn build_with_hasher<S>(self, hasher: S) -> Cache<K, V, S>
    where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        match self.try_build_with_hasher(hasher) {
            Ok(cache) => cache,
            Err(error) => panic!("{error}"),
        }
    }

    /// Builds the cache, with the default hasher.
    ///
    /// # Errors
    /// If an option has an unusable value: the error names the option and says what to do.
    pub fn try_build(self) -> Result<Cache<K, V>, BuildError> {
        self.try_build_with_hasher(RandomState::new())
    }

    /// Builds the cache with any hasher.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_hasher<S>(self, hasher: S) -> Result<Cache<K, V, S>, BuildError>
    where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        let janitor = self.janitor;
        Cache::from_store(self.into_store()?, hasher, janitor)
    }

    /// Builds a cache that loads missing values with this function. For another hasher, use
    /// [`LoadingCache::new`].
    ///
    /// # Panics
    /// If [`try_build`](Self::try_build) would return an error, with the same text.
    #[track_caller]
    pub fn build_with_loader<E: Send + Sync + 'static>(
        self,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> LoadingCache<K, V, E>
    where
        V: Clone,
    {
        LoadingCache::new(self.build(), loader)
    }

    /// As [`build_with_loader`](Self::build_with_loader).
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_loader<E: Send + Sync + 'static>(
        self,
        loader: impl Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    ) -> Result<LoadingCache<K, V, E>, BuildError>
    where
        V: Clone,
    {
        Ok(LoadingCache::new(self.try_build()?, loader))
    }

    /// Builds a cache that loads missing values with a function of many keys. It is given those
    /// that are missing, each once, and returns pairs of keys and values, in any order.
    /// [`LoadingCache::get_all`] is one call of it; [`get`](LoadingCache::get) calls it with one
    /// key. A key for which it returns no pair has no value: [`LoadError::NotFound`], and an old
    /// value of it is removed. Pairs of `get_all` with keys that were not asked for are stored as
    /// in [`Cache::get_many_with`].
    ///
    /// For another hasher, use [`LoadingCache::with_bulk_loader`].
    ///
    /// ```
    /// use cache_core::{Cache, LoadError};
    ///
    /// let squares = Cache::builder().max_capacity(100).build_with_bulk_loader(|keys: &[u32]| {
    ///     let known = keys.iter().filter(|key| **key < 10);
    ///     Ok::<_, String>(known.map(|key| (*key, key * key)).collect())
    /// });
    /// assert_eq!(squares.get_all(&[3, 30]), [Ok(9), Err(LoadError::NotFound)]);
    /// assert_eq!(squares.get(&4), Ok(16));
    /// ```
    ///
    /// # Panics
    /// If [`try_build`](Self::try_build) would return an error, with the same text.
    ///
    /// [`LoadError::NotFound`]: crate::LoadError::NotFound
    #[track_caller]
    pub fn build_with_bulk_loader<E: Send + Sync + 'static>(
        self,
        loader: impl Fn(&[K]) -> Result<Vec<(K, V)>, E> + Send + Sync + 'static,
    ) -> LoadingCache<K, V, E>
    where
        V: Clone,
    {
        LoadingCache::with_bulk_loader(self.build(), loader)
    }

    /// As [`build_with_bulk_loader`](Self::build_with_bulk_loader).
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_bulk_loader<E: Send + Sync + 'static>(
        self,
        loader: impl Fn(&[K]) -> Result<Vec<(K, V)>, E> + Send + Sync + 'static,
    ) -> Result<LoadingCache<K, V, E>, BuildError>
    where
        V: Clone,
    {
        Ok(LoadingCache::with_bulk_loader(self.try_build()?, loader))
    }
}

impl<K: Hash + Eq + 'static, V: 'static> CacheBuilder<K, V> {
    /// As [`try_build`](Self::try_build), for keys and values that may belong to the calling
    /// thread. There is no janitor.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn try_build_on_this_thread(self) -> Result<Cache<K, V>, BuildError> {
        Ok(Cache::on_this_thread(self.into_store()?, RandomState::new()))
    }
}

impl<K, V: 'static> CacheBuilder<K, V> {
    fn into_store(self) -> Result<Store<K, V>, BuildError> {
        self.check()?;
        let (lifetimes, is_off) = (self.lifetimes(), self.is_off());
        let mut config = Config { lifetimes, ..self.config };
        let most = if config.weigher.is_some() { u64::MAX } else { config.most_entries };
        config.bound = config.max_capacity.unwrap_or(u64::MAX).min(most);
        if is_off {
            config.bound = 0;
            // Not called for values that are not stored.
            (config.weigher, config.expiry, config.own_ttl) = (None, None, None);
        }
        Ok(Store::new(config, self.clock))
    }
}
