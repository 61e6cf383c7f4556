//! Loads with timeouts.

use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Cache;
use crate::flight::flight::{FlightKind, FlightNode};
use crate::flight::handover::hand_over;
use crate::flight::share_error::ShareArc;
use crate::load::attempt::{Attempt, Lookup};
use crate::types::error::LoadError;
use crate::types::status::Status;
use crate::types::timeouts::{LoadTimeouts, Sleep, until};
use crate::util::hash::Hashed;

/// A load that owns all it needs, so that it may outlive the call that began it.
type Load<V, E> = Pin<Box<dyn Future<Output = Result<(V, Status), Arc<E>>> + Send>>;

/// Loading, with limits of time.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// As [`try_get_with_async`](Self::try_get_with_async), limited by `timeouts`. Also returns how
    /// the value came about.
    ///
    /// At the soft limit the call is served an old value, if there is one that may be served
    /// ([`Status::Stale`] or [`Status::Fallback`]). If the load is this call's own, it goes on in
    /// the first of these places that takes it:
    /// 1. in a task that waits for the load in any `_async` method; if that task stops waiting, in
    ///    another;
    /// 2. in the cache's [`executor`](crate::CacheBuilder::executor), if it takes futures
    ///    ([`Spawn::spawn_future`](crate::Spawn::spawn_future) has the recipe for tokio). The
    ///    default executor takes none, because its threads belong to no runtime;
    /// 3. otherwise nowhere: `init` is dropped and has failed, so that the next attempt is made a
    ///    second later at the earliest, and [`Stats::load_failures`](crate::Stats) counts it.
    ///    Threads that wait for the load are served the old value too.
    ///
    /// A panic of `init` from then on reaches no caller; the load has failed. The same happens if a
    /// task polls `init` on a runtime that it cannot run on. Task-local values are those of the
    /// polling task.
    ///
    /// At the hard limit the call ends, if it has not been served before, and in any case its own
    /// load does. Callers that wait for that load are served an old value, or one of them begins
    /// another load. A call that waits for the load of another has its own limits; reaching them
    /// does nothing to that load.
    ///
    /// A hit acquires no lock and starts no timer. `init` is polled without any lock held.
    ///
    /// # Errors
    /// [`LoadError::Failed`] with the error of `init`, this call's or that of the call it waited
    /// for; [`LoadError::TimedOut`] at the hard limit, if no old value may be served.
    ///
    /// # Panics
    /// As [`get_with`](Self::get_with).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// use std::time::Duration;
    /// use cache_core::{Cache, LoadError, LoadTimeouts};
    ///
    /// let cache: Cache<u32, u32> = Cache::new(10);
    /// let timeouts = LoadTimeouts::new(tokio::time::sleep).hard(Duration::from_millis(1));
    /// let load = async { std::future::pending::<Result<u32, String>>().await };
    /// let loaded = cache.try_get_within_async(1, load, &timeouts).await;
    /// assert_eq!(loaded, Err(LoadError::TimedOut));
    /// # });
    /// ```
    pub async fn try_get_within_async<E: Send + Sync + 'static>(
        &self,
        key: K,
        init: impl Future<Output = Result<V, E>> + Send + 'static,
        timeouts: &LoadTimeouts,
    ) -> Result<(V, Status), LoadError<E>> {
        let hash = self.hash(&key);
        let looked_up = match self.lookup_to_load(&key, hash) {
            Lookup::Hit(value, status) => return Ok((value, status)),
            looked_up => looked_up,
        };
        // The flight that this call leads; none while it waits for that of another.
        let own_flight = Arc::new(OnceLock::new());
        let (cache, own, leads) =
            (self.clone(), Hashed { hash, key: key.clone() }, Arc::clone(&own_flight));
        let mut load: Load<V, E> = Box::pin(async move {
            let init = async {
                FlightNode::current().map(|flight| leads.set(flight));
                init.await.map_err(Arc::new)
            };
            let attempt = Attempt::new(cache.store(), own, looked_up, FlightKind::Shared);
            attempt.run_async(init, &ShareArc).await
        });

        let mut waited = Duration::ZERO;
        if let Some(soft) = timeouts.soft_first() {
            if let Some(loaded) = until(load.as_mut(), timeouts.sleep(soft)).await {
                return loaded.map_err(LoadError::Failed);
            }
            if let Some(old) = self.store().old_value(hash, &key) {
                if let Some(flight) = own_flight.get() {
                    let left = timeouts.hard.map(|hard| timeouts.sleep(hard - soft));
                    self.leave_to_others(load, flight, left);
                }
                return Ok(old);
            }
            waited = soft;
        }
        let Some(hard) = timeouts.hard else { return load.await.map_err(LoadError::Failed) };
        if let Some(loaded) = until(load.as_mut(), timeouts.sleep(hard - waited)).await {
            return loaded.map_err(LoadError::Failed);
        }
        own_flight.get().into_iter().for_each(|flight| flight.give_up());
        drop(load);
        self.store().old_value(hash, &key).ok_or(LoadError::TimedOut)
    }

    /// Has others poll a load that leads this flight: to its end, or until `left` is over.
    fn leave_to_others<E: Send + Sync + 'static>(
        &self,
        mut load: Load<V, E>,
        flight: &Arc<FlightNode>,
        left: Option<Sleep>,
    ) {
        let own_flight = Arc::clone(flight);
        let rest = Box::pin(async move {
            let Some(sleep) = left else { return drop(load.await) };
            if until(load.as_mut(), sleep).await.is_none() {
                own_flight.give_up();
            }
        });
        let executor = Arc::clone(&self.store().config.executor);
        hand_over(rest, flight, executor);
    }
}
