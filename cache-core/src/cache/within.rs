//! Loads whose caller does not wait for ever.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use super::Cache;
use crate::executor::Job;
use crate::panics::dispose;
use crate::refresh::Looked;
use crate::share::ShareArc;
use crate::signal::block_on;
use crate::timeouts::LoadTimeouts;
use crate::{LoadError, Status};

/// A load that owns all it needs, so that it may outlive the call that began it.
type Load<V, E> = Pin<Box<dyn Future<Output = Result<(V, Status), Arc<E>>> + Send>>;

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// As [`try_get_with_async`](Self::try_get_with_async), and does not wait longer than `timeouts` says;
    /// says how the value came about.
    ///
    /// At the soft limit the call is served an old value, if there is one that may be served, and the load goes
    /// on: a job of the cache's [`executor`](crate::CacheBuilder::executor) polls it to its end. (A load that
    /// needs its runtime, as tokio's do, wants an executor whose threads know it, such as `spawn_blocking`.)
    /// Other callers wait for it, or are served, as for any load. At the hard limit the call ends, and so
    /// does the load if it was this call's own.
    ///
    /// A call that waits for the load of another has its own limits; reaching them does nothing to that load.
    ///
    /// # Errors
    /// [`LoadError::Failed`] with the error of `init`, this call's or that of the one it waited for;
    /// [`LoadError::TimedOut`] at the hard limit.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
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
    pub async fn try_get_within_async<E>(
        &self,
        key: K,
        init: impl Future<Output = Result<V, E>> + Send + 'static,
        timeouts: &LoadTimeouts,
    ) -> Result<(V, Status), LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.hash(&key);
        let looked = match self.look_to_load(&key, hash) {
            Looked::Served(value, status) => return Ok((value, status)),
            looked => looked,
        };
        // Tells whether this call loads, or waits for another that does.
        let leads = Arc::new(AtomicBool::new(false));
        let (cache, own, led) = (self.clone(), (hash, key.clone()), Arc::clone(&leads));
        let mut load: Load<V, E> = Box::pin(async move {
            let init = async {
                led.store(true, Relaxed);
                init.await.map_err(Arc::new)
            };
            cache.load_async(looked, own, init, ShareArc).await
        });

        let mut waited = Duration::ZERO;
        if let Some(soft) =
            timeouts.soft.filter(|&soft| timeouts.hard.is_none_or(|hard| soft < hard))
        {
            if let Some(loaded) = until(&mut load, timeouts, soft).await {
                return loaded.map_err(LoadError::Failed);
            }
            if let Some(old) = self.store().old_value(hash, &key) {
                if leads.load(Relaxed) {
                    self.finish_behind(load);
                }
                return Ok(old);
            }
            waited = soft;
        }
        let Some(hard) = timeouts.hard else { return load.await.map_err(LoadError::Failed) };
        if let Some(loaded) = until(&mut load, timeouts, hard - waited).await {
            return loaded.map_err(LoadError::Failed);
        }
        drop(load);
        if leads.load(Relaxed) {
            self.store().note_failure(hash, &key);
        }
        self.store().old_value(hash, &key).ok_or(LoadError::TimedOut)
    }

    /// Has a load polled to its end by the executor.
    fn finish_behind<E: Send + Sync + 'static>(&self, load: Load<V, E>) {
        let job: Job = Box::new(move || {
            let finish = std::panic::AssertUnwindSafe(|| block_on(load));
            // Told by the process's hook, and noted with the entry; see `behind.rs`.
            std::panic::catch_unwind(finish).map_or_else(dispose, drop);
        });
        self.store().config.executor.spawn(job);
    }
}

/// What the load gives, if it does so within this time.
async fn until<T>(
    load: &mut Pin<Box<dyn Future<Output = T> + Send>>,
    timeouts: &LoadTimeouts,
    limit: Duration,
) -> Option<T> {
    let mut sleep = timeouts.sleep(limit);
    poll_fn(|context| match load.as_mut().poll(context) {
        Poll::Ready(loaded) => Poll::Ready(Some(loaded)),
        Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
    })
    .await
}
