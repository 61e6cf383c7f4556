//! A hit allocates nothing and clones no argument. A binary of its own, for its allocator counts.

#![cfg(feature = "macros")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use cache_core::{Cache, cached};

/// The system's allocator, counting by thread, so that the test harness does not disturb.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down has no counter any more, and nothing to count for.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it is; the counter beside it is a
// `Cell` with a constant initial value, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the promises of `alloc`, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System`, through `alloc` or `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from `System`, and the caller keeps the promises of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocated.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// Calls once to load, then a thousand times, which must be hits that do not allocate.
fn assert_hits_are_free<T>(kind: &str, mut call: impl FnMut() -> T) {
    call();
    // The second call may still set up what the cache keeps for each thread.
    call();
    let count = allocations(|| {
        for _ in 0..1_000 {
            std::hint::black_box(call());
        }
    });
    assert_eq!(count, 0, "{kind}");
}

/// Counts its clones.
#[derive(PartialEq, Eq, Hash)]
struct Tracked(u64);

static CLONES: AtomicU64 = AtomicU64::new(0);

impl Clone for Tracked {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

/// Fails if the counter does not count: the other tests would pass for nothing.
#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1_u64)))), 1);
    assert_eq!(allocations(|| drop(std::hint::black_box(String::from("text")))), 1);
}

#[test]
fn hit_borrowed_arguments_allocates_nothing() {
    #[cached]
    fn price(sku: &str, qty: u64, tag: Option<&str>) -> Arc<str> {
        format!("{sku}{qty}{tag:?}").into()
    }
    #[cached]
    fn place(path: &Path, bytes: &[u8], deep: &&str) -> usize {
        path.as_os_str().len() + bytes.len() + deep.len()
    }
    #[cached]
    fn nested(pair: (&str, u64), far: Option<(&str, Option<&[u8]>)>) -> usize {
        pair.0.len() + far.map_or(0, |(text, _)| text.len())
    }
    #[cached]
    fn cow(text: Cow<'_, str>) -> usize {
        text.len()
    }
    #[cached]
    #[allow(clippy::ptr_arg, reason = "such functions are there, and are cached like others")]
    fn string(text: &String, words: &Vec<String>) -> usize {
        text.len() + words.len()
    }
    let (text, words) = ("a".to_owned(), vec!["b".to_owned()]);
    assert_hits_are_free("&str, u64, Option<&str>", || price("a", 1, Some("b")));
    assert_hits_are_free("None", || price("a", 1, None));
    assert_hits_are_free("&Path, &[u8], &&str", || place(Path::new("p"), &[1, 2], &"deep"));
    assert_hits_are_free("tuples", || nested(("a", 1), Some(("b", Some(&[1])))));
    assert_hits_are_free("Cow", || cow(Cow::Borrowed("a")));
    assert_hits_are_free("&String, &Vec", || string(&text, &words));
    assert_hits_are_free("get", || price::get("a", 1, None));
}

#[test]
fn hit_values_and_results_allocates_nothing() {
    #[cached]
    fn sum(pair: (u64, u8), list: [u8; 4], text: &'static str) -> u64 {
        pair.0 + u64::from(list[0]) + text.len() as u64
    }
    #[cached]
    fn unit() -> u64 {
        7
    }
    #[cached]
    fn parse(text: &str) -> Result<u64, std::num::ParseIntError> {
        text.parse()
    }
    #[cached]
    fn first(text: &str) -> Option<char> {
        text.chars().next()
    }
    #[cached]
    fn generic<T: ToString + 'static>(text: &str, _count: u32) -> Arc<str> {
        text.into()
    }
    #[cached(key(name: &str = &user.0, id: u64 = user.1))]
    fn keyed(user: &(String, u64)) -> u64 {
        user.1
    }
    let user = ("name".to_owned(), 5);
    assert_hits_are_free("values", || sum((1, 2), [3; 4], "a"));
    assert_hits_are_free("no arguments", unit);
    assert_hits_are_free("Result", || parse("12"));
    assert_hits_are_free("Option", || first("abc"));
    assert_hits_are_free("first instance", || generic::<u8>("a", 1));
    assert_hits_are_free("second instance", || generic::<u16>("a", 1));
    assert_hits_are_free("key", || keyed(&user));
}

#[test]
fn hit_methods_allocates_nothing() {
    struct Shop {
        name: String,
        cache: Cache<(String, u64), u64>,
    }
    trait Price {
        fn price(&self, sku: &str) -> u64;
    }
    impl Shop {
        #[cached(key(self.name, sku))]
        fn by_key(&self, sku: &str) -> u64 {
            (self.name.len() + sku.len()) as u64
        }
        #[cached(cache = self.cache)]
        fn by_own(&self, sku: &str, qty: u64) -> u64 {
            sku.len() as u64 + qty
        }
        #[cached(companion = true, key(name: &str = &self.name, sku))]
        fn by_sibling(&self, sku: &str) -> Result<u64, String> {
            Ok(sku.len() as u64)
        }
    }
    impl Price for Shop {
        #[cached(skip(self))]
        fn price(&self, sku: &str) -> u64 {
            sku.len() as u64
        }
    }
    let shop = Shop { name: "shop".to_owned(), cache: Cache::new(10) };
    assert_hits_are_free("key(self.name)", || shop.by_key("a"));
    assert_hits_are_free("cache = self.cache", || shop.by_own("a", 1));
    assert_hits_are_free("siblings", || shop.by_sibling("a"));
    assert_hits_are_free("trait", || shop.price("a"));
}

#[test]
fn hit_async_allocates_nothing() {
    struct Shop(String);
    impl Shop {
        #[cached(key(self.0, sku))]
        async fn price(&self, sku: &str) -> Result<u64, String> {
            Ok(sku.len() as u64)
        }
    }
    #[cached]
    async fn price(sku: &str, qty: u64, tag: Option<&str>) -> Arc<str> {
        format!("{sku}{qty}{tag:?}").into()
    }
    /// A body that waits for nothing is done at the first poll, and so is a hit.
    fn now<T>(call: impl Future<Output = T>) -> T {
        match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }
    let shop = Shop("shop".to_owned());
    assert_hits_are_free("async fn", || now(price("a", 1, Some("b"))));
    assert_hits_are_free("async method", || now(shop.price("a")));
}

#[test]
fn hit_with_any_option_allocates_nothing() {
    #[cached(thread_local)]
    fn local(text: &str) -> usize {
        text.len()
    }
    #[cached(ttl = 3600, tti = 3600, refresh_after = 1800, bypass = text.is_empty())]
    fn timed(text: &str) -> usize {
        text.len()
    }
    #[cached(
        ttl = 3600,
        stale_while_revalidate = 60,
        jitter = 0.1,
        ttl_from = |_| std::time::Duration::from_secs(60),
        weigher = |_, _| 1,
        max_capacity = 100,
        cache_if = |_| true,
    )]
    fn all(text: &str) -> usize {
        text.len()
    }
    #[cached(negative_ttl = 60, single_flight = false)]
    fn negative(text: &str) -> Option<usize> {
        text.len().checked_sub(5)
    }
    assert_hits_are_free("thread_local", || local("a"));
    assert_hits_are_free("times", || timed("a"));
    assert_hits_are_free("all", || all("a"));
    assert_hits_are_free("negative", || negative("a"));
}

#[test]
fn hit_clones_no_argument_and_a_miss_clones_once() {
    #[cached]
    fn by_value(tracked: Tracked) -> u64 {
        tracked.0
    }
    #[cached]
    fn by_reference(tracked: &Tracked, slice: &[Tracked], maybe: Option<&Tracked>) -> u64 {
        tracked.0 + slice.len() as u64 + maybe.map_or(0, |tracked| tracked.0)
    }
    struct Holder(Tracked);
    impl Holder {
        #[cached(key(self.0, tracked))]
        fn method(&self, tracked: Tracked) -> u64 {
            tracked.0
        }
    }
    #[cached(key(pair: (&Tracked, u64) = (&pair.0, pair.1)), bypass = pair.1 == 0)]
    fn nested(pair: (Tracked, u64)) -> u64 {
        pair.0.0
    }
    let clones = |work: &dyn Fn()| {
        let before = CLONES.load(Ordering::Relaxed);
        work();
        CLONES.load(Ordering::Relaxed) - before
    };
    let value = || {
        by_value(Tracked(1));
    };
    let slice = [Tracked(2)];
    let reference = || {
        by_reference(&Tracked(1), &slice, Some(&Tracked(3)));
    };
    let method = || {
        Holder(Tracked(4)).method(Tracked(5));
    };
    let nested = || {
        nested((Tracked(6), 1));
    };
    let calls: [(&dyn Fn(), u64); 4] = [(&value, 1), (&reference, 3), (&method, 2), (&nested, 1)];
    for (call, on_a_miss) in calls {
        assert_eq!((clones(call), clones(call)), (on_a_miss, 0));
    }
}
