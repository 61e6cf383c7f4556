//! From Python: functools, cachetools, and the caches of frameworks.

use std::time::Duration;

use cache_core::{Status, cached};

use crate::common::runs::{run, runs};

#[test]
fn lru_cache_of_a_recursion() {
    // @lru_cache(maxsize=None)
    #[cached(max_capacity = u64::MAX)]
    fn ways(amount: u64, coin: u64) -> u64 {
        run();
        match (amount, coin) {
            (0, _) => 1,
            (_, 0) => 0,
            (amount, coin) if coin > amount => ways(amount, coin - 1),
            (amount, coin) => ways(amount - coin, coin) + ways(amount, coin - 1),
        }
    }
    assert_eq!(ways(60, 60), 966_467);
    // cache_info(): each miss ran the body.
    let info = ways::stats();
    assert_eq!((info.misses, ways::cache().entry_count()), (runs(), runs()));
}

#[test]
fn lru_cache_with_maxsize() {
    // @lru_cache(maxsize=32)
    #[cached(max_capacity = 32)]
    fn pep(number: u64) -> Option<String> {
        run();
        (number < 9_000).then(|| format!("PEP {number}"))
    }
    for number in [8, 290, 308, 320, 8, 218, 320, 279, 289, 320, 9991] {
        pep(number);
    }
    // hits=3, misses=8
    let info = pep::stats();
    assert_eq!((info.hits, info.misses, runs()), (3, 8, 8));
    // cache_parameters()['maxsize'], and cache_clear()
    assert_eq!(pep::cache().policy().max_capacity(), Some(32));
    pep::clear();
    assert_eq!(pep::cache().entry_count(), 0);
}

#[test]
fn cached_property() {
    struct Report {
        lines: Vec<u64>,
        cache: cache_core::Cache<(), u64>,
    }
    impl Report {
        // @cached_property
        #[cached(cache = self.cache)]
        fn total(&self) -> u64 {
            run();
            self.lines.iter().sum()
        }
    }
    let report = |lines: &[u64]| Report { lines: lines.to_vec(), cache: cache_core::Cache::new(1) };
    let (first, second) = (report(&[1, 2]), report(&[5]));
    assert_eq!((first.total(), first.total(), second.total(), runs()), (3, 3, 5, 2));
}

#[test]
fn wrapped() {
    // @cache, then f.__wrapped__(..)
    #[cached]
    fn roll(sides: u64) -> u64 {
        sides + run()
    }
    assert_eq!((roll(6), roll(6), roll::uncached(6)), (7, 7, 8));
}

#[test]
fn cachetools_ttl_cache() {
    // @cached(cache=TTLCache(maxsize=1024, ttl=600), key=lambda db, name: hashkey(name.lower()))
    #[cached(max_capacity = 1024, ttl = "10 minutes", key(name: String = name.to_lowercase()))]
    fn find(db: &[&str], name: &str) -> Option<usize> {
        run();
        db.iter().position(|known| known.eq_ignore_ascii_case(name))
    }
    let db = ["ann", "Bob"];
    assert_eq!((find(&db, "BOB"), find(&db, "bob"), runs()), (Some(1), Some(1), 1));
    assert_eq!(find::cache().policy().time_to_live(), Some(Duration::from_secs(600)));
}

#[test]
fn dogpile_region() {
    // @region.cache_on_arguments(expiration_time=3600, should_cache_fn=lambda value: value)
    #[cached(ttl = 3600, cache_if = |rows: &Vec<u64>| !rows.is_empty())]
    fn rows(table: &str) -> Vec<u64> {
        run();
        (0..table.len() as u64).collect()
    }
    assert_eq!((rows("").len(), rows("").len(), rows("ab").len(), rows("ab").len()), (0, 0, 2, 2));
    assert_eq!(runs(), 3);
    // rows.set(value, "ab"), rows.get("ab"), rows.invalidate("ab"), rows.refresh("ab")
    rows::insert("ab", vec![7]);
    assert_eq!(rows::get("ab"), Some(vec![7]));
    assert!(rows::invalidate("ab"));
    assert_eq!(rows::refresh("ab"), [0, 1]);
}

#[test]
fn spring_cacheable() {
    // @Cacheable(value = "books", key = "#isbn", condition = "#isbn > 0",
    //            unless = "#result == null")
    #[cached(name = "books", key(isbn), bypass = isbn <= 0)]
    fn book(isbn: i64, warehouse: f64) -> Option<String> {
        run();
        (isbn < 100).then(|| format!("book {isbn} {warehouse}"))
    }
    assert_eq!(
        (book(1, 0.5), book(1, 0.7)),
        (Some("book 1 0.5".into()), Some("book 1 0.5".into()))
    );
    assert_eq!((book(0, 0.5).is_some(), book(0, 0.5).is_some(), runs()), (true, true, 3));
    assert_eq!((book(100, 0.5), book(100, 0.5), runs()), (None, None, 5));
    assert_eq!(book::get_with_status(1, 0.9).map(|(_, status)| status), Some(Status::Hit));
}
