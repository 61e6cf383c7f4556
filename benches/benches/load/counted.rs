//! Callers that arrive together: how often a loader runs for them, and how long they take.
//!
//! Not timed in rounds: a loader that sleeps a millisecond takes as long everywhere. The subjects
//! still take turns; the table shows the median of the times, and the most loads of any turn.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use benches::{
    markdown::Table,
    ours::Ours,
    peers::{Moka, QuickCache},
    publish::Section,
    rows::millis,
    stats::median,
    subject::{Loads, Subject, TTL},
    suite::Suite,
};
use cache_core::{Cache, RandomState};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Callers that are threads.
const THREADS: usize = 8;
/// Callers that are tasks.
const TASKS: usize = 1000;

/// One turn with a new key: counts the loads, and returns how long it took.
type Call<'t> = Box<dyn Fn(u64, &AtomicU64) -> Duration + 't>;
/// The name of a subject, and how it is called.
type Turn<'t> = (&'static str, Call<'t>);

/// Runs all three cases.
pub(crate) fn run(suite: &mut Suite, quick: bool) {
    let turns = if quick { 2 } else { 51 };
    suite.count("counted/one-key/8t", || {
        let what = "8 threads, one missing key, a loader of 1 ms";
        table("counted/one-key/8t", what, turns, &one_key())
    });
    let (turns, takes) = if quick { (1, 10) } else { (5, 100) };
    suite.count("counted/failing/8t", || {
        let what = format!("8 threads, one key, a loader of {takes} ms that fails");
        table("counted/failing/8t", &what, turns, &failing(Duration::from_millis(takes)))
    });
    let turns = if quick { 2 } else { 51 };
    suite.count("counted/tasks/1000", || {
        let what = "1000 tasks on one thread, one missing key, a loader that sleeps 1 ms";
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime of this thread");
        table("counted/tasks/1000", what, turns, &tasks(&runtime))
    });
}

/// Lets the subjects take turns, prints a line for each, and returns the same for the JSON file.
fn table(name: &str, what: &str, turns: u64, subjects: &[Turn<'_>]) -> Value {
    let mut seen: Vec<(Vec<f64>, u64)> = subjects.iter().map(|_| (Vec::new(), 0)).collect();
    for turn in 0..turns {
        for ((_, subject), (times, most)) in subjects.iter().zip(&mut seen) {
            let loads = AtomicU64::new(0);
            times.push(subject(turn, &loads).as_secs_f64() * 1e3);
            *most = (*most).max(loads.load(Relaxed));
        }
    }
    println!("\n{name}   ({what}; {turns} turns)\n  {:<16}{:>10}{:>10}", "", "loads", "ms");
    let line = |((subject, _), (times, most)): (&Turn<'_>, (Vec<f64>, u64))| {
        println!("  {subject:<16}{most:>10}{:>10.2}", median(&times));
        json!({ "name": subject, "most_loads": most, "median_ms": median(&times), "ms": times })
    };
    let subjects: Vec<Value> = subjects.iter().zip(seen).map(line).collect();
    json!({ "case": name, "what": what, "subjects": subjects })
}

/// Returns a table of what was counted: a row for each case, a column for each subject.
pub(crate) fn sections(counted: &[Value]) -> Vec<Section> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let Some(first) = counted.first() else { return Vec::new() };
    let mut table = Table::new("", list(&first["subjects"]).iter().map(|it| text(&it["name"])));
    for case in counted {
        let cell = |subject: &Value| {
            let (loads, time) = (&subject["most_loads"], subject["median_ms"].as_f64());
            format!("{loads}, {}", millis(time.unwrap_or_default()))
        };
        table.push(text(&case["what"]), list(&case["subjects"]).iter().map(cell));
    }
    vec![Section::new("together", format!("Loads, and the time of all:\n\n{}", table.text()))]
}

/// Returns the time from the moment when all callers are ready to when the last has its value.
fn together(call: impl Fn() + Sync) -> Duration {
    let barrier = Barrier::new(THREADS);
    let interval = || {
        barrier.wait();
        let start = Instant::now();
        call();
        (start, Instant::now())
    };
    let intervals: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(interval)).collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("the caller does not panic"))
            .collect()
    });
    let start = intervals.iter().map(|interval| interval.0).min();
    let end = intervals.iter().map(|interval| interval.1).max();
    end.zip(start).map_or(Duration::ZERO, |(end, start)| end - start)
}

fn one_key() -> Vec<Turn<'static>> {
    fn turn<S: Loads + Sync>() -> Turn<'static> {
        let cache = S::with_capacity(1_000);
        let call = move |key, loads: &AtomicU64| {
            together(|| {
                cache.get_with(key, || {
                    loads.fetch_add(1, Relaxed);
                    thread::sleep(Duration::from_millis(1));
                    key
                });
            })
        };
        (S::NAME, Box::new(call))
    }
    vec![turn::<Ours>(), turn::<Moka>(), turn::<QuickCache>()]
}

fn failing(takes: Duration) -> Vec<Turn<'static>> {
    let fail = move |loads: &AtomicU64| {
        loads.fetch_add(1, Relaxed);
        thread::sleep(takes);
        Err::<u64, &str>("it fails")
    };
    let own: Cache<u64, u64> = Cache::builder().max_capacity(1_000).time_to_live(TTL).build();
    let moka = moka::sync::Cache::<u64, u64>::builder().max_capacity(1_000).time_to_live(TTL);
    let moka = moka.build_with_hasher(RandomState::new());
    let quick = quick_cache::sync::Cache::<u64, u64>::new(1_000);
    let own = move |key, loads: &AtomicU64| {
        together(|| assert!(own.try_get_with(key, || fail(loads)).is_err()))
    };
    let moka = move |key, loads: &AtomicU64| {
        together(|| assert!(moka.try_get_with(key, || fail(loads)).is_err()))
    };
    let quick = move |key, loads: &AtomicU64| {
        together(|| assert!(quick.get_or_insert_with(&key, || fail(loads)).is_err()))
    };
    vec![
        (<Ours>::NAME, Box::new(own)),
        (<Moka>::NAME, Box::new(moka)),
        (<QuickCache>::NAME, Box::new(quick)),
    ]
}

/// Starts the tasks and awaits them all; returns how long that took.
fn all_tasks<F>(runtime: &Runtime, task: impl Fn() -> F) -> Duration
where
    F: Future<Output = u64> + Send + 'static,
{
    let start = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task())).collect();
        for task in tasks {
            task.await.expect("the task does not panic");
        }
    });
    start.elapsed()
}

fn tasks(runtime: &Runtime) -> Vec<Turn<'_>> {
    /// A loader that counts itself, to be run by one of many tasks.
    async fn load(key: u64, loads: Arc<AtomicU64>) -> u64 {
        loads.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
        key
    }
    let own: Cache<u64, u64> = Cache::builder().max_capacity(1_000).time_to_live(TTL).build();
    let moka = moka::future::Cache::<u64, u64>::builder().max_capacity(1_000).time_to_live(TTL);
    let moka = moka.build_with_hasher(RandomState::new());
    let own = counting(runtime, move |key, loads| {
        let own = own.clone();
        async move { own.get_with_async(key, load(key, loads)).await }
    });
    let moka = counting(runtime, move |key, loads| {
        let moka = moka.clone();
        async move { moka.get_with(key, load(key, loads)).await }
    });
    let quick = Arc::new(quick_cache::sync::Cache::<u64, u64>::new(1_000));
    let quick = counting(runtime, move |key, loads| {
        let quick = Arc::clone(&quick);
        async move {
            let load = async { Ok::<u64, std::convert::Infallible>(load(key, loads).await) };
            let Ok(value) = quick.get_or_insert_async(&key, load).await;
            value
        }
    });
    vec![(<Ours>::NAME, own), (<Moka>::NAME, moka), (<QuickCache>::NAME, quick)]
}

/// Tasks outlive the borrow of the counter that a turn is given, so they count in another.
fn counting<'r, F>(runtime: &'r Runtime, task: impl Fn(u64, Arc<AtomicU64>) -> F + 'r) -> Call<'r>
where
    F: Future<Output = u64> + Send + 'static,
{
    Box::new(move |key, loads| {
        let counted = Arc::new(AtomicU64::new(0));
        let took = all_tasks(runtime, || task(key, Arc::clone(&counted)));
        loads.store(counted.load(Relaxed), Relaxed);
        took
    })
}
