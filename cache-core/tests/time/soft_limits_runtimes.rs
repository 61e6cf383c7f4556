//! As `soft_limits.rs`, with threads that wait and on runtimes.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use cache_core::{FutureJob, Job, Spawn, Status};

use super::limits::{OLD, Queue, Setting, setting};
use crate::common::tasks::Gate;
use crate::common::threads::{must_end, wait_until};
use cache_core::__private::testing::validate;

/// A thread cannot poll the rest. So it waits for tasks that can, and is served when there are
/// none.
#[test]
fn a_thread_that_waits_polls_nothing_and_is_served() {
    for refuses in [true, false] {
        must_end(move || {
            let queue = Queue::default();
            let executor = queue.clone();
            let it = match refuses {
                true => setting(|builder| builder),
                false => setting(|builder| builder.executor(executor)),
            };
            let load = it.begun();
            let cache = it.cache.clone();
            let before = it.cache.stats().misses;
            let waits = thread::spawn(move || cache.get_with_status(7, || 3));
            wait_until(|| it.cache.stats().misses > before);
            it.serve_old(load);
            if refuses {
                // Whether or not it had begun to wait.
                assert_eq!(waits.join().unwrap(), (1, Status::Fallback));
                return it.check_abandoned();
            }
            it.gate.open();
            assert_eq!(queue.take_only().poll(), Some(()));
            let (value, status) = waits.join().unwrap();
            assert_eq!(value, 2);
            assert!([Status::Coalesced, Status::Hit].contains(&status));
            it.check_loaded();
        });
    }
}

/// On a runtime of one thread, a task is never polled while a call blocks there.
#[test]
fn a_thread_does_not_block_for_a_load_that_only_it_could_poll() {
    must_end(|| {
        let it = setting(|builder| builder);
        // Led elsewhere, so that this thread has not polled the loader.
        let mut load = Box::pin(it.cache.try_get_within_async(7, it.slow(), &it.timeouts));
        thread::scope(|scope| {
            let begin = || load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
            assert!(scope.spawn(begin).join().unwrap());
        });
        let mut waits = it.waiting();
        it.timer.ring();
        let elsewhere = thread::scope(|scope| {
            let end = || load.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            scope.spawn(end).join().unwrap()
        });
        assert_eq!(elsewhere, Poll::Ready(OLD));
        assert_eq!(it.cache.get_with(7, || 5), 5, "it loads unshared");
        it.gate.open();
        assert_eq!(waits.poll(), Some((2, Status::Coalesced)));
        validate(&it.cache);
    });
}

/// The same if the thread blocks already when the load loses its caller.
#[test]
fn a_task_that_only_a_waiting_thread_could_poll_is_not_chosen() {
    must_end(|| {
        let it = setting(|builder| builder);
        let begun = Barrier::new(2);
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                let load = it.begun();
                let misses = it.cache.stats().misses;
                begun.wait();
                wait_until(|| it.cache.stats().misses == misses + 2);
                it.serve_old(load);
            });
            begun.wait();
            let mut waits = it.waiting();
            let (value, _) = it.cache.get_with_status(7, || 5);
            // The old value if it blocked; its own, if it came too late for that.
            assert!([1, 5].contains(&value));
            caller.join().unwrap();
            it.gate.open();
            assert!([1, 2, 5].contains(&waits.poll().unwrap().0));
        });
        validate(&it.cache);
    });
}

/// A load whose caller was served the old value, and the job that a closure was given for the rest.
fn job_of_a_closure() -> (Setting, Job) {
    let (jobs, queue) = channel::<Job>();
    let jobs = Mutex::new(jobs);
    let give = move |job| jobs.lock().unwrap().send(job).unwrap();
    let it = setting(|builder| builder.executor(give));
    it.serve_old(it.begun());
    (it, queue.recv().unwrap())
}

/// A closure is given a job that blocks, on another thread than the one that polled the load.
#[test]
fn the_job_of_a_closure_blocks_until_the_load_has_ended() {
    must_end(|| {
        let (it, job) = job_of_a_closure();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                job();
                done.store(true, SeqCst);
            });
            assert!(!done.load(SeqCst));
            it.gate.open();
        });
        it.check_loaded();
    });
}

/// Or it would block the only thread of a runtime, whose timer the load waits for.
#[test]
fn the_job_of_a_closure_does_not_block_the_thread_that_polled_the_load() {
    must_end(|| {
        let (it, job) = job_of_a_closure();
        job();
        it.check_abandoned();
    });
}

/// The recipe of the documentation.
struct OnTokio(tokio::runtime::Handle);

impl Spawn for OnTokio {
    fn spawn(&self, job: Job) {
        drop(self.0.spawn_blocking(job));
    }

    fn spawn_future(&self, future: FutureJob) -> Result<(), FutureJob> {
        drop(self.0.spawn(future));
        Ok(())
    }
}

fn runtimes() -> [tokio::runtime::Runtime; 2] {
    use tokio::runtime::Builder;
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut builder| builder.worker_threads(2).enable_time().build().unwrap())
}

/// A load that needs tokio's timer before and after its caller is served. It counts in `polls` when
/// it comes to its gate.
fn needs_tokio(
    it: &Setting,
    polls: &Arc<AtomicUsize>,
) -> impl Future<Output = Result<u32, &'static str>> + Send + use<> {
    let (slow, polls) = (it.slow(), Arc::clone(polls));
    async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        polls.fetch_add(1, SeqCst);
        let loaded = slow.await;
        // Panics where there is no runtime.
        tokio::time::sleep(Duration::from_millis(1)).await;
        loaded
    }
}

/// Serves a caller the old value at a limit that comes when its load has come to the gate, and all
/// is `ready`.
async fn soft_limited(it: &Setting, ready: impl Fn() -> bool) {
    let polls = Arc::new(AtomicUsize::new(0));
    let load = needs_tokio(it, &polls);
    let call = it.cache.try_get_within_async(7, load, &it.timeouts);
    let ring = async {
        while polls.load(SeqCst) == 0 || !ready() {
            tokio::task::yield_now().await;
        }
        it.timer.ring();
        pending::<()>().await
    };
    tokio::select! {
        served = call => assert_eq!(served, OLD),
        () = ring => unreachable!(),
    }
}

/// The executor of a runtime goes on with a load whose caller was served.
fn goes_on_with_the_load<E: Spawn>(executor: fn(tokio::runtime::Handle) -> E) {
    must_end(move || {
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            let it = setting(|builder| builder.executor(executor(handle)));
            runtime.block_on(async {
                soft_limited(&it, || true).await;
                it.gate.open();
                while !it.cache.contains_key(&7) {
                    tokio::task::yield_now().await;
                }
            });
            it.check_loaded();
        }
    });
}

#[test]
fn on_tokio_the_recipe_goes_on_with_the_load() {
    goes_on_with_the_load(OnTokio);
}

#[test]
fn on_tokio_the_blocking_threads_go_on_with_the_load() {
    goes_on_with_the_load(|handle| move |job: Job| drop(handle.spawn_blocking(job)));
}

#[test]
fn on_tokio_with_the_default_executor_the_load_is_abandoned_or_polled_by_tasks() {
    must_end(|| {
        for runtime in runtimes() {
            let it = setting(|builder| builder);
            runtime.block_on(soft_limited(&it, || true));
            it.check_abandoned();

            let it = setting(|builder| builder);
            let values = runtime.block_on(async {
                let begin = Gate::default();
                let wait = |_| {
                    let (begin, cache) = (begin.clone(), it.cache.clone());
                    tokio::spawn(async move {
                        begin.passed().await;
                        cache.get_with_async(7, pending()).await
                    })
                };
                let mut tasks: Vec<_> = (0..10).map(wait).collect();
                let misses = it.cache.stats().misses;
                let all_wait = || {
                    // The load that they wait for has begun.
                    begin.open();
                    it.cache.stats().misses == misses + 11
                };
                soft_limited(&it, all_wait).await;
                // Half of them are dropped.
                tasks.drain(5..).for_each(|task| task.abort());
                it.gate.open();
                let mut values = Vec::new();
                for task in tasks {
                    values.push(task.await.unwrap());
                }
                values
            });
            assert_eq!(values, [2; 5]);
            it.check_loaded();
        }
    });
}

/// The runtime of the executor ends: its tasks are dropped, and it takes no new ones.
#[test]
fn on_tokio_a_runtime_that_ends_abandons_its_loads() {
    must_end(|| {
        for (runtime, other) in runtimes().into_iter().zip(runtimes()) {
            // While it polls the rest, and a task of another runtime waits.
            let handle = runtime.handle().clone();
            let it = setting(|builder| builder.executor(OnTokio(handle)));
            runtime.block_on(soft_limited(&it, || true));
            let misses = it.cache.stats().misses;
            let cache = it.cache.clone();
            let waits = other.spawn(async move { cache.get_with_status_async(7, pending()).await });
            other.block_on(async {
                while it.cache.stats().misses == misses {
                    tokio::task::yield_now().await;
                }
            });
            drop(runtime);
            assert_eq!(other.block_on(waits).unwrap(), (1, Status::Fallback));
            it.check_abandoned();

            // Before it is asked.
            let it = setting(|builder| builder.executor(OnTokio(other.handle().clone())));
            let load = it.begun();
            drop(other);
            it.serve_old(load);
            it.check_abandoned();
        }
    });
}
