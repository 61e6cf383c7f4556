//! The executor of background refreshes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};

use crate::util::signal::block_on;
use crate::util::sync::Mutex;

/// Work to be done once, soon, on any thread. It may block.
pub type Job = Box<dyn FnOnce() + Send + 'static>;

/// Work to be polled to its end, by a task of its caller's runtime.
pub type FutureJob = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Runs a cache's background work: refreshes whose caller has been served already. Given to
/// [`CacheBuilder::executor`](crate::CacheBuilder::executor).
///
/// There are two kinds of work. A [`Job`] runs a loader that is a function, and may block. A
/// [`FutureJob`] is the rest of a loader that is a future: of a call of
/// [`try_get_within_async`](crate::Cache::try_get_within_async) that was served an old value at its
/// soft limit, if no other task waits for that load. Such a future may depend on the task that has
/// polled it so far, as tokio's timers and sockets depend on a tokio runtime, so not every thread
/// can poll it: an executor refuses it unless it implements [`spawn_future`](Self::spawn_future).
///
/// For a runtime, implement both methods:
///
/// ```
/// use cache_core::{Cache, FutureJob, Job, Spawn};
///
/// /// Jobs, which may block, go to a blocking thread; futures become tasks.
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
/// Any closure that takes a [`Job`] is an executor too:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cache_core::Cache;
///
/// // rayon
/// let on_rayon = Cache::<u32, u32>::builder().executor(rayon::spawn).build();
///
/// // On the calling thread, at once: a known order, for tests.
/// let inline = Cache::<u32, u32>::builder().executor(|job: cache_core::Job| job()).build();
///
/// // tokio's blocking threads, on which its timers and sockets work.
/// let runtime = tokio::runtime::Handle::current();
/// let on_tokio = Cache::<u32, u32>::builder()
///     .executor(move |job| drop(runtime.spawn_blocking(job)))
///     .build();
/// # });
/// ```
///
/// A closure receives a future as a job that blocks its thread until the future is ready. That is
/// right if the future works on those threads, as it does on those of `spawn_blocking`; on threads
/// where it does not, such as rayon's, a future of tokio's panics, and its load has failed. For an
/// executor of such threads and loads with a soft limit, implement `Spawn` for a type and leave
/// `spawn_future` as it is. A job of this kind never blocks the thread that called the executor
/// (which may be the only one of its runtime): run there at once, it does nothing, and the future
/// is refused; run there later, it polls the future once, and drops it if it is not ready then.
///
/// Both kinds run a loader of the user's. They catch that loader's panic, and they hold a handle to
/// their cache, which lives as long as they do. A job that is dropped without having been run is a
/// refresh that was not made: callers are served the old value for as long as that is allowed, and
/// one of them starts another refresh a second later. A future that is dropped before it was ready,
/// or refused, is a load that has failed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no executor",
    label = "no `Spawn`",
    note = "give a closure that has a job run, `|job| drop(runtime.spawn_blocking(job))` for one, \
            or implement `cache_core::Spawn`"
)]
pub trait Spawn: Send + Sync + 'static {
    /// Has the job run, on another thread if the caller is not to wait for it. Called without any
    /// lock of the cache held. A panic goes to the caller of the cache.
    fn spawn(&self, job: Job);

    /// Has the future polled to its end by a task, or returns it. Must not wait for it. Called
    /// without any lock of the cache held, by the call that stops waiting for the load, or by the
    /// last task that has stopped waiting for it (also while that task is dropped: there a panic is
    /// caught).
    ///
    /// # Errors
    /// The future itself, if this executor does not accept it; the default accepts none. The load
    /// is then abandoned, and counts as failed.
    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        Err(future)
    }
}

impl<F: Fn(Job) + Send + Sync + 'static> Spawn for F {
    fn spawn(&self, job: Job) {
        self(job);
    }

    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        let (future, giver) = (Mutex::new(Some(future)), thread::current().id());
        let blocking = Arc::new(Blocking { future, giver, given: AtomicBool::new(false) });
        let job = Arc::clone(&blocking);
        self(Box::new(move || job.run()));
        blocking.given.store(true, Relaxed);
        // If this is the last reference, the job has run or was dropped. Else it has the future.
        let refused = Arc::into_inner(blocking).and_then(|mut left| left.future.get_mut().take());
        refused.map_or(Ok(()), Err)
    }
}

/// A future, for a job that blocks until it is ready.
struct Blocking {
    future: Mutex<Option<FutureJob>>,
    /// The thread that called the executor. It polled the future before, so it must not block for
    /// it: it may be the one that runs the future's timer.
    giver: ThreadId,
    /// The closure has returned. Relaxed: only the giver reads and writes it.
    given: AtomicBool,
}

impl Blocking {
    fn run(&self) {
        let at_home = thread::current().id() == self.giver;
        if at_home && !self.given.load(Relaxed) {
            return;
        }
        let Some(mut future) = self.future.lock().take() else { return };
        if at_home {
            // It is dropped, ready or not.
            let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        } else {
            block_on(future);
        }
    }
}

/// The default: a new thread for each job, named `cache-refresh`. If the system cannot start one,
/// the job is dropped. Futures are refused, because the threads belong to no runtime.
pub(crate) struct ThreadPerJob;

impl Spawn for ThreadPerJob {
    fn spawn(&self, job: Job) {
        let thread = thread::Builder::new().name("cache-refresh".into());
        // The thread is not joined: its only result is a value in the cache, or nothing.
        drop(thread.spawn(job));
    }
}
