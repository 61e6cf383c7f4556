//! Limits on how long a task waits for a load.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub(crate) type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Limits on how long a load may take: given to
/// [`Cache::try_get_within_async`](crate::Cache::try_get_within_async).
///
/// They are measured by the runtime's timer: a function that returns a future that is ready after a
/// given time.
///
/// ```
/// use std::time::Duration;
/// use cache_core::LoadTimeouts;
///
/// let timeouts = LoadTimeouts::new(tokio::time::sleep)
///     .soft(Duration::from_millis(50))
///     .hard(Duration::from_secs(2));
/// ```
#[derive(Clone)]
pub struct LoadTimeouts {
    timer: Arc<dyn Fn(Duration) -> Sleep + Send + Sync>,
    pub(crate) soft: Option<Duration>,
    pub(crate) hard: Option<Duration>,
}

impl LoadTimeouts {
    /// Returns no limits yet, with the timer to measure them by.
    pub fn new<F>(timer: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let timer = move |duration| Box::pin(timer(duration)) as Sleep;
        LoadTimeouts { timer: Arc::new(timer), soft: None, hard: None }
    }

    /// Sets the time after which a call is served an old value, if there is one that may be served
    /// ([`stale_while_revalidate`], [`stale_if_error`]). The load goes on without the call: polled
    /// by tasks that wait for it or by the cache's executor, see
    /// [`try_get_within_async`](crate::Cache::try_get_within_async). If there is no old value, the
    /// call goes on waiting.
    ///
    /// [`stale_while_revalidate`]: crate::CacheBuilder::stale_while_revalidate
    /// [`stale_if_error`]: crate::CacheBuilder::stale_if_error
    #[must_use]
    pub fn soft(mut self, limit: Duration) -> Self {
        self.soft = Some(limit);
        self
    }

    /// Sets the time after which a call times out: it is served an old value if there is one, and
    /// returns [`LoadError::TimedOut`](crate::LoadError::TimedOut) otherwise. The load that the
    /// call started is dropped and has failed, also if the call was served at its soft limit and
    /// the load went on; callers that wait for it are served the old value, or one of them starts
    /// another load.
    #[must_use]
    pub fn hard(mut self, limit: Duration) -> Self {
        self.hard = Some(limit);
        self
    }

    /// Returns the soft limit, unless the hard one comes first.
    pub(crate) fn soft_first(&self) -> Option<Duration> {
        self.soft.filter(|&soft| self.hard.is_none_or(|hard| soft < hard))
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        (self.timer)(duration)
    }
}

impl fmt::Debug for LoadTimeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadTimeouts")
            .field("soft", &self.soft)
            .field("hard", &self.hard)
            .finish_non_exhaustive()
    }
}

/// Returns what the future returns, if it is ready before the sleep is over.
pub(crate) async fn until<T>(
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
    mut sleep: Sleep,
) -> Option<T> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
    })
    .await
}
