//! From the crate cached: `#[cached]`, `#[once]`, `#[concurrent_cached]`, and `#[io_cached]`, which
//! is older.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_core::tier::{FakeTier, Raw};
use cache_core::{Cache, FakeClock, Status, cached};

use crate::common::runs::{run, runs};

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn unbound() {
    // #[cached(unbound)]
    #[cached(max_capacity = u64::MAX)]
    fn steps(n: u64) -> u64 {
        run();
        match n {
            0 | 1 => 0,
            n if n.is_multiple_of(2) => 1 + steps(n / 2),
            n => 1 + steps(3 * n + 1),
        }
    }
    assert_eq!((steps(27), runs()), (111, 112));
    assert_eq!((steps(27), steps(82), runs()), (111, 110, 112));
}

#[test]
fn size() {
    // #[cached(size = 3)]
    #[cached(max_capacity = 3)]
    fn area(width: u32, height: u32) -> u32 {
        width * height
    }
    (0..10).for_each(|n| assert_eq!(area(n, 2), 2 * n));
    assert_eq!(area::cache().entry_count(), 3);
}

#[test]
fn time() {
    // #[cached(time = 3600)]
    #[cached(ttl = 3600)]
    fn rate(currency: String) -> u64 {
        run();
        currency.len() as u64
    }
    assert_eq!((rate("EUR".into()), rate("EUR".into()), runs()), (3, 3, 1));
    assert_eq!(rate::cache().policy().time_to_live(), Some(Duration::from_secs(3600)));
}

#[test]
fn time_and_time_refresh() {
    // #[cached(time = 600, time_refresh = true)]
    #[cached(tti = "10 minutes")]
    fn session(id: u64) -> u64 {
        id
    }
    assert_eq!(session(1), 1);
    assert_eq!(session::cache().policy().time_to_idle(), Some(Duration::from_secs(600)));
}

#[test]
fn ttl_millis_and_max_size() {
    // #[cached(max_size = 100, ttl_millis = 1500)]
    #[cached(max_capacity = 100, ttl = "1500 ms")]
    fn tick(n: u64) -> u64 {
        n
    }
    assert_eq!(tick(1), 1);
    let policy = tick::cache().policy();
    assert_eq!(
        (policy.max_capacity(), policy.time_to_live()),
        (Some(100), Some(Duration::from_millis(1500)))
    );
}

#[test]
fn result() {
    // #[cached(result = true)]
    #[cached]
    fn port(text: &str) -> Result<u16, std::num::ParseIntError> {
        run();
        text.parse()
    }
    assert_eq!((port("80"), port("80"), runs()), (Ok(80), Ok(80), 1));
    assert!(port("x").is_err() && port("x").is_err() && runs() == 3);
}

#[test]
fn option() {
    // #[cached(option = true, size = 10)]
    #[cached(max_capacity = 10)]
    fn first(text: &str) -> Option<char> {
        run();
        text.chars().next()
    }
    assert_eq!((first("ab"), first("ab"), runs()), (Some('a'), Some('a'), 1));
    assert_eq!((first(""), first(""), runs()), (None, None, 3));
}

#[test]
fn cache_err_and_cache_none() {
    // #[cached(cache_err = true)]
    #[cached(cache_errors)]
    fn port(text: &str) -> Result<u16, String> {
        run();
        text.parse().map_err(|_| text.to_owned())
    }
    // #[cached(cache_none = true)]
    #[cached(cache_none)]
    fn first(text: &str) -> Option<char> {
        run();
        text.chars().next()
    }
    assert!(port("x").is_err() && port("x").is_err());
    assert_eq!((first(""), first(""), runs()), (None, None, 2));
}

#[test]
fn key_and_convert() {
    struct Request {
        path: String,
        trace: f64,
    }
    // #[cached(key = "String", convert = r#"{ request.path.to_lowercase() }"#)]
    #[cached(key(path: String = request.path.to_lowercase()))]
    fn page(request: &Request) -> String {
        run();
        format!("{} {}", request.path, request.trace)
    }
    let request = |path: &str, trace| Request { path: path.to_owned(), trace };
    assert_eq!(
        (page(&request("/A", 0.5)), page(&request("/a", 0.7))),
        ("/A 0.5".into(), "/A 0.5".into())
    );
    let _: (&Cache<(String,), String>, u64) = (page::cache(), runs());
}

#[test]
fn key_and_convert_of_a_pool() {
    struct Pool;
    // #[cached(key = "u64", convert = "{ id }", result = true)]
    #[cached(skip(_pool))]
    async fn user(_pool: &Pool, id: u64) -> Result<String, String> {
        run();
        Ok(format!("user {id}"))
    }
    assert_eq!(now(user(&Pool, 1)), now(user(&Pool, 1)));
    assert_eq!(runs(), 1);
}

#[test]
fn ty_and_create() {
    // #[cached(ty = "SizedCache<(u64, u64), u64>", create = "{ SizedCache::with_size(50) }")]
    static POWERS: LazyLock<Cache<(u64, u32), u64>> = LazyLock::new(|| Cache::new(50));
    #[cached(cache = POWERS)]
    fn power(base: u64, exponent: u32) -> u64 {
        run();
        base.pow(exponent)
    }
    assert_eq!((power(2, 10), power(2, 10), runs()), (1024, 1024, 1));
    assert_eq!(POWERS.get(&(2, 10)), Some(1024));
}

#[test]
fn sync_writes() {
    // #[cached(time = 1, option = true, sync_writes = true)]
    #[cached(ttl = 1000)]
    fn only_once(n: u64) -> Option<u64> {
        static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Some(100 * n + RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| only_once(7))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().expect("no panic") == Some(700)));
    });
}

#[test]
fn with_cached_flag() {
    // #[cached(with_cached_flag = true)] fn doubled(n: u64) -> Return<u64>
    #[cached]
    fn doubled(n: u64) -> u64 {
        2 * n
    }
    let was_cached = |n| doubled::get_with_status(n).1 == Status::Hit;
    assert_eq!((was_cached(1), was_cached(1)), (false, true));
}

#[test]
fn result_fallback() {
    // #[cached(time = 60, result_fallback = true)]; here the time is over at once.
    #[cached(ttl = "1 ns", stale_if_error = "1 hour")]
    fn weather(town: &str) -> Result<String, String> {
        match run() {
            1 => Ok(format!("rain in {town}")),
            _ => Err("offline".to_owned()),
        }
    }
    // Until the clock has moved on, and the body has failed.
    while runs() < 2 {
        assert_eq!(weather("Bergen"), Ok("rain in Bergen".to_owned()));
    }
}

#[test]
fn force_refresh() {
    // #[cached(key = "u64", convert = "{ id }", force_refresh = { refresh })]
    #[cached(skip(refresh), refresh_if = refresh)]
    fn profile(id: u64, refresh: bool) -> u64 {
        let _ = refresh;
        10 * id + run()
    }
    assert_eq!((profile(1, false), profile(1, true), profile(1, false)), (11, 12, 12));
}

#[test]
fn in_impl() {
    struct Shop;
    impl Shop {
        // #[cached(in_impl = true)]
        #[cached(skip(self))]
        fn vat(&self, net: u64) -> u64 {
            run();
            net / 5
        }
    }
    assert_eq!((Shop.vat(10), Shop.vat(10), runs()), (2, 2, 1));
}

#[test]
fn expires() {
    #[derive(Clone)]
    struct Token {
        valid: Duration,
    }
    // #[cached(expires = true)], with `impl Expires for Token`
    #[cached(ttl_from = |token: &Token| token.valid)]
    fn token(user: u64) -> Token {
        run();
        Token { valid: Duration::from_secs(user) }
    }
    token(1000);
    token(1000);
    assert_eq!((token(0).valid, token(0).valid, runs()), (Duration::ZERO, Duration::ZERO, 3));
}

#[test]
fn once() {
    // #[once(time = 300)]
    #[cached(skip(..), ttl = 300)]
    fn settings(path: &str) -> String {
        format!("{path} {}", run())
    }
    assert_eq!((settings("a"), settings("b")), ("a 1".to_owned(), "a 1".to_owned()));
}

#[test]
fn companions() {
    // #[cached], then count_prime_cache(..), count_no_cache(..) and COUNT.lock().cache_clear()
    #[cached]
    fn count(n: u64) -> u64 {
        n + run()
    }
    assert_eq!((count::refresh(1), count(1), count::uncached(1)), (2, 2, 3));
    count::clear();
    assert_eq!(count(1), 4);
}

#[test]
fn io_cached() {
    // In truth: memcached.
    static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));
    // #[io_cached(redis = true, time = 600, map_error = r#"|e| e.to_string()"#)]
    #[cached(tier = &*TIER, ttl = 600, codec = Raw)]
    fn greeting(name: &str) -> Result<String, String> {
        run();
        Ok(format!("Hello, {name}!"))
    }
    assert_eq!((greeting("Ada"), runs()), (Ok("Hello, Ada!".to_owned()), 1));
    greeting::cache().invalidate_all();
    assert_eq!((greeting("Ada"), runs()), (Ok("Hello, Ada!".to_owned()), 1));
    assert_eq!(greeting::get_with_status("Ada"), Ok(("Hello, Ada!".to_owned(), Status::Hit)));
    greeting::cache().invalidate_all();
    assert_eq!(greeting::get_with_status("Ada"), Ok(("Hello, Ada!".to_owned(), Status::Hit)));
    assert_eq!(greeting::get_with_status("Bob"), Ok(("Hello, Bob!".to_owned(), Status::Loaded)));
}

#[test]
fn concurrent_cached() {
    // #[concurrent_cached(max_size = 10_000, shards = 8)]
    #[cached(max_capacity = 10_000)]
    fn digest(bytes: Vec<u8>) -> u64 {
        run();
        bytes.into_iter().map(u64::from).sum()
    }
    assert_eq!((digest(vec![1, 2]), digest(vec![1, 2]), runs()), (3, 3, 1));
}
