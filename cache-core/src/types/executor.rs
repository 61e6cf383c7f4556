//! Where work goes that no caller waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};

use crate::util::signal::block_on;
use crate::util::sync::Mutex;

/// Work to be done once, anywhere, soon. It may block.
pub type Job = Box<dyn FnOnce() + Send + 'static>;

/// Work to be polled to its end, by a task of the runtime that its caller is a task of.
pub type FutureJob = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Runs the cache's background work: refreshes whose caller has been served already. Given to
/// [`CacheBuilder::executor`](crate::CacheBuilder::executor).
///
/// There are two kinds of work. A [`Job`] runs a loader that is a function, and may block. A
/// [`FutureJob`] is the rest of a loader that is a future: of a call of
/// [`try_get_within_async`](crate::Cache::try_get_within_async) that was served an old value at its
/// soft limit, if no other task waits for that load. Such a future may need what the task had that
/// polled it so far, as tokio's timers and sockets need a tokio runtime, so not every thread can go
/// on with it: an executor refuses it unless it implements [`spawn_future`](Self::spawn_future).
///
/// For a runtime, implement both methods:
///
/// ```
/// use cache_core::{Cache, FutureJob, Job, Spawn};
///
/// /// What blocks goes to a blocking thread, what is polled becomes a task.
/// struct OnTokio(tokio::runtime::Handle);
///
/// impl Spawn for OnTokio {
///     fn spawn(&self, job: Job) {
///         drop(self.0.spawn_blocking(job));
///     }
///
///     fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
///         drop(self.0.spawn(future));
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let runtime = tokio::runtime::Handle::current();
/// let on_tokio = Cache::<u32, u32>::builder().executor(OnTokio(runtime)).build();
/// # });
/// ```
///
/// Any closure that takes a [`Job`] is an executor too, so that a thread pool is one in a line:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cache_core::Cache;
///
/// // rayon
/// let on_rayon = Cache::<u32, u32>::builder().executor(rayon::spawn).build();
///
/// // At once, by the caller: everything happens in a known order, for tests.
/// let inline = Cache::<u32, u32>::builder().executor(|job: cache_core::Job| job()).build();
///
/// // tokio's threads for what blocks, which know its timers and sockets.
/// let runtime = tokio::runtime::Handle::current();
/// let on_tokio = Cache::<u32, u32>::builder()
///     .executor(move |job| drop(runtime.spawn_blocking(job)))
///     .build();
/// # });
/// ```
///
/// A closure is given a future as a job that blocks its thread until the future is ready. That is
/// right where its threads know what the future needs, as those of `spawn_blocking` do; on threads
/// that do not, such as rayon's, a future of tokio's panics, and its load has failed. With an
/// executor of such threads beside loads with a soft limit, implement `Spawn` for a type, and leave
/// `spawn_future` as it is. A job of this kind does not block the thread that gave it away (which
/// may be the only one of its runtime): run there at once, it does nothing, and the future is
/// refused; run there later, it polls the future once, and gives it up if that is not enough.
///
/// Both kinds run a loader of the user's. They catch that loader's panic, and they hold a handle to
/// their cache, which lives as long as they do. A job that is dropped without having been run is a
/// refresh that was not made: callers go on being served the old value for as long as they may be,
/// and one of them begins another a second later. A future that is dropped before it was ready, or
/// refused, is a load that has failed.
pub trait Spawn: Send + Sync + 'static {
    /// Has the job run, by another thread if the caller is not to wait for it. Called without any lock of
    /// the cache held. A panic goes to the caller of the cache.
    fn spawn(&self, job: Job);

    /// Has the future polled to its end by a task, or gives it back. Must not wait for it. Called
    /// without any lock of the cache held, by the call that does not wait for the load any more, or
    /// by the last task that has stopped waiting for it (also where its future is dropped: there a
    /// panic is caught).
    ///
    /// # Errors
    /// The future itself, if this executor does not take it: by default it takes none. The load is
    /// then given up, and counts as one that has failed.
    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        Err(future)
    }
}

impl<F: Fn(Job) + Send + Sync + 'static> Spawn for F {
    fn spawn(&self, job: Job) {
        self(job);
    }

    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        let blocking = Arc::new(Blocking::new(future));
        let job = Arc::clone(&blocking);
        self(Box::new(move || job.run()));
        blocking.given.store(true, Relaxed);
        // The job is done or has been dropped, here or elsewhere; if not, it has the future.
        let refused = Arc::into_inner(blocking).and_then(|mut left| left.future.get_mut().take());
        refused.map_or(Ok(()), Err)
    }
}

/// A future in a job that blocks until it is ready.
struct Blocking {
    future: Mutex<Option<FutureJob>>,
    /// The thread that gives it away. Being a thread that polled the future, it must not block for
    /// it: it may be the one that the future's timer is waiting for.
    giver: ThreadId,
    /// The closure has returned. Relaxed: read by the giver alone, who writes it.
    given: AtomicBool,
}

impl Blocking {
    fn new(future: FutureJob) -> Self {
        let (future, giver) = (Mutex::new(Some(future)), thread::current().id());
        Blocking { future, giver, given: AtomicBool::new(false) }
    }

    fn run(&self) {
        let at_home = thread::current().id() == self.giver;
        if at_home && !self.given.load(Relaxed) {
            return;
        }
        let Some(mut future) = self.future.lock().take() else { return };
        if at_home {
            // Ready or not, it is dropped: given up, if it is not.
            let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        } else {
            block_on(future);
        }
    }
}

/// A thread for each job, named `cache-refresh`. If the system gives none, the job is dropped. It
/// takes no futures: its threads belong to no runtime.
pub(crate) struct ThreadPerJob;

impl Spawn for ThreadPerJob {
    fn spawn(&self, job: Job) {
        let thread = thread::Builder::new().name("cache-refresh".into());
        // The thread is not joined: what it leaves behind is a value in the cache, or nothing.
        drop(thread.spawn(job));
    }
}
