//! `#[cached]` on `async fn`.

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use cache_core::{Cache, cached};
use tokio::sync::{Notify, Semaphore};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Its future may go to any thread.
fn send<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn call_same_arguments_runs_the_body_once() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[cached]
    async fn price(sku: &str, path: &Path, qty: u64, tag: Option<&str>) -> Arc<str> {
        RUNS.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        format!("{sku}{}{qty}{tag:?}", path.display()).into()
    }
    block_on(async {
        let sku = "a".to_owned();
        for _ in 0..2 {
            let price = send(price(&sku, Path::new("p"), 1, None)).await;
            assert_eq!(&*price, "ap1None");
        }
        assert_eq!(RUNS.load(Relaxed), 1);
        price("b", Path::new("p"), 1, Some("t")).await;
        assert_eq!(RUNS.load(Relaxed), 2);
    });
    let cache: &'static Cache<(String, std::path::PathBuf, u64, Option<String>), Arc<str>> =
        price::cache();
    assert_eq!(cache.entry_count(), 2);
}

#[test]
fn callers_at_the_same_time_share_one_run() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    static GATE: Semaphore = Semaphore::const_new(0);
    #[cached]
    async fn slow(n: u64) -> u64 {
        RUNS.fetch_add(1, Relaxed);
        GATE.acquire().await.expect("never closed").forget();
        n
    }
    block_on(async {
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(slow(7))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        GATE.add_permits(1);
        for call in calls {
            assert_eq!(call.await, 7);
        }
        assert_eq!(RUNS.load(Relaxed), 1);
    });
}

#[test]
fn leader_that_is_dropped_hands_over() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    static GATE: Notify = Notify::const_new();
    #[cached]
    async fn slow(n: u64) -> u64 {
        if RUNS.fetch_add(1, Relaxed) == 0 {
            GATE.notified().await;
        }
        n
    }
    block_on(async {
        let mut leader = Box::pin(slow(7));
        let mut waiter = pin!(slow(7));
        let mut context = Context::from_waker(Waker::noop());
        assert!(leader.as_mut().poll(&mut context).is_pending());
        assert!(waiter.as_mut().poll(&mut context).is_pending());
        drop(leader);
        assert_eq!(waiter.await, 7);
        assert_eq!(RUNS.load(Relaxed), 2);
    });
}

/// Errors need no `Clone`: a waiter for one that has none runs the body itself.
#[test]
fn results_keep_ok_and_share_errors_that_clone() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[derive(Debug, PartialEq)]
    struct NotClone(u64);
    #[cached]
    async fn own(n: u64) -> Result<u64, NotClone> {
        tokio::task::yield_now().await;
        let run = RUNS.fetch_add(1, Relaxed);
        if n == 0 { Err(NotClone(run)) } else { Ok(n) }
    }
    static SHARED_RUNS: AtomicU64 = AtomicU64::new(0);
    #[cached]
    async fn shared(n: u64) -> Result<u64, String> {
        tokio::task::yield_now().await;
        let run = SHARED_RUNS.fetch_add(1, Relaxed);
        if n == 0 { Err(run.to_string()) } else { Ok(n) }
    }
    block_on(async {
        let (first, second) = tokio::join!(own(0), own(0));
        assert_eq!([first, second], [Err(NotClone(0)), Err(NotClone(1))]);
        let (first, second) = tokio::join!(shared(0), shared(0));
        assert_eq!([first, second], [Err("0".to_owned()), Err("0".to_owned())]);
        assert_eq!((own(1).await, own(1).await), (Ok(1), Ok(1)));
        assert_eq!(RUNS.load(Relaxed), 3);
    });
}

#[test]
fn companion_of_an_async_function() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[cached]
    async fn find(text: &str) -> Option<u64> {
        RUNS.fetch_add(1, Relaxed);
        let length = text.len() as u64;
        (length > 0).then_some(length)
    }
    block_on(async {
        assert_eq!((find::get("ab"), find("ab").await, find::get("ab")), (None, Some(2), Some(2)));
        assert_eq!((find("").await, find("").await), (None, None));
        assert_eq!(RUNS.load(Relaxed), 3);
        find::insert("ab", 9);
        assert_eq!((find("ab").await, find::uncached("ab").await), (Some(9), Some(2)));
        assert_eq!((send(find::refresh("ab")).await, find("ab").await), (Some(2), Some(2)));
        assert!(find::invalidate("ab"));
        find::clear();
        assert_eq!(find::stats().hits, 3);
    });
}

/// None of them is `Sync`: a view or a reference that lived while the function waits would make its
/// future not `Send`.
#[test]
fn future_stays_send_with_arguments_that_are_not_sync() {
    struct Plain(Cell<u64>);
    #[cached(key(id: u64 = plain.0.get(), n))]
    async fn by_part(plain: Plain, n: u64, log: impl Fn(u64) + Send) -> u64 {
        tokio::task::yield_now().await;
        log(n);
        plain.0.get() + n
    }
    #[cached(skip(cell), bypass = cell.get() == 0)]
    async fn skipped(n: u64, cell: Cell<u64>) -> u64 {
        tokio::task::yield_now().await;
        n + cell.get()
    }
    block_on(async {
        for _ in 0..2 {
            assert_eq!(send(by_part(Plain(Cell::new(1)), 2, |_| ())).await, 3);
            assert_eq!(send(skipped(1, Cell::new(2))).await, 3);
        }
        assert_eq!(send(skipped(1, Cell::new(0))).await, 1);
    });
}

#[test]
fn generic_async_functions_have_caches_of_their_own() {
    #[cached]
    async fn size<T: 'static, const N: usize>(_n: u64) -> usize {
        size_of::<T>() * N
    }
    block_on(async {
        for _ in 0..2 {
            assert_eq!((size::<u8, 1>(0).await, size::<u8, 2>(0).await), (1, 2));
            assert_eq!(send(size::<u64, 1>(0)).await, 8);
        }
        assert_eq!(size::get::<u8, 2>(0), Some(2));
    });
}

#[test]
fn generic_value_stays_send() {
    #[cached]
    async fn same<T>(value: T) -> T
    where
        T: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    {
        tokio::task::yield_now().await;
        value
    }
    fn must_be_send<T>(value: T) -> impl Future<Output = T> + Send
    where
        T: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    {
        same(value)
    }
    assert_eq!(block_on(must_be_send(3_u8)), 3);
}

static METHOD_RUNS: AtomicU64 = AtomicU64::new(0);

struct Client {
    id: u64,
    cache: Cache<(u64,), Vec<u64>>,
}

impl Client {
    #[cached(key(self.id, text))]
    async fn parse(&self, text: &str) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        METHOD_RUNS.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        if text.is_empty() {
            return Err("nothing".into());
        }
        let n: u64 = text.parse()?;
        Ok(n + self.id)
    }
    #[cached(cache = self.cache)]
    async fn list(&self, mut n: u64) -> Vec<u64> {
        METHOD_RUNS.fetch_add(1, Relaxed);
        n += self.id;
        vec![n]
    }
    #[cached]
    async fn of_type((a, b): (u64, u64)) -> Arc<Self> {
        METHOD_RUNS.fetch_add(1, Relaxed);
        Arc::new(Self { id: a + b, cache: Cache::new(1) })
    }
    #[cached(skip(self))]
    async fn coerced(&self, n: u64) -> Arc<dyn std::fmt::Display + Send + Sync> {
        METHOD_RUNS.fetch_add(1, Relaxed);
        if n == 0 {
            return Arc::new("none");
        }
        Arc::new(n)
    }
    #[cached(companion = beside, key(id: u64 = self.id))]
    async fn with_siblings(&self) -> u64 {
        METHOD_RUNS.fetch_add(1, Relaxed);
        self.id
    }
}

trait Ask {
    fn ask(&self, n: u64) -> impl Future<Output = u64> + Send;
}

impl Ask for Client {
    #[cached(skip(self))]
    async fn ask(&self, n: u64) -> u64 {
        METHOD_RUNS.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        n
    }
}

#[test]
fn methods_of_every_kind() {
    block_on(async {
        let client = Client { id: 10, cache: Cache::new(5) };
        for _ in 0..2 {
            assert_eq!(send(client.parse("1")).await.ok(), Some(11));
            assert_eq!(send(client.list(1)).await, [11]);
            assert_eq!(send(Client::of_type((1, 2))).await.id, 3);
            assert_eq!((client.ask(5).await, client.with_siblings().await), (5, 10));
            assert_eq!(client.coerced(7).await.to_string(), "7");
        }
        assert_eq!(METHOD_RUNS.load(Relaxed), 6);
        assert_eq!(client.coerced(0).await.to_string(), "none");
        assert!(client.parse("").await.is_err() && client.parse("x").await.is_err());
        assert_eq!((client.beside_get(), client.beside_refresh().await), (Some(10), 10));
        assert_eq!((client.beside_uncached().await, Client::beside_stats().hits), (10, 2));
    });
}

/// What a body holds while it waits need not be `Send`, and then its future is not.
#[test]
fn bodies_that_are_not_send_are_welcome() {
    #[cached]
    async fn free(n: u64) -> u64 {
        let shared = std::rc::Rc::new(n);
        tokio::task::yield_now().await;
        *shared
    }
    struct Shop;
    impl Shop {
        #[cached(skip(self))]
        async fn method(&self, n: u64) -> std::io::Result<u64> {
            let shared = std::rc::Rc::new(n);
            tokio::task::yield_now().await;
            Ok(*shared)
        }
    }
    block_on(async {
        assert_eq!((free(1).await, free(1).await, Shop.method(2).await.ok()), (1, 1, Some(2)));
    });
}

#[test]
fn invalidation_while_the_body_runs_is_not_undone() {
    static GATE: Semaphore = Semaphore::const_new(0);
    #[cached]
    async fn slow(n: u64) -> u64 {
        GATE.acquire().await.expect("never closed").forget();
        n
    }
    block_on(async {
        let mut call = Box::pin(slow(7));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        slow::invalidate(7);
        GATE.add_permits(1);
        assert_eq!((call.await, slow::get(7)), (7, None));
    });
}

#[test]
fn recursion_through_boxed_calls() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[cached]
    async fn fib(n: u64) -> u64 {
        RUNS.fetch_add(1, Relaxed);
        if n < 2 { n } else { Box::pin(fib(n - 1)).await + Box::pin(fib(n - 2)).await }
    }
    assert_eq!(block_on(fib(40)), 102_334_155);
    assert_eq!(RUNS.load(Relaxed), 41);
}

/// The value is ready at the first poll, so no waker is needed.
#[test]
fn hit_is_ready_at_once() {
    #[cached]
    async fn one(n: u64) -> u64 {
        tokio::task::yield_now().await;
        n
    }
    block_on(one(1));
    let mut call = pin!(one(1));
    assert_eq!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(1));
}
