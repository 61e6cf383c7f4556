//! Programs for `moka::sync::Cache`.

/// Threads that share the cache fill it, read it and drop a part of it.
#[test]
fn threads_insert_get_and_invalidate() {
    use cache_core::Cache; // was: use moka::sync::Cache;
    use std::thread;

    let squares = Cache::new(5_000);
    let workers: Vec<_> = (0..8_u64)
        .map(|worker| {
            let squares = squares.clone();
            thread::spawn(move || {
                for number in worker * 100..worker * 100 + 100 {
                    squares.insert(number, (number * number).to_string());
                    assert_eq!(squares.get(&number), Some((number * number).to_string()));
                }
                for odd in (worker * 100..worker * 100 + 100).filter(|number| number % 2 == 1) {
                    squares.invalidate(&odd);
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    for number in 0..800 {
        assert_eq!(squares.contains_key(&number), number % 2 == 0);
    }
    squares.run_pending_tasks();
    assert_eq!(squares.entry_count(), 400);
}

#[test]
fn a_weigher_bounds_the_bytes() {
    use cache_core::Cache; // was: use moka::sync::Cache;

    let pages: Cache<u32, String> = Cache::builder()
        .weigher(|_key, page: &String| page.len().try_into().unwrap_or(u32::MAX))
        .max_capacity(1 << 20)
        .build();
    for number in 0..100 {
        pages.insert(number, "x".repeat(64 << 10));
    }
    pages.run_pending_tasks();
    assert!(pages.weighted_size() <= 1 << 20);
    assert_eq!(pages.policy().max_capacity(), Some(1 << 20));
}

#[test]
fn entries_expire_after_a_time_to_live_or_idle() {
    use cache_core::{Cache, CacheBuilder}; // was: use moka::sync::{Cache, CacheBuilder};
    use std::time::Duration;

    let sessions: Cache<String, u64> = CacheBuilder::new(10_000)
        .name("sessions")
        .time_to_live(Duration::from_secs(30 * 60))
        .time_to_idle(Duration::from_secs(5 * 60))
        .build();
    sessions.insert("ann".to_string(), 7);
    assert_eq!(sessions.get("ann"), Some(7));
    assert_eq!(sessions.policy().time_to_live(), Some(Duration::from_secs(1800)));
    assert_eq!(sessions.policy().time_to_idle(), Some(Duration::from_secs(300)));
    assert_eq!(sessions.name(), Some("sessions"));
}

#[test]
fn the_value_says_how_long_its_entry_lives() {
    use cache_core::{Cache, Expiry}; // was: use moka::{sync::Cache, Expiry};
    use std::time::{Duration, Instant};

    #[derive(Clone, Debug, PartialEq)]
    enum Life {
        Forever,
        Seconds(u64),
        None,
    }

    struct ByValue;
    impl Expiry<&'static str, (Life, u32)> for ByValue {
        fn expire_after_create(
            &self,
            _key: &&'static str,
            value: &(Life, u32),
            _current_time: Instant,
        ) -> Option<Duration> {
            match value.0 {
                Life::Forever => None,
                Life::Seconds(seconds) => Some(Duration::from_secs(seconds)),
                Life::None => Some(Duration::ZERO),
            }
        }
    }

    let cache = Cache::builder().max_capacity(100).expire_after(ByValue).build();
    cache.insert("a", (Life::Forever, 1));
    cache.insert("b", (Life::Seconds(3600), 2));
    cache.insert("c", (Life::None, 3));
    assert_eq!(cache.get(&"a"), Some((Life::Forever, 1)));
    assert_eq!(cache.get(&"b"), Some((Life::Seconds(3600), 2)));
    assert_eq!(cache.get(&"c"), None);
}

#[test]
fn one_of_many_threads_makes_the_value() {
    use cache_core::Cache; // was: use moka::sync::Cache;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    const BYTES: usize = 1 << 20;
    let cache: Cache<u32, Arc<Vec<u8>>> = Cache::new(100);
    let made = Arc::new(AtomicU32::new(0));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (cache, made) = (cache.clone(), made.clone());
            thread::spawn(move || {
                let bytes = cache.get_with(1, || {
                    made.fetch_add(1, Ordering::SeqCst);
                    Arc::new(vec![caller; BYTES])
                });
                assert_eq!(bytes.len(), BYTES);
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[test]
fn loads_may_fail_or_find_nothing() {
    use cache_core::Cache; // was: use moka::sync::Cache;
    use std::num::ParseIntError;
    use std::sync::Arc;

    let numbers: Cache<String, i64> = Cache::new(100);
    let parse = |text: &str| -> Result<i64, Arc<ParseIntError>> {
        numbers.try_get_with_by_ref(text, || text.parse::<i64>())
    };
    assert!(parse("seven").is_err());
    assert_eq!(parse("7").unwrap(), 7);
    assert_eq!(numbers.optionally_get_with("8".to_string(), || None), None);
    assert_eq!(numbers.optionally_get_with_by_ref("8", || Some(8)), Some(8));
    assert_eq!(numbers.remove("8"), Some(8));
}

#[test]
fn an_entry_is_inserted_updated_and_replaced() {
    use cache_core::Cache; // was: use moka::sync::Cache;

    let counts: Cache<String, u64> = Cache::new(100);
    let entry = counts.entry("a".to_string()).or_insert(3);
    assert!(entry.is_fresh());
    assert_eq!(entry.key(), &"a".to_string());
    assert_eq!(entry.into_value(), 3);
    let entry = counts.entry_by_ref("a").or_insert_with(|| 4);
    assert!(!entry.is_fresh());
    assert_eq!(counts.entry_by_ref("b").or_default().into_value(), 0);
    let add_one = |key: &str| {
        counts.entry_by_ref(key).and_upsert_with(|old| match old {
            Some(entry) => entry.into_value().saturating_add(1),
            None => 1,
        })
    };
    assert!(!add_one("c").is_old_value_replaced());
    assert!(add_one("c").is_old_value_replaced());
    assert_eq!(add_one("a").into_value(), 4);
    let entry = counts.entry_by_ref("a").or_insert_with_if(|| 100, |count| *count < 10);
    assert!(entry.is_fresh());
    assert_eq!(counts.get("a"), Some(100));
}

#[test]
fn a_computation_decides_what_becomes_of_an_entry() {
    use cache_core::{Cache, CompResult, Op}; // was: use moka::{ops::compute::*, sync::Cache};

    let counts: Cache<&'static str, u32> = Cache::new(100);
    let count_up_to_two = |key| {
        counts.entry(key).and_compute_with(|entry| match entry.map(|entry| entry.into_value()) {
            None => Op::Put(1),
            Some(1) => Op::Put(2),
            Some(_) => Op::Remove,
        })
    };
    let CompResult::Inserted(entry) = count_up_to_two("a") else { panic!("inserted") };
    assert_eq!(entry.into_value(), 1);
    let CompResult::ReplacedWith(entry) = count_up_to_two("a") else { panic!("replaced") };
    assert_eq!(entry.into_value(), 2);
    let CompResult::Removed(entry) = count_up_to_two("a") else { panic!("removed") };
    assert_eq!(entry.into_value(), 2);
    let nothing = counts.entry("a").and_compute_with(|_| Op::Nop);
    assert!(matches!(nothing, CompResult::StillNone(_)));
    let failed = counts.entry("a").and_try_compute_with(|_| Err::<Op<u32>, _>("no"));
    assert_eq!(failed.unwrap_err(), "no");
}

/// The listener takes what it is given.
#[test]
fn a_listener_keeps_what_has_left() {
    use cache_core::{Cache, RemovalCause}; // was: use moka::{notification::*, sync::Cache};
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    let left = HashMap::<Arc<String>, (Vec<u8>, RemovalCause)>::new();
    let left = Arc::new(Mutex::new(left));
    let moves = left.clone();
    let listener = move |path: Arc<String>, contents: Vec<u8>, cause: RemovalCause| {
        moves.lock().unwrap().insert(path, (contents, cause));
    };
    let files: Cache<String, Vec<u8>> = Cache::builder()
        .max_capacity(100)
        .eviction_listener_owned(listener) // was: .eviction_listener(listener)
        .build();
    files.insert("a.txt".to_string(), vec![1, 2]);
    files.insert("a.txt".to_string(), vec![3]);
    files.insert("b.txt".to_string(), vec![4]);
    files.invalidate("b.txt");
    files.run_pending_tasks();
    let left = left.lock().unwrap();
    assert_eq!(left[&"a.txt".to_string()], (vec![1, 2], RemovalCause::Replaced));
    assert_eq!(left[&"b.txt".to_string()], (vec![4], RemovalCause::Explicit));
    assert!(!left[&"b.txt".to_string()].1.was_evicted());
}

/// Conditions need no support to be switched on; how many went is returned, in place of a token.
#[test]
#[allow(deprecated, reason = "the moved program calls it")]
fn entries_are_invalidated_by_a_condition() {
    use cache_core::{Cache, EvictionPolicy}; // was: use moka::{policy::*, sync::Cache};

    let users: Cache<u32, &str> = Cache::builder()
        .max_capacity(100)
        .eviction_policy(EvictionPolicy::lru())
        .support_invalidation_closures()
        .build();
    users.insert(0, "Ann");
    users.insert(1, "Bob");
    users.insert(2, "Ann");
    users.invalidate_entries_if(|_id, name| name == &"Ann"); // was: ..if(..).unwrap();
    let mut left = Vec::new();
    for (_id, name) in &users {
        left.push(name);
    }
    assert_eq!(left, ["Bob"]);
    users.invalidate_all();
    assert!(users.iter().next().is_none());
}
