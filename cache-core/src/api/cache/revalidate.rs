//! Loads by callers that test the value that is there.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Cache;
use crate::flight::flight::FlightKind;
use crate::flight::share_error::{ErrorSharing, KeepError, ShareArc};
use crate::load::attempt::{Attempt, Lookup, Step};
use crate::table::EntryRef;
use crate::types::status::Status;
use crate::util::fork;
use crate::util::hash::Hashed;

/// Loading, if the caller does not accept the value that is there.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + 'static,
    V: Clone + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns the key's value if `is_valid` accepts it; if it does not, or there is none, `init`
    /// makes a value, which replaces it.
    ///
    /// It is a load like [`get_with`](Self::get_with), with the same flights: of all callers that
    /// refuse a value one runs its `init`, and the others wait for that. The value of a load that a
    /// call has waited for is not tested. A write to the key supersedes the load; a value that was
    /// stored since is tested, too.
    ///
    /// `is_valid` runs without a lock, once for each value that the call finds, again if the call
    /// has had to wait and finds it still there. A value that it accepts is a hit, one that it
    /// refuses is a miss. A hit acquires no lock.
    ///
    /// # Panics
    /// With the panic of `is_valid` or of `init`, which leave the old value; and as
    /// [`get_with`](Self::get_with).
    ///
    /// ```
    /// # let cache: cache_core::Cache<&str, u32> = cache_core::Cache::new(10);
    /// cache.insert("version", 3);
    /// let at_least = |least| move |version: &u32| *version >= least;
    /// assert_eq!(cache.get_or_revalidate("version", at_least(3), || unreachable!()), 3);
    /// assert_eq!(cache.get_or_revalidate("version", at_least(4), || 5), 5);
    /// assert_eq!(cache.get("version"), Some(5));
    /// ```
    pub fn get_or_revalidate(
        &self,
        key: K,
        is_valid: impl FnMut(&V) -> bool,
        init: impl FnOnce() -> V,
    ) -> V {
        let init = || Ok::<V, Infallible>(init());
        let Ok((value, _)) = self.revalidate(key, is_valid, init, KeepError);
        value
    }

    /// As [`get_or_revalidate`](Self::get_or_revalidate), for an `init` that may fail. The old
    /// value stays then; in a cache that serves old values when a load fails, it is returned in
    /// place of the error if `is_valid` accepts it after all.
    ///
    /// # Errors
    /// What `init` returned, this call's or that of the call it waited for.
    ///
    /// # Panics
    /// As there.
    pub fn try_get_or_revalidate<E: Send + Sync + 'static>(
        &self,
        key: K,
        is_valid: impl FnMut(&V) -> bool,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>> {
        let init = || init().map_err(Arc::new);
        self.revalidate(key, is_valid, init, ShareArc).map(|(value, _)| value)
    }

    /// As [`get_or_revalidate`](Self::get_or_revalidate), with a future that makes the value: see
    /// [`get_with_async`](Self::get_with_async).
    ///
    /// # Panics
    /// As there.
    pub async fn get_or_revalidate_async(
        &self,
        key: K,
        is_valid: impl FnMut(&V) -> bool,
        init: impl Future<Output = V>,
    ) -> V {
        let init = async { Ok::<V, Infallible>(init.await) };
        let Ok((value, _)) = self.revalidate_async(key, is_valid, init, KeepError).await;
        value
    }

    /// As [`try_get_or_revalidate`](Self::try_get_or_revalidate), with a future that makes the
    /// value.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub async fn try_get_or_revalidate_async<E: Send + Sync + 'static>(
        &self,
        key: K,
        is_valid: impl FnMut(&V) -> bool,
        init: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>> {
        let init = async { init.await.map_err(Arc::new) };
        self.revalidate_async(key, is_valid, init, ShareArc).await.map(|(value, _)| value)
    }

    /// The way of all of these, as a thread.
    pub(crate) fn revalidate<E: Clone>(
        &self,
        key: K,
        mut is_valid: impl FnMut(&V) -> bool,
        loader: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let step = self.start_revalidating(self.hashed(key), &mut is_valid);
        step.revalidate(is_valid, loader, &share)
    }

    /// As [`revalidate`](Self::revalidate), as a task.
    pub(crate) async fn revalidate_async<E: Clone>(
        &self,
        key: K,
        mut is_valid: impl FnMut(&V) -> bool,
        loader: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let step = self.start_revalidating(self.hashed(key), &mut is_valid);
        step.revalidate_async(is_valid, loader, &share).await
    }

    /// Looks the key up, tests its value, and begins the load that it needs.
    fn start_revalidating(
        &self,
        key: Hashed<K>,
        is_valid: &mut impl FnMut(&V) -> bool,
    ) -> Step<'_, K, V> {
        let (store, guard) = (self.store(), self.store().pin());
        let (eq, mut refused) = (|other: &K| *other == key.key, None);
        let mut refuses = |entry: EntryRef<'_, K, V>| {
            let is_refused = !is_valid(entry.value());
            refused = is_refused.then(|| entry.id());
            is_refused
        };
        let looked_up = if store.serves_old_values {
            store.find_or_claim(&guard, key.hash, eq, refuses)
        } else {
            match store.find_live(&guard, key.hash, eq).filter(|entry| !refuses(*entry)) {
                Some(entry) => {
                    store.count(&guard, |counters| &counters.hits);
                    Lookup::Hit(entry.value().clone(), Status::Hit)
                }
                None => {
                    fork::catch_up();
                    store.count(&guard, |counters| &counters.misses);
                    Lookup::Miss
                }
            }
        };
        // Still pinned, so that the slot of a value that was refused is not used for another.
        let attempt = Attempt::new(store, key, looked_up, FlightKind::Shared);
        attempt.start_revalidating(is_valid, refused)
    }
}
