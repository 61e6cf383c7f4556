//! Tasks of a tokio runtime that ask for the same key share one load.
//!
//! The first task that misses the key runs the loader. The others wait for it, without blocking
//! their thread, and receive its value. A failed load is shared too, but not stored: the next
//! caller tries again. Run with `cargo run --example async_tokio`.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cache_core::{Cache, cached};

const TASKS: usize = 4;

/// The calls made so far in the present round, and the requests that they led to.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Stands for a request to a weather service. It returns when all tasks have made their call, so
/// that the example prints the same on every run.
async fn request(city: &str) -> Result<i32, String> {
    REQUESTS.fetch_add(1, Relaxed);
    while CALLS.load(Relaxed) < TASKS {
        tokio::task::yield_now().await;
    }
    if city == "Atlantis" { Err(format!("{city} is not on the map")) } else { Ok(27) }
}

/// The attribute works on an `async fn`. By default only `Ok` is stored; tasks that wait for a
/// failed run receive a clone of its error.
#[cached(ttl = 60)]
async fn temperature(city: &str) -> Result<i32, String> {
    request(city).await
}

/// Makes the same call from several tasks at once and prints what each of them received.
async fn from_all_tasks<F>(what: &str, call: impl Fn() -> F)
where
    F: Future<Output: Debug + Send> + Send + 'static,
{
    CALLS.store(0, Relaxed);
    REQUESTS.store(0, Relaxed);
    let counted = |call: F| async move {
        CALLS.fetch_add(1, Relaxed);
        call.await
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(counted(call()))).collect();
    println!("{what}");
    for (number, task) in tasks.into_iter().enumerate() {
        println!("  task {number}: {:?}", task.await.expect("no task panics"));
    }
    println!("  requests: {}", REQUESTS.load(Relaxed));
}

async fn run() {
    // A clone of the handle is the same cache: each task has its own.
    let cities: Cache<String, i32> = Cache::new(100);

    // By reference: the `String` is made only if the key is missing.
    from_all_tasks("get_with_by_ref_async", || {
        let cities = cities.clone();
        let load = async { request("Paris").await.unwrap_or_default() };
        async move { cities.get_with_by_ref_async("Paris", load).await }
    })
    .await;

    // A failure reaches every task that waited, as one error in an `Arc`.
    from_all_tasks("try_get_with_async, failing", || {
        let cities = cities.clone();
        async move { cities.try_get_with_async("Atlantis".to_owned(), request("Atlantis")).await }
    })
    .await;
    println!("  stored: {:?}", cities.get("Atlantis")); // nothing: the next caller tries again

    from_all_tasks("#[cached] async fn", || temperature("Rome")).await;
}

fn main() {
    // On one thread, a task that has counted its call has made it before another task runs.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime of this thread").block_on(run());
}
