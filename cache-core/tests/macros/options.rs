//! What each option of `#[cached]` does.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use cache_core::{Cache, FakeClock, cached};

use crate::common::runs::{run, runs};

const SECOND: Duration = Duration::from_secs(1);

/// Calls until the clock of the cache, however coarse it is, has moved on.
fn until(mut passed: impl FnMut() -> bool) {
    let start = Instant::now();
    while !passed() {
        assert!(start.elapsed() < 60 * SECOND, "the clock stands still");
    }
}

/// The time that the entry has left.
fn time_left<V>(cache: &Cache<(u64,), V>, key: u64) -> Option<Duration>
where
    V: Clone + Send + Sync + 'static,
{
    cache.entry_info(&(key,)).expect("an entry").time_left()
}

#[test]
fn tti_in_all_forms_reaches_the_cache() {
    const MINUTE: Duration = Duration::from_secs(60);
    #[cached(tti = 60)]
    fn seconds(n: u64) -> u64 {
        n
    }
    #[cached(tti = "1m30s", ttl = "1h")]
    fn text(n: u64) -> u64 {
        n
    }
    #[cached(tti = 2 * MINUTE)]
    fn computed(n: u64) -> u64 {
        n
    }
    let idle = |cache: &Cache<(u64,), u64>| cache.policy().time_to_idle();
    assert_eq!(idle(seconds::cache()), Some(MINUTE));
    assert_eq!(idle(text::cache()), Some(90 * SECOND));
    assert_eq!(text::cache().policy().time_to_live(), Some(3600 * SECOND));
    assert_eq!(idle(computed::cache()), Some(2 * MINUTE));
    assert_eq!((seconds(1), text(1), computed(1)), (1, 1, 1));
}

#[test]
fn ttl_from_gives_each_value_its_own_life() {
    fn of_length(text: &Arc<str>) -> Duration {
        SECOND * u32::try_from(text.len()).expect("short")
    }
    #[cached(ttl_from = |n: &u64| Duration::from_secs(*n))]
    fn closure(n: u64) -> u64 {
        run();
        n
    }
    #[cached(ttl_from = |n| Duration::from_secs(*n), ttl = 10_000)]
    fn earliest(n: u64) -> Option<u64> {
        Some(n)
    }
    #[cached(ttl_from = of_length)]
    fn path(n: u64) -> Arc<str> {
        "x".repeat(usize::try_from(n).expect("short")).into()
    }
    assert_eq!((closure(5_000), closure(20_000)), (5_000, 20_000));
    let left = time_left(closure::cache(), 5_000).expect("a deadline");
    assert!(left <= 5_000 * SECOND && left > 4_000 * SECOND, "{left:?}");
    assert!(time_left(closure::cache(), 20_000) > Some(19_000 * SECOND));
    // Without any time to live a value is given to its callers, and not kept.
    assert_eq!((closure(0), closure(0), runs()), (0, 0, 4));
    assert_eq!((earliest(5_000), earliest(20_000)), (Some(5_000), Some(20_000)));
    assert!(time_left(earliest::cache(), 5_000) <= Some(5_000 * SECOND));
    assert!(time_left(earliest::cache(), 20_000) <= Some(10_000 * SECOND));
    assert_eq!(path(5_000).len(), 5_000);
    assert!(time_left(path::cache(), 5_000) <= Some(5_000 * SECOND));
}

#[test]
fn jitter_shortens_lives() {
    #[cached(ttl = 3600, jitter = 0.9)]
    fn id(n: u64) -> u64 {
        n
    }
    let left: Vec<Duration> =
        (0..100).map(|n| time_left(id::cache(), id(n)).expect("a deadline")).collect();
    assert!(left.iter().all(|&left| left <= 3600 * SECOND));
    assert!(left.iter().any(|&left| left < 3000 * SECOND), "{left:?}");
}

#[test]
fn negative_ttl_keeps_none_and_errors_for_a_while() {
    #[cached(ttl = 3600, negative_ttl = 60)]
    fn maybe(n: u64) -> Option<u64> {
        run();
        (n > 0).then_some(n)
    }
    #[cached(ttl = 3600, negative_ttl = 60)]
    fn fallible(n: u64) -> Result<u64, String> {
        run();
        if n > 0 { Ok(n) } else { Err("none".to_owned()) }
    }
    let left = |cache: &Cache<(u64,), _>, n| time_left(cache, n).expect("a deadline");
    assert_eq!((maybe(0), maybe(0), maybe(1), maybe(1)), (None, None, Some(1), Some(1)));
    assert_eq!(runs(), 2);
    assert!(left(maybe::cache(), 0) <= 60 * SECOND);
    assert!(left(maybe::cache(), 1) > 3000 * SECOND);
    assert_eq!((fallible(0), fallible(0)), (Err("none".to_owned()), Err("none".to_owned())));
    assert_eq!((fallible(1), fallible(1), runs()), (Ok(1), Ok(1), 4));
    assert!(time_left(fallible::cache(), 0) <= Some(60 * SECOND));
    assert!(time_left(fallible::cache(), 1) > Some(3000 * SECOND));
    // What is kept is all of it, for the companion too.
    assert_eq!((maybe::get(0), maybe::get(2)), (Some(None), None));
}

#[test]
fn refresh_after_loads_again_before_the_end() {
    #[cached(ttl = 3600, refresh_after = "1ns")]
    fn next(_n: u64) -> u64 {
        run()
    }
    let first = next(1);
    until(|| next(1) != first);
    assert!(time_left(next::cache(), 1) > Some(3000 * SECOND));
}

/// The call that finds the refresh due runs it; a call inside it is served the old value.
#[test]
fn stale_while_revalidate_serves_the_old_value_meanwhile() {
    thread_local! {
        static INSIDE: Cell<Option<u64>> = const { Cell::new(None) };
    }
    #[cached(ttl = "1ns", stale_while_revalidate = 3600)]
    fn next(n: u64) -> u64 {
        let this = run();
        if this == 2 {
            INSIDE.set(Some(next(n)));
        }
        this
    }
    assert_eq!(next(1), 1);
    until(|| next(1) > 1);
    assert_eq!(INSIDE.get(), Some(1));
    assert!(runs() >= 2);
}

#[test]
fn stale_if_error_falls_back_to_the_old_value() {
    #[cached(ttl = "1ns", stale_if_error = 3600)]
    fn flaky(_n: u64) -> Result<u64, String> {
        let this = run();
        if this == 1 { Ok(this) } else { Err("down".to_owned()) }
    }
    assert_eq!(flaky(1), Ok(1));
    until(|| {
        assert_eq!(flaky(1), Ok(1));
        runs() > 1
    });
    // Not what was never there.
    assert_eq!(flaky(2), Err("down".to_owned()));
}

#[test]
fn max_capacity_bounds_the_entries() {
    const FEW: u64 = 2;
    #[cached(max_capacity = FEW)]
    fn id(n: u64) -> u64 {
        n
    }
    for n in 0..100 {
        assert_eq!(id(n), n);
        assert!(id::cache().entry_count() <= FEW);
    }
    assert!(id::cache().entry_count() > 0);
}

#[test]
fn weigher_weighs_against_the_capacity() {
    #[cached(max_capacity = 100, weigher = |key: &(u64,), value: &String| {
        u32::try_from(value.len()).unwrap_or(u32::MAX) + u32::from(key.0 == 0)
    })]
    fn text(n: u64) -> String {
        run();
        "x".repeat(usize::try_from(n).expect("short"))
    }
    text(40);
    assert_eq!(text::cache().weighted_size(), 40);
    text(0);
    assert_eq!(text::cache().weighted_size(), 41);
    assert_eq!(text::cache().policy().max_capacity(), Some(100));
    // Heavier than the cache: given, not kept.
    assert_eq!((text(101).len(), text(101).len(), runs()), (101, 101, 4));
}

#[test]
fn cache_if_keeps_what_it_says() {
    #[cached(cache_if = |n: &u64| *n > 1)]
    fn plain(n: u64) -> u64 {
        run();
        n
    }
    #[cached(cache_if = |text| !text.is_empty(), ttl = 3600)]
    fn of_ok(text: &str) -> Result<String, u8> {
        run();
        if text == "x" { Err(1) } else { Ok(text.to_owned()) }
    }
    #[cached(cache_if = Option::is_some, cache_none)]
    fn of_all(n: u64) -> Option<u64> {
        run();
        (n > 1).then_some(n)
    }
    assert_eq!((plain(1), plain(1), plain(2), plain(2), runs()), (1, 1, 2, 2, 3));
    assert_eq!((plain::get(1), plain::get(2)), (None, Some(2)));
    plain::insert(3, 0);
    assert_eq!(plain::get(3), None);
    for text in ["", "a", "x"] {
        assert_eq!(of_ok(text), of_ok(text));
    }
    assert_eq!(runs(), 8);
    assert_eq!(
        (of_all(1), of_all(1), of_all(2), of_all(2), runs()),
        (None, None, Some(2), Some(2), 11)
    );
    // A value that is not to be kept takes the place of one that was.
    plain::insert(1, 7);
    assert_eq!((plain::get(1), plain::refresh(1), plain::get(1)), (Some(7), 1, None));
}

#[test]
fn bypass_runs_the_body_and_keeps_nothing() {
    #[cached(bypass = fresh || sku.is_empty(), skip(fresh))]
    fn price(sku: &str, fresh: bool) -> u64 {
        let _ = (sku, fresh);
        run()
    }
    assert_eq!((price("a", true), price("a", true)), (1, 2));
    assert_eq!(price::get("a", false), None);
    assert_eq!((price("a", false), price("a", false)), (3, 3));
    assert_eq!((price("a", true), price("a", false)), (4, 3));
    assert_eq!((price("", false), price("", false)), (5, 6));
}

static CLOCK: LazyLock<FakeClock> = LazyLock::new(FakeClock::new);
static GIVEN: LazyLock<Cache<(String, u64), u64>> = LazyLock::new(|| {
    Cache::builder()
        .max_capacity(10)
        .time_to_live(60 * SECOND)
        .stale_if_error(60 * SECOND)
        .clock(CLOCK.clone())
        .build()
});

#[test]
fn cache_of_the_user_keeps_its_configuration() {
    #[cached(cache = GIVEN)]
    fn price(sku: &str, qty: u64) -> Result<u64, String> {
        match run() {
            2 => Err("down".to_owned()),
            this => Ok(this + qty + sku.len() as u64),
        }
    }
    assert_eq!((price("a", 1), price("a", 1)), (Ok(3), Ok(3)));
    assert_eq!(GIVEN.get(&("a".to_owned(), 1)), Some(3));
    CLOCK.advance(60 * SECOND);
    // The second run failed.
    assert_eq!((price("a", 1), runs()), (Ok(3), 2));
    CLOCK.advance(60 * SECOND);
    assert_eq!((price("a", 1), runs()), (Ok(5), 3));
    assert_eq!(price::get("a", 1), Some(5));
    price::insert("a", 1, 9);
    assert_eq!((price("a", 1), price::uncached("a", 1)), (Ok(9), Ok(6)));
    assert_eq!((price::refresh("a", 1), price("a", 1)), (Ok(7), Ok(7)));
    assert!(price::invalidate("a", 1));
    assert_eq!(GIVEN.entry_count(), 0);
}

#[test]
fn cache_may_come_with_the_call_and_have_any_hasher() {
    type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
    struct Context {
        cache: Cache<(u64,), u64, Hasher>,
    }
    #[cached(cache = context.cache, key(n))]
    fn ask(context: &Context, n: u64) -> u64 {
        run() + n
    }
    #[cached(cache = cache, skip(cache))]
    fn handed(cache: &Cache<(u64,), u64>, n: u64) -> u64 {
        run() + n
    }
    let context = |_: u8| Context {
        cache: Cache::builder().max_capacity(5).build_with_hasher(Hasher::default()),
    };
    let (one, two) = (context(1), context(2));
    assert_eq!((ask(&one, 1), ask(&one, 1), ask(&two, 1)), (2, 2, 3));
    assert_eq!((ask::get(&one, 1), ask::get(&two, 1)), (Some(2), Some(3)));
    let cache = Cache::new(5);
    assert_eq!((handed(&cache, 1), handed(&cache, 1), handed(&Cache::new(5), 1)), (4, 4, 5));
}

#[test]
fn thread_local_each_thread_has_its_own() {
    #[cached(thread_local, ttl = 3600, max_capacity = 7, name = "mine")]
    fn next(_n: u64) -> u64 {
        run()
    }
    #[cached(thread_local)]
    fn size<T: 'static>(n: u64) -> u64 {
        run();
        n + size_of::<T>() as u64
    }
    assert_eq!((next(1), next(1), next(2)), (1, 1, 2));
    let other = std::thread::spawn(|| (next(2), next(2), next::get(1), runs())).join();
    assert_eq!(other.expect("no panic"), (1, 1, None, 1));
    next::with(|cache: &Cache<(u64,), u64>| {
        assert_eq!((cache.entry_count(), cache.name()), (2, Some("mine")));
        assert_eq!(cache.policy().max_capacity(), Some(7));
        // Called again from within.
        assert_eq!(next(1), 1);
    });
    assert_eq!(next::stats().hits, 2);
    next::insert(3, 9);
    assert_eq!((next(3), next::invalidate(3), next::refresh(1), next(1)), (9, true, 3, 3));
    next::clear();
    assert_eq!((next::get(1), next::uncached(1)), (None, 4));
    for _ in 0..2 {
        assert_eq!((size::<u8>(1), size::<u16>(1)), (2, 3));
    }
    assert_eq!((runs(), size::with::<u8, _>(Cache::entry_count)), (6, 1));
}

#[test]
fn thread_local_methods_and_recursion() {
    struct Fib;
    impl Fib {
        #[cached(thread_local, skip(self))]
        fn of(&self, n: u64) -> u64 {
            run();
            if n < 2 { n } else { self.of(n - 1) + self.of(n - 2) }
        }
    }
    assert_eq!((Fib.of(60), runs()), (1_548_008_755_920, 61));
    assert_eq!(std::thread::spawn(|| Fib.of(1) + runs()).join().expect("no panic"), 2);
}

/// A value that asks a function when it is dropped, which may be when its thread ends and the
/// caches are gone.
#[derive(Clone)]
struct Asks(u64);

impl Drop for Asks {
    fn drop(&mut self) {
        ASKED.fetch_add(asked(self.0), Relaxed);
    }
}

static ASKED: AtomicU64 = AtomicU64::new(0);

#[cached(thread_local)]
fn asked(n: u64) -> u64 {
    n + 1
}

#[cached(thread_local)]
fn asking(n: u64) -> Arc<Asks> {
    Arc::new(Asks(n))
}

#[test]
fn thread_local_functions_may_be_called_when_the_thread_ends() {
    let thread = std::thread::spawn(|| {
        asked(0);
        drop(asking(5));
        assert_eq!((ASKED.load(Relaxed), asking::with(Cache::entry_count)), (0, 1));
    });
    thread.join().expect("no panic");
    assert_eq!(ASKED.load(Relaxed), 6);
}

#[test]
fn single_flight_off_lets_every_caller_run() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[cached(single_flight = false)]
    async fn each(n: u64) -> u64 {
        let this = BODIES.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        n + this
    }
    let mut context = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (pin!(each(10)), pin!(each(10)));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert_eq!(BODIES.load(Relaxed), 2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    // The first value is kept, and each has its own.
    assert_eq!(runtime.block_on(second), 11);
    assert_eq!(runtime.block_on(first), 10);
    assert_eq!(each::get(10), Some(11));
}

#[test]
fn single_flight_off_is_still_superseded_by_an_invalidation() {
    #[cached(single_flight = false)]
    fn invalidated_meanwhile(n: u64) -> Result<u64, String> {
        if run() == 1 {
            invalidated_meanwhile::invalidate(n);
        }
        if n == 0 { Err("zero".to_owned()) } else { Ok(n) }
    }
    assert_eq!(invalidated_meanwhile(5), Ok(5));
    assert_eq!(invalidated_meanwhile::get(5), None);
    assert_eq!((invalidated_meanwhile(5), invalidated_meanwhile(5), runs()), (Ok(5), Ok(5), 2));
    assert!(invalidated_meanwhile(0).is_err() && invalidated_meanwhile(0).is_err());
    assert_eq!(runs(), 4);
}

#[test]
fn arguments_may_be_none_or_twelve() {
    #[cached]
    fn none() -> u64 {
        run()
    }
    #[cached(max_capacity = 100)]
    #[allow(clippy::too_many_arguments, reason = "the test")]
    fn twelve(
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: &str,
    ) -> u64 {
        run();
        let all = [a, b, c, d, e, f, g, h, i, j, k];
        all.iter().map(|&n| u64::from(n)).sum::<u64>() + l.len() as u64
    }
    assert_eq!((none(), none()), (1, 1));
    assert_eq!(twelve(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "l"), 12);
    assert_eq!(twelve(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "l"), 12);
    assert_eq!(runs(), 2);
    assert_eq!(twelve::get(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "m"), None);
}

#[test]
fn raw_identifiers_and_arguments_that_only_options_name() {
    #[cached(key(r#match, r#fn: u64 = cache + 1), bypass = r#type == 9 || _force)]
    fn r#loop(r#type: u64, r#match: &str, cache: u64, key: u64, _force: bool) -> u64 {
        run() + key
    }
    #[cached(companion = false, key(n, r#type: u64 = _user.0), bypass = force)]
    fn inside(n: u64, _user: &(u64, u64), force: bool) -> u64 {
        run() + n
    }
    for _ in 0..2 {
        assert_eq!(r#loop(1, "a", 2, 3, false), 4);
    }
    assert_eq!((r#loop(9, "a", 2, 3, false), r#loop(1, "a", 2, 3, true)), (5, 6));
    let _: &'static Cache<(String, u64), u64> = r#loop::cache();
    assert_eq!((inside(1, &(2, 0), false), inside(1, &(2, 9), false)), (5, 5));
    assert_eq!((inside(1, &(3, 0), false), inside(1, &(2, 0), true)), (6, 7));
}
