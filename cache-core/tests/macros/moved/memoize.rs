//! From the crate memoize, whose caches belong to a thread unless they are `SharedCache`.

use std::thread;
use std::time::Duration;

use cache_core::cached;

use crate::common::runs::{run, runs};

#[test]
fn without_options() {
    // #[memoize]
    #[cached(thread_local)]
    fn is_prime(n: u64) -> bool {
        run();
        n > 1 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
    }
    assert_eq!((is_prime(97), is_prime(97), runs()), (true, true, 1));
    // Of each thread.
    thread::spawn(|| assert_eq!((is_prime(97), runs()), (true, 1))).join().expect("no panic");
}

#[test]
fn recursion() {
    // #[memoize]
    #[cached(thread_local)]
    fn binomial(n: u64, k: u64) -> u64 {
        run();
        if k == 0 || k == n { 1 } else { binomial(n - 1, k - 1) + binomial(n - 1, k) }
    }
    assert_eq!(binomial(30, 15), 155_117_520);
    assert!(runs() < 300, "and not {}", 155_117_520);
}

#[test]
fn shared_cache() {
    // #[memoize(SharedCache)]
    #[cached]
    fn length(text: String) -> usize {
        run();
        text.len()
    }
    length("abc".to_owned());
    let other = thread::spawn(|| (length("abc".to_owned()), runs())).join();
    assert_eq!(other.expect("no panic"), (3, 0));
}

#[test]
fn capacity_and_time_to_live() {
    // #[memoize(Capacity: 20, TimeToLive: Duration::from_secs(2))]
    #[cached(thread_local, max_capacity = 20, ttl = Duration::from_secs(2))]
    fn square(n: u64) -> u64 {
        n * n
    }
    (0..100).for_each(|n| assert_eq!(square(n), n * n));
    let (entries, ttl) = square::with(|cache| (cache.entry_count(), cache.policy().time_to_live()));
    assert_eq!((entries, ttl), (20, Some(Duration::from_secs(2))));
}

#[test]
fn ignore() {
    /// Neither `Clone` nor `Hash`.
    struct Log(u64);
    // #[memoize(Ignore: log, Ignore: calls, SharedCache)]
    #[cached(skip(log, calls))]
    fn sum(a: u64, b: u64, log: Log, calls: &mut u64) -> u64 {
        *calls += log.0;
        a + b
    }
    let mut calls = 0;
    assert_eq!((sum(1, 2, Log(1), &mut calls), sum(1, 2, Log(5), &mut calls)), (3, 3));
    assert_eq!(calls, 1);
}

#[test]
fn patterns() {
    // #[memoize]
    #[cached(thread_local)]
    fn distance(_a @ (x, y): (i64, i64), (u, v): (i64, i64)) -> i64 {
        run();
        (x - u).abs() + (y - v).abs()
    }
    assert_eq!((distance((1, 1), (1, 3)), distance((1, 1), (1, 3)), runs()), (2, 2, 1));
}

#[test]
fn flush_and_original() {
    // #[memoize], then memoized_flush_half(), memoized_original_half(..), memoized_size_half()
    #[cached(thread_local)]
    fn half(n: u64) -> u64 {
        n / 2 + run()
    }
    assert_eq!((half(2), half::uncached(2), half(2)), (2, 3, 2));
    assert_eq!(half::with(|cache| cache.entry_count()), 1);
    half::clear();
    assert_eq!(half(2), 4);
}

#[test]
fn custom_hasher() {
    use cache_core::Cache;
    use std::hash::{BuildHasherDefault, DefaultHasher};
    use std::sync::LazyLock;

    type Hasher = BuildHasherDefault<DefaultHasher>;
    // #[memoize(CustomHasher: DefaultHasher, HasherInit: Hasher::default(), SharedCache)]
    static CUBES: LazyLock<Cache<(u64,), u64, Hasher>> =
        LazyLock::new(|| Cache::builder().max_capacity(100).build_with_hasher(Hasher::default()));
    #[cached(cache = CUBES)]
    fn cube(n: u64) -> u64 {
        run();
        n.pow(3)
    }
    assert_eq!((cube(3), cube(3), runs()), (27, 27, 1));
}
