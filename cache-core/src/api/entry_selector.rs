//! The entry interface: acting on one key, depending on its entry.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::api::cache::Cache;
use crate::flight::share_error::{ErrorSharing, KeepError, Nothing, ShareArc, ShareNothing};
use crate::types::entry::{CompResult, Entry, Op};
use crate::types::status::Status;
use ahash::RandomState;
use equivalent::Equivalent;

/// Entries: acting on one key, depending on what is there.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Clone + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Selects a key, for one of the methods of [`EntrySelector`]. Does nothing by itself.
    ///
    /// ```
    /// use cache_core::{Cache, Entry};
    ///
    /// let visits: Cache<String, u32> = Cache::new(1_000);
    /// for _ in 0..3 {
    ///     let count = |old: Option<Entry<_, _>>| old.map_or(0, Entry::into_value) + 1;
    ///     visits.entry("home".to_owned()).and_upsert_with(count);
    /// }
    /// assert_eq!(visits.get("home"), Some(3));
    /// ```
    pub fn entry(&self, key: K) -> EntrySelector<'_, K, V, S> {
        EntrySelector { cache: self, key }
    }

    /// As [`entry`](Self::entry), by a borrowed form of the key. The key is made at once: an
    /// [`Entry`] holds one.
    pub fn entry_by_ref<Q>(&self, key: &Q) -> EntrySelector<'_, K, V, S>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.entry(key.to_owned())
    }
}

/// A key of a cache, selected by [`Cache::entry`] to be acted on.
///
/// The methods that begin with `or_` return the present entry, or else store a value; they are
/// loads like [`Cache::get_with`], with the same flights.
///
/// Those that begin with `and_` compute a new value from the old one, atomically: computations of a
/// key wait for each other and for its loads, and a plain write during a computation counts as made
/// after it. (A load that cannot wait, see [`Cache::get_with`], runs beside a computation, but is
/// not stored before it ends.)
///
/// The closures run without any lock held, and may use the cache. But a computation from inside a
/// load or a computation of the same key panics, because it would have to wait for itself. So does
/// one that has waited for another as long as
/// [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout), for instance for a future that only
/// the blocked thread could poll.
///
/// Each method but [`or_insert`](Self::or_insert) and [`or_default`](Self::or_default) has a form
/// for tasks, whose name ends in `_async`; see [`Cache::get_with_async`].
#[must_use = "a selector does nothing by itself"]
pub struct EntrySelector<'c, K, V, S = RandomState> {
    cache: &'c Cache<K, V, S>,
    key: K,
}

impl<K: fmt::Debug, V, S> fmt::Debug for EntrySelector<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntrySelector").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K, V, S> EntrySelector<'_, K, V, S>
where
    K: Hash + Eq + Clone + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns the entry; if there is none, stores `default`.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, &str> = cache_core::Cache::new(10);
    /// assert!(cache.entry(1).or_insert("one").is_fresh());
    /// assert_eq!(cache.entry(1).or_insert("two").into_value(), "one");
    /// ```
    pub fn or_insert(self, default: V) -> Entry<K, V> {
        self.or_insert_with(|| default)
    }

    /// Returns the entry; if there is none, stores the default of its type.
    pub fn or_default(self) -> Entry<K, V>
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Returns the entry; if there is none, `init` makes a value, which is stored. See
    /// [`Cache::get_with`].
    pub fn or_insert_with(self, init: impl FnOnce() -> V) -> Entry<K, V> {
        let Ok(entry) = self.get_or_load(|| Ok::<V, Infallible>(init()), KeepError);
        entry
    }

    /// As [`or_insert_with`](Self::or_insert_with); also replaces the value that is there, if
    /// `replace_if` returns `true` for it. See [`Cache::get_or_revalidate`], which this is, with
    /// the opposite question.
    ///
    /// ```
    /// # let cache: cache_core::Cache<&str, u32> = cache_core::Cache::new(10);
    /// cache.insert("version", 3);
    /// let entry = cache.entry("version").or_insert_with_if(|| 4, |version| *version < 4);
    /// assert_eq!((*entry.value(), entry.is_old_value_replaced()), (4, true));
    /// let entry = cache.entry("version").or_insert_with_if(|| 5, |version| *version < 4);
    /// assert_eq!((*entry.value(), entry.is_fresh()), (4, false));
    /// ```
    ///
    /// # Panics
    /// As there.
    pub fn or_insert_with_if(
        self,
        init: impl FnOnce() -> V,
        mut replace_if: impl FnMut(&V) -> bool,
    ) -> Entry<K, V> {
        let (init, mut replaced) = (|| Ok::<V, Infallible>(init()), false);
        let is_valid = |value: &V| {
            replaced = replace_if(value);
            !replaced
        };
        let Ok(loaded) = self.cache.revalidate(self.key.clone(), is_valid, init, KeepError);
        entry_of(self.key, loaded, replaced)
    }

    /// As [`or_insert_with`](Self::or_insert_with), for an `init` that may fail. See
    /// [`Cache::try_get_with`].
    ///
    /// # Errors
    /// What `init` returned, this call's or that of the call it waited for.
    pub fn or_try_insert_with<E: Send + Sync + 'static>(
        self,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<Entry<K, V>, Arc<E>> {
        self.get_or_load(|| init().map_err(Arc::new), ShareArc)
    }

    /// As [`or_insert_with`](Self::or_insert_with), for an `init` that may return `None`. See
    /// [`Cache::optionally_get_with`].
    pub fn or_optionally_insert_with(
        self,
        init: impl FnOnce() -> Option<V>,
    ) -> Option<Entry<K, V>> {
        self.get_or_load(|| init().ok_or(Nothing), ShareNothing).ok()
    }

    /// Stores what `f` makes of the entry, and returns the new entry.
    ///
    /// ```
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// let entry = cache.entry(1).and_upsert_with(|old| old.map_or(1, |old| old.into_value() + 1));
    /// assert_eq!((*entry.value(), entry.is_old_value_replaced()), (1, false));
    /// let entry = cache.entry(1).and_upsert_with(|old| old.map_or(1, |old| old.into_value() + 1));
    /// assert_eq!((*entry.value(), entry.is_old_value_replaced()), (2, true));
    /// ```
    ///
    /// # Panics
    /// With the panic of `f`, which changes nothing; and if the computation would have to wait for
    /// itself, or times out ([`EntrySelector`]).
    pub fn and_upsert_with(self, f: impl FnOnce(Option<Entry<K, V>>) -> V) -> Entry<K, V> {
        self.and_compute_with(|old| Op::Put(f(old))).unwrap()
    }

    /// Shows `f` the entry, does what `f` returns, and returns what became of the entry.
    ///
    /// ```
    /// use cache_core::{CompResult, Op};
    ///
    /// # let tickets: cache_core::Cache<&str, u32> = cache_core::Cache::new(10);
    /// tickets.insert("row 1", 1);
    /// let take_one = |row| {
    ///     tickets.entry(row).and_compute_with(|left| match left.map(|entry| *entry.value()) {
    ///         None => Op::Nop,
    ///         Some(1) => Op::Remove,
    ///         Some(left) => Op::Put(left - 1),
    ///     })
    /// };
    /// assert!(matches!(take_one("row 1"), CompResult::Removed(_)));
    /// assert!(matches!(take_one("row 1"), CompResult::StillNone("row 1")));
    /// ```
    ///
    /// # Panics
    /// As [`and_upsert_with`](Self::and_upsert_with).
    pub fn and_compute_with(
        self,
        f: impl FnOnce(Option<Entry<K, V>>) -> Op<V>,
    ) -> CompResult<K, V> {
        let Ok(result) = self.and_try_compute_with(|old| Ok::<_, Infallible>(f(old)));
        result
    }

    /// As [`and_compute_with`](Self::and_compute_with), for an `f` that may fail.
    ///
    /// # Errors
    /// What `f` returned; then nothing has changed.
    ///
    /// # Panics
    /// As [`and_upsert_with`](Self::and_upsert_with).
    pub fn and_try_compute_with<E>(
        self,
        f: impl FnOnce(Option<Entry<K, V>>) -> Result<Op<V>, E>,
    ) -> Result<CompResult<K, V>, E> {
        let key = self.cache.hashed(self.key);
        self.cache.store().compute(key, f)
    }

    /// As [`or_insert_with`](Self::or_insert_with), with a future that makes the value.
    pub async fn or_insert_with_async(self, init: impl Future<Output = V>) -> Entry<K, V> {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok(entry) = self.get_or_load_async(init, KeepError).await;
        entry
    }

    /// As [`or_insert_with_if`](Self::or_insert_with_if), with a future that makes the value.
    ///
    /// # Panics
    /// As there.
    pub async fn or_insert_with_if_async(
        self,
        init: impl Future<Output = V>,
        mut replace_if: impl FnMut(&V) -> bool,
    ) -> Entry<K, V> {
        let (init, mut replaced) = (async { Ok::<V, Infallible>(init.await) }, false);
        let is_valid = |value: &V| {
            replaced = replace_if(value);
            !replaced
        };
        let key = self.key.clone();
        let Ok(loaded) = self.cache.revalidate_async(key, is_valid, init, KeepError).await;
        entry_of(self.key, loaded, replaced)
    }

    /// As [`or_try_insert_with`](Self::or_try_insert_with), with a future that makes the value.
    ///
    /// # Errors
    /// As there.
    pub async fn or_try_insert_with_async<E: Send + Sync + 'static>(
        self,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<Entry<K, V>, Arc<E>> {
        self.get_or_load_async(async { init.await.map_err(Arc::new) }, ShareArc).await
    }

    /// As [`or_optionally_insert_with`](Self::or_optionally_insert_with), with a future that makes
    /// the value.
    pub async fn or_optionally_insert_with_async(
        self,
        init: impl Future<Output = Option<V>>,
    ) -> Option<Entry<K, V>> {
        self.get_or_load_async(async { init.await.ok_or(Nothing) }, ShareNothing).await.ok()
    }

    /// As [`and_upsert_with`](Self::and_upsert_with), with a closure that returns a future.
    ///
    /// # Panics
    /// As there.
    pub async fn and_upsert_with_async<F: Future<Output = V>>(
        self,
        f: impl FnOnce(Option<Entry<K, V>>) -> F,
    ) -> Entry<K, V> {
        let f = |old| {
            let value = f(old);
            async { Op::Put(value.await) }
        };
        self.and_compute_with_async(f).await.unwrap()
    }

    /// As [`and_compute_with`](Self::and_compute_with), with a closure that returns a future. If
    /// the computation is dropped before it is ready, nothing has changed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use cache_core::{CompResult, Op};
    ///
    /// # let cache: cache_core::Cache<u32, u32> = cache_core::Cache::new(10);
    /// let result = cache.entry(1).and_compute_with_async(|old| async move {
    ///     if old.is_none() { Op::Put(10) } else { Op::Nop }
    /// });
    /// assert!(matches!(result.await, CompResult::Inserted(entry) if *entry.value() == 10));
    /// # });
    /// ```
    ///
    /// # Panics
    /// As there.
    pub async fn and_compute_with_async<F: Future<Output = Op<V>>>(
        self,
        f: impl FnOnce(Option<Entry<K, V>>) -> F,
    ) -> CompResult<K, V> {
        let f = |old| {
            let op = f(old);
            async { Ok::<_, Infallible>(op.await) }
        };
        let Ok(result) = self.and_try_compute_with_async(f).await;
        result
    }

    /// As [`and_try_compute_with`](Self::and_try_compute_with), with a closure that returns a
    /// future.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub async fn and_try_compute_with_async<F: Future<Output = Result<Op<V>, E>>, E>(
        self,
        f: impl FnOnce(Option<Entry<K, V>>) -> F,
    ) -> Result<CompResult<K, V>, E> {
        let key = self.cache.hashed(self.key);
        self.cache.store().compute_async(key, f).await
    }

    fn get_or_load<E>(
        self,
        init: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<Entry<K, V>, E> {
        let loaded = self.cache.fetch::<K, _, _>(&self.key, K::clone, init, share)?;
        Ok(entry_of(self.key, loaded, false))
    }

    async fn get_or_load_async<E>(
        self,
        init: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<Entry<K, V>, E> {
        let loaded = self.cache.fetch_async::<K, _, _>(&self.key, K::clone, init, share).await?;
        Ok(entry_of(self.key, loaded, false))
    }
}

/// Makes the entry for the value that a call has found or loaded, to replace another or not.
fn entry_of<K, V>(key: K, (value, status): (V, Status), replaced: bool) -> Entry<K, V> {
    if status == Status::Loaded {
        Entry::stored(key, value, replaced)
    } else {
        Entry::found(key, value)
    }
}
