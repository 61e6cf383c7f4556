//! Loads whose caller makes the value later, under a guard.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::pin;
use std::time::{Duration, Instant};

use crate::api::cache::Cache;
use crate::flight::flight::FlightKind;
use crate::load::attempt::{Attempt, Lookup};
use crate::load::guard::{FlightGuard, LoadTimer};
use crate::load::handed_out::ValueOrGuard;
use crate::time::system::SYSTEM_HAS_CLOCK;
use crate::types::timeouts::{LoadTimeouts, until};
use crate::util::hash::Hashed;
use ahash::RandomState;
use equivalent::Equivalent;

/// The duty to load a key, as [`Cache::get_or_guard`] gives it to one of the callers that miss it;
/// the others wait for it.
///
/// [`insert`](Self::insert) does that duty. A guard that is dropped hands it over: one of the
/// waiters is given the next guard, or runs its loader.
///
/// It is a load like that of [`Cache::get_with`]: a write to the key, or a flush, supersedes it.
/// Its waiters receive the value then, it is not stored, and callers that come later do not wait
/// for it. The guard may be sent to another thread, and kept across an `.await`.
///
/// The cache does not know which calls are made to make this value, so it finds fewer waits that
/// would never end than with [`get_with`](Cache::get_with): only those of the thread that was given
/// the guard and asks for the same key, by any method that blocks; that call is given an unshared
/// guard at once, or runs its loader. Others, of a task that asks for its own key for instance, end
/// after [`coalesce_timeout`](crate::CacheBuilder::coalesce_timeout).
#[must_use = "dropped without a value, it hands the load to a caller that waits for it"]
pub struct LoadGuard<'c, K: Eq, V: Clone + 'static, S = RandomState> {
    cache: &'c Cache<K, V, S>,
    guard: FlightGuard<'c, K, V>,
    timer: LoadTimer<'c, K, V>,
}

impl<K: Eq, V: Clone + 'static, S> LoadGuard<'_, K, V, S> {
    /// Stores the value, unless the key was written since the guard was made, gives it to the
    /// callers that wait for it, and returns it.
    ///
    /// Acquires the lock of the key's shard. O(1) amortised. Runs `V::clone`, the weigher, and the
    /// listener for what was removed.
    ///
    /// # Panics
    /// With a panic of `V::clone` or of the weigher; a waiter leads then.
    pub fn insert(self, value: V) -> V {
        let load_nanos = self.timer.stop(true);
        self.guard.publish(value, load_nanos)
    }
}

impl<K: Eq, V: Clone + 'static, S> fmt::Debug for LoadGuard<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadGuard").field("cache", self.cache).finish_non_exhaustive()
    }
}

/// Why [`Cache::get_or_guard_timeout`] returned no value.
pub enum GuardError<'c, K: Eq, V: Clone + 'static, S = RandomState> {
    /// This call is the one to load it.
    Guard(LoadGuard<'c, K, V, S>),
    /// Another call was loading it for longer than this one waits.
    TimedOut,
}

impl<K: Eq, V: Clone + 'static, S> fmt::Debug for GuardError<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuardError::Guard(guard) => f.debug_tuple("Guard").field(guard).finish(),
            GuardError::TimedOut => f.write_str("TimedOut"),
        }
    }
}

/// Loading by the caller, under a guard.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns the key's value; if there is none, a guard for the one caller that is to load it:
    /// [`LoadGuard`]. The others wait, for its value or for its guard.
    ///
    /// It is for loads that do not fit into a closure. Where one does,
    /// [`get_with`](Self::get_with) is simpler, and detects more deadlocks. The load is the same:
    /// callers of this and of all other loading methods wait for each other.
    ///
    /// A caller that has waited for a load that failed is given an unshared guard, at once: others
    /// do not wait for it. Where the cache refreshes or serves stale values, one of the callers of
    /// a key whose refresh is due is given the guard, and the others the old value.
    ///
    /// A hit acquires no lock and makes no key.
    ///
    /// # Errors
    /// The guard, which is no failure.
    ///
    /// ```
    /// # let cache: cache_core::Cache<String, usize> = cache_core::Cache::new(10);
    /// fn length(cache: &cache_core::Cache<String, usize>, path: &str) -> std::io::Result<usize> {
    ///     match cache.get_or_guard(path) {
    ///         Ok(length) => Ok(length),
    ///         // If this fails, the guard is dropped, and a caller that waits tries.
    ///         Err(guard) => Ok(guard.insert(std::fs::read(path)?.len())),
    ///     }
    /// }
    /// assert!(length(&cache, "no such file").is_err());
    /// assert!(cache.get("no such file").is_none());
    /// ```
    #[doc(alias = "get_value_or_guard")]
    pub fn get_or_guard<Q>(&self, key: &Q) -> Result<V, LoadGuard<'_, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.attempt_or_hit(key) {
            Ok(value) => Ok(value),
            Err(attempt) => self.value_or_guard(attempt.value_or_guard(None)).map_err(|error| {
                let GuardError::Guard(guard) = error else { unreachable!("there is no limit") };
                guard
            }),
        }
    }

    /// As [`get_or_guard`](Self::get_or_guard), as a task: does not block while it waits.
    ///
    /// # Errors
    /// The guard, which is no failure.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let cache: cache_core::Cache<String, usize> = cache_core::Cache::new(10);
    /// # async fn fetch(_: &str) -> usize { 4 }
    /// let value = match cache.get_or_guard_async("key").await {
    ///     Ok(value) => value,
    ///     Err(guard) => guard.insert(fetch("key").await),
    /// };
    /// assert_eq!((value, cache.get("key")), (4, Some(4)));
    /// # });
    /// ```
    #[doc(alias = "get_value_or_guard_async")]
    pub async fn get_or_guard_async<Q>(&self, key: &Q) -> Result<V, LoadGuard<'_, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let got = match self.attempt_or_hit(key) {
            Ok(value) => return Ok(value),
            Err(attempt) => attempt.value_or_guard_async().await,
        };
        self.value_or_guard(got).map_err(|error| {
            let GuardError::Guard(guard) = error else { unreachable!("there is no limit") };
            guard
        })
    }

    /// As [`get_or_guard`](Self::get_or_guard), for a caller that waits for another's load no
    /// longer than `timeout`, which is real time; zero: not at all. The load that it waited for
    /// goes on.
    ///
    /// # Errors
    /// [`GuardError::Guard`], which is no failure; [`GuardError::TimedOut`] if the time is over and
    /// no old value may be served ([`stale_if_error`](crate::CacheBuilder::stale_if_error)).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, GuardError};
    ///
    /// let cache: Cache<u32, u32> = Cache::new(10);
    /// let Err(guard) = cache.get_or_guard(&1) else { unreachable!() };
    /// std::thread::scope(|scope| {
    ///     let wait = || cache.get_or_guard_timeout(&1, Duration::ZERO);
    ///     let waited = scope.spawn(move || matches!(wait(), Err(GuardError::TimedOut)));
    ///     assert!(waited.join().unwrap());
    /// });
    /// assert_eq!(guard.insert(10), 10);
    /// ```
    pub fn get_or_guard_timeout<Q>(
        &self,
        key: &Q,
        timeout: Duration,
    ) -> Result<V, GuardError<'_, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.attempt_or_hit(key) {
            Ok(value) => Ok(value),
            Err(attempt) => {
                // Where there is no clock there is one thread, and no other to wait for.
                let now = SYSTEM_HAS_CLOCK.then(Instant::now);
                let limit = now.and_then(|now| now.checked_add(timeout));
                self.guard_or_old_value(key, attempt.value_or_guard(limit))
            }
        }
    }

    /// As [`get_or_guard_async`](Self::get_or_guard_async), limited by `timeouts`. At the soft
    /// limit the call is served an old value, if there is one that may be served
    /// ([`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate),
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error)); otherwise it goes on waiting. At
    /// the hard limit it ends. Neither does anything to the load that it waits for.
    ///
    /// # Errors
    /// [`GuardError::Guard`], which is no failure; [`GuardError::TimedOut`] at the hard limit, if
    /// no old value may be served.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// use std::time::Duration;
    /// use cache_core::{Cache, GuardError, LoadTimeouts};
    ///
    /// let cache: Cache<u32, u32> = Cache::new(10);
    /// let Err(guard) = cache.get_or_guard_async(&1).await else { unreachable!() };
    /// let timeouts = LoadTimeouts::new(tokio::time::sleep).hard(Duration::from_millis(1));
    /// let waited = cache.get_or_guard_within_async(&1, &timeouts).await;
    /// assert!(matches!(waited, Err(GuardError::TimedOut)));
    /// assert_eq!(guard.insert(10), 10);
    /// # });
    /// ```
    pub async fn get_or_guard_within_async<Q>(
        &self,
        key: &Q,
        timeouts: &LoadTimeouts,
    ) -> Result<V, GuardError<'_, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let attempt = match self.attempt_or_hit(key) {
            Ok(value) => return Ok(value),
            Err(attempt) => attempt,
        };
        let (mut got, mut waited) = (pin!(attempt.value_or_guard_async()), Duration::ZERO);
        if let Some(soft) = timeouts.soft_first() {
            if let Some(got) = until(got.as_mut(), timeouts.sleep(soft)).await {
                return self.value_or_guard(got);
            }
            if let Ok(old) = self.guard_or_old_value(key, ValueOrGuard::TimedOut) {
                return Ok(old);
            }
            waited = soft;
        }
        let Some(hard) = timeouts.hard else { return self.value_or_guard(got.await) };
        let got = until(got, timeouts.sleep(hard - waited)).await;
        self.guard_or_old_value(key, got.unwrap_or(ValueOrGuard::TimedOut))
    }

    /// Returns the key's value, or the attempt to load it.
    #[inline]
    fn attempt_or_hit<Q>(&self, key: &Q) -> Result<V, Attempt<'_, K, V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.lookup_to_load(key, hash) {
            Lookup::Hit(value, _) => Ok(value),
            looked_up => {
                let key = Hashed { hash, key: key.to_owned() };
                Err(Attempt::new(self.store(), key, looked_up, FlightKind::Shared))
            }
        }
    }

    fn value_or_guard<'c>(
        &'c self,
        got: ValueOrGuard<'c, K, V>,
    ) -> Result<V, GuardError<'c, K, V, S>> {
        match got {
            ValueOrGuard::Value(value) => Ok(value),
            ValueOrGuard::Guard(guard) => {
                let timer = self.store().start_timer();
                Err(GuardError::Guard(LoadGuard { cache: self, guard, timer }))
            }
            ValueOrGuard::TimedOut => Err(GuardError::TimedOut),
        }
    }

    /// As [`value_or_guard`](Self::value_or_guard); at a timeout returns an old value, if there is
    /// one that may be served.
    fn guard_or_old_value<'c, Q>(
        &'c self,
        key: &Q,
        got: ValueOrGuard<'c, K, V>,
    ) -> Result<V, GuardError<'c, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if let ValueOrGuard::TimedOut = got
            && self.store().serves_old_values
            && let Some((old, _)) = self.store().old_value(self.hash(key), &key.to_owned())
        {
            return Ok(old);
        }
        self.value_or_guard(got)
    }
}
