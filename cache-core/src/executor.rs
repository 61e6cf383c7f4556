//! Where work goes that no caller waits for.

use std::thread;

/// Work to be done once, anywhere, soon.
pub type Job = Box<dyn FnOnce() + Send + 'static>;

/// Runs the cache's background work: refreshes whose caller has been served already. Given to
/// [`CacheBuilder::executor`](crate::CacheBuilder::executor).
///
/// Any closure that takes a [`Job`] is an executor, so that a thread pool or a runtime is one in a line:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cache_core::Cache;
///
/// // tokio: a job may block, so it belongs on a blocking thread.
/// let runtime = tokio::runtime::Handle::current();
/// let on_tokio = Cache::<u32, u32>::builder()
///     .executor(move |job| drop(runtime.spawn_blocking(job)))
///     .build();
///
/// // rayon
/// let on_rayon = Cache::<u32, u32>::builder().executor(rayon::spawn).build();
///
/// // At once, by the caller: everything happens in a known order, for tests.
/// let inline = Cache::<u32, u32>::builder().executor(|job: cache_core::Job| job()).build();
/// # });
/// ```
///
/// A job runs a loader of the user's. It catches that loader's panic, and it holds a handle to its cache,
/// which lives as long as the job does. A job that is dropped without having been run is a refresh that
/// was not made: callers go on being served the old value for as long as they may be, and one of them
/// begins another a second later.
pub trait Spawn: Send + Sync + 'static {
    /// Has the job run, by another thread if the caller is not to wait for it. Called without any lock of
    /// the cache held. A panic goes to the caller of the cache.
    fn spawn(&self, job: Job);
}

impl<F: Fn(Job) + Send + Sync + 'static> Spawn for F {
    fn spawn(&self, job: Job) {
        self(job);
    }
}

/// A thread for each job, named `cache-refresh`. If the system gives none, the job is dropped.
pub(crate) struct ThreadPerJob;

impl Spawn for ThreadPerJob {
    fn spawn(&self, job: Job) {
        let thread = thread::Builder::new().name("cache-refresh".into());
        // The thread is not joined: what it leaves behind is a value in the cache, or nothing.
        drop(thread.spawn(job));
    }
}
